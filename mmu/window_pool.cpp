#include "mmu/window_pool.h"

#include <algorithm>
#include <iterator>
#include <tuple>

#include "mmu/paging_bits.h"

namespace ringshift::mmu {
namespace {

// Slack of the bound on host mappings: what one fill may add.
constexpr std::uint64_t kFillSlack = 64;
// Of a reservation: its guards.
constexpr std::uint64_t kAreasPerWindow = 2;
// Single pages that are compared when a window is activated; more, and all of it is.
constexpr std::size_t kMaxPending = 64;

// What the window's contents depend on, apart from the page tables' root. Global pages and write
// protection are not in it: G bits are recorded, and the view says whether R/W counts.
bool same_format(const Window& window, const PagingState& paging, View view) {
  const PagingState& own = window.paging;
  if (own.a20_masked != paging.a20_masked) return false;
  if (!own.enabled || !paging.enabled) return own.enabled == paging.enabled;
  return window.view == view && own.pae == paging.pae && own.pse == paging.pse && own.nxe == paging.nxe;
}

bool same_root(const PagingState& a, const PagingState& b) {
  if (!a.enabled) return true;
  if (!a.pae) return ((a.cr3 ^ b.cr3) & ~kPageMask) == 0;
  return std::equal(std::begin(a.pdpte), std::end(a.pdpte), std::begin(b.pdpte));
}

}  // namespace

std::variant<std::unique_ptr<WindowPool>, std::string> WindowPool::create(PhysicalMap& physical, CodePages& code,
                                                                          const WindowLimits& limits) {
  auto pool = std::make_unique<ShadowWindowPool>(physical, code, limits);
  if (!pool->start()) return std::string("the host has no address space for a window");
  return std::unique_ptr<WindowPool>(std::move(pool));
}

bool ShadowWindowPool::start() {
  current_ = add_window();
  if (current_ == nullptr) return false;
  current_->generation = generation_;
  current_->map_version = context_.physical.version();
  return true;
}

void ShadowWindowPool::activate(const PagingState& paging, View view) {
  const bool same_tables = recent_generation_ == generation_ && recent_cr3_ == paging.cr3;
  Window*& recent = recent_[static_cast<unsigned>(view)];
  if (same_tables && recent != nullptr) {
    current_ = recent;
    if (!recent->pending.empty()) settle_pending(*recent);
    return;
  }
  if (!same_tables) recent_ = {};
  recent_cr3_ = paging.cr3;
  recent_generation_ = generation_;
  Window& window = window_for(paging, view);
  const bool write_protect = window.paging.write_protect;
  window.paging = paging;
  window.paging.write_protect = write_protect;
  window.last_used = ++clock_;
  make_coherent(window);
  current_ = recent = &window;
}

Window& ShadowWindowPool::window_for(const PagingState& paging, View view) {
  for (const auto& window : windows_) {
    if (window->last_used != 0 && same_format(*window, paging, view) && same_root(window->paging, paging)) {
      return *window;
    }
  }
  Window* unused = nullptr;
  for (const auto& window : windows_) {
    if (window->last_used == 0) unused = window.get();
  }
  if (unused == nullptr && windows_.size() < limits_.windows) unused = add_window();
  Window& window = unused != nullptr ? *unused : recyclable(paging, view);
  if (unused == nullptr) {
    ++context_.stats.evictions;
    // Of the same format: comparison with the new page tables keeps what they share, the kernel's half.
    if (!same_format(window, paging, view)) window.wipe(context_);
  }
  std::replace(recent_.begin(), recent_.end(), &window, static_cast<Window*>(nullptr));
  window.paging = paging;
  window.paging.write_protect = view != View::supervisor_no_wp;
  window.view = view;
  window.generation = 0;
  window.compare_globals = true;
  return window;
}

Window* ShadowWindowPool::add_window() {
  std::optional<Reservation> reservation = Reservation::create();
  if (!reservation) return nullptr;
  windows_.push_back(std::make_unique<Window>(static_cast<std::uint32_t>(windows_.size()), std::move(*reservation)));
  return windows_.back().get();
}

// The least recently used window, of the same format if there is one, and not of the current CR3 unless
// there is no other.
Window& ShadowWindowPool::recyclable(const PagingState& paging, View view) {
  Window* best = windows_.front().get();
  auto rank = [&](Window* window) {
    const bool in_use = std::find(recent_.begin(), recent_.end(), window) != recent_.end();
    return std::tuple(in_use, !same_format(*window, paging, view), window->last_used);
  };
  for (const auto& window : windows_) {
    if (rank(window.get()) < rank(best)) best = window.get();
  }
  return *best;
}

void ShadowWindowPool::make_coherent(Window& window) {
  if (window.generation == generation_) return settle_pending(window);
  if (window.map_version != context_.physical.version()) {
    window.wipe(context_);
    window.map_version = context_.physical.version();
  } else if (window.paging.enabled) {
    ++context_.stats.revalidations;
    const bool globals = window.compare_globals || !window.paging.global;
    insist(window, [&] { return revalidate_window(context_, window, globals); });
  }
  window.compare_globals = false;
  window.generation = generation_;
  settle_pending(window);
}

void ShadowWindowPool::note_pending(Window& window, Window::Pending pending) {
  if (!window.pending.empty() && window.pending.back() == pending) return;
  if (window.pending.size() < kMaxPending) return window.pending.push_back(pending);
  window.pending.clear();
  window.generation = 0;  // compare all
  window.compare_globals = true;
  std::replace(recent_.begin(), recent_.end(), &window, static_cast<Window*>(nullptr));
}

void ShadowWindowPool::settle_pending(Window& window) {
  for (const Window::Pending& pending : window.pending) {
    // A fetch finds its page by itself, without a host fault.
    if (!pending.fetched) insist(window, [&] { return prefill_window(context_, window, pending.page << kPageShift); });
    insist(window, [&] { return revalidate_page(context_, window, pending.page); });
  }
  window.pending.clear();
}

FillResult ShadowWindowPool::fill(Linear linear, Access access) {
  keep_within_limits(*current_);
  FillResult result;
  for (unsigned attempt = 0; attempt < 2; ++attempt) {
    bool host_refused = false;
    insist(*current_, [&] {
      host_refused = false;
      result = fill_window(context_, *current_, linear, access, host_refused);
      return !host_refused;
    });
    if (!host_refused) return result;
  }
  // Not even an empty pool may map one page: the access is still answered, only slowly.
  result = FillResult{Fill::emulate, 0, result.address};
  return result;
}

std::optional<PhysAddr> ShadowWindowPool::prefetch(Linear linear) {
  std::optional<PhysAddr> found;
  insist(*current_, [&] { return prefetch_window(context_, *current_, linear, found); });
  return found;
}

void ShadowWindowPool::invlpg(Linear linear) {
  const std::uint32_t page = linear >> kPageShift;
  for (const auto& window : windows_) {
    const Slot* slot = window->slot_of(page);
    if (slot == nullptr) continue;
    // A kernel's temporary mappings come in scores, of which it reads a few: what is not mapped is left to a fault.
    if (slot->kind == Slot::Kind::table && !slot->is_mapped(window->index_in_slot(page))) continue;
    if (window->generation == generation_) {
      note_pending(*window, {page});
    } else if (maps_global(*window, page)) {
      window->compare_globals = true;  // its other pages are compared anyway before it is used again
    }
  }
}

void ShadowWindowPool::page_faulted(Linear linear, Access access, bool user) {
  if (recent_generation_ != generation_) return;  // compared anyway before they are used again
  const std::uint32_t page = linear >> kPageShift;
  for (Window* window : recent_) {
    if (window == nullptr) continue;
    const bool returns_here = user && window->view == View::user;
    if (returns_here || window->slot_of(page) != nullptr) note_pending(*window, {page, access == Access::fetch});
  }
}

void ShadowWindowPool::flush_all() {
  ++generation_;
  for (const auto& window : windows_) window->compare_globals = true;
}

void ShadowWindowPool::protect_code(PhysAddr address) {
  const auto frame = static_cast<std::uint32_t>(address >> kPageShift);
  for (const ReverseMap::Mapping mapping : context_.writable_pages.find(frame)) {
    Window& window = *windows_[mapping.window];
    insist(window, [&] {
      const Slot* slot = window.slot_of(mapping.page);
      const unsigned i = window.index_in_slot(mapping.page);
      // Room for another may have been made here.
      if (slot == nullptr || !slot->is_writable(i) || slot->frame[i] != frame) return true;
      return window.protect(context_, mapping.page, 1, false);
    });
  }
  for (const auto& window : windows_) {
    std::vector<std::uint32_t> pages;
    window->for_each_run_mapping(frame, [&](std::uint32_t page) { pages.push_back(page); });
    for (const std::uint32_t page : pages) {
      insist(*window, [&] {
        const Slot* slot = window->slot_of(page);
        return slot == nullptr || !slot->is_writable(window->index_in_slot(page)) ||
               window->protect(context_, page, 1, false);
      });
    }
  }
}

bool ShadowWindowPool::evict_other(const Window& keep) {
  Window* victim = nullptr;
  for (const auto& window : windows_) {
    if (window.get() == &keep || window.get() == current_ || window->areas() == 0) continue;
    if (victim == nullptr || window->last_used < victim->last_used) victim = window.get();
  }
  if (victim == nullptr) return false;
  victim->wipe(context_);
  ++context_.stats.evictions;
  return true;
}

void ShadowWindowPool::keep_within_limits(Window& keep) {
  const std::uint64_t fixed = windows_.size() * kAreasPerWindow + kFillSlack;
  if (context_.areas + fixed <= limits_.mappings) return;
  // Below the limit by a quarter, so that the next fills do not come here again.
  while (context_.areas + fixed > limits_.mappings / 4 * 3) {
    if (evict_other(keep)) continue;
    keep.wipe(context_);
    ++context_.stats.evictions;
    return;
  }
}

template <class F>
void ShadowWindowPool::insist(Window& window, F operation) {
  while (!operation()) {
    if (evict_other(window)) continue;
    window.wipe(context_);
    operation();
    return;
  }
}

}  // namespace ringshift::mmu
