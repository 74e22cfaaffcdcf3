// A process that touches fresh pages in order: what is mapped for the pages to come must stay out of its reach.
#include "tests/mmu/paging_lab.h"

namespace ringshift::mmu {
namespace {

constexpr Linear kAt = 0x40000000;
constexpr std::uint32_t kFrames = 0x800000;

class RunAhead : public ::testing::Test {
 protected:
  RunAhead() {
    for (std::uint32_t i = 0; i < 64; ++i) tables_.map(page(i), 0);
    for (std::uint32_t i = 0; i < 64; ++i) lab_.put<std::uint32_t>(frame(i), i);
    lab_.load(tables_.paging(), View::user);
  }
  static Linear page(std::uint32_t i) { return kAt + i * kPageSize; }
  static std::uint32_t frame(std::uint32_t i) { return kFrames + i * kPageSize; }
  // As a guest's kernel answers its page fault, and the access that runs again.
  void touch(std::uint32_t i, std::uint32_t to) {
    tables_.set_pte(page(i), to | P | W | U | A | D);
    EXPECT_EQ(lab_.fill(page(i), Access::write), Fill::mapped) << i;
    EXPECT_EQ(lab_.rights(page(i)), kReadWrite) << i;
  }
  void touch_in_order(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) touch(i, frame(i));
  }

  WindowLab lab_;
  TwoLevel tables_{lab_};
};

TEST_F(RunAhead, PagesToComeAreOutOfReach) {
  for (std::uint32_t i = 0; i < 48; ++i) {
    touch(i, frame(i));
    for (std::uint32_t next = i + 1; next < 64; ++next) ASSERT_EQ(lab_.rights(page(next)), kNone) << i << " " << next;
  }
  for (std::uint32_t i = 0; i < 48; ++i) EXPECT_EQ(lab_.load32(page(i)), i);
}

TEST_F(RunAhead, APageThatGetsAnotherFrameLeadsThere) {
  touch_in_order(12);
  touch(12, frame(40));
  EXPECT_EQ(lab_.load32(page(12)), 40U);
  touch(13, frame(13));
  EXPECT_EQ(lab_.load32(page(13)), 13U);
}

TEST_F(RunAhead, APageWithCodeIsNotWritable) {
  touch_in_order(12);
  lab_.code.set(frame(12));
  lab_.pool().protect_code(frame(12));
  tables_.set_pte(page(12), frame(12) | P | W | U | A | D);
  EXPECT_EQ(lab_.fill(page(12), Access::read), Fill::mapped);
  EXPECT_EQ(lab_.rights(page(12)), kReadOnly);
}

TEST_F(RunAhead, ALaterPageOfTheRunMayComeFirst) {
  touch_in_order(12);
  touch(20, frame(20));
  EXPECT_EQ(lab_.rights(page(19)), kNone);
  touch(12, frame(12));
  EXPECT_EQ(lab_.load32(page(12)), 12U);
  EXPECT_EQ(lab_.load32(page(20)), 20U);
}

TEST_F(RunAhead, WhatIsUnmappedCanBeTouchedAgain) {
  touch_in_order(12);
  for (std::uint32_t i = 0; i < 64; ++i) tables_.set_pte(page(i), 0);
  lab_.load(tables_.paging(), View::user);
  for (std::uint32_t i = 0; i < 64; ++i) ASSERT_EQ(lab_.rights(page(i)), kNone) << i;
  touch_in_order(16);
  EXPECT_EQ(lab_.load32(page(15)), 15U);
}

}  // namespace
}  // namespace ringshift::mmu
