// Control registers, and the machine status word that is part of CR0 (SDM vol. 3, 2.5).
#include "runtime/semantics/system_registers.h"

#include <algorithm>

#include "runtime/semantics/events.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/rm_operand.h"

namespace ringshift {

namespace {

constexpr std::uint32_t kCr0Writable =
    cr0::kPe | cr0::kMp | cr0::kEm | cr0::kTs | cr0::kNe | cr0::kWp | cr0::kAm | cr0::kNw | cr0::kCd | cr0::kPg;
constexpr std::uint32_t kCr0Paging = cr0::kPe | cr0::kPg | cr0::kWp;
constexpr std::uint32_t kCr4Paging = cr4::kPse | cr4::kPae | cr4::kPge;
// PDPTE: P, PWT, PCD and the address of the table, within 36 bits, are not reserved.
constexpr std::uint64_t kPdpteReserved = 0xFFFFFFF0000001E6ULL;
constexpr std::uint64_t kPdptePresent = 1;

Flow privileged(Cpu& cpu) { return cpu.raise(vector::kGp, 0); }

std::uint32_t cr4_supported(CpuModel model) {
  if (model == CpuModel::i486) return 0;
  std::uint32_t bits = cr4::kTsd | cr4::kDe | cr4::kPse;
  if (has_feature_edx(model, feature::kPae)) bits |= cr4::kPae | cr4::kPge | cr4::kPce;
  if (has_feature_edx(model, feature::kFxsr)) bits |= cr4::kOsfxsr;
  if (has_feature_edx(model, feature::kSse)) bits |= cr4::kOsxmmexcpt;
  return bits;
}

bool pae_paging(std::uint32_t cr0_value, std::uint32_t cr4_value) {
  return (cr0_value & cr0::kPg) != 0 && (cr4_value & cr4::kPae) != 0;
}

Flow write_cr0(Cpu& cpu, std::uint32_t value) {
  CpuState& s = cpu.state;
  const std::uint32_t next = (value & kCr0Writable) | cr0::kEt;
  if ((next & cr0::kPg) != 0 && (next & cr0::kPe) == 0) return cpu.raise(vector::kGp, 0);
  if ((next & cr0::kNw) != 0 && (next & cr0::kCd) == 0) return cpu.raise(vector::kGp, 0);
  const std::uint32_t changed = s.cr0 ^ next;
  if (pae_paging(next, s.cr4) && (changed & (cr0::kPg | cr0::kCd | cr0::kNw)) != 0) {
    std::array<std::uint64_t, 4> pdpte{};
    if (!read_pdptes(cpu, s.cr3, pdpte)) return cpu.raise(vector::kGp, 0);
    s.pdpte = pdpte;
  }
  s.cr0 = next;
  if ((changed & cr0::kPe) != 0) {
    // The privilege level is SS's: 0 on both sides of the change.
    SegmentRegister ss = s.segment(Seg::ss);
    ss.attributes = static_cast<std::uint16_t>(ss.attributes & ~segment::kDplMask);
    s.set_segment(Seg::ss, ss);
  }
  if ((changed & kCr0Paging) != 0) {
    update_paging(cpu);
  } else if (changed != 0) {
    cpu.platform.mode_changed();
  }
  return Flow::next;
}

Flow write_cr3(Cpu& cpu, std::uint32_t value) {
  std::array<std::uint64_t, 4> pdpte = cpu.state.pdpte;
  if (pae_paging(cpu.state.cr0, cpu.state.cr4) && !read_pdptes(cpu, value, pdpte)) return cpu.raise(vector::kGp, 0);
  load_cr3(cpu, value, pdpte);
  return Flow::next;
}

Flow write_cr4(Cpu& cpu, std::uint32_t value) {
  CpuState& s = cpu.state;
  if ((value & ~cr4_supported(cpu.model)) != 0) {
    report_once(cpu, 0xC4000000U, "guest set a CR4 bit that this CPU model does not offer: #GP");
    return cpu.raise(vector::kGp, 0);
  }
  const std::uint32_t changed = s.cr4 ^ value;
  if (pae_paging(s.cr0, value) && (changed & kCr4Paging) != 0) {
    std::array<std::uint64_t, 4> pdpte{};
    if (!read_pdptes(cpu, s.cr3, pdpte)) return cpu.raise(vector::kGp, 0);
    s.pdpte = pdpte;
  }
  s.cr4 = value;
  if ((changed & kCr4Paging) != 0) {
    update_paging(cpu);
  } else if (changed != 0) {
    cpu.platform.mode_changed();
  }
  return Flow::next;
}

bool exists(const Cpu& cpu, unsigned number) {
  if (number == 4) return cpu.model != CpuModel::i486;
  return number == 0 || number == 2 || number == 3;
}

}  // namespace

bool read_pdptes(Cpu& cpu, std::uint32_t cr3, std::array<std::uint64_t, 4>& pdpte) {
  const mmu::PhysAddr base = cpu.mmu.paging().on_pins(cr3 & ~0x1FU);
  for (unsigned i = 0; i < 4; ++i) {
    pdpte[i] = cpu.mmu.physical().read(base + i * 8U, 8);
    if ((pdpte[i] & kPdptePresent) != 0 && (pdpte[i] & kPdpteReserved) != 0) return false;
  }
  return true;
}

void load_cr3(Cpu& cpu, std::uint32_t cr3, const std::array<std::uint64_t, 4>& pdpte) {
  CpuState& s = cpu.state;
  s.cr3 = cr3;
  if (pae_paging(s.cr0, s.cr4)) s.pdpte = pdpte;
  std::uint64_t raw[4];
  std::copy(s.pdpte.begin(), s.pdpte.end(), raw);
  cpu.mmu.load_cr3(cr3, raw);
  cpu.platform.mode_changed();
}

void report_once(Cpu& cpu, std::uint32_t key, const char* message) {
  if (std::find(cpu.reported.begin(), cpu.reported.end(), key) != cpu.reported.end()) return;
  cpu.reported.push_back(key);
  cpu.platform.report(message);
}

Flow execute_mov_from_cr(Cpu& cpu, const isa::Insn& insn) {
  CpuState& s = cpu.state;
  if (!exists(cpu, insn.reg)) return cpu.raise(vector::kUd);
  if (s.cpl() != 0) return privileged(cpu);
  const std::uint32_t values[] = {s.cr0, 0, s.cr2, s.cr3, s.cr4};
  s.gpr[insn.rm] = values[insn.reg];
  return Flow::next;
}

Flow execute_mov_to_cr(Cpu& cpu, const isa::Insn& insn) {
  if (!exists(cpu, insn.reg)) return cpu.raise(vector::kUd);
  if (cpu.state.cpl() != 0) return privileged(cpu);
  const std::uint32_t value = cpu.state.gpr[insn.rm];
  switch (insn.reg) {
    case 0:
      return write_cr0(cpu, value);
    case 2:
      cpu.state.cr2 = value;
      return Flow::next;
    case 3:
      return write_cr3(cpu, value);
    default:
      return write_cr4(cpu, value);
  }
}

// The whole of CR0 goes to a 32-bit register; any ring may ask.
Flow execute_smsw(Cpu& cpu, const isa::Insn& insn) { return store_rm(cpu, insn, cpu.state.cr0); }

// Sets PE, MP, EM and TS; PE cannot be cleared this way.
Flow execute_lmsw(Cpu& cpu, const isa::Insn& insn) {
  CpuState& s = cpu.state;
  if (s.cpl() != 0) return privileged(cpu);
  const auto value = read_rm16(cpu, insn);
  if (!value) return Flow::fault;
  constexpr std::uint32_t kLow = cr0::kMp | cr0::kEm | cr0::kTs;
  return write_cr0(cpu, (s.cr0 & ~kLow) | (*value & (kLow | cr0::kPe)));
}

Flow execute_clts(Cpu& cpu, const isa::Insn& /*insn*/) {
  CpuState& s = cpu.state;
  if (s.cpl() != 0) return privileged(cpu);
  if ((s.cr0 & cr0::kTs) != 0) {
    s.cr0 &= ~cr0::kTs;
    cpu.platform.mode_changed();
  }
  return Flow::next;
}

Flow execute_invlpg(Cpu& cpu, const isa::Insn& insn) {
  if (cpu.state.cpl() != 0) return privileged(cpu);
  cpu.mmu.invlpg(cpu.state.segment(insn.segment).base + cpu.effective_address(insn));
  return Flow::next;
}

// Caches are coherent here: there is nothing to write back or to drop.
Flow execute_invd(Cpu& cpu, const isa::Insn& /*insn*/) { return cpu.state.cpl() != 0 ? privileged(cpu) : Flow::next; }
Flow execute_wbinvd(Cpu& cpu, const isa::Insn& insn) { return execute_invd(cpu, insn); }

}  // namespace ringshift
