// What a debugger asks of an engine: breakpoints, watchpoints and single steps, which the guest cannot see.
#include <gtest/gtest.h>

#include <array>

#include "tests/engine/engine_lab.h"

namespace ringshift::test {
namespace {

using engine::StopReason;

constexpr std::uint32_t kCode = 0x1000, kData = 0x8000, kForever = 1U << 30;

// Counts ecx down in a loop that writes eax to memory, then halts.
constexpr std::array<std::uint8_t, 14> kLoop{
    0x40,                          // 1000 inc eax
    0xA3, 0x00, 0x80, 0x00, 0x00,  // 1001 mov [8000h], eax
    0x90,                          // 1006 nop
    0xFA,                          // 1007 cli: left to the runtime
    0x49,                          // 1008 dec ecx
    0x75, 0xF5,                    // 1009 jnz 1000
    0x90,                          // 100B nop
    0xF4,                          // 100C hlt
};

class Debugger : public testing::TestWithParam<EngineKind> {
 protected:
  Debugger() : lab(GetParam(), 64U << 10) {
    lab.place(kCode, kLoop);
    start(100);
  }
  void start(std::uint32_t rounds) {
    lab.reset_cpu();
    lab.state().eip = kCode;
    lab.state().gpr[kEax] = 0;
    lab.state().gpr[kEcx] = rounds;
  }
  StopReason run() {
    engine().pass_breakpoint();
    StopReason reason = StopReason::budget;
    while (reason == StopReason::budget) reason = engine().run(kForever).reason;
    return reason;
  }
  void watch(std::vector<Cpu::Watchpoint> watchpoints) {
    lab.state().watched = watchpoints.empty() ? 0 : 1;
    lab.state().refresh_pointers();
    lab.cpu().watchpoints = std::move(watchpoints);
  }
  engine::Engine& engine() { return lab.engine(); }
  std::uint32_t eip() { return lab.state().eip; }
  std::uint32_t rounds_left() { return lab.state().gpr[kEcx]; }

  EngineLab lab;
};

INSTANTIATE_TEST_SUITE_P(EachEngine, Debugger, testing::Values(EngineKind::translate, EngineKind::interpret),
                         [](const auto& kind) {
                           return kind.param == EngineKind::translate ? "translate" : "interpret";
                         });

TEST_P(Debugger, ABreakpointStopsInFrontOfItsInstructionEachTime) {
  for (const std::uint32_t address : {kCode, kCode + 1, kCode + 6, kCode + 7, kCode + 8, kCode + 9}) {
    SCOPED_TRACE(address);
    start(5);
    engine().set_breakpoints({address});
    unsigned hits = 0;
    StopReason reason{};
    while ((reason = run()) == StopReason::breakpoint) {
      EXPECT_EQ(eip(), address);
      ++hits;
      ASSERT_LE(hits, 5U);
    }
    EXPECT_EQ(reason, StopReason::halted);
    // The run begins at the first instruction, and so passes it once.
    EXPECT_EQ(hits, address == kCode ? 4U : 5U);
  }
}

TEST_P(Debugger, ABreakpointInCodeThatHasRunBeforeIsSeen) {
  EXPECT_EQ(run(), StopReason::halted);
  start(100);
  engine().set_breakpoints({kCode + 8});
  EXPECT_EQ(run(), StopReason::breakpoint);
  EXPECT_EQ(eip(), kCode + 8);
  EXPECT_EQ(rounds_left(), 100U);
}

TEST_P(Debugger, ABreakpointThatIsTakenAwayIsGone) {
  engine().set_breakpoints({kCode + 6, kCode + 12});
  EXPECT_EQ(run(), StopReason::breakpoint);
  engine().set_breakpoints({kCode + 12});
  EXPECT_EQ(run(), StopReason::breakpoint);
  EXPECT_EQ(eip(), kCode + 12);
  EXPECT_EQ(rounds_left(), 0U);
}

TEST_P(Debugger, ABreakpointWithinAnInstructionIsNone) {
  engine().set_breakpoints({kCode + 2});
  EXPECT_EQ(run(), StopReason::halted);
}

TEST_P(Debugger, TheGuestReadsItsOwnCodeAtABreakpoint) {
  engine().set_breakpoints({kCode + 6});
  EXPECT_EQ(run(), StopReason::breakpoint);
  EXPECT_EQ(lab.ram()[kCode + 6], 0x90);
}

TEST_P(Debugger, AWatchedWriteStopsBehindItsInstruction) {
  watch({{kData, 4, false, true}});
  EXPECT_EQ(run(), StopReason::watchpoint);
  EXPECT_EQ(eip(), kCode + 6);
  EXPECT_EQ(lab.ram()[kData], 1);
  ASSERT_TRUE(lab.cpu().watch_met);
  EXPECT_EQ(lab.cpu().watch_met->linear, kData);
  lab.cpu().watch_met.reset();
  EXPECT_EQ(run(), StopReason::watchpoint);
  EXPECT_EQ(lab.ram()[kData], 2);
}

TEST_P(Debugger, AWriteOfOneWatchedByteIsSeenAndANeighbourIsNot) {
  watch({{kData + 3, 1, false, true}});
  EXPECT_EQ(run(), StopReason::watchpoint);
  lab.cpu().watch_met.reset();
  watch({{kData + 4, 1, true, true}});
  EXPECT_EQ(run(), StopReason::halted);
}

TEST_P(Debugger, AWriteIsNoWatchedRead) {
  watch({{kData, 4, true, false}});
  EXPECT_EQ(run(), StopReason::halted);
}

TEST_P(Debugger, WithoutWatchpointsTheRunIsTranslatedAgain) {
  watch({{kData, 4, false, true}});
  EXPECT_EQ(run(), StopReason::watchpoint);
  lab.cpu().watch_met.reset();
  watch({});
  EXPECT_EQ(run(), StopReason::halted);
  EXPECT_EQ(lab.ram()[kData], 100);
}

TEST_P(Debugger, AStepIsOneInstruction) {
  const std::uint32_t addresses[] = {1, 6, 7, 8, 9, 0, 1};
  for (const std::uint32_t offset : addresses) {
    EXPECT_EQ(engine().step().reason, StopReason::budget);
    EXPECT_EQ(eip(), kCode + offset);
  }
}

TEST_P(Debugger, AStepIsNotKeptBackByAKickOrABreakpoint) {
  engine().set_breakpoints({kCode});
  engine().kick();
  EXPECT_EQ(engine().step().reason, StopReason::budget);
  EXPECT_EQ(eip(), kCode + 1);
}

TEST_P(Debugger, AHaltedCpuDoesNotStep) {
  lab.state().eip = kCode + 12;
  EXPECT_EQ(engine().step().reason, StopReason::budget);
  EXPECT_EQ(engine().step().reason, StopReason::halted);
  EXPECT_EQ(eip(), kCode + 13);
}

}  // namespace
}  // namespace ringshift::test
