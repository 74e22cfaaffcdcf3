// Answers a fault in a window: what the guest's page tables allow is mapped, with its neighbours.
#include <algorithm>
#include <array>
#include <utility>

#include "mmu/entry_rules.h"
#include "mmu/page_walk.h"
#include "mmu/window_pool.h"

namespace ringshift::mmu {
namespace {

// The aligned block in which pages that continue the faulting one in physical memory come along: it is one
// mapping, whatever its length. Scattered neighbours do not: each is a mapping of its own, at half the cost of a
// fault, and a booting Linux uses one in three of them.
constexpr unsigned kReach = 64;
// A large page with more runs of code and data than this is mapped around the fault only.
constexpr unsigned kMaxRuns = 16;
constexpr unsigned kMinChunk = 64;
constexpr unsigned kMegabyte = PagingState::kA20 >> kPageShift;  // in pages

// Enters the page into the host's page tables, and with it those around it of the same mapping that have memory
// (the kernel's own fault-around, up to 64 KiB). A read does for writes too: the mapping is shared. Cheaper than
// MAP_POPULATE, and it allocates no memory for pages that the guest has never touched.
void touch(const Window& window, Linear linear) {
  static_cast<void>(*static_cast<const volatile std::uint8_t*>(window.base() + linear));
}

std::uint32_t frame_of(PhysAddr address) { return static_cast<std::uint32_t>(address >> kPageShift); }

bool holds_code(const WindowContext& context, std::uint32_t frame) {
  return context.code.contains(PhysAddr{frame} << kPageShift);
}

std::uint64_t normalised_upper(const Walk& found, Slot::Kind kind) {
  return (kind == Slot::Kind::table ? found.upper_value : found.entry_value) & relied_bits(kind);
}

Slot::Kind kind_of(const PagingState& paging, const Walk& found) {
  if (!paging.enabled) return Slot::Kind::identity;
  return found.page_size == kPageSize ? Slot::Kind::table : Slot::Kind::large;
}

// The slot for `page`, consistent with the walk; null if the host refused to clear a stale one.
Slot* slot_for(WindowContext& context, Window& window, std::uint32_t page, const Walk& found, Slot::Kind kind,
               const std::uint8_t* table) {
  const std::uint64_t upper = kind == Slot::Kind::identity ? 0 : normalised_upper(found, kind);
  Slot* slot = window.slot_of(page);
  if (slot != nullptr) {
    const bool same = slot->kind == kind && ((slot->upper ^ upper) & ~bits::kDirty) == 0;
    const std::uint32_t first = page & ~(window.slot_pages() - 1);
    if (!same && !window.drop(context, first, window.slot_pages())) return nullptr;
    slot = window.slot_of(page);
  }
  if (slot == nullptr) {
    const std::uint32_t base = kind == Slot::Kind::table ? 0 : frame_of(found.address) & ~(window.slot_pages() - 1);
    slot = &window.add_slot(page, kind, base);
  }
  slot->upper |= upper;
  slot->table = table;
  return slot;
}

void remember(Window& window, Slot& slot, unsigned i, std::uint64_t entry) {
  std::uint64_t relied = kPteRelied;
  if (!slot.is_writable(i)) relied &= ~bits::kDirty;
  set_snapshot_entry(slot, window.paging.pae, i, entry & relied);
  const bool local = (entry & bits::kGlobal) == 0;
  const std::uint64_t bit = std::uint64_t{1} << (i % 64);
  if (local == Slot::test(slot.local, i)) return;
  slot.local[i / 64] ^= bit;
  slot.local_count += local ? 1U : ~0U;
}

bool all_hosted(const Slot& slot, unsigned begin, unsigned end) {
  for (unsigned i = begin; i < end; ++i) {
    if (!slot.is_hosted(i)) return false;
  }
  return true;
}

bool all_writable(const Slot& slot, unsigned begin, unsigned end) {
  for (unsigned i = begin; i < end; ++i) {
    if (!slot.is_writable(i)) return false;
  }
  return true;
}

// ---- 4 KiB pages -------------------------------------------------------------------------------------

struct Wanted {
  bool wanted = false;
  bool in_place = false;  // in the host's page tables already, and only the right to write is missing
  bool writable = false;
  std::uint32_t frame = 0;
  std::uint64_t file_offset = 0;
  std::uint64_t entry = 0;
};

// Whether `after` continues `before` in one mapping of the host.
bool continues(const Wanted& before, const Wanted& after) {
  return after.wanted && after.writable == before.writable && after.frame == before.frame + 1 &&
         after.file_offset == before.file_offset + kPageSize;
}

// What a neighbour of the faulting page deserves: only what needs no change of A or D.
Wanted neighbour(const WindowContext& context, const Window& window, const Slot& slot, unsigned i) {
  const std::uint64_t entry = table_entry(slot, window.paging.pae, i);
  Wanted out;
  constexpr std::uint64_t kNeeded = bits::kPresent | bits::kAccessed;
  if ((entry & kNeeded) != kNeeded || (entry & bits::reserved_bits(window.paging, false)) != 0) return out;
  const std::uint64_t rights = entry & slot.upper;
  if (window.view == View::user && (rights & bits::kUser) == 0) return out;
  const PhysAddr address = window.paging.on_pins(entry & bits::kFrameMask);
  const PhysPage target = context.physical.page(address);
  if (target.host == nullptr) return out;
  out.frame = frame_of(address);
  if (slot.is_mapped(i) && slot.frame[i] != out.frame) return out;
  const bool hosted = slot.is_hosted(i);
  out.writable = (entry & bits::kDirty) != 0 && target.kind == PageKind::ram && !holds_code(context, out.frame) &&
                 ((rights & bits::kWrite) != 0 || window.view == View::supervisor_no_wp);
  out.wanted = !hosted || (out.writable && !slot.is_writable(i));
  out.in_place = hosted;
  out.file_offset = target.file_offset;
  out.entry = entry;
  return out;
}

// Maps the faulting page, with those of its block that continue it. False if the host refused.
bool fill_run(WindowContext& context, Window& window, Slot& slot, std::uint32_t page, const Wanted& faulting) {
  const unsigned at = page % kReach;
  const unsigned block = window.index_in_slot(page) - at;  // index in the slot
  std::array<Wanted, kReach> pages;
  pages[at] = faulting;
  auto look = [&](unsigned i) { return pages[i] = neighbour(context, window, slot, block + i); };
  unsigned begin = at;
  unsigned end = at + 1;
  while (begin > 0 && look(begin - 1).wanted && continues(pages[begin - 1], pages[begin])) --begin;
  while (end < kReach && continues(pages[end - 1], look(end))) ++end;

  const std::uint32_t first = page - at + begin;
  const Wanted& run = pages[begin];
  bool in_place = true;
  for (unsigned i = begin; i < end; ++i) in_place = in_place && pages[i].in_place;
  const bool ok = in_place ? window.protect(context, first, end - begin, run.writable)
                           : window.map(context, {first, end - begin, run.frame, run.file_offset, run.writable});
  if (!ok) return false;
  for (unsigned i = begin; i < end; ++i) remember(window, slot, block + i, pages[i].entry);
  return true;
}

// ---- large pages and paging off ------------------------------------------------------------------------

bool fill_runs(WindowContext& context, Window& window, Slot& slot, std::uint32_t page, bool can_write) {
  const unsigned at = window.index_in_slot(page);
  const PhysAddr address = window.paging.on_pins(PhysAddr{slot.base_frame + at} << kPageShift);
  const PhysExtent extent = context.physical.extent(address);
  // Of the first page of the slot, counted back from here: an odd megabyte that A20 masks leads below the slot's own.
  const std::uint32_t first_frame = frame_of(address) - at;
  const std::uint32_t low = frame_of(extent.first);
  const std::uint64_t high = extent.end >> kPageShift;
  unsigned begin = at - std::min(at, frame_of(address) - low);
  unsigned end =
      at + static_cast<unsigned>(std::min<std::uint64_t>(window.slot_pages() - at, high - frame_of(address)));
  if (window.paging.a20_masked) {  // one megabyte at a time
    begin = std::max(begin, at & ~(kMegabyte - 1));
    end = std::min(end, (at | (kMegabyte - 1)) + 1);
  }

  auto writable = [&](unsigned i) { return can_write && !holds_code(context, first_frame + i); };
  auto too_many_runs = [&] {
    unsigned runs = 1;
    for (unsigned i = begin + 1; i < end && runs <= kMaxRuns; ++i) runs += writable(i) != writable(i - 1) ? 1U : 0U;
    return runs > kMaxRuns;
  };
  while (end - begin > kMinChunk && too_many_runs()) {
    const unsigned middle = begin + (end - begin) / 2;
    (at < middle ? end : begin) = middle;
  }

  const std::uint32_t slot_first = page - at;
  for (unsigned i = begin; i < end;) {
    const bool write = writable(i);
    unsigned stop = i + 1;
    while (stop < end && writable(stop) == write) ++stop;
    bool ok = true;
    if (!all_hosted(slot, i, stop)) {
      const std::uint32_t frame = first_frame + i;
      ok = window.map(context, {slot_first + i, stop - i, frame,
                                extent.file_offset + ((PhysAddr{frame} << kPageShift) - extent.first), write});
    } else if (write && !all_writable(slot, i, stop)) {
      ok = window.protect(context, slot_first + i, stop - i, true);
    }
    if (!ok) return false;
    i = stop;
  }
  return true;
}

enum class Entered : std::uint8_t {
  yes,
  refused,     // by the host: make room and try again
  impossible,  // the page table is in a device: nothing to compare with
};

enum class Wish : std::uint8_t {
  mapping,
  record,  // for fetches: translated code does not read what it is made of, and a mapping costs more than the record
};

// Enters the page that a walk has found, in RAM or ROM: into the host's page tables with its neighbours, or, unless it
// is there already, into the record alone.
Entered enter(WindowContext& context, Window& window, Linear linear, Wish wish, const Walk& found,
              const PhysPage& target) {
  const Slot::Kind kind = kind_of(window.paging, found);
  const std::uint8_t* table = nullptr;
  if (kind == Slot::Kind::table) {
    table = context.physical.page(found.entry_address).host;
    if (table == nullptr) return Entered::impossible;
  }
  const std::uint32_t page = linear >> kPageShift;
  Slot* slot = slot_for(context, window, page, found, kind, table);
  if (slot == nullptr) return Entered::refused;
  const unsigned i = window.index_in_slot(page);
  if (wish == Wish::record && !slot->is_mapped(i)) {
    window.track(page, frame_of(found.address));
    if (kind == Slot::Kind::table) remember(window, *slot, i, found.entry_value);
    return Entered::yes;
  }
  const bool can_write = found.dirty && target.kind == PageKind::ram &&
                         (found.writable || (window.paging.enabled && window.view == View::supervisor_no_wp));
  bool ok = false;
  if (kind == Slot::Kind::table) {
    Wanted wanted;
    wanted.frame = frame_of(found.address);
    wanted.file_offset = target.file_offset;
    wanted.entry = found.entry_value;
    wanted.writable = can_write && !holds_code(context, wanted.frame);
    const bool same = slot->is_mapped(i) && slot->frame[i] == wanted.frame;
    wanted.in_place = same && slot->is_hosted(i);
    wanted.wanted = !wanted.in_place || (wanted.writable && !slot->is_writable(i));
    // It led elsewhere until now, and the new mapping takes its place.
    if (slot->is_mapped(i) && !same) window.announce_drop(context, page);
    ok = !wanted.wanted || fill_run(context, window, *slot, page, wanted);
  } else {
    ok = fill_runs(context, window, *slot, page, can_write);
  }
  if (ok) return Entered::yes;
  window.remove_if_empty(page);
  return Entered::refused;
}

}  // namespace

std::optional<PhysAddr> recorded_fetch(const Window& window, Linear linear) {
  const std::uint32_t page = linear >> kPageShift;
  const Slot* slot = window.slot_of(page);
  const unsigned i = window.index_in_slot(page);
  if (slot == nullptr || !slot->is_mapped(i)) return std::nullopt;
  std::uint64_t entries = slot->upper;
  if (slot->kind == Slot::Kind::table) entries |= snapshot_entry(*slot, window.paging.pae, i);
  if (window.paging.pae && window.paging.nxe && (entries & bits::kNoExecute) != 0) return std::nullopt;
  return (PhysAddr{slot->frame[i]} << kPageShift) | (linear & kPageMask);
}

FillResult fill_window(WindowContext& context, Window& window, Linear linear, Access access, bool& host_refused) {
  if (access == Access::fetch) {
    // A walk would say nothing better.
    if (const auto recorded = recorded_fetch(window, linear)) return {Fill::mapped, 0, *recorded};
  }
  const bool user = window.paging.enabled && window.view == View::user;
  const Walk found = walk(context.physical, window.paging, linear, access, user);
  if (!found.ok) return {Fill::page_fault, found.error, 0};
  const FillResult emulate{Fill::emulate, 0, found.address};
  const PhysPage target = context.physical.page(found.address);
  if (target.host == nullptr) return emulate;
  if (access == Access::write) context.code.note_write(found.address);
  if (access == Access::write && (target.kind != PageKind::ram || context.code.contains(found.address))) return emulate;
  // Of a large page, all that is contiguous comes in one mapping.
  const bool record = access == Access::fetch && kind_of(window.paging, found) == Slot::Kind::table;
  const Entered entered = enter(context, window, linear, record ? Wish::record : Wish::mapping, found, target);
  host_refused = entered == Entered::refused;
  if (entered != Entered::yes) return emulate;
  if (access != Access::fetch) {
    touch(window, linear);
    ++context.stats.fills;
  }
  return {Fill::mapped, 0, found.address};
}

namespace {

// Where `linear` leads, if a TLB might have it for this view without any change of A.
Walk accessed(const WindowContext& context, const Window& window, Linear linear) {
  Walk found = probe(context.physical, window.paging, linear);
  if (!found.ok || !window.paging.enabled) return found;
  const std::uint64_t entries = found.entry_value & (found.page_size == kPageSize ? found.upper_value : ~0ULL);
  found.ok = (entries & bits::kAccessed) != 0 && (found.user || window.view != View::user);
  return found;
}

}  // namespace

bool prefill_window(WindowContext& context, Window& window, Linear linear) {
  if (!window.paging.enabled) return true;
  const Walk found = accessed(context, window, linear);
  if (!found.ok || found.page_size != kPageSize) return true;
  const PhysPage target = context.physical.page(found.address);
  if (target.host == nullptr) return true;
  const std::uint64_t before = context.stats.pages_mapped;
  if (enter(context, window, linear, Wish::mapping, found, target) == Entered::refused) return false;
  if (context.stats.pages_mapped != before) ++context.stats.prefills;
  return true;
}

bool prefetch_window(WindowContext& context, Window& window, Linear linear, std::optional<PhysAddr>& found) {
  found = recorded_fetch(window, linear);
  if (found) return true;
  const Walk walked = accessed(context, window, linear);
  if (!walked.ok || walked.no_execute) return true;
  const PhysPage target = context.physical.page(walked.address);
  if (target.host == nullptr) return true;
  if (enter(context, window, linear, Wish::record, walked, target) == Entered::refused) return false;
  found = recorded_fetch(window, linear);
  return true;
}

}  // namespace ringshift::mmu
