// A virtual CPU with RAM and nothing else, for tests that compare engines.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "testkit/bare_machine.h"

namespace ringshift::test {

using EngineKind = testkit::Execution;

[[nodiscard]] inline std::uint64_t counter(const engine::Engine& engine, std::string_view name) {
  for (const auto& c : engine.stats()) {
    if (c.name == name) return c.value;
  }
  ADD_FAILURE() << "no counter " << name;
  return 0;
}

// Flat 32-bit protected mode at CPL 0, paging off, RAM from 0; no IDT, so that any exception shuts down.
class EngineLab {
 public:
  EngineLab(EngineKind kind, std::uint64_t ram_bytes, const engine::TranslateOptions& options = {})
      : machine_(kind, ram_bytes, platform_, verified(options)) {
    reset_cpu();
  }

  void reset_cpu() {
    machine_.reset_cpu();
    machine_.state.cr0 |= cr0::kPe | cr0::kNe;
    machine_.state.cr4 |= cr4::kOsfxsr | cr4::kOsxmmexcpt;
    constexpr auto kFlat = static_cast<std::uint16_t>(segment::kPresent | segment::kNonSystem | segment::kWritable |
                                                      segment::kAccessed | segment::kBig | segment::kGranular);
    for (const Seg s : {Seg::es, Seg::ss, Seg::ds, Seg::fs, Seg::gs}) {
      machine_.state.set_segment(s, SegmentRegister{0x10, kFlat, 0, 0xFFFFFFFF});
    }
    machine_.state.set_segment(
        Seg::cs, SegmentRegister{0x08, static_cast<std::uint16_t>(kFlat | segment::kCode), 0, 0xFFFFFFFF});
    machine_.state.idtr = {0, 0};
    machine_.state.fx = {};
    machine_.state.fx[0] = 0x7F;  // as after FNINIT
    machine_.state.fx[1] = 0x03;
    machine_.state.fx[24] = 0x80;
    machine_.state.fx[25] = 0x1F;
  }

  // Writes as a device would: code made from these bytes is forgotten.
  void place(std::uint32_t address, std::span<const std::uint8_t> bytes) {
    machine_.before_write(address, static_cast<std::uint32_t>(bytes.size()));
    std::memcpy(machine_.memory.data() + address, bytes.data(), bytes.size());
  }

  [[nodiscard]] CpuState& state() { return machine_.state; }
  [[nodiscard]] const CpuState& state() const { return machine_.state; }
  [[nodiscard]] Cpu& cpu() { return *machine_.cpu; }
  [[nodiscard]] engine::Engine& engine() { return *machine_.engine; }
  [[nodiscard]] std::span<std::uint8_t> ram() const { return {machine_.memory.data(), machine_.memory.size()}; }
  [[nodiscard]] testkit::QuietPlatform& platform() { return platform_; }

 private:
  static engine::TranslateOptions verified(engine::TranslateOptions options) {
    options.verify = true;  // in every test
    return options;
  }

  testkit::QuietPlatform platform_;
  testkit::BareMachine machine_;
};

}  // namespace ringshift::test
