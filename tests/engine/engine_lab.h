// A virtual CPU with RAM and nothing else, for tests that compare engines.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "mmu/mmu.h"
#include "runtime/engine/engine.h"
#include "runtime/semantics/cpu.h"

namespace ringshift::test {

class QuietPlatform final : public Platform {
 public:
  std::uint32_t port_read(std::uint16_t, unsigned) override { return 0xFFFFFFFF; }
  void port_write(std::uint16_t, unsigned, std::uint32_t) override {}
  bool interrupt_pending() override { return false; }
  std::uint8_t interrupt_acknowledge() override { return 0; }
  std::uint64_t tsc() override { return 1000; }
  void mode_changed() override {}
  void report(const char* message) override {
    ++reports;
    if (std::string_view(message).starts_with("fragment refused")) ADD_FAILURE() << message;
  }
  int reports = 0;
};

enum class EngineKind : std::uint8_t {
  translate,
  interpret
};

// Flat 32-bit protected mode at CPL 0, paging off, RAM from 0; no IDT, so that any exception shuts down.
class EngineLab {
 public:
  EngineLab(EngineKind kind, std::uint64_t ram_bytes, engine::TranslateOptions options = {})
      : memory_(take(mmu::GuestMemory::create(ram_bytes))), physical_(memory_), code_(ram_bytes) {
    physical_.add_ram(0, ram_bytes, 0);
    std::unique_ptr<mmu::WindowPool> windows;
    if (kind == EngineKind::translate) windows = take(mmu::WindowPool::create(physical_, code_));
    mmu_ = std::make_unique<mmu::Mmu>(physical_, code_, std::move(windows));
    cpu_ = std::make_unique<Cpu>(state_, *mmu_, platform_);
    reset_cpu();
    std::string error;
    options.verify = true;  // in every test
    engine_ = kind == EngineKind::translate ? engine::make_translator(*cpu_, options, error)
                                            : engine::make_interpreter(*cpu_);
    if (!engine_) throw std::runtime_error(error);
  }

  void reset_cpu() {
    reset(state_);
    state_.cr0 |= cr0::kPe | cr0::kNe;
    state_.cr4 |= cr4::kOsfxsr | cr4::kOsxmmexcpt;
    constexpr auto kFlat = static_cast<std::uint16_t>(segment::kPresent | segment::kNonSystem | segment::kWritable |
                                                      segment::kAccessed | segment::kBig | segment::kGranular);
    for (const Seg s : {Seg::es, Seg::ss, Seg::ds, Seg::fs, Seg::gs}) {
      state_.set_segment(s, SegmentRegister{0x10, kFlat, 0, 0xFFFFFFFF});
    }
    state_.set_segment(Seg::cs,
                       SegmentRegister{0x08, static_cast<std::uint16_t>(kFlat | segment::kCode), 0, 0xFFFFFFFF});
    state_.idtr = {0, 0};
    state_.fx = {};
    state_.fx[0] = 0x7F;  // as after FNINIT
    state_.fx[1] = 0x03;
    state_.fx[24] = 0x80;
    state_.fx[25] = 0x1F;
  }

  // Writes as a device would: code made from these bytes is forgotten.
  void place(std::uint32_t address, std::span<const std::uint8_t> bytes) {
    for (std::uint32_t page = address & ~mmu::kPageMask; page < address + bytes.size(); page += mmu::kPageSize) {
      if (code_.contains(page)) code_.notify_write(page, mmu::kPageSize);
    }
    std::memcpy(memory_.data() + address, bytes.data(), bytes.size());
  }

  [[nodiscard]] CpuState& state() { return state_; }
  [[nodiscard]] const CpuState& state() const { return state_; }
  [[nodiscard]] Cpu& cpu() { return *cpu_; }
  [[nodiscard]] engine::Engine& engine() { return *engine_; }
  [[nodiscard]] std::span<std::uint8_t> ram() const { return {memory_.data(), memory_.size()}; }
  [[nodiscard]] QuietPlatform& platform() { return platform_; }

 private:
  template <class T>
  static T take(std::variant<T, std::string> result) {
    if (auto* error = std::get_if<std::string>(&result)) throw std::runtime_error(*error);
    return std::move(std::get<T>(result));
  }

  mmu::GuestMemory memory_;
  mmu::PhysicalMap physical_;
  mmu::CodePages code_;
  std::unique_ptr<mmu::Mmu> mmu_;
  CpuState state_;
  QuietPlatform platform_;
  std::unique_ptr<Cpu> cpu_;
  std::unique_ptr<engine::Engine> engine_;
};

}  // namespace ringshift::test
