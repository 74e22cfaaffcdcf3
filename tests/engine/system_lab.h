// A machine for tests of system instructions that runs one test text on every engine.
//
//     class Cli : public SystemTest {};
//     INSTANTIATE_TEST_SUITE_P(Engines, Cli, kEngines, engine_name);
//     TEST_P(Cli, NeedsIopl) {
//       SystemLab lab(GetParam(), 3);  // flat 32-bit protected mode, ring 3
//       EXPECT_TRUE(lab.faults({0xFA}, vector::kGp, 0));
//     }
//
// The machine is testkit::TestMachine; this adds assertions. Every vector has an interrupt gate of DPL 3 to its own HLT
// in ring 0, and all memory that is not a table is full of HLTs, so that whatever an instruction does, execution soon
// stops where it went.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "testkit/test_machine.h"

namespace ringshift::test {

using EngineConfig = testkit::EngineKind;
using Bytes = testkit::Bytes;
using testkit::Registers;
namespace attr = testkit::attr;
namespace gate_type = testkit::gate_type;

inline const auto kEngines = testing::ValuesIn(testkit::kAllEngines);
[[nodiscard]] std::string engine_name(const testing::TestParamInfo<EngineConfig>& info);

using SystemTest = testing::TestWithParam<EngineConfig>;

// Far pointers in instructions: jmp or call sel:offset (EA, 9A), with a 32-bit offset.
[[nodiscard]] inline Bytes far_insn(std::uint8_t opcode, std::uint16_t sel, std::uint32_t offset) {
  Bytes bytes{opcode};
  for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(offset >> (8 * i)));
  for (unsigned i = 0; i < 2; ++i) bytes.push_back(static_cast<std::uint8_t>(sel >> (8 * i)));
  return bytes;
}

class SystemLab : public testkit::TestMachine {
 public:
  using TestMachine::TestMachine;
  ~SystemLab();
  SystemLab(const SystemLab&) = delete;
  SystemLab& operator=(const SystemLab&) = delete;

  // The instruction ends without an exception, and eip is behind it (completes), or anywhere (transfers).
  testing::AssertionResult completes(const Bytes& bytes);
  testing::AssertionResult transfers(const Bytes& bytes);
  // The instruction raises `vec`: the handler finds the state of before on its stack, EFLAGS.RF as faults push it, and
  // the error code, if any; no other register has changed. The lab is then put back to before the instruction.
  testing::AssertionResult faults(const Bytes& bytes, unsigned vec, std::optional<std::uint32_t> error);
  testing::AssertionResult faults(const Bytes& bytes, unsigned vec) { return faults(bytes, vec, std::nullopt); }

 private:
  testing::AssertionResult check_fault(const Registers& before, const Outcome& outcome, unsigned vec,
                                       std::optional<std::uint32_t> error) const;
};

}  // namespace ringshift::test
