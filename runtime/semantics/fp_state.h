// Reading and changing the 512-byte x87/MMX/SSE area of CpuState (FXSAVE64 layout, SDM vol. 1, 10.5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "runtime/state/cpu_state.h"

namespace ringshift::fp {

// Offsets within the area.
inline constexpr std::size_t kFcw = 0, kFsw = 2, kAbridgedTags = 4, kFop = 6, kFip = 8, kFdp = 16, kMxcsr = 24,
                             kMxcsrMask = 28, kStack = 32, kXmm = 160;
inline constexpr std::size_t kSlotBytes = 16;          // of one ST or XMM register
inline constexpr std::size_t kLegacyEnd = 160 + 128;   // XMM7 ends here: all that 32-bit code can see
inline constexpr std::uint16_t kExceptionBits = 0x3F;  // IE DE ZE OE UE PE, in FSW, FCW (masks) and MXCSR

// The MXCSR bits that our CPU models have (SDM vol. 1, 10.2.3). AMD's MM bit (17) is none of them.
inline constexpr std::uint32_t kMxcsrWritable = 0xFFFF;
inline constexpr unsigned kMxcsrMaskShift = 7;  // mask bits of MXCSR stand this far above the flags
inline constexpr std::uint32_t kMxcsrAllMasked = 0x3FU << kMxcsrMaskShift;
inline constexpr std::uint32_t kMxcsrFlushToZero = 1U << 15;
inline constexpr std::uint32_t kMxcsrDefault = 0x1F80;

// Exception flags, the same in FSW and MXCSR.
inline constexpr std::uint32_t kInvalid = 1, kDenormal = 2, kZeroDivide = 4, kOverflow = 8, kUnderflow = 16,
                               kPrecision = 32;

template <class T>
[[nodiscard]] T field(const CpuState& state, std::size_t offset) {
  T value;
  std::memcpy(&value, state.fx.data() + offset, sizeof value);
  return value;
}
template <class T>
void set_field(CpuState& state, std::size_t offset, T value) {
  std::memcpy(state.fx.data() + offset, &value, sizeof value);
}

[[nodiscard]] inline std::uint16_t fcw(const CpuState& state) { return field<std::uint16_t>(state, kFcw); }
[[nodiscard]] inline std::uint16_t fsw(const CpuState& state) { return field<std::uint16_t>(state, kFsw); }
[[nodiscard]] inline std::uint32_t mxcsr(const CpuState& state) { return field<std::uint32_t>(state, kMxcsr); }
inline void set_mxcsr(CpuState& state, std::uint32_t value) { set_field(state, kMxcsr, value); }
// Physical register that is ST0.
[[nodiscard]] inline unsigned top(const CpuState& state) { return (fsw(state) >> 11) & 7U; }

// Physical x87 register (= MMX register) `n`, 10 bytes, in the stack-ordered slots of the area.
[[nodiscard]] inline std::size_t physical_register_offset(const CpuState& state, unsigned n) {
  return kStack + kSlotBytes * ((n - top(state)) & 7U);
}
[[nodiscard]] inline std::size_t xmm_offset(unsigned n) { return kXmm + kSlotBytes * n; }

// An unmasked x87 exception waits for the next waiting instruction. The flags decide, not FSW.ES, which
// an image loaded from memory may contradict.
[[nodiscard]] inline bool x87_exception_pending(const CpuState& state) {
  return (fsw(state) & ~fcw(state) & kExceptionBits) != 0;
}

// The flags of an FSW or of MXCSR that are set and whose exception is not masked.
[[nodiscard]] inline std::uint32_t sse_unmasked(std::uint32_t flags, std::uint32_t mxcsr_masks) {
  return flags & ~(mxcsr_masks >> kMxcsrMaskShift) & kExceptionBits;
}

// Clears what the host stored about its own instruction and processor: last x87 instruction, operand and
// opcode, and MXCSR_MASK. Both engines do it whenever host registers were saved to the area, so that the
// guest sees no host address and runs compare equal. Known gap: FIP, FDP and FOP always read as 0.
inline void scrub_pointers(CpuState& state) {
  set_field<std::uint16_t>(state, kFop, 0);
  set_field<std::uint64_t>(state, kFip, 0);
  set_field<std::uint64_t>(state, kFdp, 0);
  set_field<std::uint32_t>(state, kMxcsrMask, 0);
}

}  // namespace ringshift::fp

namespace ringshift {
using fp::x87_exception_pending;
inline void fp_scrub_pointers(CpuState& state) { fp::scrub_pointers(state); }
}  // namespace ringshift
