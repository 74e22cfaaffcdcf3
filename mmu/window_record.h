// What one window has mapped, and from which guest entries: the record that makes revalidation by
// comparison possible.
//
// A window is divided into slots, one for each page-directory entry (4 MiB, PAE: 2 MiB; paging off:
// 4 MiB). A slot exists while anything is mapped in it. It keeps a normalised snapshot of its PDE and,
// below a page table, of each PTE that is mapped. "Normalised" means: only bits on which the mapping
// relies. A is always relied on (a guest that clears it wants to see it set again), D only where the
// mapping is writable.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "mmu/reservation.h"
#include "mmu/reverse_map.h"
#include "mmu/run_ahead.h"
#include "mmu/types.h"
#include "mmu/window.h"

namespace ringshift::mmu {

// What the windows of a pool share.
struct WindowContext {
  PhysicalMap& physical;
  CodePages& code;
  ReverseMap writable_pages;
  WindowObserver* observer = nullptr;
  WindowStats stats;
  std::uint64_t areas = 0;  // upper bound of the host's mappings (VMAs) inside all windows
};

// The guest's page table below a slot, as last seen. 0: not mapped.
union alignas(64) TableSnapshot {
  std::array<std::uint32_t, 1024> narrow;
  std::array<std::uint64_t, 512> wide;  // PAE
};

struct Slot {
  enum class Kind : std::uint8_t {
    identity,  // paging is off
    large,     // one large page
    table,     // a page table
  };
  static constexpr unsigned kMaxPages = 1024;
  using Bitmap = std::array<std::uint64_t, kMaxPages / 64>;

  Kind kind = Kind::table;
  std::uint64_t upper = 0;              // the PDE, normalised
  std::uint32_t base_frame = 0;         // identity, large: frame of the first page
  const std::uint8_t* table = nullptr;  // table: the guest's page table
  std::uint32_t mapped_count = 0;
  std::uint32_t local_count = 0;  // table: mapped pages whose G bit is clear
  Bitmap mapped{};                // recorded here
  Bitmap hosted{};                // ... and in the host's page tables; code that is only fetched is not
  Bitmap writable{};
  Bitmap local{};
  std::array<std::uint32_t, kMaxPages> frame{};  // physical page number, where mapped
  std::unique_ptr<TableSnapshot> snapshot;       // table

  [[nodiscard]] static bool test(const Bitmap& map, unsigned i) { return (map[i / 64] >> (i % 64) & 1) != 0; }
  [[nodiscard]] bool is_mapped(unsigned i) const { return test(mapped, i); }
  [[nodiscard]] bool is_hosted(unsigned i) const { return test(hosted, i); }
  [[nodiscard]] bool is_writable(unsigned i) const { return test(writable, i); }
};

// One run of pages to be mapped.
struct MapRun {
  std::uint32_t first = 0;  // linear page number; all of a run lies in one slot
  std::uint32_t pages = 0;
  std::uint32_t frame = 0;  // physical page number of the first
  std::uint64_t file_offset = 0;
  bool writable = false;
};

// One window: its reservation and its record. Operations that return bool return false if the host
// refuses another mapping; the record then still tells the truth, and the caller makes room.
class Window {
 public:
  static constexpr unsigned kMaxSlots = 2048;

  Window(std::uint32_t id, Reservation reservation) : id_(id), reservation_(std::move(reservation)) {}

  // ---- identity: set by the pool ----
  PagingState paging;  // write_protect as the view has it
  View view = View::supervisor;
  std::uint64_t generation = 0;  // of the last revalidation; 0: never
  std::uint64_t map_version = 0;
  std::uint64_t last_used = 0;
  bool compare_globals = true;  // an invalidation may have concerned global pages: compare them too
  // Pages that an invalidation or a page fault concerned since the window was activated last.
  struct Pending {
    std::uint32_t page = 0;
    bool fetched = false;
    bool operator==(const Pending&) const = default;
  };
  std::vector<Pending> pending;

  [[nodiscard]] std::uint32_t id() const { return id_; }
  [[nodiscard]] std::uint8_t* base() const { return reservation_.base(); }
  [[nodiscard]] std::uint32_t areas() const { return areas_; }

  // ---- slots ----
  [[nodiscard]] unsigned slot_shift() const { return paging.enabled && paging.pae ? 21 - kPageShift : 22 - kPageShift; }
  [[nodiscard]] unsigned slot_pages() const { return 1U << slot_shift(); }
  [[nodiscard]] unsigned slot_count() const { return 1U << (20 - slot_shift()); }
  // Of linear page number `page`; null if nothing is mapped around it.
  [[nodiscard]] Slot* slot_of(std::uint32_t page) const { return slots_[page >> slot_shift()].get(); }
  [[nodiscard]] unsigned index_in_slot(std::uint32_t page) const { return page & (slot_pages() - 1); }
  // `base_frame` as in Slot.
  Slot& add_slot(std::uint32_t page, Slot::Kind kind, std::uint32_t base_frame);
  // Gives up a slot in which nothing came to be mapped.
  void remove_if_empty(std::uint32_t page);
  // Where this window maps `frame` writable as a part of a large page, or with paging off: f(linear page).
  template <class F>
  void for_each_run_mapping(std::uint32_t frame, F f) const {
    const auto visit = [&](const RunSlot& run, std::uint32_t i) {
      if (i < slot_pages() && slots_[run.index]->is_writable(i)) f((run.index << slot_shift()) + i);
    };
    constexpr std::uint32_t kOddMegabyte = PagingState::kA20 >> kPageShift;
    for (const RunSlot& run : run_slots_) {
      visit(run, frame - run.base_frame);
      if (paging.a20_masked) visit(run, (frame | kOddMegabyte) - run.base_frame);  // it stands there, too
    }
  }
  // Calls f(first linear page of the slot, slot) in ascending order. f may drop pages; it returns false to stop.
  template <class F>
  void for_each_slot(F f) {
    for (unsigned word = 0; word < live_.size(); ++word) {
      for (std::uint64_t left = live_[word]; left != 0; left &= left - 1) {
        const unsigned i = word * 64 + static_cast<unsigned>(std::countr_zero(left));
        if (slots_[i] && !f(static_cast<std::uint32_t>(i) << slot_shift(), *slots_[i])) return;
      }
    }
  }
  [[nodiscard]] bool any_mapped(std::uint32_t first, std::uint32_t pages) const {
    return any(&Slot::mapped, first, pages);
  }

  // ---- mappings ----
  bool map(WindowContext& context, const MapRun& run);
  // Records a page that is fetched from and that nothing is mapped at: whoever caches its
  // translation is told of its end.
  void track(std::uint32_t page, std::uint32_t frame);
  // The pages are in the host's page tables, and in one slot.
  bool protect(WindowContext& context, std::uint32_t first, std::uint32_t pages, bool writable);
  // Any range; tells the observer if anything was mapped in it.
  bool drop(WindowContext& context, std::uint32_t first, std::uint32_t pages);
  // Tells the observer that a page is about to lead elsewhere.
  void announce_drop(WindowContext& context, std::uint32_t page);
  // Unmaps everything. Does not fail.
  void wipe(WindowContext& context);

 private:
  [[nodiscard]] bool any(Slot::Bitmap Slot::*map, std::uint32_t first, std::uint32_t pages) const;
  static constexpr std::uint32_t kWindowPages = 1U << (32 - kPageShift);

  // Maps the run in the host, with what is likely to follow it.
  bool map_host(WindowContext& context, const Slot& slot, const MapRun& run);
  // Pages behind the run that are worth mapping without access; 0: none.
  [[nodiscard]] std::uint32_t worth_running_ahead(const WindowContext& context, const Slot& slot,
                                                  const MapRun& run) const;
  void forget_ahead(std::uint32_t first, std::uint32_t pages) {
    if (ahead_.overlaps(first, pages)) ahead_ = {};
  }
  void erase_slot(unsigned index);
  // Recounts the host mappings of what changes in [begin, end) and next to it: call with the sign -1 before
  // the change and +1 after it.
  void count_areas(WindowContext& context, Slot& slot, unsigned begin, unsigned end, int sign);
  std::uint32_t forget(WindowContext& context, Slot& slot, std::uint32_t slot_first, unsigned begin, unsigned end);

  std::uint32_t id_;
  Reservation reservation_;
  std::uint32_t areas_ = 0;
  RunAhead ahead_;
  std::array<std::unique_ptr<Slot>, kMaxSlots> slots_;
  std::array<std::uint64_t, kMaxSlots / 64> live_{};
  struct RunSlot {
    std::uint32_t base_frame;
    std::uint32_t index;
  };
  std::vector<RunSlot> run_slots_;  // the slots that are not of kind table
};

}  // namespace ringshift::mmu
