// Answers a fault in a window: what the guest's page tables allow is mapped, with its neighbours.
#include <algorithm>
#include <array>
#include <utility>

#include "mmu/entry_rules.h"
#include "mmu/page_walk.h"
#include "mmu/window_pool.h"

namespace ringshift::mmu {
namespace {

// Neighbours that one fault brings along: measured, 8 pages cost little more than 1 because the signal
// dominates.
constexpr unsigned kGroup = 8;
// A large page with more runs of code and data than this is mapped around the fault only.
constexpr unsigned kMaxRuns = 16;
constexpr unsigned kMinChunk = 64;

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
  const std::uint32_t first = page & ~(window.slot_pages() - 1);
  if (slot != nullptr) {
    const bool same = slot->kind == kind && ((slot->upper ^ upper) & ~bits::kDirty) == 0;
    // A page that led elsewhere until now: the observer hears of it.
    const unsigned i = window.index_in_slot(page);
    const bool moved = slot->is_mapped(i) && slot->frame[i] != frame_of(found.address);
    if (!same && !window.drop(context, first, window.slot_pages())) return nullptr;
    if (same && moved && !window.drop(context, page, 1)) return nullptr;
    slot = window.slot_of(page);
  }
  if (slot == nullptr) {
    const std::uint32_t base = kind == Slot::Kind::table ? 0 : frame_of(found.address) - window.index_in_slot(page);
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

bool all_mapped(const Slot& slot, unsigned begin, unsigned end) {
  for (unsigned i = begin; i < end; ++i) {
    if (!slot.is_mapped(i)) return false;
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
  bool writable = false;
  std::uint32_t frame = 0;
  std::uint64_t file_offset = 0;
  std::uint64_t entry = 0;
};

// What a neighbour of the faulting page deserves: only what needs no change of A or D.
Wanted neighbour(const WindowContext& context, const Window& window, const Slot& slot, unsigned i) {
  const std::uint64_t entry = table_entry(slot, window.paging.pae, i);
  Wanted out;
  constexpr std::uint64_t kNeeded = bits::kPresent | bits::kAccessed;
  if ((entry & kNeeded) != kNeeded || (entry & bits::reserved_bits(window.paging, false)) != 0) return out;
  const std::uint64_t rights = entry & slot.upper;
  if (window.view == View::user && (rights & bits::kUser) == 0) return out;
  const PhysAddr address = entry & bits::kFrameMask;
  const PhysPage target = context.physical.page(address);
  if (target.host == nullptr) return out;
  out.frame = frame_of(address);
  if (slot.is_mapped(i) && slot.frame[i] != out.frame) return out;
  out.writable = (entry & bits::kDirty) != 0 && target.kind == PageKind::ram && !holds_code(context, out.frame) &&
                 ((rights & bits::kWrite) != 0 || window.view == View::supervisor_no_wp);
  out.wanted = !slot.is_mapped(i) || (out.writable && !slot.is_writable(i));
  out.file_offset = target.file_offset;
  out.entry = entry;
  return out;
}

bool fill_group(WindowContext& context, Window& window, Slot& slot, std::uint32_t page, const Wanted& faulting) {
  const unsigned at = window.index_in_slot(page);
  const unsigned base = at & ~(kGroup - 1);
  const std::uint32_t base_page = page & ~(kGroup - 1);
  std::array<Wanted, kGroup> group;
  for (unsigned j = 0; j < kGroup; ++j) {
    group[j] = base + j == at ? faulting : neighbour(context, window, slot, base + j);
  }
  for (unsigned j = 0; j < kGroup;) {
    if (!group[j].wanted) {
      ++j;
      continue;
    }
    unsigned end = j + 1;
    while (end < kGroup && group[end].wanted && group[end].writable == group[j].writable &&
           group[end].frame == group[end - 1].frame + 1 &&
           group[end].file_offset == group[end - 1].file_offset + kPageSize) {
      ++end;
    }
    const MapRun run{base_page + j, end - j, group[j].frame, group[j].file_offset, group[j].writable};
    const bool ok = all_mapped(slot, base + j, base + end) ? window.protect(context, run.first, run.pages, run.writable)
                                                           : window.map(context, run);
    if (!ok) return false;
    for (unsigned k = j; k < end; ++k) remember(window, slot, base + k, group[k].entry);
    j = end;
  }
  return true;
}

// ---- large pages and paging off ------------------------------------------------------------------------

bool fill_runs(WindowContext& context, Window& window, Slot& slot, std::uint32_t page, bool can_write) {
  const unsigned at = window.index_in_slot(page);
  const PhysExtent extent = context.physical.extent(PhysAddr{slot.base_frame + at} << kPageShift);
  const std::uint32_t low = frame_of(extent.first);
  const std::uint64_t high = extent.end >> kPageShift;
  unsigned begin = low > slot.base_frame ? low - slot.base_frame : 0;
  unsigned end = static_cast<unsigned>(std::min<std::uint64_t>(window.slot_pages(), high - slot.base_frame));

  auto writable = [&](unsigned i) { return can_write && !holds_code(context, slot.base_frame + i); };
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
    if (!all_mapped(slot, i, stop)) {
      const std::uint32_t frame = slot.base_frame + i;
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

}  // namespace

FillResult fill_window(WindowContext& context, Window& window, Linear linear, Access access, bool& host_refused) {
  const bool user = window.paging.enabled && window.view == View::user;
  const Walk found = walk(context.physical, window.paging, linear, access, user);
  if (!found.ok) return {Fill::page_fault, found.error, 0};
  const FillResult emulate{Fill::emulate, 0, found.address};
  const PhysPage target = context.physical.page(found.address);
  if (target.host == nullptr) return emulate;
  const bool may_write = target.kind == PageKind::ram && !context.code.contains(found.address);
  if (access == Access::write && !may_write) return emulate;

  const Slot::Kind kind = kind_of(window.paging, found);
  const std::uint8_t* table = nullptr;
  if (kind == Slot::Kind::table) {
    table = context.physical.page(found.entry_address).host;
    if (table == nullptr) return emulate;  // a page table in a device: nothing to compare with
  }
  const std::uint32_t page = linear >> kPageShift;
  Slot* slot = slot_for(context, window, page, found, kind, table);
  if (slot == nullptr) {
    host_refused = true;
    return emulate;
  }
  const bool can_write =
      found.dirty && (found.writable || (window.paging.enabled && window.view == View::supervisor_no_wp));
  bool ok = false;
  if (kind == Slot::Kind::table) {
    const unsigned i = window.index_in_slot(page);
    Wanted wanted;
    wanted.writable = can_write && may_write;
    wanted.wanted = !slot->is_mapped(i) || (wanted.writable && !slot->is_writable(i));
    wanted.frame = frame_of(found.address);
    wanted.file_offset = target.file_offset;
    wanted.entry = found.entry_value;
    ok = fill_group(context, window, *slot, page, wanted);
  } else {
    ok = fill_runs(context, window, *slot, page, can_write && target.kind == PageKind::ram);
  }
  if (!ok) {
    window.remove_if_empty(page);
    host_refused = true;
    return emulate;
  }
  if (access != Access::fetch) touch(window, linear);
  ++context.stats.fills;
  return {Fill::mapped, 0, found.address};
}

}  // namespace ringshift::mmu
