// Random histories: page tables change at random, invalidations follow as an operating system must issue them,
// and no window may then grant what a fresh walk does not give.
#include <map>
#include <random>

#include "tests/mmu/paging_lab.h"

namespace ringshift::mmu {
namespace {

constexpr unsigned kSpaces = 3;
constexpr unsigned kPages = 48;
constexpr Linear kLocal = 0x40010000;   // differs between the address spaces
constexpr Linear kShared = 0xC0000000;  // one page table for all; its entries may be global
constexpr Linear kLarge = 0xD0000000;   // large pages, one directory entry each in all spaces
constexpr unsigned kLargePages = 2;
constexpr PhysAddr kFrames = 0x800000;  // 64 frames for 4 KiB pages; large pages lead to 0x1000000 and up
constexpr unsigned kFrameCount = 64;

// The two formats behind one face.
template <class Tables>
struct Format;
template <>
struct Format<TwoLevel> {
  using Entry = std::uint32_t;
  static constexpr std::uint32_t kLargeBytes = 0x400000;
};
template <>
struct Format<Pae> {
  using Entry = std::uint64_t;
  static constexpr std::uint32_t kLargeBytes = 0x200000;
};

// What an engine derives from fetches, and must be told to forget.
class Fetched : public WindowObserver {
 public:
  void on_drop(std::uint32_t window, Linear first, std::uint32_t pages) override {
    for (std::uint32_t i = 0; i < pages; ++i) known[window].erase((first >> kPageShift) + i);
  }
  void on_drop_all(std::uint32_t window) override { known[window].clear(); }
  std::map<std::uint32_t, std::map<std::uint32_t, PhysAddr>> known;  // window, linear page: physical page
};

template <class Tables>
class History {
 public:
  using Entry = typename Format<Tables>::Entry;

  History(unsigned seed, const WindowLimits& limits) : lab(limits), random_(seed) {
    lab.pool().set_observer(&fetched_);
    for (unsigned i = 0; i < kSpaces; ++i) {
      spaces_.emplace_back(lab, 0x100000 + i * 0x80000);
      for (unsigned j = 0; j < kPages; ++j) spaces_[i].map(local(j), Entry{0});
    }
    spaces_[0].map(kShared, Entry{0});
    for (unsigned i = 1; i < kSpaces; ++i) spaces_[i].set_pde(kShared, spaces_[0].pde(kShared));
    for (PhysAddr at = 0; at < kRam; at += kPageSize) {
      if (at >= kFrames) lab.template put<std::uint32_t>(at + 0x800, static_cast<std::uint32_t>(at));  // a stamp
    }
    load(0);
  }

  void step() {
    switch (pick(13)) {
      case 12:
        touch_in_order();
        break;
      case 0:
        load(pick(kSpaces));
        break;
      case 1:
        toggle_code();
        break;
      case 2:
        lab.pool().flush_all();
        activate();
        break;
      case 3:
      case 4:
        view_ = static_cast<View>(pick(3));
        activate();
        break;
      case 5:
      case 6:
      case 7:
        change();
        break;
      default:
        for (int i = 0; i < 4; ++i) access();
    }
  }

  // Everything that is mapped in the current window is what a walk gives now.
  void check() {
    for (unsigned j = 0; j < kPages; ++j) {
      check_page(local(j));
      check_page(shared(j));
    }
    for (unsigned j = 0; j < kLargePages; ++j) {
      for (const std::uint32_t offset : {0U, 0x5000U, 0x1FF000U}) check_page(large(j) + offset);
    }
    for (const auto& [page, address] : fetched_.known[lab.pool().current_id()]) {
      const Walk now = probe(lab.physical, paging(), page << kPageShift);
      ASSERT_TRUE(now.ok);
      ASSERT_EQ(now.address, address);
      ASSERT_FALSE(now.no_execute);
    }
  }

  WindowLab lab;

 private:
  unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }
  bool one_in(unsigned n) { return pick(n) == 0; }
  static Linear local(unsigned j) { return kLocal + j * kPageSize; }
  static Linear shared(unsigned j) { return kShared + j * kPageSize; }
  static Linear large(unsigned j) { return kLarge + j * Format<Tables>::kLargeBytes; }
  [[nodiscard]] PagingState paging() const { return spaces_[space_].paging(); }
  void activate() { lab.activate(paging(), view_); }
  void load(unsigned space) {
    space_ = space;
    lab.load(paging(), view_);
  }

  Entry random_bits() {
    Entry bits = static_cast<Entry>(one_in(8) ? 0 : P);
    for (const std::uint32_t bit : {W, U}) bits |= one_in(4) ? 0 : bit;
    for (const std::uint32_t bit : {A, D}) bits |= one_in(3) ? 0 : bit;
    if constexpr (sizeof(Entry) == 8) {
      if (one_in(8)) bits |= NX;
      if (one_in(40)) bits |= std::uint64_t{1} << 40;  // reserved
    }
    return bits;
  }
  Entry random_entry() {
    PhysAddr frame = kFrames + pick(kFrameCount) * kPageSize;
    if (one_in(20)) frame = kMmioAt;
    if (one_in(20)) frame = kRomAt;
    return static_cast<Entry>(frame) | random_bits();
  }
  // A run of entries, so that neighbours are often contiguous and rights often equal.
  void change() {
    if (one_in(6)) return change_large();
    const bool global_half = one_in(2);
    const unsigned first = pick(kPages);
    const unsigned end = std::min(kPages, first + 1 + pick(10));
    Entry entry = random_entry();
    const bool bits_only = one_in(2);
    const Entry bits = random_bits();
    const Entry global = global_half && one_in(2) ? G : 0;
    for (unsigned j = first; j < end; ++j, entry += kPageSize) {
      const Linear linear = global_half ? shared(j) : local(j);
      const Entry old = spaces_[space_].pte(linear);
      const Entry next = bits_only ? (old & ~Entry{0xFFF}) | (bits & 0xFFF) : entry;
      spaces_[space_].set_pte(linear, next | global);
      // What concerns other address spaces, or may be global, is invalidated page by page.
      if (global_half || one_in(2)) lab.invlpg(linear + pick(kPageSize));
    }
    if (!global_half) load(space_);
  }
  // A process that touches fresh pages, mostly to frames in order.
  void touch_in_order() {
    const unsigned first = pick(kPages);
    const unsigned end = std::min(kPages, first + pick(16));
    for (unsigned j = first; j < end; ++j) spaces_[space_].set_pte(local(j), Entry{0});
    load(space_);
    PhysAddr frame = kFrames + pick(16) * kPageSize;
    for (unsigned j = first; j < end; ++j, frame += kPageSize) {
      if (one_in(10)) frame = kFrames + pick(16) * kPageSize;
      spaces_[space_].set_pte(local(j), static_cast<Entry>(frame) | P | W | U | A | D);
      static_cast<void>(lab.pool().fill(local(j), Access::write));
      check_page(local(j));
      if (one_in(8)) toggle_code();
    }
  }
  void change_large() {
    const unsigned j = pick(kLargePages);
    const Entry base = static_cast<Entry>(0x1000000 + pick(4) * Format<Tables>::kLargeBytes);
    const Entry entry = base | random_bits() | PS | (one_in(2) ? G : 0U);
    for (Tables& space : spaces_) space.set_pde(large(j), entry);
    lab.invlpg(large(j) + pick(Format<Tables>::kLargeBytes));
  }

  Linear random_linear() {
    const unsigned which = pick(5);
    if (which == 0) return large(pick(kLargePages)) + pick(512) * kPageSize;
    return which < 3 ? shared(pick(kPages)) : local(pick(kPages));
  }
  void access() {
    const Linear linear = random_linear();
    if (one_in(6)) return prefetch(linear);
    const auto access = static_cast<Access>(pick(3));
    const HostRights before = lab.rights(linear);
    if (access != Access::fetch && (access == Access::write ? before.write : before.read)) return;  // no fault
    const FillResult result = lab.pool().fill(linear, access);
    const Walk now = probe(lab.physical, paging(), linear);
    if (result.kind == Fill::mapped) {
      ASSERT_TRUE(now.ok);
      ASSERT_EQ(result.address, now.address);
      if (access == Access::fetch) fetched_.known[lab.pool().current_id()][linear >> kPageShift] = now.address;
      const HostRights after = lab.rights(linear);
      ASSERT_TRUE(after.read || access != Access::read);
      ASSERT_TRUE(after.write || access != Access::write);
    }
    check_page(linear);
  }

  void prefetch(Linear linear) {
    const Walk before = probe(lab.physical, paging(), linear);
    const std::optional<PhysAddr> found = lab.pool().prefetch(linear);
    const Walk now = probe(lab.physical, paging(), linear);
    ASSERT_EQ(now.entry_value, before.entry_value);
    if (found) {
      ASSERT_TRUE(now.ok && !now.no_execute && (now.user || view_ != View::user));
      ASSERT_EQ(*found, now.address);
      ASSERT_EQ(lab.pool().recorded_fetch(lab.pool().current_id(), linear), found);
      fetched_.known[lab.pool().current_id()][linear >> kPageShift] = now.address;
    }
    check_page(linear);
  }

  void toggle_code() {
    const PhysAddr page = one_in(3) ? 0x1000000 + pick(1024) * kPageSize : kFrames + pick(kFrameCount) * kPageSize;
    if (lab.code.contains(page)) {
      lab.code.clear(page);
      lab.pool().unprotect_code(page);
    } else {
      lab.code.set(page);
      lab.pool().protect_code(page);
    }
  }

  void check_page(Linear linear) {
    const HostRights rights = lab.rights(linear);
    if (!rights.read) return;
    const Walk now = probe(lab.physical, paging(), linear);
    SCOPED_TRACE(::testing::Message() << std::hex << "linear " << linear << " entry " << now.entry_value << " view "
                                      << static_cast<unsigned>(view_));
    ASSERT_TRUE(now.ok);
    ASSERT_NE(now.entry_value & A, 0U);
    ASSERT_TRUE(now.page_size != kPageSize || (now.upper_value & A) != 0);
    ASSERT_TRUE(now.user || view_ != View::user);
    const PhysPage target = lab.physical.page(now.address);
    ASSERT_NE(target.host, nullptr);
    if (target.kind == PageKind::ram) {
      ASSERT_EQ(lab.load32((linear & ~kPageMask) + 0x800), static_cast<std::uint32_t>(now.address) & ~kPageMask);
    }
    if (!rights.write) return;
    ASSERT_EQ(target.kind, PageKind::ram);
    ASSERT_FALSE(lab.code.contains(now.address));
    ASSERT_NE(now.entry_value & D, 0U);
    ASSERT_TRUE(now.writable || view_ == View::supervisor_no_wp);
  }

  Fetched fetched_;
  std::mt19937 random_;
  std::vector<Tables> spaces_;
  unsigned space_ = 0;
  View view_ = View::supervisor;
};

template <class Tables>
void run(const WindowLimits& limits) {
  for (unsigned seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    History<Tables> history(seed, limits);
    for (int i = 0; i < 300; ++i) {
      history.step();
      if (i % 4 == 0) history.check();
      if (::testing::Test::HasFatalFailure()) return;
    }
    EXPECT_GT(history.lab.pool().stats().fills, 50U);
  }
}

TEST(RandomHistory, TwoLevel) { run<TwoLevel>({}); }
TEST(RandomHistory, Pae) { run<Pae>({}); }
TEST(RandomHistory, TwoLevelWithFewWindows) { run<TwoLevel>({.windows = 2, .mappings = 24000}); }
TEST(RandomHistory, PaeWithFewHostMappings) { run<Pae>({.windows = 4, .mappings = 150}); }

}  // namespace
}  // namespace ringshift::mmu
