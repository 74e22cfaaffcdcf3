// Bits of page-directory and page-table entries (SDM vol. 3, tables 4-4 to 4-6 and 4-8 to 4-11), and
// the arithmetic of both formats: 4-byte entries (two levels, 1,024 entries) and PAE (8 bytes, 512).
#pragma once

#include <cstdint>

#include "mmu/types.h"

namespace ringshift::mmu::bits {

inline constexpr std::uint64_t kPresent = 1U << 0;
inline constexpr std::uint64_t kWrite = 1U << 1;
inline constexpr std::uint64_t kUser = 1U << 2;
inline constexpr std::uint64_t kWriteThrough = 1U << 3;
inline constexpr std::uint64_t kCacheDisable = 1U << 4;
inline constexpr std::uint64_t kAccessed = 1U << 5;
inline constexpr std::uint64_t kDirty = 1U << 6;
inline constexpr std::uint64_t kLarge = 1U << 7;  // of a PDE
inline constexpr std::uint64_t kPat = 1U << 7;    // of a PTE
inline constexpr std::uint64_t kGlobal = 1U << 8;
inline constexpr std::uint64_t kAvailable = 7U << 9;
inline constexpr std::uint64_t kLargePat = 1U << 12;
inline constexpr std::uint64_t kNoExecute = std::uint64_t{1} << 63;

inline constexpr unsigned kPhysicalBits = 36;
inline constexpr std::uint64_t kPhysicalMask = (std::uint64_t{1} << kPhysicalBits) - 1;
inline constexpr std::uint64_t kFrameMask = kPhysicalMask & ~std::uint64_t{kPageMask};

inline bool is_large(const PagingState& paging, std::uint64_t pde) {
  return (pde & kLarge) != 0 && (paging.pae || paging.pse);
}

inline std::uint32_t large_page_size(const PagingState& paging) { return paging.pae ? 0x200000U : 0x400000U; }

// Linear address bits that one page directory entry covers.
inline unsigned pde_shift(bool pae) { return pae ? 21 : 22; }

// Physical address of the first byte of a large page. PSE-36 puts bits 35:32 into bits 16:13; without it they are
// reserved, and so 0.
inline PhysAddr large_page_base(const PagingState& paging, std::uint64_t pde) {
  if (paging.pae) return pde & kPhysicalMask & ~std::uint64_t{0x1FFFFF};
  return (pde & 0xFFC00000U) | ((pde >> 13 & 0xFU) << 32);
}

// Bits that must be 0 in a present entry (SDM vol. 3, table 4-4). Two-level PTEs and PDEs of tables have none.
inline std::uint64_t reserved_bits(const PagingState& paging, bool large) {
  if (!paging.pae) return !large ? 0 : paging.pse36 ? 0x003E0000U : 0x003FF000U;
  std::uint64_t reserved = ~kPhysicalMask & ~kNoExecute;
  if (!paging.nxe) reserved |= kNoExecute;
  if (large) reserved |= 0x001FE000U;
  return reserved;
}

// Address of the PDE for `linear`; false if the PDPTE above it is not present.
inline bool pde_address(const PagingState& paging, Linear linear, PhysAddr& address) {
  if (!paging.pae) {
    address = (paging.cr3 & ~std::uint64_t{kPageMask}) + (linear >> 22) * 4U;
    return true;
  }
  const std::uint64_t pdpte = paging.pdpte[linear >> 30];
  address = (pdpte & kFrameMask) + (linear >> 21 & 0x1FFU) * 8U;
  return (pdpte & kPresent) != 0;
}

inline PhysAddr pte_address(const PagingState& paging, Linear linear, std::uint64_t pde) {
  if (!paging.pae) return (pde & 0xFFFFF000U) + (linear >> 12 & 0x3FFU) * 4U;
  return (pde & kFrameMask) + (linear >> 12 & 0x1FFU) * 8U;
}

}  // namespace ringshift::mmu::bits
