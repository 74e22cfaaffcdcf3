// Pages whose first write is awaited, as those of a screen that somebody looks at.
#include <gtest/gtest.h>

#include <vector>

#include "tests/mmu/paging_lab.h"

namespace ringshift::mmu {
namespace {

constexpr Linear kAt = 0x40000000;
constexpr PhysAddr kPage = 0x900000;

// Lets a write to an awaited page through, with the page behind it.
class Waiting final : public FirstWriteListener {
 public:
  explicit Waiting(CodePages& pages) : pages_(pages) { pages.set_first_write_listener(this); }
  ~Waiting() override { pages_.set_first_write_listener(nullptr); }
  void await(Mmu* mmu, WindowPool* windows) {
    for (const PhysAddr page : {kPage, kPage + kPageSize}) {
      if (!pages_.set(page, CodePages::kAwaited)) continue;
      if (mmu != nullptr) mmu->protect_code(page);
      if (windows != nullptr) windows->protect_code(page);
    }
  }
  void on_first_write(PhysAddr address) override {
    writes.push_back(address);
    for (const PhysAddr page : {kPage, kPage + kPageSize}) pages_.clear(page, CodePages::kAwaited);
  }
  std::vector<PhysAddr> writes;

 private:
  CodePages& pages_;
};

struct FirstWrite : testing::Test {
  FirstWrite() {
    tables.map(kAt, kPage | P | W | U | A | D);
    tables.map(kAt + kPageSize, (kPage + kPageSize) | P | W | U | A | D);
    lab.load(tables.paging(), View::supervisor);
  }
  using Writes = std::vector<PhysAddr>;
  WindowLab lab;
  TwoLevel tables{lab};
  Waiting waiting{lab.code};
};

TEST_F(FirstWrite, OfAWindowIsToldAndMapped) {
  waiting.await(nullptr, &lab.pool());
  EXPECT_EQ(lab.fill(kAt, Access::read), Fill::mapped);
  EXPECT_EQ(lab.rights(kAt), kReadOnly);
  EXPECT_EQ(waiting.writes, Writes{});
  EXPECT_EQ(lab.fill(kAt + 8, Access::write), Fill::mapped) << "not left to the runtime, as a write to code is";
  EXPECT_EQ(waiting.writes, Writes{kPage + 8});
  EXPECT_EQ(lab.rights(kAt), kReadWrite);
  EXPECT_EQ(lab.rights(kAt + kPageSize), kReadWrite) << "its block comes along";
}

TEST_F(FirstWrite, IsAwaitedAnew) {
  ASSERT_EQ(lab.fill(kAt, Access::write), Fill::mapped);
  waiting.await(nullptr, &lab.pool());
  EXPECT_EQ(lab.rights(kAt), kReadOnly);
  lab.fill(kAt, Access::write);
  waiting.await(nullptr, &lab.pool());
  EXPECT_EQ(lab.rights(kAt), kReadOnly);
  lab.fill(kAt + kPageSize, Access::write);
  EXPECT_EQ(waiting.writes, (Writes{kPage, kPage + kPageSize}));
}

TEST_F(FirstWrite, ToAPageWithCodeStaysWithTheRuntime) {
  lab.code.set(kPage);
  waiting.await(nullptr, &lab.pool());
  EXPECT_EQ(lab.fill(kAt, Access::write), Fill::emulate);
  EXPECT_EQ(waiting.writes, Writes{kPage});
  EXPECT_TRUE(lab.code.contains(kPage));
}

TEST_F(FirstWrite, OfTheSoftwareTlbIsTold) {
  Mmu mmu(lab.physical, lab.code, nullptr);
  mmu.set_paging(tables.paging());
  std::uint32_t error = 0;
  ASSERT_NE(mmu.translate(kAt, Access::write, false, error), nullptr);
  waiting.await(&mmu, nullptr);
  const TlbEntry* read = mmu.translate(kAt, Access::read, false, error);
  ASSERT_NE(read, nullptr);
  EXPECT_FALSE(read->writable);
  EXPECT_EQ(waiting.writes, Writes{});
  const TlbEntry* write = mmu.translate(kAt, Access::write, false, error);
  ASSERT_NE(write, nullptr);
  EXPECT_EQ(waiting.writes, Writes{kPage});
  EXPECT_NE(write->host, nullptr) << "the next write goes straight to memory";
}

TEST_F(FirstWrite, OfADeviceIsTold) {
  const std::uint32_t value = 1;
  lab.physical.attach_code(&lab.code);
  waiting.await(nullptr, nullptr);
  lab.physical.dma_in(kPage + 4, &value, sizeof value);
  EXPECT_EQ(waiting.writes, Writes{kPage + 4});
  lab.physical.write(kPage + 8, 4, value);
  EXPECT_EQ(waiting.writes, Writes{kPage + 4}) << "once";
}

}  // namespace
}  // namespace ringshift::mmu
