// Loads of segment registers in real and V86 mode: a selector, and 16 times that as base. What else a segment register
// holds stays as it is (ModeKey::reach), so that the mode stays the same.
#include "translator/emit/exits.h"
#include "translator/emit/families.h"
#include "translator/emit/memory.h"

namespace ringshift::translator::emit {
namespace {

namespace x86 = asmjit::x86;
using isa::Insn;
using isa::Op;

// The selector is in r10d, zero-extended.
void load_paragraph(Context& c, Seg segment) {
  c.a.mov(segment_field(segment, offsetof(SegmentRegister, selector), 2), x86::r10w);
  c.a.lea(x86::r9d, x86::ptr(x86::r10, x86::r10));
  c.a.lea(x86::r9d, x86::ptr(std::uint64_t{0}, x86::r9, 3));
  c.a.mov(segment_field(segment, offsetof(SegmentRegister, base), 4), x86::r9d);
}

void emit_move(Context& c, const Insn& insn) {
  if (insn.memory) {
    load_zero_extended(c, 2, kScratch10, resolve(c, insn));
  } else {
    c.a.movzx(x86::r10d, x86::gpw(host_register(insn.rm)));
  }
}

void emit_pop(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  load_zero_extended(c, width, kScratch10, stack(c, 0, width));
  if (width == 4) c.a.movzx(x86::r10d, x86::r10w);
  move_esp(c, static_cast<std::int32_t>(width));
}

void emit_far_pointer(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  if (insn.address_size == 2) {  // the offset of the selector wraps, even in a segment beyond 64 KiB
    effective_address(c, insn, kScratch8);
    check_below(c, 0xFFFF - width);
  }
  Address address = resolve(c, insn);
  load_zero_extended(c, width, kScratch11, address);
  address.disp += static_cast<std::int32_t>(width);
  load_zero_extended(c, 2, kScratch10, address);
  const std::uint8_t to = host_register(insn.reg);
  if (width == 4) {
    c.a.mov(x86::gpd(to), x86::r11d);
  } else {
    c.a.mov(x86::gpw(to), x86::r11w);
  }
  load_paragraph(c, plan::far_pointer_segment(insn.op));
}

}  // namespace

bool casts_shadow(const Insn& insn) {
  const bool loads = insn.op == Op::mov_to_seg || insn.op == Op::pop_seg;
  return insn.op == Op::sti || (loads && insn.reg == static_cast<std::uint8_t>(Seg::ss));
}

void emit_segment_load(Context& c, const Insn& insn) {
  switch (insn.op) {
    case Op::mov_to_seg:
      emit_move(c, insn);
      break;
    case Op::pop_seg:
      emit_pop(c, insn);
      break;
    default:
      return emit_far_pointer(c, insn);
  }
  load_paragraph(c, static_cast<Seg>(insn.reg));
  if (!casts_shadow(insn)) return;
  // No interrupt comes between this and the next instruction, which is the runtime's (plan_block).
  settle_esp(c);
  c.a.mov(x86::r9d, 0);
  jump_shadowed_exit(c, c.eip() + insn.length, c.index + 1U);
}

}  // namespace ringshift::translator::emit
