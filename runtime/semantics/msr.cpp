// RDMSR, WRMSR, RDTSC and RDPMC.
#include <fmt/format.h>

#include <string>

#include "runtime/semantics/events.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/system_registers.h"

namespace ringshift {

namespace {

// Model-specific registers that exist here (SDM vol. 4, table 2-2).
enum MsrNumber : std::uint32_t {
  kTimeStampCounter = 0x10,
  kPlatformId = 0x17,
  kApicBase = 0x1B,
  kTscAdjust = 0x3B,
  kMicrocodeRevision = 0x8B,
  kSysenterCs = 0x174,
  kSysenterEsp = 0x175,
  kSysenterEip = 0x176,
  kMiscEnable = 0x1A0,
  kPat = 0x277,
  kEfer = 0xC0000080,
};

constexpr std::uint64_t kMicrocode = 1ULL << 32;  // revision 1, in the upper half
constexpr std::uint64_t kFastStrings = 1;         // the one bit of MISC_ENABLE that means something here

std::uint64_t tsc_now(Cpu& cpu) { return cpu.platform.tsc() + cpu.state.tsc_offset; }

constexpr std::uint64_t kApicBootProcessor = 1U << 8;
constexpr std::uint64_t kApicAddress = 0xFFFFFF000;  // 36 physical bits

bool exists(const Cpu& cpu, std::uint32_t msr) {
  const CpuModel model = cpu.model;
  switch (msr) {
    case kTimeStampCounter:
      return true;
    case kApicBase:
      return cpu.has_apic && has_feature_edx(model, feature::kPae);  // since the P6 family
    case kSysenterCs:
    case kSysenterEsp:
    case kSysenterEip:
      return has_feature_edx(model, feature::kSep);
    case kPat:
      return has_feature_edx(model, feature::kPat);
    case kPlatformId:
    case kMicrocodeRevision:
      return has_feature_edx(model, feature::kPae);  // since the P6 family
    case kTscAdjust:
    case kMiscEnable:
      return model == CpuModel::core2;
    case kEfer:
      return has_no_execute(model);
    default:
      return false;
  }
}

std::uint64_t read_msr(Cpu& cpu, std::uint32_t msr) {
  const MsrState& m = cpu.state.msr;
  switch (msr) {
    case kTimeStampCounter:
      return tsc_now(cpu);
    case kApicBase:
      return cpu.apic_base;
    case kTscAdjust:
      return m.tsc_adjust;
    case kMicrocodeRevision:
      return kMicrocode;
    case kSysenterCs:
      return m.sysenter_cs;
    case kSysenterEsp:
      return m.sysenter_esp;
    case kSysenterEip:
      return m.sysenter_eip;
    case kMiscEnable:
      return m.misc_enable;
    case kPat:
      return m.pat;
    case kEfer:
      return m.efer;
    default:
      return 0;  // kPlatformId
  }
}

// Memory types of a PAT entry: 2 and 3 are reserved, and so is everything above 7.
bool valid_pat(std::uint64_t value) {
  for (unsigned i = 0; i < 8; ++i) {
    const auto type = static_cast<std::uint8_t>(value >> (8 * i));
    if (type > 7 || type == 2 || type == 3) return false;
  }
  return true;
}

// False: the value is refused with #GP(0).
bool write_msr(Cpu& cpu, std::uint32_t msr, std::uint64_t value) {
  MsrState& m = cpu.state.msr;
  switch (msr) {
    case kTimeStampCounter:
      m.tsc_adjust += value - tsc_now(cpu);  // SDM vol. 3, 17.17.3
      cpu.state.tsc_offset = value - cpu.platform.tsc();
      return true;
    case kTscAdjust:
      cpu.state.tsc_offset += value - m.tsc_adjust;
      m.tsc_adjust = value;
      return true;
    case kApicBase:
      // The bit that says which processor boots stays what it is.
      if ((value & ~(kApicAddress | Cpu::kApicEnabled | kApicBootProcessor)) != 0) return false;
      cpu.apic_base = (value & ~kApicBootProcessor) | kApicBootProcessor;
      cpu.platform.apic_base_changed(cpu.apic_base);
      return true;
    case kMicrocodeRevision:
      return true;  // software clears it before CPUID makes it valid again
    case kSysenterCs:
      m.sysenter_cs = value & 0xFFFFFFFFU;
      return true;
    case kSysenterEsp:
      m.sysenter_esp = value & 0xFFFFFFFFU;
      return true;
    case kSysenterEip:
      m.sysenter_eip = value & 0xFFFFFFFFU;
      return true;
    case kMiscEnable:
      m.misc_enable = value & kFastStrings;
      return true;
    case kPat:
      if (!valid_pat(value)) return false;
      m.pat = value;
      return true;
    case kEfer:
      if ((value & ~kEferNxe) != 0) return false;
      if (m.efer != value) {
        m.efer = value;
        update_paging(cpu);
      }
      return true;
    default:
      return false;  // read-only
  }
}

Flow refuse(Cpu& cpu, std::uint32_t msr, const char* what) {
  const std::string message = fmt::format("guest {} MSR {:#x}: #GP", what, msr);
  report_once(cpu, msr, message.c_str());
  return cpu.raise(vector::kGp, 0);
}

}  // namespace

Flow execute_rdmsr(Cpu& cpu, const isa::Insn& /*insn*/) {
  CpuState& s = cpu.state;
  if (!has_feature_edx(cpu.model, feature::kMsr)) return cpu.raise(vector::kUd);
  if (s.cpl() != 0) return cpu.raise(vector::kGp, 0);
  const std::uint32_t msr = s.gpr[kEcx];
  if (!exists(cpu, msr)) return refuse(cpu, msr, "read unsupported");
  const std::uint64_t value = read_msr(cpu, msr);
  s.gpr[kEax] = static_cast<std::uint32_t>(value);
  s.gpr[kEdx] = static_cast<std::uint32_t>(value >> 32);
  return Flow::next;
}

Flow execute_wrmsr(Cpu& cpu, const isa::Insn& /*insn*/) {
  CpuState& s = cpu.state;
  if (!has_feature_edx(cpu.model, feature::kMsr)) return cpu.raise(vector::kUd);
  if (s.cpl() != 0) return cpu.raise(vector::kGp, 0);
  const std::uint32_t msr = s.gpr[kEcx];
  if (!exists(cpu, msr)) return refuse(cpu, msr, "wrote unsupported");
  const std::uint64_t value = static_cast<std::uint64_t>(s.gpr[kEdx]) << 32 | s.gpr[kEax];
  return write_msr(cpu, msr, value) ? Flow::next : refuse(cpu, msr, "wrote a reserved value to");
}

Flow execute_rdtsc(Cpu& cpu, const isa::Insn& /*insn*/) {
  CpuState& s = cpu.state;
  if (!has_feature_edx(cpu.model, feature::kTsc)) return cpu.raise(vector::kUd);
  if ((s.cr4 & cr4::kTsd) != 0 && s.cpl() != 0) return cpu.raise(vector::kGp, 0);
  const std::uint64_t now = tsc_now(cpu);
  s.gpr[kEax] = static_cast<std::uint32_t>(now);
  s.gpr[kEdx] = static_cast<std::uint32_t>(now >> 32);
  return Flow::next;
}

// There are no performance counters, so every counter number is invalid.
Flow execute_rdpmc(Cpu& cpu, const isa::Insn& /*insn*/) {
  if (!has_feature_edx(cpu.model, feature::kPae)) return cpu.raise(vector::kUd);
  return cpu.raise(vector::kGp, 0);
}

}  // namespace ringshift
