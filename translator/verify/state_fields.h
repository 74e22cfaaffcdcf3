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

// Whether an 8-byte load at `offset` is exactly one element of base_pointer.
[[nodiscard]] constexpr bool is_base_pointer(std::int64_t offset) {
  constexpr auto kFirst = static_cast<std::int64_t>(offsetof(CpuState, base_pointer));
  return offset >= kFirst && offset < kFirst + 8 * static_cast<std::int64_t>(kSegCount) && (offset - kFirst) % 8 == 0;
}

}  // namespace ringshift::verify
