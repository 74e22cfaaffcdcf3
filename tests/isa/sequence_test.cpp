// Random programs against the host CPU, and the interpreter against the translator; and the tools that do it.
#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/semantics/fault.h"
#include "tests/isa/sequence_lab.h"
#include "tests/isa/shrink.h"

namespace ringshift::test {
namespace {

TEST(Sequences, AgreeOnTheHostAndOnBothEngines) {
  SequenceLab lab({.seed = 1});
  lab.run(0, 6000);
  EXPECT_EQ(lab.failed(), 0U);
  for (const std::string& text : lab.failures()) ADD_FAILURE() << text;
  EXPECT_LT(lab.endless(), lab.programs() / 4) << "too few are compared";
  if (lab.why_no_oracle().empty()) {
    EXPECT_GT(lab.with_host(), 1000U);
  }
}

// An engine with a defect: it takes BSWAP EDX for BSWAP EBX.
TEST(Shrinking, LeavesTheGuiltyInstructionAlone) {
  const MemoryTemplate memory(20);
  Engines engines(memory, true, true);
  const ProgramGenerator generator;
  const std::vector<std::uint8_t> guilty{0x0F, 0xCA};
  const auto fails = [&](const Program& program) {
    const auto c = assemble(program);
    if (!c) return false;
    CodeImage code;
    code.place_program(*c);
    engines.load(code);
    Case wrong = *c;
    const auto at = std::search(wrong.bytes.begin(), wrong.bytes.end(), guilty.begin(), guilty.end());
    if (at != wrong.bytes.end()) *(at + 1) = 0xCB;
    CodeImage broken;
    broken.place_program(wrong);
    engines.interpreter().load(broken);
    const auto text = engines.run_system(*c);
    return text && !text->empty();
  };
  unsigned found = 0;
  for (std::uint64_t number = 0; number < 40 && found < 3; ++number) {
    Rng rng(number);
    Program program = generator.generate(Territory::system, rng);
    program.code.insert(program.code.begin() + 2, Instruction{.bytes = guilty});
    for (Instruction& i : program.code) {
      if (i.label && i.label->target >= 2) ++i.label->target;
    }
    program.state.before.gpr[kEdx] = 0x12345678;
    program.state.before.gpr[kEbx] = 0;
    if (!fails(program)) continue;  // not reached
    ++found;
    const Program least = shrink(program, fails);
    ASSERT_EQ(least.code.size(), 2U) << listing(least);
    EXPECT_EQ(least.code[0].bytes, guilty) << listing(least);
    EXPECT_TRUE(least.code[1].fixed);
  }
  EXPECT_EQ(found, 3U);
}

// ---- what random programs have found ------------------------------------------------------------

// Translated code went on at 0 within an instruction; execution goes on there only between instructions.
TEST(FoundBySequences, NoInstructionCrossesTheEndOfTheAddressSpace) {
  const MemoryTemplate memory(20);
  Engines engines(memory, false, true);
  Program p;
  p.territory = Territory::system;
  p.state.before.sel = {kUserData, kUserCode, kUserData, kUserData, kUserData, kUserData};
  p.state.before.eflags = 0x202;
  p.code = {{.bytes = {0xB8, 0x78, 0x56, 0x34, 0x12}}, {.bytes = {0xCC}, .fixed = true}};  // mov eax, 12345678h
  for (const std::uint32_t before_end : {1U, 2U, 3U, 4U, 5U, 6U}) {
    p.address = 0U - before_end;
    const Case c = *assemble(p);
    CodeImage code;
    code.place_program(c);
    engines.load(code);
    EXPECT_EQ(engines.run_system(c), "");
    engines.load(code);
    GuestMachine::SystemOutcome out;
    engines.interpreter().run_system(c, 10, out);
    const unsigned handler = before_end < 5 ? vector::kGp : vector::kBp;
    EXPECT_EQ(out.state.eip, GuestMachine::after_handler(handler)) << before_end;
  }
}

// Translated code, stopped by a fault, went on with what the repetition had written over itself, where silicon and the
// interpreter raise the fault.
TEST(FoundBySequences, RepetitionThatOverwritesItselfGoesOnAsItWasFetched) {
  const MemoryTemplate memory(20);
  Engines engines(memory, false, true);
  const std::vector<std::vector<std::uint8_t>> repetitions{{0xF3, 0xAA},  // rep stosb, stosw, stosd
                                                           {0xF3, 0x66, 0xAB}, {0xF3, 0xAB},
                                                           {0xF3, 0xA4},  // rep movsb, movsw, movsd
                                                           {0xF3, 0x66, 0xA5}, {0xF3, 0xA5}};
  for (const auto& repetition : repetitions) {
    Program p;
    p.territory = Territory::system;
    p.address = kCode + 0x100;
    p.state.before.sel = {kUserData, kUserCode, kUserData, kUserData, kUserData, kUserData};
    p.state.before.eflags = 0x202;
    p.state.before.gpr[kEax] = 0x90909090;
    p.state.before.gpr[kEcx] = 0x10'0000;
    p.state.before.gpr[kEsi] = kData;
    p.state.before.gpr[kEdi] = p.address;  // to the end of the code, behind which nothing is
    p.code = {{.bytes = repetition}, {.bytes = {0xCC}, .fixed = true}};
    const Case c = *assemble(p);
    CodeImage code;
    code.place_program(c);
    engines.load(code);
    EXPECT_EQ(engines.run_system(c), "") << "opcode " << unsigned{repetition.back()};
    engines.load(code);
    GuestMachine::SystemOutcome out;
    engines.interpreter().run_system(c, 10, out);
    EXPECT_EQ(out.state.eip, GuestMachine::after_handler(vector::kPf));
  }
}

// A branch over instructions that are left out leads to the next one.
TEST(Programs, KeepTheirBranchesWhenInstructionsAreLeftOut) {
  Program p;
  p.address = kCode;
  p.code = {{.bytes = {0xEB, 0}, .label = Label{1, 1, true, 0, 2, 0}},
            {.bytes = {0x90}},
            {.bytes = {0x40}},
            {.bytes = {0xCC}, .fixed = true}};
  EXPECT_EQ(assemble(p)->bytes, (std::vector<std::uint8_t>{0xEB, 1, 0x90, 0x40, 0xCC}));
  EXPECT_EQ(assemble(subset(p, {true, false, true, true}))->bytes, (std::vector<std::uint8_t>{0xEB, 0, 0x40, 0xCC}));
  EXPECT_EQ(assemble(subset(p, {true, true, false, true}))->bytes, (std::vector<std::uint8_t>{0xEB, 1, 0x90, 0xCC}));
}

TEST(Programs, AreTheSameForTheSameNumber) {
  const SequenceLab lab({.seed = 5});
  EXPECT_EQ(assemble(lab.program(17))->bytes, assemble(lab.program(17))->bytes);
  EXPECT_NE(assemble(lab.program(17))->bytes, assemble(lab.program(18))->bytes);
}

}  // namespace
}  // namespace ringshift::test
