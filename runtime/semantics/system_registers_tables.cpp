// GDTR, IDTR, LDTR and TR (SDM vol. 3, 2.4).
#include "runtime/semantics/descriptor.h"
#include "runtime/semantics/far.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/rm_operand.h"

namespace ringshift {

namespace {

// Limit and the whole base, whatever the operand size: so does every CPU since the 386.
Flow store_table(Cpu& cpu, const isa::Insn& insn, const TableRegister& table) {
  std::uint8_t image[6];
  for (unsigned i = 0; i < 2; ++i) image[i] = static_cast<std::uint8_t>(table.limit >> (8 * i));
  for (unsigned i = 0; i < 4; ++i) image[2 + i] = static_cast<std::uint8_t>(table.base >> (8 * i));
  return cpu.write_bytes(insn.segment, cpu.effective_address(insn), image, sizeof image) ? Flow::next : Flow::fault;
}

// A 16-bit operand size loads 24 bits of base, as the 286 had.
Flow load_table(Cpu& cpu, const isa::Insn& insn, TableRegister& table) {
  if (cpu.state.cpl() != 0) return cpu.raise(vector::kGp, 0);
  std::uint8_t image[6];
  if (!cpu.read_bytes(insn.segment, cpu.effective_address(insn), image, sizeof image)) return Flow::fault;
  std::uint32_t base = 0;
  for (unsigned i = 0; i < 4; ++i) base |= static_cast<std::uint32_t>(image[2 + i]) << (8 * i);
  table.limit = static_cast<std::uint32_t>(image[0] | image[1] << 8);
  table.base = insn.stack_operand == 2 ? base & 0x00FFFFFFU : base;
  return Flow::next;
}

// The selector operand of LLDT and LTR, with the checks that come first. False: in Cpu::fault.
bool read_system_selector(Cpu& cpu, const isa::Insn& insn, std::uint16_t& sel) {
  if (!uses_descriptors(cpu.state)) {
    cpu.raise(vector::kUd);
    return false;
  }
  if (cpu.state.cpl() != 0) {
    cpu.raise(vector::kGp, 0);
    return false;
  }
  const auto value = read_rm16(cpu, insn);
  sel = *value;
  return value.ok;
}

}  // namespace

Flow execute_sgdt(Cpu& cpu, const isa::Insn& insn) { return store_table(cpu, insn, cpu.state.gdtr); }
Flow execute_sidt(Cpu& cpu, const isa::Insn& insn) { return store_table(cpu, insn, cpu.state.idtr); }
Flow execute_lgdt(Cpu& cpu, const isa::Insn& insn) { return load_table(cpu, insn, cpu.state.gdtr); }
Flow execute_lidt(Cpu& cpu, const isa::Insn& insn) { return load_table(cpu, insn, cpu.state.idtr); }

Flow execute_sldt(Cpu& cpu, const isa::Insn& insn) {
  if (!uses_descriptors(cpu.state)) return cpu.raise(vector::kUd);
  return store_rm(cpu, insn, cpu.state.ldtr.selector);
}

Flow execute_str(Cpu& cpu, const isa::Insn& insn) {
  if (!uses_descriptors(cpu.state)) return cpu.raise(vector::kUd);
  return store_rm(cpu, insn, cpu.state.tr.selector);
}

Flow execute_lldt(Cpu& cpu, const isa::Insn& insn) {
  std::uint16_t sel = 0;
  if (!read_system_selector(cpu, insn, sel)) return Flow::fault;
  if (selector::is_null(sel)) {
    cpu.state.ldtr = null_register(sel);
    return Flow::next;
  }
  const std::uint32_t error = selector::error(sel);
  if (selector::in_ldt(sel)) return cpu.raise(vector::kGp, error);
  Descriptor d;
  if (!fetch_descriptor_or_raise(cpu, sel, d, vector::kGp)) return Flow::fault;
  if (!d.is(SystemType::ldt)) return cpu.raise(vector::kGp, error);
  if (!d.present()) return cpu.raise(vector::kNp, error);
  cpu.state.ldtr = d.to_register(sel);
  return Flow::next;
}

Flow execute_ltr(Cpu& cpu, const isa::Insn& insn) {
  std::uint16_t sel = 0;
  if (!read_system_selector(cpu, insn, sel)) return Flow::fault;
  const std::uint32_t error = selector::error(sel);
  if (selector::is_null(sel)) return cpu.raise(vector::kGp, 0);
  if (selector::in_ldt(sel)) return cpu.raise(vector::kGp, error);
  Descriptor d;
  if (!fetch_descriptor_or_raise(cpu, sel, d, vector::kGp)) return Flow::fault;
  if (!d.tss_available()) return cpu.raise(vector::kGp, error);
  if (!d.present()) return cpu.raise(vector::kNp, error);
  if (!set_busy(cpu, d, true)) return Flow::fault;
  cpu.state.tr = d.to_register(sel);
  return Flow::next;
}

}  // namespace ringshift
