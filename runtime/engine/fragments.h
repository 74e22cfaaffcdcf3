// Fragments: what has been translated, how to find it, how the pieces are linked.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "mmu/types.h"
#include "runtime/engine/code_cache.h"
#include "runtime/engine/page_of_code.h"
#include "translator/translate.h"

namespace ringshift::engine {

using FragmentId = std::uint32_t;
inline constexpr FragmentId kNoFragment = 0xFFFFFFFF;

// A direct exit of a fragment, and the fragment that it jumps to, if linked.
struct Site {
  FragmentId from = kNoFragment;
  FragmentId to = kNoFragment;
  std::uint32_t patch_offset = 0;    // cache offset of the rel32
  std::uint32_t stub_offset = 0;     // cache offset of its own stub
  std::uint32_t target = 0;          // guest eip, as Record::eip
  std::uint32_t return_address = 0;  // of a call that may be replaced by a load (translator::DirectExit)
  bool same_page = false;            // the target lies in the page of the fragment's eip
  bool traps = false;  // taken in front of an instruction that the runtime executes (Fragment::trap_exit); never linked
  bool stale = false;  // taken when the code has changed (translator::Fragment::stale_exit); never linked
};

struct Record {
  std::uint32_t host_offset = 0;  // entry, in the cache
  std::uint32_t host_size = 0;
  std::uint32_t eip = 0;   // linear; with `place`, the offset in its page
  std::int32_t place = 0;  // it may stand anywhere: abi::place_offset of its page, else 0
  std::uint32_t guest_bytes = 0;
  std::uint32_t mode = 0;  // interned
  std::uint32_t first_site = 0;
  std::uint32_t site_count = 0;
  mmu::PhysAddr physical = 0;     // of its first byte
  mmu::PhysAddr second_page = 0;  // of the page that a crossing instruction continues on, else 0
  bool live = true;
  bool interpret_only = false;                       // its first instruction is a callout: do not enter, interpret
  bool checked = false;                              // compares its source with memory: its page is not protected
  std::uint32_t loop_offset = 0;                     // from host_offset: where its own exits may be linked to
  std::optional<std::uint8_t> loads_return_address;  // translator::Fragment
  std::vector<std::uint8_t> source;                  // checked: the guest's bytes
  std::uint32_t first_point = 0;
  std::uint32_t point_count = 0;
  std::vector<std::uint32_t> incoming;  // sites linked to it

  // That it begins in.
  [[nodiscard]] PageOfCode page() const {
    return {physical & ~mmu::PhysAddr{mmu::kPageMask}, place != 0 ? kAnywhere : eip >> mmu::kPageShift, mode};
  }
};

// Keyed by physical page, eip and mode. Physical, so that a translation outlives context switches;
// eip, because host code contains linear addresses, unless it may stand anywhere.
class FragmentTable {
 public:
  explicit FragmentTable(CodeCache& cache) : cache_(cache) {}

  // `eip` and `place` as in Record.
  [[nodiscard]] FragmentId find(mmu::PhysAddr physical, std::uint32_t eip, std::int32_t place,
                                std::uint32_t mode) const;
  // The fragment whose code contains the cache offset.
  [[nodiscard]] FragmentId at(std::uint32_t host_offset) const;
  [[nodiscard]] Record& operator[](FragmentId id) { return records_[id]; }
  [[nodiscard]] std::uint32_t next_site() const { return static_cast<std::uint32_t>(sites_.size()); }
  [[nodiscard]] Site& site(std::uint32_t number) { return sites_[number]; }
  [[nodiscard]] std::uint32_t next_brief() const { return static_cast<std::uint32_t>(briefs_.size()); }
  // The instruction of a brief callout.
  [[nodiscard]] const isa::Insn& brief(std::uint32_t number) const { return briefs_[number]; }
  [[nodiscard]] std::size_t size() const { return records_.size(); }
  // The point that holds at `offset` of the fragment: the last one at or before it. Null if there is none.
  [[nodiscard]] const translator::Point* point_at(const Record& record, std::uint32_t offset) const;

  // Takes over a fragment that stands at `record.host_offset` in the cache.
  FragmentId add(Record record, const translator::Fragment& fragment);
  void link(std::uint32_t site, FragmentId to);
  // Makes the site look its target up without leaving the cache, for a target whose fragment may be replaced unseen.
  // `lookup` is the code that does it for r8d. False: no room.
  bool link_to_lookup(std::uint32_t site, std::span<const std::uint8_t> lookup);
  // The number of the site whose stub's call ends at a cache offset.
  [[nodiscard]] std::uint32_t site_before(std::uint32_t host_offset) const;
  // Makes all sites in one page of code that are linked into another one look their targets up.
  void unlink(const PageOfCode& from, const PageOfCode& to, std::span<const std::uint8_t> lookup);
  // Unlinks a fragment from everything that jumps to it; nobody finds it any more.
  void kill(FragmentId id);
  // Live fragments with guest bytes on a physical page.
  [[nodiscard]] std::vector<FragmentId> on_page(mmu::PhysAddr page) const;
  // Those of them whose bytes there are executed at linear page number `linear`, or anywhere.
  [[nodiscard]] std::span<const FragmentId> on_page(mmu::PhysAddr page, std::uint32_t linear) const;
  [[nodiscard]] bool any_on_page(mmu::PhysAddr page) const;
  // Whether code of this mode that begins on a physical page has been executed at another linear page than `linear`.
  [[nodiscard]] bool elsewhere(mmu::PhysAddr page, std::uint32_t linear, std::uint32_t mode) const;
  void clear();

 private:
  struct Key {
    mmu::PhysAddr page;
    std::uint32_t eip, mode;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      return static_cast<std::size_t>(key.page << 28 ^ std::uint64_t{key.mode} << 32 ^ key.eip);
    }
  };
  [[nodiscard]] static Key key(mmu::PhysAddr physical, std::uint32_t eip, std::int32_t place, std::uint32_t mode) {
    constexpr std::uint32_t kOfAnywhere = 1U << 31;
    return {physical >> mmu::kPageShift, eip, place != 0 ? mode | kOfAnywhere : mode};
  }
  void patch(std::uint32_t site, std::uint32_t destination_offset);
  void replace_call(std::uint32_t site, std::uint8_t destination);
  void restore_call(std::uint32_t site);
  [[nodiscard]] static std::uint64_t place_key(mmu::PhysAddr page, std::uint32_t linear) {
    return (page >> mmu::kPageShift) << 21 ^ linear;
  }
  void note_on_page(mmu::PhysAddr page, std::uint32_t linear, FragmentId id);
  void forget_on_page(mmu::PhysAddr page, std::uint32_t linear, FragmentId id);

  static constexpr std::uint32_t kBlock = 4096;  // bytes of the cache

  CodeCache& cache_;
  std::vector<FragmentId> first_at_;  // the first record at or after each block of the cache: at() looks there
  // These grow without being copied.
  std::deque<Record> records_;  // in the order of host_offset
  std::deque<Site> sites_;
  std::deque<translator::Point> points_;  // of all records
  std::vector<isa::Insn> briefs_;
  std::unordered_map<Key, FragmentId, KeyHash> by_key_;
  // A page of a shared library is executed at hundreds of linear addresses, if a guest places libraries at random.
  std::unordered_map<mmu::PhysAddr, std::vector<std::uint32_t>> linear_pages_;  // of a page's fragments
  std::unordered_map<std::uint64_t, std::vector<FragmentId>> by_place_;         // page and linear page
  std::unordered_map<std::uint32_t, std::array<std::uint32_t, 5>> replaced_;  // by site: what replace_call() wrote over
  // The cache offset of the way to the lookup, by place and target.
  std::unordered_map<std::uint64_t, std::uint32_t> lookups_;
};

}  // namespace ringshift::engine
