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

// `bytes` bytes at `offset` in `segment`, as linear address. May use r8 and r9. `address_size` 2: the offset is below
// 64 KiB.
[[nodiscard]] Address in_segment(Context& c, Address offset, Seg segment, unsigned bytes, unsigned address_size = 4);

// In a mode that is not plain: faults, so that the runtime raises #GP, if r8d is not in reach for `bytes` bytes in
// `segment`. Uses r9.
void check_limit(Context& c, Seg segment, unsigned bytes);
// The same if r8d is beyond `limit`, which is at most 2 GiB less 2.
void check_below(Context& c, std::uint32_t limit);

// Puts the address into r8d, so that its registers may be changed before the access.
void collapse(Context& c, Address& address);

// `bytes` bytes of the guest stack, `disp` bytes from esp, as linear address. May use r8 and r9 if the mode is not
// plain.
[[nodiscard]] Address stack(Context& c, std::int32_t disp, unsigned bytes);
// A register for a value while the stack is addressed.
[[nodiscard]] inline std::uint8_t stack_scratch(const Context& c) {
  return c.request.mode.plain() ? kScratch8 : kScratch11;
}

// Moves of `width` bytes (2 or 4) between a host register and guest memory.
void load(Context& c, unsigned width, std::uint8_t reg, const Address& from);
void load_zero_extended(Context& c, unsigned width, std::uint8_t reg, const Address& from);
void store(Context& c, unsigned width, const Address& to, std::uint8_t reg);
void store_immediate(Context& c, unsigned width, const Address& to, std::uint32_t value);
// esp += delta, at the end of an instruction: r12d follows when somebody needs it. Of a 16-bit stack only sp moves, at
// once, and r8 is used.
void move_esp(Context& c, std::int32_t delta);
// Brings r12d up to date, leaving flags alone.
void settle_esp(Context& c);

}  // namespace ringshift::translator::emit
