// Windows: the shadow page tables. A window is 4 GiB of reserved host address space, 4 GiB aligned,
// into which guest pages are mapped at their linear address, so that the host's MMU translates guest
// linear to host physical in one step (SDM vol. 3, 4.10 gives the coherence rules that they keep).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "mmu/code_pages.h"
#include "mmu/page_walk.h"
#include "mmu/physical_map.h"
#include "mmu/types.h"

namespace ringshift::mmu {

// Whose rights a window grants: user pages only, or all pages; and for a supervisor whether CR0.WP
// guards read-only pages.
enum class View : std::uint8_t {
  user,
  supervisor,
  supervisor_no_wp
};

// What became of a host fault in a window.
enum class Fill : std::uint8_t {
  mapped,      // the page is there now: run the access again
  page_fault,  // the guest's page tables refuse: deliver #PF with `error`
  emulate,     // MMIO, ROM write, a write to a page with code: run this one instruction interpreted
};
struct FillResult {
  Fill kind = Fill::emulate;
  std::uint32_t error = 0;
  PhysAddr address = 0;  // mapped, emulate: where the access goes
};

// Told when linear pages stop being mapped as they were in a window, so that what was derived from
// their mapping (indirect-branch table entries) is dropped too.
class WindowObserver {
 public:
  virtual ~WindowObserver() = default;
  virtual void on_drop(std::uint32_t window_id, Linear first, std::uint32_t pages) = 0;
  virtual void on_drop_all(std::uint32_t window_id) = 0;
};

struct ActiveWindow {
  std::uint8_t* base = nullptr;
  std::uint32_t id = 0;
};

struct WindowStats {
  std::uint64_t fills = 0;          // faults answered by mapping
  std::uint64_t prefills = 0;       // faults forestalled: the page of a guest page fault or of INVLPG, mapped at once
  std::uint64_t pages_mapped = 0;   // pages mapped by them, neighbours included
  std::uint64_t drops = 0;          // pages unmapped by invlpg or by comparison
  std::uint64_t revalidations = 0;  // CR3 loads answered by comparison
  std::uint64_t wipes = 0;          // windows emptied
  std::uint64_t evictions = 0;      // windows given up for others, or for the VMA limit
};

// Limits of a pool. A window costs address space and, for each run of pages mapped in it, one host mapping
// (VMA); a process has 65,530 of these as a rule (vm.max_map_count).
struct WindowLimits {
  std::uint32_t windows = 24;
  std::uint64_t mappings = 24000;
};

// The windows of one virtual CPU. At any time one is current; `base()` is its linear address 0.
class WindowPool {
 public:
  // Error: one readable line (address space or limits).
  // Beyond the limits the least recently used windows are emptied or given to others.
  static std::variant<std::unique_ptr<WindowPool>, std::string> create(PhysicalMap& physical, CodePages& code,
                                                                       const WindowLimits& limits = {});
  virtual ~WindowPool() = default;

  // Makes the window for this paging state and view current and coherent: a window that was used
  // before is revalidated against the guest's page tables if a CR3 load or flush came in between.
  // Cheap if only the view changed. `paging` may differ from that of the last call only if cr3_loaded
  // or flush_all was called in between. paging.write_protect is ignored: `view` says it.
  virtual void activate(const PagingState& paging, View view) = 0;
  // The same for the paging state of the last activate(), if nothing has to be compared or made; else false, and
  // nothing has changed. Uses general registers only.
  [[nodiscard]] virtual bool reactivate(View view, ActiveWindow& window) = 0;
  [[nodiscard]] virtual std::uint8_t* base() const = 0;
  [[nodiscard]] virtual std::uint32_t current_id() const = 0;
  // If `host` lies in the current window: its linear address. The guard areas are not in the window.
  [[nodiscard]] virtual bool contains(const void* host) const = 0;

  // Answers a fault at `linear` in the current window. With Access::fetch the page is
  // recorded, if not entered, so that whoever caches its translation is told of its end. May be called from a
  // SIGSEGV handler that interrupted translated code.
  virtual FillResult fill(Linear linear, Access access) = 0;

  // Where code at `linear` is fetched from: recorded as by fill(), but only if that needs no change of A and no right
  // that the current view lacks, as a TLB may do on its own.
  virtual std::optional<PhysAddr> prefetch(Linear linear) = 0;
  // The same as window `id` has recorded it.
  [[nodiscard]] virtual std::optional<PhysAddr> recorded_fetch(std::uint32_t id, Linear linear) const = 0;

  // Architectural invalidations. All are lazy: a window is compared with the page tables when it is activated
  // next, so activate() must come before translated code runs again.
  // Concerns all windows of the current CR3 (and global pages in all).
  virtual void invlpg(Linear linear) = 0;
  // A guest page fault at `linear` is about to be delivered. That invalidates the page; and as the guest is
  // likely to map it and to try again, the window looks for it when it is activated next.
  virtual void page_faulted(Linear linear, Access access, bool user) = 0;
  // A load of CR3 (even of the same value): every non-global translation must be seen afresh.
  virtual void cr3_loaded() = 0;
  // CR0.PG, CR4.PSE/PAE/PGE, EFER.NXE or the physical map changed: no translation survives that the
  // page tables do not give now, global or not.
  virtual void flush_all() = 0;

  // A physical page gained code (CodePages::set was called before): read-only everywhere. Lost it: may be writable
  // again (lazily).
  virtual void protect_code(PhysAddr page) = 0;
  virtual void unprotect_code(PhysAddr page) = 0;

  virtual void set_observer(WindowObserver* observer) = 0;
  [[nodiscard]] virtual const WindowStats& stats() const = 0;
};

}  // namespace ringshift::mmu
