// The instructions that translated code may contain. What is not listed is refused.
#pragma once

#include <capstone/capstone.h>

#include <cstdint>

namespace ringshift::verify {

enum class Kind : std::uint8_t {
  refused,
  integer,         // explicit operands, and implicit ones among eax, ecx, edx and flags
  vector,          // x87, MMX, SSE: general registers only as explicit operands, or eax and ecx
  bit_test,        // bt and its like: a register bit offset leads away from the operand's address
  time_stamp,      // rdtsc
  implicit_bx_al,  // xlat: [rbx + al]
  implicit_di,     // maskmovq, maskmovdqu: [rdi]
  fence,           // lfence, mfence, sfence: exact bytes only
  hint,            // nop, pause: a memory operand is not accessed
  address,         // lea
  string,
  push,
  pop,
  push_flags,
  pop_flags,
  jump,
  conditional,
  counted,  // loop and its like: write rcx unless addr32
  call,
  ret,
};

// Traits of integer instructions.
inline constexpr std::uint8_t kWide = 1;              // may have a 64-bit form on scratch registers
inline constexpr std::uint8_t kState = 2;             // may have an operand in CpuState
inline constexpr std::uint8_t kReads = 4;             // the first operand is not written
inline constexpr std::uint8_t kSetsOnly = 8;          // writes exactly its first operand, the others are only read
inline constexpr std::uint8_t kMandatoryPrefix = 16;  // F2, F3 or 66 are part of its opcode
inline constexpr std::uint8_t kLockable = 32;         // if its first operand is in memory

struct Allowed {
  Kind kind = Kind::refused;
  std::uint8_t traits = 0;
};

// `id` is a Capstone x86_insn.
[[nodiscard]] Allowed allowed(unsigned id);

}  // namespace ringshift::verify
