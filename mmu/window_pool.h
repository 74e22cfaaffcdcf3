// The pool of windows behind WindowPool: which window serves which page tables, and how many there are.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "mmu/window_record.h"

namespace ringshift::mmu {

// Revalidation by comparison (revalidate.cpp). The result is false if the host refused a mapping: make
// room and call again. `globals`: compare global pages too.
[[nodiscard]] bool revalidate_window(WindowContext& context, Window& window, bool globals);
// The same for the page (or large page) around one linear page number, and stale pages near it.
[[nodiscard]] bool revalidate_page(WindowContext& context, Window& window, std::uint32_t page);
// Whether something is mapped at `page` from an entry with the G bit.
[[nodiscard]] bool maps_global(const Window& window, std::uint32_t page);

// Answers a fault (fill.cpp). `host_refused`: the result is void; make room and call again.
[[nodiscard]] FillResult fill_window(WindowContext& context, Window& window, Linear linear, Access access,
                                     bool& host_refused);

// Maps the page of `linear` if that needs no change of A or D and no right that the view lacks: what a TLB may do
// on its own. False if the host refused.
[[nodiscard]] bool prefill_window(WindowContext& context, Window& window, Linear linear);
// The same for a fetch: WindowPool::prefetch().
[[nodiscard]] bool prefetch_window(WindowContext& context, Window& window, Linear linear,
                                   std::optional<PhysAddr>& found);
// What the window has recorded: WindowPool::recorded_fetch().
[[nodiscard]] std::optional<PhysAddr> recorded_fetch(const Window& window, Linear linear);

class ShadowWindowPool final : public WindowPool {
 public:
  ShadowWindowPool(PhysicalMap& physical, CodePages& code, const WindowLimits& limits)
      : context_{physical, code, {}, nullptr, {}, 0}, limits_(limits) {}

  // Makes the first window; without it there is no pool.
  bool start();

  void activate(const PagingState& paging, View view) override;
  bool reactivate(View view, ActiveWindow& window) override;
  [[nodiscard]] std::uint8_t* base() const override { return current_->base(); }
  [[nodiscard]] std::uint32_t current_id() const override { return current_->id(); }
  [[nodiscard]] bool contains(const void* host) const override {
    return reinterpret_cast<std::uintptr_t>(host) - reinterpret_cast<std::uintptr_t>(current_->base()) < kWindowBytes;
  }
  FillResult fill(Linear linear, Access access) override;
  std::optional<PhysAddr> prefetch(Linear linear) override;
  [[nodiscard]] std::optional<PhysAddr> recorded_fetch(std::uint32_t id, Linear linear) const override {
    return mmu::recorded_fetch(*windows_[id], linear);
  }
  void invlpg(Linear linear) override;
  void page_faulted(Linear linear, Access access, bool user) override;
  void cr3_loaded() override { ++generation_; }
  void flush_all() override;
  void protect_code(PhysAddr page) override;
  void unprotect_code(PhysAddr) override {}  // the next write fault maps the page writable
  void set_observer(WindowObserver* observer) override { context_.observer = observer; }
  [[nodiscard]] const WindowStats& stats() const override { return context_.stats; }

 private:
  static constexpr unsigned kViews = 3;

  Window& window_for(const PagingState& paging, View view);
  Window* add_window();
  Window& recyclable(const PagingState& paging, View view);
  void make_coherent(Window& window);
  void note_pending(Window& window, Window::Pending pending);
  void settle_pending(Window& window);
  // Empties the least recently used window other than `keep`; false if there is none.
  bool evict_other(const Window& keep);
  void keep_within_limits(Window& keep);
  // Repeats an operation that the host refuses, making room in between; at last the window itself is wiped.
  template <class F>
  void insist(Window& window, F operation);

  WindowContext context_;
  WindowLimits limits_;
  std::vector<std::unique_ptr<Window>> windows_;
  Window* current_ = nullptr;
  std::uint64_t generation_ = 1;  // of CR3 loads and flushes
  std::uint64_t clock_ = 0;       // for least recently used
  // The windows of the current CR3, by view: a change of view looks no further.
  std::array<Window*, kViews> recent_{};
  std::uint32_t recent_cr3_ = 0;
  std::uint64_t recent_generation_ = 0;
};

}  // namespace ringshift::mmu
