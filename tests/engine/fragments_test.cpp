#include "runtime/engine/fragments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>

namespace ringshift::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr mmu::PhysAddr kPage = 0x5000, kNextPage = 0x9000;

// Shared libraries at random places: one page of memory, executed at several linear addresses.
class Fragments : public ::testing::Test {
 protected:
  FragmentId add(std::uint32_t eip, mmu::PhysAddr physical, mmu::PhysAddr second_page = 0) {
    Record record;
    record.host_offset = next_ += 64;
    record.host_size = 16;
    record.eip = eip;
    record.physical = physical;
    record.second_page = second_page;
    return table_.add(record, translator::Fragment{});
  }

  std::string error_;
  std::unique_ptr<CodeCache> cache_ = CodeCache::create(1U << 20, error_);
  FragmentTable table_{*cache_};
  std::uint32_t next_ = 0;
};

TEST_F(Fragments, AreFoundByTheirPageAndByWhereItIsExecuted) {
  const FragmentId first = add(0xB7001010, kPage + 0x10);
  const FragmentId second = add(0xB7001020, kPage + 0x20);
  const FragmentId elsewhere = add(0xB7333010, kPage + 0x10);
  EXPECT_THAT(table_.on_page(kPage), UnorderedElementsAre(first, second, elsewhere));
  EXPECT_THAT(table_.on_page(kPage + 0x10, 0xB7001), ElementsAre(first, second));
  EXPECT_THAT(table_.on_page(kPage, 0xB7333), ElementsAre(elsewhere));
  EXPECT_THAT(table_.on_page(kPage, 0xB7334), IsEmpty());
}

TEST_F(Fragments, ThatCrossAPageAreOnBoth) {
  const FragmentId crossing = add(0xB7001FFE, kPage + 0xFFE, kNextPage);
  EXPECT_THAT(table_.on_page(kPage, 0xB7001), ElementsAre(crossing));
  EXPECT_THAT(table_.on_page(kNextPage, 0xB7002), ElementsAre(crossing));
  table_.kill(crossing);
  EXPECT_FALSE(table_.any_on_page(kPage));
  EXPECT_FALSE(table_.any_on_page(kNextPage));
}

TEST_F(Fragments, LeaveTheirPageWhenTheyAreKilled) {
  const FragmentId first = add(0xB7001010, kPage + 0x10);
  const FragmentId elsewhere = add(0xB7333010, kPage + 0x10);
  table_.kill(first);
  EXPECT_THAT(table_.on_page(kPage), ElementsAre(elsewhere));
  EXPECT_THAT(table_.on_page(kPage, 0xB7001), IsEmpty());
  table_.kill(elsewhere);
  EXPECT_FALSE(table_.any_on_page(kPage));
}

// Some hundred small ones, so that they fill blocks of the cache in part, and a large one over several blocks.
TEST_F(Fragments, AreFoundByTheirCode) {
  for (std::uint32_t i = 0; i < 300; ++i) add(0x1000 + i, kPage + i);
  Record large;
  large.host_offset = next_ + 64;
  large.host_size = 20'000;
  const FragmentId last = table_.add(large, translator::Fragment{});
  for (FragmentId id = 0; id < 300; ++id) {
    const std::uint32_t begin = table_[id].host_offset;
    ASSERT_EQ(table_.at(begin), id);
    ASSERT_EQ(table_.at(begin + 15), id);
    ASSERT_EQ(table_.at(begin + 16), kNoFragment);
  }
  EXPECT_EQ(table_.at(large.host_offset + 19'999), last);
  EXPECT_EQ(table_.at(large.host_offset + 20'000), kNoFragment);
  EXPECT_EQ(table_.at(0), kNoFragment);
  table_.clear();
  EXPECT_EQ(table_.at(large.host_offset), kNoFragment);
}

// A call of code that loads its return address: the load stands in its place, as long as that code lives.
TEST_F(Fragments, CallsOfALoadAreReplacedByIt) {
  constexpr std::uint32_t kPatch = 0x8001, kReturn = 0xB7001015;
  const std::array<std::uint8_t, 16> call{0xE8, 1, 2, 3, 4, 0x49, 0x89, 0xCA, 0x41, 0x8D, 0x88, 5, 6, 7, 8, 0xE3};
  cache_->write(kPatch - 1, call);
  const auto words = [this] {
    return std::array{cache_->read32(kPatch - 1), cache_->read32(kPatch + 3), cache_->read32(kPatch + 7)};
  };
  const auto original = words();
  Record caller;
  caller.host_offset = 0x8000;
  caller.host_size = 0x100;
  caller.eip = 0xB7001010;
  caller.physical = kPage + 0x10;
  translator::Fragment fragment;
  fragment.exits = {
      {.patch_offset = 1, .stub_offset = 0x80, .target = 0xB7333010, .patchable = true, .return_address = kReturn}};
  const std::uint32_t site = table_.next_site();
  table_.add(caller, fragment);
  Record load;
  load.host_offset = 0x9000;
  load.host_size = 16;
  load.eip = 0xB7333010;
  load.physical = kNextPage;
  load.loads_return_address = std::uint8_t{3};
  const FragmentId target = table_.add(load, {});

  table_.link(site, target);
  // mov ebx, B7001015h; lea r12d, [r12 + 4]; jmp +13
  EXPECT_THAT(words(), ElementsAre(0x001015BBU, 0x648D45B7U, 0x0DEB0424U));
  table_.kill(target);
  EXPECT_THAT(words(), ElementsAre(0x00007BE8U, original[1] & ~0xFFU, original[2]));  // a call of its stub
}

}  // namespace
}  // namespace ringshift::engine
