// What translated code may do with CpuState.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "runtime/state/cpu_state.h"

namespace ringshift::verify {

struct Field {
  std::size_t offset = 0;
  std::size_t size = 0;
};

inline constexpr std::size_t kHostOffset = offsetof(CpuState, host);
inline constexpr std::size_t kWindowBase = kHostOffset + offsetof(HostContext, window_base);

inline constexpr std::size_t kLimitSpace = kHostOffset + offsetof(HostContext, limit_space);

// The fields that translated code writes; the stubs write the rest of what an exit stores. Any other is
// read-only: it either gives rights (segments, control registers) or steers the runtime (stacks, tables, pending).
inline constexpr std::array kWritable = {
    Field{offsetof(CpuState, interrupt_flag), 1},
    Field{offsetof(CpuState, interrupt_shadow), 1},
    Field{kHostOffset + offsetof(HostContext, retired), 8},
};

// Whether `width` bytes at `offset` lie in the state.
[[nodiscard]] constexpr bool readable(std::int64_t offset, unsigned width) {
  return offset >= 0 && static_cast<std::uint64_t>(offset) + width <= sizeof(CpuState);
}

// Whether they lie in one field that may be written.
[[nodiscard]] constexpr bool writable(std::int64_t offset, unsigned width) {
  if (!readable(offset, width)) return false;
  const auto first = static_cast<std::size_t>(offset);
  for (const Field& field : kWritable) {
    if (first >= field.offset && first + width <= field.offset + field.size) return true;
  }
  return false;
}

// Whether they are the selector or the base of a segment register other than cs.
[[nodiscard]] constexpr bool segment_writable(std::int64_t offset, unsigned width) {
  constexpr auto kFirst = static_cast<std::int64_t>(offsetof(CpuState, seg));
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(SegmentRegister));
  if (offset < kFirst || offset >= kFirst + kSize * static_cast<std::int64_t>(kSegCount)) return false;
  if ((offset - kFirst) / kSize == static_cast<std::int64_t>(Seg::cs)) return false;
  const auto field = static_cast<std::size_t>((offset - kFirst) % kSize);
  return (field == offsetof(SegmentRegister, selector) && width == 2) ||
         (field == offsetof(SegmentRegister, base) && width == 4);
}

// Whether an 8-byte load at `offset` is exactly one of the elements for each segment from `first`.
[[nodiscard]] constexpr bool is_segment_element(std::int64_t offset, std::size_t first) {
  const std::int64_t at = offset - static_cast<std::int64_t>(first);
  return at >= 0 && at < 8 * static_cast<std::int64_t>(kSegCount) && at % 8 == 0;
}
[[nodiscard]] constexpr bool is_base_pointer(std::int64_t offset) {
  return is_segment_element(offset, offsetof(CpuState, base_pointer));
}
[[nodiscard]] constexpr bool is_limit_pointer(std::int64_t offset) {
  return is_segment_element(offset, offsetof(CpuState, limit_pointer));
}

}  // namespace ringshift::verify
