// Register and r/m operands of any width.
#pragma once

#include <cstdint>
#include <cstring>

#include "runtime/semantics/cpu_memory.h"

namespace ringshift {

// AL, CL, DL, BL, AH, CH, DH, BH for bytes (SDM vol. 2, table 2-2).
template <class T>
[[nodiscard]] inline T get_reg(const CpuState& state, unsigned n) {
  if constexpr (sizeof(T) == 1) {
    return static_cast<T>(state.gpr[n & 3U] >> ((n & 4U) * 2));
  } else {
    return static_cast<T>(state.gpr[n]);
  }
}

template <class T>
inline void set_reg(CpuState& state, unsigned n, T value) {
  if constexpr (sizeof(T) == 4) {
    state.gpr[n] = value;
  } else if constexpr (sizeof(T) == 2) {
    state.gpr[n] = (state.gpr[n] & 0xFFFF0000U) | value;
  } else {
    const unsigned shift = (n & 4U) * 2;
    std::uint32_t& r = state.gpr[n & 3U];
    r = (r & ~(0xFFU << shift)) | (static_cast<std::uint32_t>(value) << shift);
  }
}

template <class T>
[[nodiscard]] inline MemResult<T> read_rm(Cpu& cpu, const isa::Insn& insn) {
  if (!insn.memory) return {get_reg<T>(cpu.state, insn.rm), true};
  return cpu.read<T>(insn.segment, cpu.effective_address(insn));
}

template <class T>
[[nodiscard]] inline bool write_rm(Cpu& cpu, const isa::Insn& insn, T value) {
  if (insn.memory) return cpu.write<T>(insn.segment, cpu.effective_address(insn), value);
  set_reg<T>(cpu.state, insn.rm, value);
  return true;
}

// Reads the r/m operand, gives its value to `modify` and writes back what that returns. `modify` may change
// flags and registers: the write cannot fault any more.
template <class T, class Modify>
inline Flow modify_rm(Cpu& cpu, const isa::Insn& insn, Modify&& modify) {
  if (!insn.memory) {
    const T value = modify(get_reg<T>(cpu.state, insn.rm));
    set_reg<T>(cpu.state, insn.rm, value);
    return Flow::next;
  }
  const std::uint32_t offset = cpu.effective_address(insn);
  const auto old = cpu.read_for_write<T>(insn.segment, offset);
  if (!old) return Flow::fault;
  const T value = modify(*old);
  return cpu.write<T>(insn.segment, offset, value) ? Flow::next : Flow::fault;
}

// Calls f.operator()<T>() with the type of the operand's width.
template <class F>
inline Flow by_width(const isa::Insn& insn, F&& f) {
  switch (insn.width) {
    case 1:
      return f.template operator()<std::uint8_t>();
    case 2:
      return f.template operator()<std::uint16_t>();
    default:
      return f.template operator()<std::uint32_t>();
  }
}
template <class F>
inline Flow by_word_width(const isa::Insn& insn, F&& f) {
  return insn.width == 2 ? f.template operator()<std::uint16_t>() : f.template operator()<std::uint32_t>();
}

// Replaces the status flags in `mask`.
inline void set_flags(CpuState& state, std::uint32_t mask, std::uint32_t value) {
  state.native_flags = (state.native_flags & ~mask) | (value & mask);
}

// The 16 conditions of Jcc, SETcc and CMOVcc (SDM vol. 1, appendix B).
[[nodiscard]] inline bool condition_holds(unsigned condition, std::uint32_t flags) {
  using namespace eflags;
  bool holds = false;
  switch (condition >> 1) {
    case 0:
      holds = (flags & kOf) != 0;
      break;
    case 1:
      holds = (flags & kCf) != 0;
      break;
    case 2:
      holds = (flags & kZf) != 0;
      break;
    case 3:
      holds = (flags & (kCf | kZf)) != 0;
      break;
    case 4:
      holds = (flags & kSf) != 0;
      break;
    case 5:
      holds = (flags & kPf) != 0;
      break;
    case 6:
      holds = ((flags & kSf) != 0) != ((flags & kOf) != 0);
      break;
    default:
      holds = ((flags & kSf) != 0) != ((flags & kOf) != 0) || (flags & kZf) != 0;
      break;
  }
  return holds != ((condition & 1U) != 0);
}

}  // namespace ringshift
