// What stands at each guest physical address: RAM, ROM, a device, or nothing.
#pragma once

#include <cstdint>
#include <vector>

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

// Unmapped addresses read as ones and ignore writes; both are counted. An access that a device
// range covers goes to its handler.
class PhysicalMap {
 public:
  explicit PhysicalMap(GuestMemory& memory);

  // All in multiples of 4 KiB. Later ranges win over earlier ones.
  void add_ram(PhysAddr base, std::uint64_t size, std::uint64_t file_offset);
  void add_rom(PhysAddr base, std::uint64_t size, std::uint64_t file_offset);
  void add_mmio(PhysAddr base, std::uint64_t size, MmioHandler& handler);

  [[nodiscard]] PhysPage page(PhysAddr address) const;
  // The number of consecutive 4 KiB pages from `address`, at most `limit`, that are RAM at
  // consecutive file offsets: what one mmap can cover.
  [[nodiscard]] std::uint32_t ram_run(PhysAddr address, std::uint32_t limit) const;

  // Any size up to 8 bytes that does not cross a page. Routes to RAM, ROM or a device.
  std::uint64_t read(PhysAddr address, unsigned size);
  void write(PhysAddr address, unsigned size, std::uint64_t value);

  // Copies between host memory and guest RAM (loaders, DMA). False if any byte is not RAM (write: or ROM).
  bool copy_out(PhysAddr address, void* to, std::uint64_t size) const;
  bool copy_in(PhysAddr address, const void* from, std::uint64_t size);

  [[nodiscard]] std::uint64_t unmapped_reads() const { return unmapped_reads_; }
  [[nodiscard]] std::uint64_t unmapped_writes() const { return unmapped_writes_; }
  [[nodiscard]] GuestMemory& memory() const { return memory_; }

 private:
  struct Range {
    PhysAddr base;
    std::uint64_t size;
    PageKind kind;
    std::uint64_t file_offset;
    MmioHandler* handler;
  };
  [[nodiscard]] const Range* find(PhysAddr address) const;

  GuestMemory& memory_;
  std::vector<Range> ranges_;
  std::uint64_t unmapped_reads_ = 0;
  std::uint64_t unmapped_writes_ = 0;
};

}  // namespace ringshift::mmu
