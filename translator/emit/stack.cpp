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

void push_register(Context& c, unsigned width, std::uint8_t reg) {
  const auto size = static_cast<std::int32_t>(width);
  store(c, width, stack(c, -size), reg);
  move_esp(c, -size);
}

void emit_push(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  const auto size = static_cast<std::int32_t>(width);
  if (insn.form == Form::imm) {
    store_immediate(c, width, stack(c, -size), insn.imm);
    move_esp(c, -size);
  } else if (insn.memory) {
    load(c, width, kScratch8, resolve(c, insn));
    push_register(c, width, kScratch8);
  } else {
    push_register(c, width, host_register(insn.form == Form::opreg ? insn.reg : insn.rm));
  }
}

void emit_pop(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  const auto size = static_cast<std::int32_t>(width);
  if (insn.memory) {
    // An address with esp as base is computed after the increment (SDM vol. 2, POP).
    load(c, width, kScratch10, stack(c, 0));
    store(c, width, resolve(c, insn, size), kScratch10);
    move_esp(c, size);
    return;
  }
  const std::uint8_t reg = insn.form == Form::opreg ? insn.reg : insn.rm;
  if (reg == kEsp) {
    load(c, width, kScratch8, stack(c, 0));
    if (width == 4) {
      c.a.mov(x86::r12d, x86::r8d);
    } else {
      c.a.lea(x86::r12d, x86::ptr(x86::r12, size));
      c.a.mov(x86::r12w, x86::r8w);
    }
    return;
  }
  load(c, width, reg, stack(c, 0));
  move_esp(c, size);
}

void emit_pusha(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  const auto size = static_cast<std::int32_t>(width);
  for (std::uint8_t reg = kEax; reg <= kEdi; ++reg) {
    store(c, width, stack(c, -size * (reg + 1)), host_register(reg));
  }
  move_esp(c, -size * 8);
}

void emit_popa(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  const auto size = static_cast<std::int32_t>(width);
  // Both ends first: the registers are loaded when no page of them can be missing any more.
  load(c, width, kScratch8, stack(c, size * 7));
  load(c, width, kScratch8, stack(c, 0));
  for (std::uint8_t reg = kEax; reg <= kEdi; ++reg) {
    if (reg != kEsp) load(c, width, reg, stack(c, size * (7 - reg)));
  }
  move_esp(c, size * 8);
}

void emit_leave(Context& c) {
  load(c, 4, kScratch8, {.base = kEbp});
  c.a.lea(x86::r12d, x86::ptr(x86::rbp, 4));
  c.a.mov(x86::ebp, x86::r8d);
  c.esp_delta = 0;
}

void emit_push_segment(Context& c, const Insn& insn) {
  const std::size_t selector =
      offsetof(CpuState, seg) + insn.reg * sizeof(SegmentRegister) + offsetof(SegmentRegister, selector);
  c.a.movzx(x86::r8d, state(selector, 2));
  // Silicon may store only the low 16 bits of a 32-bit push (SDM vol. 2, PUSH): zero-extended is the
  // other documented behaviour, and what software sees that reads the whole slot.
  push_register(c, insn.stack_operand, kScratch8);
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
      return emit_leave(c);
    default:
      return emit_push_segment(c, insn);
  }
}

}  // namespace ringshift::translator::emit
