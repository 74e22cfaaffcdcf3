// Revalidation by comparison: after a CR3 load, everything that a window has cached is compared with the
// guest's page tables as they are now, and only what changed is unmapped. An entry that still says what
// the window did with it is as good as a fresh walk, so no page table is ever write-protected.
#include <utility>

#include "mmu/entry_rules.h"
#include "mmu/window_pool.h"

namespace ringshift::mmu {
namespace {

// Gathers pages to be unmapped into ranges. Unmapped pages between two of them do not split a range, so that
// a process that went away costs one system call.
class DropList {
 public:
  DropList(WindowContext& context, Window& window) : context_(context), window_(window) {}

  // Ascending. False if the host refused.
  bool add(std::uint32_t first, std::uint32_t pages) {
    if (pages_ != 0 && window_.any_mapped(first_ + pages_, first - (first_ + pages_)) && !flush()) return false;
    if (pages_ == 0) first_ = first;
    pages_ = first + pages - first_;
    return true;
  }
  bool flush() {
    const std::uint32_t pages = std::exchange(pages_, 0);
    return pages == 0 || window_.drop(context_, first_, pages);
  }

 private:
  WindowContext& context_;
  Window& window_;
  std::uint32_t first_ = 0;
  std::uint32_t pages_ = 0;
};

// True if any of the 64 entries from `begin` contradicts its snapshot. No branch in the loop, so that it
// becomes vector code; an empty snapshot (bit 0 clear) masks itself out.
template <class T>
bool any_change(const T* snapshot, const T* guest, unsigned begin) {
  T changed = 0;
  for (unsigned i = begin; i < begin + 64; ++i) {
    const T cached = static_cast<T>(T{0} - (snapshot[i] & T{1}));
    changed |= static_cast<T>(contradiction<T>(snapshot[i], guest[i], static_cast<T>(kPteRelied)) & cached);
  }
  return changed != 0;
}

bool word_changed(const Slot& slot, bool pae, unsigned begin) {
  if (pae) return any_change(slot.snapshot->wide.data(), reinterpret_cast<const std::uint64_t*>(slot.table), begin);
  return any_change(slot.snapshot->narrow.data(), reinterpret_cast<const std::uint32_t*>(slot.table), begin);
}

enum class Verdict : std::uint8_t {
  keep,
  read_only,  // the mapping stays, the right to write goes
  drop,
};

Verdict judge(const Slot& slot, bool pae, unsigned i) {
  std::uint64_t relied = kPteRelied;
  if (!pae) relied &= 0xFFFFFFFFU;
  const std::uint64_t guest = table_entry(slot, pae, i);
  const std::uint64_t changed = contradiction(snapshot_entry(slot, pae, i), guest, relied);
  if (changed == 0) return Verdict::keep;
  if ((changed & ~(bits::kWrite | bits::kDirty)) != 0) return Verdict::drop;
  // R/W granted: nothing to do, the next write faults and maps it. Fork takes it away from many pages.
  if ((guest & changed) == changed || !slot.is_writable(i)) return Verdict::keep;
  return Verdict::read_only;
}

// Brings the snapshot of a page that stays mapped up to date, after the host has followed.
void settle(Slot& slot, bool pae, unsigned i) {
  const std::uint64_t guest = table_entry(slot, pae, i);
  std::uint64_t cached = (snapshot_entry(slot, pae, i) & ~bits::kWrite) | (guest & bits::kWrite);
  if (!slot.is_writable(i)) cached &= ~bits::kDirty;
  set_snapshot_entry(slot, pae, i, cached);
}

// The guest's PDE for the slot now, normalised as in the snapshot.
std::uint64_t current_pde(WindowContext& context, const Window& window, std::uint32_t page) {
  PhysAddr address = 0;
  if (!bits::pde_address(window.paging, page << kPageShift, address)) return 0;
  address = window.paging.on_pins(address);
  const PhysPage directory = context.physical.page(address);
  if (directory.host == nullptr) return 0;
  const std::uint8_t* host = directory.host + (address & kPageMask);
  if (window.paging.pae) return *reinterpret_cast<const std::uint64_t*>(host);
  return *reinterpret_cast<const std::uint32_t*>(host);
}

bool pde_changed(WindowContext& context, const Window& window, std::uint32_t page, const Slot& slot) {
  const std::uint64_t guest = current_pde(context, window, page);
  return contradiction(slot.upper, guest, relied_bits(slot.kind)) != 0;
}

bool needs_comparison(const Slot& slot, bool globals) {
  if (slot.kind == Slot::Kind::identity) return false;
  if (globals) return true;
  return slot.kind == Slot::Kind::table ? slot.local_count != 0 : (slot.upper & bits::kGlobal) == 0;
}

// Compares what a slot has mapped from a page table.
class TableComparison {
 public:
  TableComparison(WindowContext& context, Window& window, Slot& slot, std::uint32_t first, DropList& drops)
      : context_(context), window_(window), slot_(slot), first_(first), drops_(drops) {}

  // 64 entries, of which `candidates` count. False if the host refused.
  bool word(unsigned word, std::uint64_t candidates) {
    const bool pae = window_.paging.pae;
    if (candidates == 0 || !word_changed(slot_, pae, word * 64)) return true;
    for (std::uint64_t left = candidates; left != 0; left &= left - 1) {
      const unsigned i = word * 64 + static_cast<unsigned>(std::countr_zero(left));
      const Verdict verdict = judge(slot_, pae, i);
      if (verdict == Verdict::keep) settle(slot_, pae, i);
      if (verdict == Verdict::drop && !drops_.add(first_ + i, 1)) return false;
      if (verdict == Verdict::read_only && !protect(i)) return false;
    }
    return true;
  }
  // Takes back rights to write that are still to be taken back.
  bool finish() {
    const unsigned pages = std::exchange(pages_, 0);
    if (pages == 0) return true;
    if (!window_.protect(context_, first_ + begin_, pages, false)) return false;
    for (unsigned i = begin_; i < begin_ + pages; ++i) settle(slot_, window_.paging.pae, i);
    return true;
  }

 private:
  bool protect(unsigned i) {
    if (pages_ != 0 && begin_ + pages_ != i && !finish()) return false;
    if (pages_ == 0) begin_ = i;
    ++pages_;
    return true;
  }

  WindowContext& context_;
  Window& window_;
  Slot& slot_;
  std::uint32_t first_;  // linear page number of the slot
  DropList& drops_;
  unsigned begin_ = 0;  // a run to be made read-only
  unsigned pages_ = 0;
};

bool compare_table(WindowContext& context, Window& window, std::uint32_t first, Slot& slot, bool globals,
                   DropList& drops) {
  TableComparison comparison(context, window, slot, first, drops);
  for (unsigned word = 0; word * 64 < window.slot_pages(); ++word) {
    if (!comparison.word(word, globals ? slot.mapped[word] : slot.local[word])) return false;
  }
  return comparison.finish();
}

}  // namespace

bool revalidate_window(WindowContext& context, Window& window, bool globals) {
  DropList drops(context, window);
  bool ok = true;
  window.for_each_slot([&](std::uint32_t first, Slot& slot) {
    if (!needs_comparison(slot, globals)) return true;
    if (pde_changed(context, window, first, slot)) {
      ok = drops.add(first, window.slot_pages());
    } else if (slot.kind == Slot::Kind::table) {
      ok = compare_table(context, window, first, slot, globals, drops);
    }
    return ok;
  });
  return ok && drops.flush();
}

bool revalidate_page(WindowContext& context, Window& window, std::uint32_t page) {
  Slot* slot = window.slot_of(page);
  if (slot == nullptr || slot->kind == Slot::Kind::identity) return true;
  if (pde_changed(context, window, page, *slot)) {
    return window.drop(context, page & ~(window.slot_pages() - 1), window.slot_pages());
  }
  const unsigned i = window.index_in_slot(page);
  if (slot->kind == Slot::Kind::large || !slot->is_mapped(i)) return true;
  // Stale neighbours go with it: whoever invalidates a range page by page has changed all of its entries before.
  DropList drops(context, window);
  TableComparison comparison(context, window, *slot, page - i, drops);
  return comparison.word(i / 64, slot->mapped[i / 64]) && comparison.finish() && drops.flush();
}

bool maps_global(const Window& window, std::uint32_t page) {
  const Slot* slot = window.slot_of(page);
  if (slot == nullptr || slot->kind == Slot::Kind::identity) return false;
  if (slot->kind == Slot::Kind::large) return (slot->upper & bits::kGlobal) != 0;
  const unsigned i = window.index_in_slot(page);
  return slot->is_mapped(i) && !Slot::test(slot->local, i);
}

}  // namespace ringshift::mmu
