// LAR, LSL, VERR, VERW and ARPL: questions about segments that answer through ZF.
#include "runtime/semantics/descriptor.h"
#include "runtime/semantics/far.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/rm_operand.h"

namespace ringshift {

namespace {

constexpr std::uint32_t kAccessRights = 0x00FFFF00;  // as silicon gives them; the SDM leaves bits 16-19 open

void set_zf(Cpu& cpu, bool on) {
  std::uint32_t& flags = cpu.state.native_flags;
  flags = on ? flags | eflags::kZf : flags & ~eflags::kZf;
}

// System descriptors that LAR and LSL accept (SDM vol. 2, LAR and LSL).
constexpr std::uint32_t bit(SystemType t) { return 1U << static_cast<unsigned>(t); }
constexpr std::uint32_t kLimitTypes = bit(SystemType::tss16_available) | bit(SystemType::ldt) |
                                      bit(SystemType::tss16_busy) | bit(SystemType::tss32_available) |
                                      bit(SystemType::tss32_busy);
constexpr std::uint32_t kRightsTypes =
    kLimitTypes | bit(SystemType::call_gate16) | bit(SystemType::task_gate) | bit(SystemType::call_gate32);

bool visible(const Cpu& cpu, std::uint16_t sel, const Descriptor& d) {
  return d.conforming() || (cpu.state.cpl() <= d.dpl() && selector::rpl(sel) <= d.dpl());
}

// Reads the selector operand and its descriptor. If the program may not see it, clears ZF and leaves
// `found` false.
bool look_up(Cpu& cpu, const isa::Insn& insn, Descriptor& d, std::uint32_t system_types, bool& found) {
  found = false;
  if (!uses_descriptors(cpu.state)) {
    cpu.raise(vector::kUd);
    return false;
  }
  const auto sel = read_rm16(cpu, insn);
  if (!sel) return false;
  set_zf(cpu, false);
  if (selector::is_null(*sel)) return true;
  const Fetch result = fetch_descriptor(cpu, *sel, d);
  if (result == Fetch::fault) return false;
  if (result == Fetch::outside) return true;
  if (!d.is_segment() && (system_types & (1U << d.type())) == 0) return true;
  found = visible(cpu, *sel, d);
  return true;
}

Flow give(Cpu& cpu, const isa::Insn& insn, bool rights) {
  const std::uint32_t flags = cpu.state.native_flags;
  Descriptor d;
  bool found = false;
  if (!look_up(cpu, insn, d, rights ? kRightsTypes : kLimitTypes, found)) {
    cpu.state.native_flags = flags;
    return Flow::fault;
  }
  if (!found) return Flow::next;
  set_zf(cpu, true);
  write_register(cpu, insn.reg, insn.stack_operand, rights ? d.high & kAccessRights : d.limit());
  return Flow::next;
}

Flow verify(Cpu& cpu, const isa::Insn& insn, bool write) {
  const std::uint32_t flags = cpu.state.native_flags;
  Descriptor d;
  bool found = false;
  if (!look_up(cpu, insn, d, 0, found)) {
    cpu.state.native_flags = flags;
    return Flow::fault;
  }
  if (found) set_zf(cpu, write ? d.writable() : d.readable());
  return Flow::next;
}

}  // namespace

Flow execute_lar(Cpu& cpu, const isa::Insn& insn) { return give(cpu, insn, true); }
Flow execute_lsl(Cpu& cpu, const isa::Insn& insn) { return give(cpu, insn, false); }
Flow execute_verr(Cpu& cpu, const isa::Insn& insn) { return verify(cpu, insn, false); }
Flow execute_verw(Cpu& cpu, const isa::Insn& insn) { return verify(cpu, insn, true); }

Flow execute_arpl(Cpu& cpu, const isa::Insn& insn) {
  if (!uses_descriptors(cpu.state)) return cpu.raise(vector::kUd);
  const std::uint32_t at = insn.memory ? cpu.effective_address(insn) : 0;
  // Memory is written, and must be writable, only if the RPL changes.
  const auto sel = insn.memory ? cpu.read<std::uint16_t>(insn.segment, at) : read_rm16(cpu, insn);
  if (!sel) return Flow::fault;
  const unsigned wanted = cpu.state.gpr[insn.reg] & 3U;
  const bool raises = selector::rpl(*sel) < wanted;
  if (raises) {
    const std::uint16_t value = selector::with_rpl(*sel, wanted);
    if (!insn.memory) {
      write_register(cpu, insn.rm, 2, value);
    } else if (!cpu.write<std::uint16_t>(insn.segment, at, value)) {
      return Flow::fault;
    }
  }
  set_zf(cpu, raises);
  return Flow::next;
}

}  // namespace ringshift
