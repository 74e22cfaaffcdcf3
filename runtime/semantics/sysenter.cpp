// SYSENTER and SYSEXIT (SDM vol. 2): flat segments derived from one MSR, no table is read.
#include "runtime/semantics/descriptor.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/system_registers.h"

namespace ringshift {

namespace {

constexpr std::uint16_t kFlat = segment::kPresent | segment::kNonSystem | segment::kBig | segment::kGranular |
                                segment::kAccessed | segment::kWritable;

SegmentRegister flat(std::uint32_t sel, unsigned cpl, bool code) {
  SegmentRegister r;
  r.selector = selector::with_rpl(static_cast<std::uint16_t>(sel), cpl);
  r.attributes = static_cast<std::uint16_t>(kFlat | (cpl << segment::kDplShift) | (code ? segment::kCode : 0));
  r.base = 0;
  r.limit = 0xFFFFFFFF;
  return r;
}

void enter_flat(CpuState& s, std::uint32_t cs, std::uint32_t ss, unsigned cpl) {
  s.set_segment(Seg::cs, flat(cs, cpl, true));
  s.set_segment(Seg::ss, flat(ss, cpl, false));
}

}  // namespace

Flow execute_sysenter(Cpu& cpu, const isa::Insn& /*insn*/) {
  CpuState& s = cpu.state;
  if (!has_feature_edx(cpu.model, feature::kSep)) return cpu.raise(vector::kUd);
  const auto cs = static_cast<std::uint32_t>(s.msr.sysenter_cs) & 0xFFFFU;
  if (!s.protected_mode() || (cs & 0xFFFCU) == 0) return cpu.raise(vector::kGp, 0);
  s.set_eflags(s.eflags() & ~(eflags::kVm | eflags::kIf));
  enter_flat(s, cs, cs + 8, 0);
  s.gpr[kEsp] = static_cast<std::uint32_t>(s.msr.sysenter_esp);
  s.eip = static_cast<std::uint32_t>(s.msr.sysenter_eip);
  return Flow::jump;
}

Flow execute_sysexit(Cpu& cpu, const isa::Insn& /*insn*/) {
  CpuState& s = cpu.state;
  if (!has_feature_edx(cpu.model, feature::kSep)) return cpu.raise(vector::kUd);
  const auto cs = static_cast<std::uint32_t>(s.msr.sysenter_cs) & 0xFFFFU;
  if (!s.protected_mode() || s.cpl() != 0 || (cs & 0xFFFCU) == 0) return cpu.raise(vector::kGp, 0);
  enter_flat(s, cs + 16, cs + 24, 3);
  s.gpr[kEsp] = s.gpr[kEcx];
  s.eip = s.gpr[kEdx];
  return Flow::jump;
}

}  // namespace ringshift
