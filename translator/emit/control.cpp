// Control flow within the code segment.
#include <array>

#include "translator/emit/exits.h"
#include "translator/emit/families.h"
#include "translator/emit/memory.h"

namespace ringshift::translator::emit {
namespace {

namespace x86 = asmjit::x86;
using isa::Insn;
using isa::Op;

// From here on execution is at `next`, after the block's last instruction.
void mark_end(Context& c, std::uint32_t next) {
  c.guest_offset = static_cast<std::uint16_t>(next - c.request.eip);
  c.index = static_cast<std::uint16_t>(c.index + 1U);
  mark_boundary(c);
}

// loop, loope, loopne, jecxz reach only 127 bytes: over the jump of the other way.
void emit_loop(Context& c, const Insn& insn, std::uint32_t next) {
  const std::uint32_t target = insn.target(c.eip());
  const unsigned completed = c.index + 1U;
  const std::array<std::uint8_t, 3> branch{0x67, insn.opcode, 0};
  c.a.embed(branch.data(), branch.size());
  const std::uint32_t after = c.offset();
  const std::uint16_t guest_offset = c.guest_offset;
  const std::uint16_t index = c.index;
  mark_end(c, next);
  exit_direct(c, next, completed);
  c.short_patches.push_back({.offset = after - 1, .destination = c.offset()});
  c.guest_offset = guest_offset;
  c.index = index;
  mark_fixup(c, Fixup::none);
  exit_direct(c, target, completed);
}

void push_return_address(Context& c, std::uint32_t next) {
  store_immediate(c, 4, stack(c, -4), next);
  move_esp(c, -4);
}

// What follows a host call: the way back.
void emit_return(Context& c, std::uint32_t next) {
  c.guest_offset = static_cast<std::uint16_t>(next - c.request.eip);
  c.index = 0;
  return_site(c, next);
}

void emit_call(Context& c, const Insn& insn, std::uint32_t next) {
  push_return_address(c, next);
  if (insn.imm == 0) return;  // only asks for eip: the block goes on
  settle_esp(c);
  call_direct(c, insn.target(c.eip()), c.index + 1U);
  emit_return(c, next);
}

// The target to r8d. esp as operand or in the address is the value before the push.
void load_target(Context& c, const Insn& insn) {
  if (insn.memory) {
    load(c, 4, kScratch8, resolve(c, insn));
  } else {
    c.a.mov(x86::r8d, x86::gpd(host_register(insn.rm)));
  }
}

void emit_ret(Context& c, const Insn& insn) {
  load(c, 4, kScratch8, stack(c, 0));
  move_esp(c, 4 + static_cast<std::int32_t>(insn.form == isa::Form::imm ? insn.imm & 0xFFFFU : 0U));
  settle_esp(c);
  count_retired(c, c.index + 1U);
  c.a.ret();
}

}  // namespace

void emit_control(Context& c, const Insn& insn) {
  const std::uint32_t next = c.eip() + insn.length;
  switch (insn.op) {
    case Op::jcc:
      return branch_direct(c, insn.condition, insn.target(c.eip()), c.index + 1U);
    case Op::jmp:
      return exit_direct(c, insn.target(c.eip()), c.index + 1U);
    case Op::jmp_indirect:
      load_target(c, insn);
      count_retired(c, c.index + 1U);
      return exit_indirect(c);
    case Op::call:
      return emit_call(c, insn, next);
    case Op::call_indirect:
      load_target(c, insn);
      push_return_address(c, next);
      settle_esp(c);
      call_indirect(c, c.index + 1U);
      return emit_return(c, next);
    case Op::ret:
      return emit_ret(c, insn);
    default:
      return emit_loop(c, insn, next);
  }
}

}  // namespace ringshift::translator::emit
