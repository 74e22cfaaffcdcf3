// The linear addresses that the host's 32-bit side and the guest share.
//
// The same bytes lie at the same addresses with the same rights on both, so that a fault has the same vector, error
// code and CR2. Everything else below 4 GiB is mapped on neither side, except what the harness itself needs.
#pragma once

#include <array>
#include <cstdint>

#include "runtime/state/segment.h"
#include "testkit/native_ring3.h"

namespace ringshift::test {

inline constexpr std::uint32_t kPage = 0x1000;

// Instructions under test, one in each slot; user, read-only, executable. The page behind is not mapped.
inline constexpr std::uint32_t kCode = 0x20000000;
inline constexpr std::uint32_t kSlotBytes = 64;
inline constexpr std::uint32_t kCodePages = 16;  // all that 16-bit offsets reach
inline constexpr std::uint32_t kCodeBytes = kCodePages * kPage;
inline constexpr std::uint32_t kSlots = kCodeBytes / kSlotBytes;

// Data: writable pages, then a read-only one, none executable; the pages on both sides are not mapped.
inline constexpr std::uint32_t kData = 0x28000000;
inline constexpr std::uint32_t kWritablePages = 3;
inline constexpr std::uint32_t kReadOnly = kData + kWritablePages * kPage;
inline constexpr std::uint32_t kDataEnd = kReadOnly + kPage;

// Two more writable pages that 16-bit addresses reach; only where the host allows mappings so low.
inline constexpr std::uint32_t kLowData = 0xA000;
inline constexpr std::uint32_t kLowPages = 2;
inline constexpr std::uint32_t kLowEnd = kLowData + kLowPages * kPage;

// Of the native side alone: its context, and the page of its way back; and Linux's selectors.
using testkit::kNativeContext;
using testkit::kNativeGate;
using testkit::kUserCode;
using testkit::kUserData;

// A local descriptor table for both sides. The host's kernel accepts descriptors of DPL 3 only.
struct LocalSegment {
  std::uint32_t base;
  std::uint32_t limit;  // in pages if `granular`
  bool big;             // D/B
  bool granular;
  bool writable;     // data
  bool expand_down;  // data
  bool code;         // `writable` then means readable
  bool present = true;
};
enum LocalIndex : unsigned {
  kLdtFlat,
  kLdtBased,
  kLdtSmall,
  kLdtDown32,
  kLdtDown16,
  kLdtReadOnly,
  kLdtCode,
  kLdtExecuteOnly,
  kLdtAbsent,
  kLdtUnaligned,
  kLdtWrap,  // 16-bit offsets end within the data
  kLdtCodeBased,
  kLdtCode16,
  kLdtAbsentCode,
  kLdtEmpty,  // and all that follow
};
inline constexpr std::array<LocalSegment, kLdtEmpty> kLocalSegments{{
    {0, 0xFFFFF, true, true, true, false, false},
    {kData + 0x40, 0x2F00, true, false, true, false, false},
    {kData - 0x100, 0xFFFF, false, false, true, false, false},
    {kData, 0x0FFF, true, false, true, true, false},
    {kData, 0x07FF, false, false, true, true, false},
    {kData, 0x3FFF, true, false, false, false, false},
    {0, 0xFFFFF, true, true, true, false, true},
    {0, 0xFFFFF, true, true, false, false, true},
    {0, 0xFFFFF, true, true, true, false, false, false},
    {kData + 0x123, 0xFFFFF, true, true, true, false, false},
    {kData - 0xF000, 0xFFFFF, true, true, true, false, false},
    {kCode, 0xFFFFF, true, true, true, false, true},
    {kCode, 0xFFFF, false, false, true, false, true},
    {0, 0xFFFFF, true, true, true, false, true, false},
}};
// For programs that begin in ring 0: Linux's selectors, and segments that the single cases do not see.
inline constexpr std::uint16_t kKernelCode = 0x08, kKernelData = 0x18;
inline constexpr std::uint16_t kKernelCode16 = 0x68, kKernelStack16 = 0x70, kKernelCodeBased = 0x78;
struct SystemSegment {
  std::uint16_t selector;
  LocalSegment segment;
};
inline constexpr std::array<SystemSegment, 3> kSystemSegments{{
    {kKernelCode16, {kCode, 0xFFFF, false, false, true, false, true}},
    {kKernelStack16, {kData, 0x3FFF, false, false, true, false, false}},
    {kKernelCodeBased, {kCode, 0xFFFFF, true, true, true, false, true}},
}};
// The guest of programs has the last page of the code area at the end of the address space, too, and the first one at
// 0. INT of this vector comes back, with ecx one higher; the handlers of all others halt.
inline constexpr unsigned kReturningVector = 0x81;

constexpr std::uint16_t local_selector(unsigned index) { return static_cast<std::uint16_t>(index << 3 | 7); }

// The eight bytes of a local descriptor, as the host's kernel makes them: accessed, DPL 3.
constexpr std::uint64_t descriptor_bytes(const LocalSegment& s, unsigned dpl = 3) {
  const std::uint64_t type = (s.code ? 8U : 0U) | (s.expand_down ? 4U : 0U) | (s.writable ? 2U : 0U) | 1U;
  const std::uint64_t access = type | 0x10 | dpl << 5 | (s.present ? 0x80U : 0U);
  const std::uint64_t flags = (s.granular ? 8U : 0U) | (s.big ? 4U : 0U);
  return (s.limit & 0xFFFFU) | (std::uint64_t{s.base & 0xFFFFFFU} << 16) | (access << 40) |
         (std::uint64_t{s.limit >> 16 & 0xFU} << 48) | (flags << 52) | (std::uint64_t{s.base >> 24} << 56);
}

}  // namespace ringshift::test
