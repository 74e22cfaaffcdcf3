#include "tests/isa/leniency.h"

#include "runtime/semantics/fault.h"

namespace ringshift::test {
namespace {

using isa::Form;
using isa::Insn;
using isa::Op;

unsigned shift_count(const Insn& insn, const Registers& before) {
  switch (insn.form) {
    case Form::rm_one:
      return 1;
    case Form::rm_cl:
    case Form::rm_reg_cl:
      return before.gpr[kEcx] & 31;
    default:
      return insn.imm & 31;
  }
}

bool applies(const Undefined& u, const Insn& insn, const Registers& before) {
  const unsigned count = shift_count(insn, before);
  switch (u.when) {
    case When::always:
      return true;
    case When::count_not_one:
      return count > 1;
    case When::count_not_zero:
      return count != 0;
    case When::count_exceeds:
      return count >= insn.width * 8U;
  }
  return false;
}

std::uint32_t linear_address(const Insn& insn, const Registers& before) {
  auto a = static_cast<std::uint32_t>(insn.disp);
  if (insn.base != isa::kNoRegister) a += before.gpr[insn.base];
  if (insn.index != isa::kNoRegister) a += before.gpr[insn.index] * insn.scale;
  if (insn.address_size == 2) a &= 0xFFFFU;
  const std::uint16_t selector = before.sel[static_cast<unsigned>(insn.segment)];
  const bool local = (selector & 4U) != 0 && (selector >> 3) < kLocalSegments.size();
  return a + (local ? kLocalSegments[selector >> 3].base : 0);
}

// Instruction and operand pointers and MXCSR_MASK, which are not emulated (runtime/semantics/fp_state.h).
void pointers_in_memory(const Insn& insn, const Registers& before, Leniency& open) {
  const std::uint32_t at = linear_address(insn, before);
  if (insn.op == Op::fxsave) {
    open.ranges = {{at + 6, 18}, {at + 28, 4}};
  } else if (insn.op == Op::fp_environment) {
    open.ranges = {insn.width == 2 ? Leniency::Range{at + 6, 8} : Leniency::Range{at + 12, 14}};
  }
}

// MMX instructions turn the x87 stack into MMX registers; whether one that faults has done so already is left open.
bool enters_mmx(const Insn& insn) {
  if (insn.op == Op::masked_store) return true;
  return insn.op == Op::host_fp && insn.map == 1 && (insn.opcode == 0x2A || insn.opcode == 0x2C || insn.opcode == 0x2D);
}

// Status bits of MXCSR after #XM.
std::uint32_t open_mxcsr(const Insn& insn, std::uint32_t mxcsr) {
  // DPPS and DPPD compute in stages, each of which may raise: only the fault itself is the same.
  if (insn.map == 3 && (insn.opcode == 0x40 || insn.opcode == 0x41)) return 0x3F;
  // PE beside an unmasked overflow or underflow: a documented gap.
  return (mxcsr & 0x18 & ~(mxcsr >> 7)) != 0 ? 0x20U : 0U;
}

}  // namespace

Leniency leniency(const Insn& insn, const Registers& before, int vector, std::uint32_t mxcsr) {
  Leniency open;
  for (const Undefined& u : kUndefined) {
    if (u.op == insn.op && applies(u, insn, before)) open.flags |= u.flags;
  }
  pointers_in_memory(insn, before, open);
  if (vector == vector::kBp) return open;  // it ran to its end
  if (vector == vector::kXm) open.mxcsr = open_mxcsr(insn, mxcsr);
  open.x87_top = enters_mmx(insn);
  open.any_access_fault = insn.host_memory_bytes == 10;  // made of 8 and 2
  for (const Unordered& u : kUnordered) {
    if (u.op != insn.op) continue;
    open.any_access_fault = true;
    open.cr2 = u.cr2;
    open.registers = u.registers;
    open.memory = u.memory;
  }
  return open;
}

}  // namespace ringshift::test
