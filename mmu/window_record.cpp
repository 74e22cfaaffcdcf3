#include "mmu/window_record.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>

namespace ringshift::mmu {
namespace {

// So many writable pages in a row, and so many more are expected.
constexpr unsigned kRunBefore = 4;
constexpr std::uint32_t kRunAhead = 32;

// The bits of 64-bit word `word` that lie in [begin, end).
std::uint64_t word_mask(unsigned word, unsigned begin, unsigned end) {
  const unsigned low = word * 64;
  if (end <= low || begin >= low + 64) return 0;
  std::uint64_t mask = ~std::uint64_t{0};
  if (begin > low) mask &= ~std::uint64_t{0} << (begin - low);
  if (end < low + 64) mask &= ~(~std::uint64_t{0} << (end - low));
  return mask;
}

template <class F>
void for_each_bit(const Slot::Bitmap& map, unsigned begin, unsigned end, F f) {
  for (unsigned word = begin / 64; word * 64 < end; ++word) {
    for (std::uint64_t left = map[word] & word_mask(word, begin, end); left != 0; left &= left - 1) {
      f(word * 64 + static_cast<unsigned>(std::countr_zero(left)));
    }
  }
}

void set_range(Slot::Bitmap& map, unsigned begin, unsigned end, bool value) {
  for (unsigned word = begin / 64; word * 64 < end; ++word) {
    const std::uint64_t mask = word_mask(word, begin, end);
    map[word] = value ? map[word] | mask : map[word] & ~mask;
  }
}

// Whether a mapping of the host begins with page i, which is in one. (It merges neighbours of one file at consecutive
// offsets with equal protection; what merges across slots is counted twice.)
bool begins_mapping(const Slot& slot, unsigned i) {
  if (i == 0 || !slot.is_hosted(i - 1)) return true;
  return slot.frame[i] != slot.frame[i - 1] + 1 || slot.is_writable(i) != slot.is_writable(i - 1);
}

}  // namespace

Slot& Window::add_slot(std::uint32_t page, Slot::Kind kind, std::uint32_t base_frame) {
  const unsigned index = page >> slot_shift();
  assert(!slots_[index]);
  slots_[index] = std::make_unique<Slot>();
  live_[index / 64] |= std::uint64_t{1} << (index % 64);
  Slot& slot = *slots_[index];
  slot.kind = kind;
  slot.base_frame = base_frame;
  if (kind == Slot::Kind::table) {
    slot.snapshot = std::make_unique<TableSnapshot>();
  } else {
    run_slots_.push_back({base_frame, index});
  }
  return slot;
}

void Window::remove_if_empty(std::uint32_t page) {
  const Slot* slot = slot_of(page);
  if (slot != nullptr && slot->mapped_count == 0) erase_slot(page >> slot_shift());
}

void Window::erase_slot(unsigned index) {
  if (slots_[index]->kind != Slot::Kind::table) {
    std::erase_if(run_slots_, [=](const RunSlot& run) { return run.index == index; });
  }
  slots_[index].reset();
  live_[index / 64] &= ~(std::uint64_t{1} << (index % 64));
}

bool Window::any(Slot::Bitmap Slot::*map, std::uint32_t first, std::uint32_t pages) const {
  const std::uint32_t end = first + pages;
  while (first < end) {
    const std::uint32_t slot_end = (first | (slot_pages() - 1)) + 1;
    if (const Slot* slot = slot_of(first)) {
      const unsigned begin = index_in_slot(first);
      const unsigned stop = begin + (std::min(end, slot_end) - first);
      for (unsigned word = begin / 64; word * 64 < stop; ++word) {
        if (((slot->*map)[word] & word_mask(word, begin, stop)) != 0) return true;
      }
    }
    first = slot_end;
  }
  return false;
}

void Window::count_areas(WindowContext& context, Slot& slot, unsigned begin, unsigned end, int sign) {
  std::uint32_t count = 0;
  for_each_bit(slot.hosted, begin, std::min(end + 1, slot_pages()),
               [&](unsigned i) { count += begins_mapping(slot, i) ? 1U : 0U; });
  const std::uint32_t change = sign > 0 ? count : 0U - count;
  areas_ += change;
  context.areas += static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(change)));
}

std::uint32_t Window::worth_running_ahead(const WindowContext& context, const Slot& slot, const MapRun& run) const {
  if (slot.kind != Slot::Kind::table || !run.writable) return 0;
  const unsigned begin = index_in_slot(run.first);
  const unsigned end = begin + run.pages;
  if (end < kRunBefore) return 0;
  for (unsigned i = end - kRunBefore; i < begin; ++i) {
    if (!slot.is_writable(i) || slot.frame[i] != run.frame - (begin - i)) return 0;
  }
  const std::uint32_t wanted = std::min(kRunAhead, slot_pages() - end);
  if (any_mapped(run.first + run.pages, wanted)) return 0;
  const PhysAddr next = PhysAddr{run.frame + run.pages} << kPageShift;
  return context.physical.ram_run(next, wanted) == wanted ? wanted : 0;
}

bool Window::map_host(WindowContext& context, const Slot& slot, const MapRun& run) {
  if (run.writable && ahead_.begins_with(run.first, run.pages, run.frame)) {
    if (!reservation_.protect(run.first, run.pages, true)) return false;
    ahead_.take(run.pages);
    return true;
  }
  forget_ahead(run.first, run.pages);
  const int fd = context.physical.memory().fd();
  std::uint32_t more = worth_running_ahead(context, slot, run);
  if (more == 0) return reservation_.map(run.first, run.pages, fd, run.file_offset, run.writable);
  if (ahead_.pages != 0) {  // one at a time, so that what is left of them stays few
    if (!any_mapped(ahead_.first, ahead_.pages) && !reservation_.unmap(ahead_.first, ahead_.pages)) return false;
    ahead_ = {};
  }
  if (!reservation_.map_ahead(run.first, run.pages, more, fd, run.file_offset)) return false;
  ahead_ = {run.first + run.pages, more, run.frame + run.pages};
  return true;
}

bool Window::map(WindowContext& context, const MapRun& run) {
  Slot& slot = *slot_of(run.first);
  if (!map_host(context, slot, run)) return false;
  const unsigned begin = index_in_slot(run.first);
  const unsigned end = begin + run.pages;
  count_areas(context, slot, begin, end, -1);
  for (unsigned i = begin; i < end; ++i) {
    const std::uint32_t frame = run.frame + (i - begin);
    if (slot.kind == Slot::Kind::table) {
      const ReverseMap::Mapping mapping{id_, run.first + (i - begin)};
      if (slot.is_writable(i)) context.writable_pages.remove(slot.frame[i], mapping);
      if (run.writable) context.writable_pages.add(frame, mapping);
    }
    if (!slot.is_mapped(i)) ++slot.mapped_count;
    slot.frame[i] = frame;
  }
  set_range(slot.mapped, begin, end, true);
  set_range(slot.hosted, begin, end, true);
  set_range(slot.writable, begin, end, run.writable);
  count_areas(context, slot, begin, end, +1);
  context.stats.pages_mapped += run.pages;
  return true;
}

void Window::track(std::uint32_t page, std::uint32_t frame) {
  Slot& slot = *slot_of(page);
  const unsigned i = index_in_slot(page);
  ++slot.mapped_count;
  slot.frame[i] = frame;
  set_range(slot.mapped, i, i + 1, true);
}

bool Window::protect(WindowContext& context, std::uint32_t first, std::uint32_t pages, bool writable) {
  if (!reservation_.protect(first, pages, writable)) return false;
  Slot& slot = *slot_of(first);
  const unsigned begin = index_in_slot(first);
  const unsigned end = begin + pages;
  count_areas(context, slot, begin, end, -1);
  if (slot.kind == Slot::Kind::table) {
    for (unsigned i = begin; i < end; ++i) {
      const ReverseMap::Mapping mapping{id_, first + (i - begin)};
      if (slot.is_writable(i) && !writable) context.writable_pages.remove(slot.frame[i], mapping);
      if (!slot.is_writable(i) && writable) context.writable_pages.add(slot.frame[i], mapping);
    }
  }
  set_range(slot.writable, begin, end, writable);
  count_areas(context, slot, begin, end, +1);
  return true;
}

// Takes [begin, end) out of the record; returns the number of pages that were mapped.
std::uint32_t Window::forget(WindowContext& context, Slot& slot, std::uint32_t slot_first, unsigned begin,
                             unsigned end) {
  count_areas(context, slot, begin, end, -1);
  std::uint32_t count = 0;
  for_each_bit(slot.mapped, begin, end, [&](unsigned i) {
    ++count;
    if (slot.kind != Slot::Kind::table) return;
    if (slot.is_writable(i)) context.writable_pages.remove(slot.frame[i], {id_, slot_first + i});
    if (Slot::test(slot.local, i)) --slot.local_count;
    if (paging.pae) {
      slot.snapshot->wide[i] = 0;
    } else {
      slot.snapshot->narrow[i] = 0;
    }
  });
  slot.mapped_count -= count;
  set_range(slot.mapped, begin, end, false);
  set_range(slot.hosted, begin, end, false);
  set_range(slot.writable, begin, end, false);
  set_range(slot.local, begin, end, false);
  count_areas(context, slot, begin, end, +1);
  return count;
}

bool Window::drop(WindowContext& context, std::uint32_t first, std::uint32_t pages) {
  if (!any_mapped(first, pages)) return true;
  if (any(&Slot::hosted, first, pages)) {
    if (!reservation_.unmap(first, pages)) return false;
    forget_ahead(first, pages);
  }
  std::uint32_t dropped = 0;
  const std::uint32_t end = first + pages;
  for (std::uint32_t at = first; at < end;) {
    const std::uint32_t slot_first = at & ~(slot_pages() - 1);
    const std::uint32_t stop = std::min(end, slot_first + slot_pages());
    if (Slot* slot = slot_of(at)) {
      dropped += forget(context, *slot, slot_first, at - slot_first, stop - slot_first);
      if (slot->mapped_count == 0) erase_slot(slot_first >> slot_shift());
    }
    at = stop;
  }
  context.stats.drops += dropped;
  if (context.observer != nullptr) context.observer->on_drop(id_, first << kPageShift, pages);
  return true;
}

void Window::announce_drop(WindowContext& context, std::uint32_t page) {
  ++context.stats.drops;
  if (context.observer != nullptr) context.observer->on_drop(id_, page << kPageShift, 1);
}

void Window::wipe(WindowContext& context) {
  bool any = false;
  for_each_slot([&](std::uint32_t, Slot&) {
    any = true;
    return false;
  });
  if (any) {
    if (!reservation_.unmap(0, kWindowPages)) {
      // Stale translations must never stay reachable, and nothing is left to try.
      std::fputs("ringshift: the host refuses to unmap a window\n", stderr);
      std::abort();
    }
    ahead_ = {};
    for_each_slot([&](std::uint32_t first, Slot& slot) {
      forget(context, slot, first, 0, slot_pages());
      erase_slot(first >> slot_shift());
      return true;
    });
    ++context.stats.wipes;
  }
  if (context.observer != nullptr) context.observer->on_drop_all(id_);
}

}  // namespace ringshift::mmu
