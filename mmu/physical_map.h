// What stands at each guest physical address: RAM, ROM, a device, or nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "mmu/code_pages.h"
#include "mmu/guest_memory.h"
#include "mmu/types.h"

namespace ringshift::mmu {

// A device's registers in memory. `offset` counts from the start of its range; size is 1, 2 or 4
// (larger or unaligned accesses are split by the caller).
class MmioHandler {
 public:
  virtual ~MmioHandler() = default;
  virtual std::uint32_t mmio_read(std::uint64_t offset, unsigned size) = 0;
  virtual void mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) = 0;
};

enum class PageKind : std::uint8_t {
  unmapped,
  ram,
  rom,
  mmio
};

// One guest physical page.
struct PhysPage {
  PageKind kind = PageKind::unmapped;
  std::uint8_t* host = nullptr;   // ram, rom: first byte of the page in the runtime's mapping
  std::uint64_t file_offset = 0;  // ram, rom: offset in the memfd
};

// A stretch of guest physical pages of one kind. RAM and ROM: at consecutive file offsets.
struct PhysExtent {
  PageKind kind = PageKind::unmapped;
  PhysAddr first = 0;             // address of its first page
  PhysAddr end = 0;               // address after its last page
  std::uint64_t file_offset = 0;  // ram, rom: of `first`
};

// Unmapped addresses read as ones and ignore writes; both are counted. An access that a device
// range covers goes to its handler.
class PhysicalMap {
 public:
  explicit PhysicalMap(GuestMemory& memory);

  // All in multiples of 4 KiB. Later ranges win over earlier ones. A change while a CPU runs needs
  // Mmu::physical_map_changed(). Two ranges must not give the same RAM two addresses: code tracking
  // goes by address.
  void add_ram(PhysAddr base, std::uint64_t size, std::uint64_t file_offset);
  // Writes to ROM are ignored, or go to `writes` if there is one (shadow RAM behind ROM).
  void add_rom(PhysAddr base, std::uint64_t size, std::uint64_t file_offset, MmioHandler* writes = nullptr);
  void add_mmio(PhysAddr base, std::uint64_t size, MmioHandler& handler);
  // Takes back what add_mmio gave this handler (a PCI function moves its BAR); what lay below returns.
  void remove_mmio(const MmioHandler& handler);
  // Takes back what add_ram or add_rom gave with exactly these bounds (a chip set turns RAM into ROM).
  void remove_memory(PhysAddr base, std::uint64_t size);
  // Counts the changes above: equal versions mean an equal map.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  // From now on write() and copy_in() tell the listeners about pages with code. The Mmu attaches its own.
  void attach_code(CodePages* code) { code_ = code; }
  // For who writes to RAM through a host pointer: tells the listeners as write() does.
  void about_to_write(PhysAddr address, std::uint32_t size) {
    if (code_ != nullptr && code_->contains(address)) code_->notify_write(address, size);
  }

  [[nodiscard]] PhysPage page(PhysAddr address) const;
  // The stretch around `address`; unmapped: just its page.
  [[nodiscard]] PhysExtent extent(PhysAddr address) const;
  // The number of consecutive 4 KiB pages from `address`, at most `limit`, that are RAM at
  // consecutive file offsets: what one mmap can cover.
  [[nodiscard]] std::uint32_t ram_run(PhysAddr address, std::uint32_t limit) const;

  // Any size up to 8 bytes that does not cross a page. Routes to RAM, ROM or a device; a device sees
  // aligned accesses of 1, 2 or 4 bytes in ascending order.
  std::uint64_t read(PhysAddr address, unsigned size);
  void write(PhysAddr address, unsigned size, std::uint64_t value);

  // Copies between host memory and guest RAM or ROM (loaders, DMA). False, and nothing copied, if any
  // byte is neither.
  bool copy_out(PhysAddr address, void* to, std::uint64_t size) const;
  bool copy_in(PhysAddr address, const void* from, std::uint64_t size);
  // A bus master's write: RAM takes it, ROM does not. False if any byte is neither; the others are written.
  bool dma_in(PhysAddr address, const void* from, std::uint64_t size);

  [[nodiscard]] std::uint64_t unmapped_reads() const { return unmapped_reads_; }
  [[nodiscard]] std::uint64_t unmapped_writes() const { return unmapped_writes_; }
  [[nodiscard]] GuestMemory& memory() const { return memory_; }

 private:
  struct Range {
    PhysAddr base;
    PhysAddr end;
    PageKind kind;
    std::uint64_t file_offset;
    MmioHandler* handler;
    PhysAddr handler_base;  // where offset 0 of the handler is
  };
  [[nodiscard]] const Range* find(PhysAddr address) const;
  [[nodiscard]] bool all_memory(PhysAddr address, std::uint64_t size) const;
  void add(const Range& range);
  void flatten();

  GuestMemory& memory_;
  CodePages* code_ = nullptr;
  std::vector<Range> ranges_;  // as added
  std::vector<Range> flat_;    // disjoint, ascending: what is looked up
  std::uint64_t version_ = 0;
  std::uint64_t unmapped_reads_ = 0;
  std::uint64_t unmapped_writes_ = 0;
};

}  // namespace ringshift::mmu
