// Where RAM stands in the guest's physical address space, and the firmware's map of it.
#pragma once

#include <cstdint>
#include <vector>

#include "mmu/physical_map.h"
#include "mmu/types.h"

namespace ringshift::machine {

using mmu::PhysAddr;

inline constexpr std::uint64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;

// A range of an INT 15h E820 memory map (ACPI specification, section 15).
struct E820Entry {
  PhysAddr base = 0;
  std::uint64_t size = 0;
  std::uint32_t type = kUsable;

  static constexpr std::uint32_t kUsable = 1, kReserved = 2;
};

// RAM as a PC has it: below 640 KiB, C0000 to FFFFF (shadowed ROM space), from 1 MiB to at most 3 GiB,
// and the rest from 4 GiB, which only a guest with PAE reaches.
class MemoryLayout {
 public:
  static constexpr std::uint64_t kSmallest = 2 * kMiB;
  static constexpr std::uint64_t kLargest = 32 * kGiB;  // 36 address bits, less the hole
  static constexpr PhysAddr kExtendedBios = 0x9FC00;    // the last KiB below 640 KiB
  static constexpr PhysAddr kVideo = 0xA0000, kOptionRom = 0xC0000, kFirmware = 0xE0000, kHigh = 0x100000;
  static constexpr PhysAddr kHole = 0xC0000000, kAboveHole = 0x100000000;

  // `bytes`: a multiple of 4 KiB from kSmallest to kLargest.
  explicit MemoryLayout(std::uint64_t bytes) : bytes_(bytes) {}

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  // The end of RAM below 3 GiB.
  [[nodiscard]] PhysAddr low_end() const { return bytes_ < kHole ? bytes_ : kHole; }
  [[nodiscard]] std::uint64_t above_hole() const { return bytes_ - low_end(); }

  // What a loader may use: conventional memory and what lies from 1 MiB to low_end().
  [[nodiscard]] std::vector<E820Entry> loadable() const;
  [[nodiscard]] std::vector<E820Entry> e820() const;
  // All there is, with the holes that firmware knows of.
  [[nodiscard]] std::vector<E820Entry> ram() const;
  void map(mmu::PhysicalMap& physical) const;
  // Without the space of shadowed ROM.
  void map_unshadowed(mmu::PhysicalMap& physical) const;

 private:
  std::uint64_t bytes_;
};

}  // namespace ringshift::machine
