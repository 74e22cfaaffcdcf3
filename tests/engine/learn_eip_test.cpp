// Position-independent code learns its eip by a call of `mov reg, [esp]; ret`. A linked call of that is a load in the
// host's code, and nobody may see the difference.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "tests/engine/engine_lab.h"

namespace ringshift::test {
namespace {

constexpr std::uint32_t kCode = 0x1000, kThunk = 0x5040, kStack = 0x8000;
using Bytes = std::vector<std::uint8_t>;

Bytes call_from(std::uint32_t eip) {
  const std::uint32_t distance = kThunk - (eip + 5);
  Bytes call{0xE8, 0, 0, 0, 0};
  std::memcpy(&call[1], &distance, 4);
  return call;
}

engine::TranslateOptions options(bool anywhere) {
  engine::TranslateOptions o;
  o.anywhere_at_once = anywhere;
  return o;
}

// In code that is translated for its place, and in code that may stand anywhere.
class LearnEip : public ::testing::TestWithParam<bool> {
 protected:
  void run_from(std::uint32_t eip) {
    lab_.state().eip = eip;
    lab_.state().halted = 0;
    lab_.state().gpr[kEsp] = kStack;
    ASSERT_EQ(lab_.engine().run(0).reason, engine::StopReason::halted);
    EXPECT_EQ(lab_.state().gpr[kEsp], kStack);
  }
  [[nodiscard]] std::uint32_t below_stack() const {
    std::uint32_t value = 0;
    std::memcpy(&value, lab_.ram().data() + kStack - 4, 4);
    return value;
  }

  EngineLab lab_{EngineKind::translate, 1U << 20, options(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(Code, LearnEip, ::testing::Bool(),
                         [](const auto& anywhere) { return anywhere.param ? "Anywhere" : "Fixed"; });

TEST_P(LearnEip, EveryRegisterGetsTheReturnAddress) {
  for (const std::uint8_t number : {kEax, kEcx, kEdx, kEbx, kEbp, kEsi, kEdi}) {
    lab_.place(kThunk, Bytes{0x8B, static_cast<std::uint8_t>(0x04 | number << 3), 0x24, 0xC3});
    const std::uint32_t code = kCode + 64U * number;
    Bytes program{0xF9};  // stc
    const Bytes call = call_from(code + 1);
    program.insert(program.end(), call.begin(), call.end());
    program.push_back(0xF4);
    lab_.place(code, program);
    for (int time = 0; time < 4; ++time) {
      lab_.state().gpr = {};
      std::memset(lab_.ram().data() + kStack - 4, 0, 4);
      run_from(code);
      EXPECT_EQ(lab_.state().gpr[number], code + 6);
      EXPECT_EQ(below_stack(), code + 6);
      EXPECT_NE(lab_.state().native_flags & eflags::kCf, 0U);
    }
  }
}

TEST_P(LearnEip, AThunkThatChangesIsCalledAgain) {
  Bytes program = call_from(kCode);
  program.push_back(0xF4);
  lab_.place(kCode, program);
  const Bytes load{0x8B, 0x1C, 0x24, 0xC3}, load_and_more{0x8B, 0x1C, 0x24, 0x43, 0xC3};
  for (int time = 0; time < 12; ++time) {
    const bool more = time / 3 % 2 == 1;
    if (time % 3 == 0) lab_.place(kThunk, more ? load_and_more : load);
    run_from(kCode);
    EXPECT_EQ(lab_.state().gpr[kEbx], kCode + 5 + (more ? 1 : 0));
  }
  EXPECT_EQ(counter(lab_.engine(), "pages of code that may stand anywhere") > 0, GetParam());
}

// Whenever the engine is stopped, the state is that of an instruction boundary.
TEST_P(LearnEip, StopsSeeNoHalfOfIt) {
  lab_.place(kThunk, Bytes{0x8B, 0x1C, 0x24, 0xC3});
  // again: call thunk; cmp ebx, again + 5; jne +3; dec ecx; jnz again; hlt
  Bytes program = call_from(kCode);
  const Bytes rest{0x81, 0xFB, 0x05, 0x10, 0, 0, 0x75, 0x03, 0x49, 0x75, 0xF0, 0xF4};
  program.insert(program.end(), rest.begin(), rest.end());
  lab_.place(kCode, program);
  lab_.state().eip = kCode;
  lab_.state().gpr[kEsp] = kStack;
  lab_.state().gpr[kEcx] = 40'000'000;
  std::atomic<bool> done = false;
  std::thread kicker([&] {
    while (!done) {
      lab_.engine().kick();
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  });
  unsigned stops = 0;
  auto reason = engine::StopReason::service;
  while (reason == engine::StopReason::service) {
    const std::uint32_t before = lab_.state().gpr[kEcx];
    reason = lab_.engine().run(0).reason;
    if (lab_.state().gpr[kEcx] == before) continue;  // it has not run
    ++stops;
    const std::uint32_t eip = lab_.state().eip;
    const bool in_thunk = eip >= kThunk;
    ASSERT_EQ(lab_.state().gpr[kEsp], in_thunk ? kStack - 4 : kStack) << std::hex << eip;
    if (eip != kCode && eip != kThunk) {
      ASSERT_EQ(lab_.state().gpr[kEbx], kCode + 5) << std::hex << eip;
    }
  }
  done = true;
  kicker.join();
  EXPECT_EQ(reason, engine::StopReason::halted);
  EXPECT_EQ(lab_.state().gpr[kEcx], 0U);
  EXPECT_GT(stops, 20U);
}

}  // namespace
}  // namespace ringshift::test
