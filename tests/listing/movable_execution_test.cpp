// Code that may be executed anywhere, executed at several addresses, against code that was made for each of them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "tests/listing/execution_lab.h"

namespace ringshift::testing {
namespace {

constexpr std::uint32_t kOffset = 0x123;
constexpr std::uint32_t kStack = kData + 0x8000;
constexpr std::uint32_t kTarget = 0x08123456;
constexpr std::array kPages{0x08049000U, 0xB7333000U, 0x7FFFF000U, 0xFFFFF000U, 0U};

struct Outcome {
  bool completed = false;
  Left left = Left::direct;
  std::uint32_t told = 0;
  Registers registers;
  std::array<std::uint8_t, 64> stack{};  // below kStack
};

class MovableExecution : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!lab_) GTEST_SKIP() << "the low 4 GiB of the address space are not free here";
    Registers& in = lab_->page().in;
    in.gpr = {kTarget, 0x87654321, 3, kData, kStack, kData + 0x100, 6, 7};
    in.flags = 0x202 | eflags::kCf | eflags::kPf | eflags::kAf | eflags::kZf | eflags::kSf | eflags::kOf;
    const std::uint16_t control = 0x37F;
    const std::uint32_t mxcsr = 0x1F80;
    std::memcpy(in.fx.data(), &control, sizeof control);
    std::memcpy(in.fx.data() + 24, &mxcsr, sizeof mxcsr);
    std::memcpy(lab_->memory(kData), &kTarget, sizeof kTarget);
    lab_->set_target(kTarget);
  }

  Outcome run(std::uint32_t offset = 0, std::uint32_t r8 = 0) {
    std::memset(lab_->memory(kStack - 64), 0, 64);
    Outcome out;
    out.completed = lab_->run(offset, r8);
    out.left = lab_->page().left_by;
    out.told = lab_->page().told;
    out.registers = lab_->page().out;
    std::memcpy(out.stack.data(), lab_->memory(kStack - 64), 64);
    return out;
  }

  [[nodiscard]] static Source source(std::string_view bytes, std::uint32_t page, translator::ModeKey mode) {
    return {.bytes = hex(bytes), .mode = mode, .eip = page + kOffset};
  }
  translator::Fragment load_movable(std::string_view bytes) {
    return lab_->load(movable(source(bytes, 0, user_mode())));
  }

  void expect_untouched(const Registers& registers) {
    const Registers& in = lab_->page().in;
    EXPECT_EQ(registers.gpr, in.gpr);
    EXPECT_EQ(registers.flags & eflags::kNative, in.flags & eflags::kNative);
  }

  std::unique_ptr<Lab> lab_ = Lab::create();
};

TEST_F(MovableExecution, LeavesWhatCodeForTheAddressLeaves) {
  struct Case {
    std::string_view bytes;
    Left left;
    translator::ModeKey mode = user_mode();
  };
  const std::vector<Case> cases{{"0F0B", Left::interpret},                 // ud2
                                {"41 4A CD80", Left::interpret},           // inc ecx; dec edx; int 80h
                                {"E8 10000000", Left::direct},             // call
                                {"51 E8 00F0FFFF", Left::direct},          // push ecx; call of the page before
                                {"E8 00000000 5B 0F0B", Left::interpret},  // call +0; pop ebx; ud2
                                {"FF D0", Left::lookup},                   // call eax
                                {"FF 13", Left::lookup},                   // call [ebx]
                                {"50 FF 14 24", Left::lookup},             // push eax; call [esp]
                                {"68 02400000 9D", Left::interpret},       // popf that sets NT
                                {"FB", Left::interrupt, kernel_mode()},    // sti at the end of a block
                                {"72 10 EB 10", Left::direct}};            // jc
  for (const Case& c : cases) {
    for (const std::uint32_t page : kPages) {
      const std::string what = fmt::format("{} at {:#x}", c.bytes, page);
      lab_->set_place(page);
      lab_->load(source(c.bytes, page, c.mode));
      const Outcome expected = run();
      ASSERT_TRUE(expected.completed) << what;
      ASSERT_EQ(expected.left, c.left) << what;
      lab_->load(movable(source(c.bytes, page, c.mode)));
      const Outcome found = run();
      ASSERT_TRUE(found.completed) << what;
      EXPECT_EQ(found.left, expected.left) << what;
      EXPECT_EQ(found.told, expected.told) << what;
      EXPECT_EQ(differences(expected.registers, found.registers), "") << what;
      EXPECT_EQ(found.stack, expected.stack) << what;
    }
  }
}

TEST_F(MovableExecution, ACallPushesTheAddressHere) {
  load_movable("E8 10000000");
  for (const std::uint32_t page : kPages) {
    lab_->set_place(page);
    const Outcome out = run();
    ASSERT_TRUE(out.completed);
    std::uint32_t pushed = 0;
    std::memcpy(&pushed, out.stack.data() + 60, sizeof pushed);
    EXPECT_EQ(pushed, page + kOffset + 5);
    EXPECT_EQ(out.registers.gpr[kEsp], kStack - 4);
  }
}

TEST_F(MovableExecution, AReturnGoesOnWhereItsCallWas) {
  const translator::Fragment f = load_movable("E8 10000000 0F0B");  // call; ud2
  ASSERT_EQ(f.return_sites.size(), 1U);
  for (const std::uint32_t page : kPages) {
    lab_->set_place(page);
    const Outcome out = run(f.return_sites[0], page + kOffset + 5);
    ASSERT_TRUE(out.completed);
    EXPECT_EQ(out.left, Left::interpret);
    EXPECT_EQ(out.told, page + kOffset + 5);
    expect_untouched(out.registers);
  }
}

TEST_F(MovableExecution, AnyOtherReturnIsLookedUp) {
  const translator::Fragment f = load_movable("E8 10000000 0F0B");
  ASSERT_EQ(f.return_sites.size(), 1U);
  for (const std::uint32_t page : kPages) {
    lab_->set_place(page);
    for (const std::uint32_t distance : {1U, 0x1000U, 0x80000000U, 0xFFFFFFFFU}) {
      const std::uint32_t to = page + kOffset + 5 + distance;
      const Outcome out = run(f.return_sites[0], to);
      ASSERT_TRUE(out.completed);
      EXPECT_EQ(out.left, Left::mismatch);
      EXPECT_EQ(out.told, to);
      expect_untouched(out.registers);
    }
  }
}

}  // namespace
}  // namespace ringshift::testing
