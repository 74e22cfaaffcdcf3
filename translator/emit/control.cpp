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

// The same way out as that of `at` from here on.
void exit_at(Context& c, std::uint32_t target, std::uint16_t guest_offset, std::uint16_t index) {
  const unsigned completed = index + 1U;
  c.guest_offset = guest_offset;
  c.index = index;
  mark_fixup(c, Fixup::none);
  exit_direct(c, target, completed);
}

// loop, loope, loopne, jecxz reach only 127 bytes: over the jump of the other way.
void emit_loop32(Context& c, const Insn& insn, std::uint32_t next) {
  const std::uint32_t target = c.target(insn);
  const unsigned completed = c.index + 1U;
  const std::array<std::uint8_t, 3> branch{0x67, insn.opcode, 0};
  c.a.embed(branch.data(), branch.size());
  const std::uint32_t after = c.offset();
  const std::uint16_t guest_offset = c.guest_offset;
  const std::uint16_t index = c.index;
  mark_end(c, next);
  exit_direct(c, next, completed);
  c.short_patches.push_back({.offset = after - 1, .destination = c.offset()});
  exit_at(c, target, guest_offset, index);
}

// A jump over what follows if cx is 0; returns where its rel8 is. From here to restore_ecx() ecx is in r10.
std::uint32_t branch_if_cx_is_zero(Context& c) {
  c.a.mov(x86::r10, x86::rcx);
  mark_fixup(c, Fixup::ecx_in_r10);
  c.a.movzx(x86::ecx, x86::cx);
  constexpr std::array<std::uint8_t, 2> kJrcxz{0xE3, 0};
  c.a.embed(kJrcxz.data(), kJrcxz.size());
  return c.offset() - 1;
}

void restore_ecx(Context& c) {
  c.a.mov(x86::rcx, x86::r10);
  mark_fixup(c, Fixup::none);
}

// The same with cx, which no host instruction counts.
void emit_loop16(Context& c, const Insn& insn, std::uint32_t next) {
  const std::uint32_t target = c.target(insn);
  const unsigned completed = c.index + 1U;
  const std::uint16_t guest_offset = c.guest_offset;
  const std::uint16_t index = c.index;
  if (insn.op != Op::jcxz) {
    c.a.lea(x86::r8d, x86::ptr(x86::rcx, -1));
    c.a.mov(x86::cx, x86::r8w);
    // Not to be stopped from here on: the count is taken, and no boundary comes before an exit.
  }
  const std::uint32_t zero = branch_if_cx_is_zero(c);
  restore_ecx(c);
  constexpr std::uint8_t kZero = 4, kNotZero = 5;
  switch (insn.op) {
    case Op::jcxz:
      exit_direct(c, next, completed);
      break;
    case Op::loop:
      exit_direct(c, target, completed);
      break;
    default:
      branch_direct(c, insn.op == Op::loope ? kZero : kNotZero, target, completed);
      exit_direct(c, next, completed);
      break;
  }
  c.short_patches.push_back({.offset = zero, .destination = c.offset()});
  c.guest_offset = guest_offset;
  c.index = index;
  mark_fixup(c, Fixup::ecx_in_r10);
  restore_ecx(c);
  exit_direct(c, insn.op == Op::jcxz ? target : next, completed);
}

void push_return_address(Context& c, const Insn& insn, std::uint32_t next) {
  const unsigned width = insn.stack_operand;
  const auto size = static_cast<std::int32_t>(width);
  if (c.movable()) {  // r8d may hold the target
    load_linear(c, kScratch10, next);
    store(c, width, stack(c, -size, width), kScratch10);
  } else {
    store_immediate(c, width, stack(c, -size, width), c.in_code(next));
  }
  move_esp(c, -size);
}

// What follows a host call: the way back.
void emit_return(Context& c, std::uint32_t next) {
  c.guest_offset = static_cast<std::uint16_t>(next - c.request.eip);
  c.index = 0;
  return_site(c, next);
}

void emit_call(Context& c, const Insn& insn, std::uint32_t next) {
  push_return_address(c, insn, next);
  if (insn.imm == 0 && insn.width == 4) return;  // only asks for eip: the block goes on
  settle_esp(c);
  call_direct(c, c.target(insn), c.index + 1U, next);
  emit_return(c, next);
}

// In a mode that is not plain: an offset in r8d as a target of `width` bytes. Faults if it is beyond the limit.
void check_code_limit(Context& c, unsigned width) {
  const std::uint32_t limit = c.request.mode.cs_limit;
  if (limit != 0xFFFFFFFF && (width == 4 || limit < 0xFFFF)) check_below(c, limit);
}

// r8d = the linear address of the offset in `from`.
void take_target(Context& c, std::uint8_t from) {
  const auto base = static_cast<std::int32_t>(c.request.mode.cs_base);
  if (base != 0) {
    c.a.lea(x86::r8d, x86::ptr(x86::gpq(from), base));
  } else if (from != kScratch8) {
    c.a.mov(x86::r8d, x86::gpd(from));
  }
}

// The target to `to`, as it is in the operand. esp as operand or in the address is the value before the push.
void load_target(Context& c, const Insn& insn, std::uint8_t to) {
  const unsigned width = insn.stack_operand;
  if (insn.memory) {
    load_zero_extended(c, width, to, resolve(c, insn));
  } else if (width == 4) {
    c.a.mov(x86::gpd(to), x86::gpd(host_register(insn.rm)));
  } else {
    c.a.movzx(x86::gpd(to), x86::gpw(host_register(insn.rm)));
  }
}

void emit_jump_indirect(Context& c, const Insn& insn) {
  load_target(c, insn, kScratch8);
  if (!c.request.mode.plain()) {
    check_code_limit(c, insn.stack_operand);
    take_target(c, kScratch8);
  }
  count_retired(c, c.index + 1U);
  exit_indirect(c);
}

void emit_call_indirect(Context& c, const Insn& insn, std::uint32_t next) {
  if (c.request.mode.plain()) {
    load_target(c, insn, kScratch8);
    push_return_address(c, insn, next);
  } else {
    load_target(c, insn, kScratch8);
    check_code_limit(c, insn.stack_operand);
    c.a.mov(x86::r11d, x86::r8d);
    push_return_address(c, insn, next);
    take_target(c, kScratch11);
  }
  settle_esp(c);
  call_indirect(c, c.index + 1U);
  emit_return(c, next);
}

void emit_ret(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  const auto released = static_cast<std::int32_t>(width + (insn.form == isa::Form::imm ? insn.imm & 0xFFFFU : 0U));
  if (c.request.mode.plain()) {
    load(c, 4, kScratch8, stack(c, 0, 4));
    move_esp(c, released);
    settle_esp(c);
  } else {
    load_zero_extended(c, width, kScratch8, stack(c, 0, width));
    check_code_limit(c, width);
    c.a.mov(x86::r11d, x86::r8d);
    move_esp(c, released);
    settle_esp(c);
    take_target(c, kScratch11);
  }
  count_retired(c, c.index + 1U);
  c.a.ret();
}

}  // namespace

void emit_control(Context& c, const Insn& insn) {
  const std::uint32_t next = c.eip() + insn.length;
  switch (insn.op) {
    case Op::jcc:
      return branch_direct(c, insn.condition, c.target(insn), c.index + 1U);
    case Op::jmp:
      return exit_direct(c, c.target(insn), c.index + 1U);
    case Op::jmp_indirect:
      return emit_jump_indirect(c, insn);
    case Op::call:
      return emit_call(c, insn, next);
    case Op::call_indirect:
      return emit_call_indirect(c, insn, next);
    case Op::ret:
      return emit_ret(c, insn);
    default:
      return insn.address_size == 4 ? emit_loop32(c, insn, next) : emit_loop16(c, insn, next);
  }
}

}  // namespace ringshift::translator::emit
