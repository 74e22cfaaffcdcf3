// Names that every part of the memory system shares.
#pragma once

#include <cstdint>

namespace ringshift::mmu {

using PhysAddr = std::uint64_t;  // guest physical address, up to 36 bits
using Linear = std::uint32_t;    // guest linear address

inline constexpr std::uint32_t kPageSize = 4096;
inline constexpr std::uint32_t kPageMask = kPageSize - 1;
inline constexpr unsigned kPageShift = 12;

enum class Access : std::uint8_t {
  read,
  write,
  fetch
};

// Bits of a page-fault error code (SDM vol. 3, 4.7).
namespace pf {
inline constexpr std::uint32_t kPresent = 1, kWrite = 2, kUser = 4, kReserved = 8, kFetch = 16;
}

// The registers that decide how a linear address is translated.
struct PagingState {
  bool enabled = false;        // CR0.PG
  bool write_protect = false;  // CR0.WP
  bool pse = false;            // CR4.PSE
  bool pae = false;            // CR4.PAE
  bool global = false;         // CR4.PGE
  bool nxe = false;            // EFER.NXE
  bool pse36 = true;           // the CPU has PSE-36, and PAT with it
  bool a20_masked = false;     // the A20M# pin: address bit 20 of every access is 0 (SDM vol. 3, 20.1.1, 9.8)
  std::uint32_t cr3 = 0;
  std::uint64_t pdpte[4] = {};  // PAE: as loaded with CR3
  bool operator==(const PagingState&) const = default;

  static constexpr PhysAddr kA20 = PhysAddr{1} << 20;
  // The address that leaves the CPU.
  [[nodiscard]] PhysAddr on_pins(PhysAddr address) const { return a20_masked ? address & ~kA20 : address; }
};

}  // namespace ringshift::mmu
