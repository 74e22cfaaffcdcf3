// What one host instruction means for confinement, found from its bytes alone.
//
// A meaning leaves out displacements and immediates: they do not change how an instruction is encoded, so a
// meaning can be kept for all instructions with the same prefixes, opcode, ModRM and SIB. Whatever
// depends on their values, or on what came before, is checked by the flow (flow.h).
#pragma once

#include <capstone/capstone.h>

#include <cstdint>
#include <variant>

#include "translator/verify/encoding.h"

namespace ringshift::verify {

// Host register numbers with a role (translator/abi.h).
inline constexpr std::uint8_t kRax = 0, kRcx = 1, kRdx = 2, kRsp = 4, kRsi = 6, kRdi = 7, kR8 = 8, kR9 = 9, kR11 = 11,
                              kR12 = 12, kR13 = 13, kR14 = 14, kR15 = 15;

[[nodiscard]] constexpr bool is_scratch(unsigned reg) { return reg >= kR8 && reg <= kR11; }
[[nodiscard]] constexpr bool is_reserved(unsigned reg) { return reg == kRsp || reg >= kR13; }
// The guest registers that the expansion of rdtsc computes in with 64 bits.
[[nodiscard]] constexpr bool is_time_stamp(unsigned reg) { return reg == kRax || reg == kRdx; }

enum class Action : std::uint8_t {
  plain,           // only what the register masks and `state` say
  load_state64,    // mov dst, [r15 + disp]
  page_index,      // shrx dst(32), r8d, r13d
  load_directory,  // mov dst, [r13 + src*8 + disp]
  load_entry,      // mov dst(32), [src + r8*4 + disp]
  load_place,      // mov dst(32), [r13 + disp]; dst is scratch, or ecx
  probe_offset,    // movzx dst(32), byte [r13 + r8 + disp]
  probe_limit,     // movzx dst(32), byte [src + r8 + disp]
  load_pointer,    // mov dst(32), [src + disp]
  code_address,    // lea dst, [dst + r14 + disp]
  add_window,      // lea dst, [dst + src + disp]; dst is rsi or rdi
  copy64,          // mov dst, src
  mask32,          // and dst(32), imm
  set_bits32,      // or dst(32), imm
  constant32,      // mov dst(32), imm
  extract32,       // pext dst(32), any, src
  bit_index,       // bit test of window memory with bit offset src
  time_stamp,      // rdtsc
  string,          // on [rsi] and [rdi], as uses_rsi and uses_rdi say
  push,            // push src
  pop,             // pop dst
  push_flags,
  pop_flags,
  jump,           // unconditional, relative
  jump_if,        // any conditional, relative
  call,           // relative
  jump_indirect,  // jmp src
  call_indirect,  // call src
  ret,
};

enum class StateAccess : std::uint8_t {
  none,
  read,
  write  // or both
};

struct Meaning {
  Action action = Action::plain;
  StateAccess state = StateAccess::none;  // the memory operand is [r15 + disp]
  std::uint8_t width = 0;                 // bytes of that operand
  std::uint8_t dst = 0, src = 0;
  bool uses_rsi = false, uses_rdi = false;  // string
  bool window = false;                      // accesses the window, so may fault
  // General registers by number. set32: surely written with 32 bits. touched: perhaps written with 32 bits or less,
  // or only read. wide: written with 64 bits (scratch registers, and rax and rdx around rdtsc).
  std::uint16_t set32 = 0, touched = 0, wide = 0;
};

// Why an instruction is refused whatever surrounds it.
struct Refusal {
  const char* reason;
};

// `encoding` is our own reading of the same bytes; where the two disagree the instruction is refused.
[[nodiscard]] std::variant<Meaning, Refusal> judge(const cs_insn& insn, const Encoding& encoding);

}  // namespace ringshift::verify
