// RAM, a virtual CPU and an engine, without devices and in no mode yet: what the machines of tests are made of.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>

#include "mmu/mmu.h"
#include "runtime/engine/engine.h"
#include "runtime/semantics/cpu.h"

namespace ringshift::testkit {

// A test that cannot be run as it is written: one readable line.
class LabError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Execution : std::uint8_t {
  interpret,
  translate
};

// No devices and no interrupts. Reports are counted; that of a fragment which the verifier refuses is a LabError.
class QuietPlatform final : public Platform {
 public:
  std::uint32_t port_read(std::uint16_t, unsigned) override { return 0xFFFFFFFF; }
  void port_write(std::uint16_t, unsigned, std::uint32_t) override {}
  bool interrupt_pending() override { return false; }
  std::uint8_t interrupt_acknowledge() override { return 0; }
  std::uint64_t tsc() override { return 1000; }
  void mode_changed() override {}
  void report(const char* message) override;
  unsigned reports = 0;
};

// RAM from 0. The members live as long as the machine; `platform` must live longer.
struct BareMachine {
  BareMachine(Execution execution, std::uint64_t ram_bytes, Platform& platform,
              const engine::TranslateOptions& options = {});

  // The CPU as after RESET.
  void reset_cpu();
  // Call before `bytes` bytes of RAM change as a device changes them: code that was made from them is forgotten.
  void before_write(std::uint32_t address, std::uint32_t bytes);

  mmu::GuestMemory memory;
  mmu::PhysicalMap physical;
  mmu::CodePages code;
  std::unique_ptr<mmu::Mmu> mmu;
  CpuState state;
  std::unique_ptr<Cpu> cpu;
  std::unique_ptr<engine::Engine> engine;
};

}  // namespace ringshift::testkit
