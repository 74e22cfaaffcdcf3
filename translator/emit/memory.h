// The one place that makes operands in guest memory.
//
// Every access of translated code to guest memory is encoded here, with the prefixes 65 67 (string
// instructions excepted, emit/string.cpp), so that no other emitter can leave the window by mistake.
#pragma once

#include "translator/emit/context.h"
#include "translator/isa/insn.h"

namespace ringshift::translator::emit {

// The explicit memory operand of `insn`, as linear address. May emit glue that uses r8 and r9 and
// leaves flags alone; the operand then refers to them. `esp_adjust` is added if esp is the base (pop).
[[nodiscard]] Address resolve(Context& c, const isa::Insn& insn, std::int32_t esp_adjust = 0);

// The offset within its segment, in 32 bits, into a host register other than r9; flags are kept.
void effective_address(Context& c, const isa::Insn& insn, std::uint8_t destination);

// `bytes` bytes at `offset` in `segment`, as linear address. May use r8 and r9.
[[nodiscard]] Address in_segment(Context& c, Address offset, Seg segment, unsigned bytes);

// Puts the address into r8d, so that its registers may be changed before the access.
void collapse(Context& c, Address& address);

// The guest stack, `disp` bytes from esp.
[[nodiscard]] inline Address stack(const Context& c, std::int32_t disp) {
  return {.base = kHostEsp, .disp = disp + c.esp_delta};
}

// Moves of `width` bytes (2 or 4) between a host register and guest memory.
void load(Context& c, unsigned width, std::uint8_t reg, const Address& from);
void store(Context& c, unsigned width, const Address& to, std::uint8_t reg);
void store_immediate(Context& c, unsigned width, const Address& to, std::uint32_t value);
// esp += delta, at the end of an instruction: r12d follows when somebody needs it.
inline void move_esp(Context& c, std::int32_t delta) { c.esp_delta += delta; }
// Brings r12d up to date, leaving flags alone.
void settle_esp(Context& c);

}  // namespace ringshift::translator::emit
