// push and pop. esp changes only after the last access of the instruction, so that a fault in it
// finds the guest state of its start; r12d follows even later (settle_esp), so that a run of them changes it once.
#include <array>

#include "translator/emit/families.h"
#include "translator/emit/memory.h"

namespace ringshift::translator::emit {
namespace {

namespace x86 = asmjit::x86;
using isa::Form;
using isa::Insn;
using isa::Op;

// `reg` may be stack_scratch().
void push_register(Context& c, unsigned width, std::uint8_t reg) {
  const auto size = static_cast<std::int32_t>(width);
  store(c, width, stack(c, -size, width), reg);
  move_esp(c, -size);
}

void emit_push(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  const auto size = static_cast<std::int32_t>(width);
  if (insn.form == Form::imm) {
    store_immediate(c, width, stack(c, -size, width), insn.imm);
    move_esp(c, -size);
  } else if (insn.memory) {
    load(c, width, stack_scratch(c), resolve(c, insn));
    push_register(c, width, stack_scratch(c));
  } else {
    push_register(c, width, host_register(insn.form == Form::opreg ? insn.reg : insn.rm));
  }
}

// pop esp, pop sp: no increment is left of the first.
void pop_esp(Context& c, unsigned width) {
  const std::uint8_t value = stack_scratch(c);
  load(c, width, value, stack(c, 0, width));
  if (width == 4) {
    c.a.mov(x86::r12d, x86::gpd(value));
    return;
  }
  if (c.request.mode.stack32) c.a.lea(x86::r12d, x86::ptr(x86::r12, static_cast<std::int32_t>(width)));
  c.a.mov(x86::r12w, x86::gpw(value));
}

void emit_pop(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  const auto size = static_cast<std::int32_t>(width);
  if (insn.memory) {
    // An address with esp as base is computed after the increment (SDM vol. 2, POP).
    load(c, width, kScratch10, stack(c, 0, width));
    store(c, width, resolve(c, insn, size), kScratch10);
    move_esp(c, size);
    return;
  }
  const std::uint8_t reg = insn.form == Form::opreg ? insn.reg : insn.rm;
  if (reg == kEsp) return pop_esp(c, width);
  load(c, width, reg, stack(c, 0, width));
  move_esp(c, size);
}

// The lowest of all 8 words; in a mode that is not plain the others are behind it, or the access faults.
Address all_words(Context& c, std::int32_t disp, unsigned width) {
  const unsigned bytes = width * kGprCount;
  if (!c.request.mode.stack32) {  // each word's offset wraps, even in a segment beyond 64 KiB
    c.a.lea(x86::r8d, x86::ptr(x86::r12, disp));
    c.a.movzx(x86::r8d, x86::r8w);
    check_below(c, 0x10000 - bytes);
  }
  return stack(c, disp, bytes);
}

Address behind(Address at, std::int32_t bytes) {
  at.disp += bytes;
  return at;
}

void emit_pusha(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  const auto size = static_cast<std::int32_t>(width);
  const Address lowest = all_words(c, -size * 8, width);
  for (std::uint8_t reg = kEax; reg <= kEdi; ++reg) {
    store(c, width, behind(lowest, size * (7 - reg)), host_register(reg));
  }
  move_esp(c, -size * 8);
}

void emit_popa(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  const auto size = static_cast<std::int32_t>(width);
  const Address lowest = all_words(c, 0, width);
  // Both ends first: the registers are loaded when no page of them can be missing any more.
  const std::uint8_t unused = c.request.mode.plain() ? kScratch8 : kScratch10;
  load(c, width, unused, behind(lowest, size * 7));
  load(c, width, unused, lowest);
  for (std::uint8_t reg = kEax; reg <= kEdi; ++reg) {
    if (reg != kEsp) load(c, width, reg, behind(lowest, size * (7 - reg)));
  }
  move_esp(c, size * 8);
}

void emit_leave(Context& c, const Insn& insn) {
  const ModeKey& mode = c.request.mode;
  if (mode.plain()) {
    load(c, 4, kScratch8, {.base = kEbp});
    c.a.lea(x86::r12d, x86::ptr(x86::rbp, 4));
    c.a.mov(x86::ebp, x86::r8d);
    c.esp_delta = 0;
    return;
  }
  const unsigned width = insn.stack_operand;
  const auto size = static_cast<std::int32_t>(width);
  if (mode.stack32) {
    load(c, width, kScratch10, in_segment(c, {.base = kEbp}, Seg::ss, width));
    c.a.lea(x86::r12d, x86::ptr(x86::rbp, size));
    c.esp_delta = 0;
  } else {
    c.a.movzx(x86::r8d, x86::bp);
    load(c, width, kScratch10, in_segment(c, {.base = kScratch8}, Seg::ss, width, 2));
    c.a.lea(x86::r8d, x86::ptr(x86::rbp, size));
    c.a.mov(x86::r12w, x86::r8w);
  }
  if (width == 4) {
    c.a.mov(x86::ebp, x86::r10d);
  } else {
    c.a.mov(x86::bp, x86::r10w);
  }
}

void emit_push_segment(Context& c, const Insn& insn) {
  const std::uint8_t value = stack_scratch(c);
  c.a.movzx(x86::gpd(value), segment_field(static_cast<Seg>(insn.reg), offsetof(SegmentRegister, selector), 2));
  // Silicon may store only the low 16 bits of a 32-bit push (SDM vol. 2, PUSH): zero-extended is the
  // other documented behaviour, and what software sees that reads the whole slot.
  push_register(c, insn.stack_operand, value);
}

}  // namespace

void emit_stack(Context& c, const Insn& insn) {
  switch (insn.op) {
    case Op::push:
      return emit_push(c, insn);
    case Op::pop:
      return emit_pop(c, insn);
    case Op::pusha:
      return emit_pusha(c, insn);
    case Op::popa:
      return emit_popa(c, insn);
    case Op::leave:
      return emit_leave(c, insn);
    default:
      return emit_push_segment(c, insn);
  }
}

}  // namespace ringshift::translator::emit
