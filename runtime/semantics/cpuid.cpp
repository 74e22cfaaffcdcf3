// CPUID, and what each CPU model offers.
//
// The i486 is a late one that has CPUID; guests see that by EFLAGS.ID, which can be changed on all models.
// The local APIC belongs to the machine as much as to the model: Cpu::has_apic.
// A model claims only what is implemented: no MTRRs, machine checks, VME or performance counters.
// The newest model carries the family and model of an in-order core (family 6, model 28): operating
// systems know that such a core does not speculate and leave their mitigations out, which would cost
// time and guard nothing here, because user code runs in windows where no supervisor page is mapped.
#include <cpuid.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "runtime/semantics/handlers.h"
#include "runtime/semantics/system_registers.h"

namespace ringshift {

namespace {

struct Registers {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// CPUID leaf 1, ECX.
namespace feature_ecx {
constexpr std::uint32_t kSse3 = 1U << 0, kPclmulqdq = 1U << 1, kSsse3 = 1U << 9, kSse41 = 1U << 19, kSse42 = 1U << 20,
                        kMovbe = 1U << 22, kPopcnt = 1U << 23, kAes = 1U << 25, kHypervisor = 1U << 31;
}

struct Model {
  std::uint32_t max_leaf;
  std::uint32_t signature;  // leaf 1, EAX: family, model, stepping
  std::uint32_t edx;
  std::uint32_t ecx;           // instruction sets that the host executes: offered only if the host has them
  std::uint32_t max_extended;  // 0: no extended leaves
  std::uint32_t extended_edx;  // leaf 80000001
  Registers caches;            // leaf 2
  std::string_view brand;      // leaves 80000002 to 80000004
};

constexpr std::uint32_t kNoExecute = 1U << 20;
constexpr std::uint32_t kPentiumEdx =
    feature::kFpu | feature::kDe | feature::kPse | feature::kTsc | feature::kMsr | feature::kCx8 | feature::kMmx;
constexpr std::uint32_t kPentium3Edx = kPentiumEdx | feature::kPae | feature::kSep | feature::kPge | feature::kCmov |
                                       feature::kPat | feature::kPse36 | feature::kFxsr | feature::kSse;
constexpr std::uint32_t kCore2Edx = kPentium3Edx | feature::kClfsh | feature::kSse2;
constexpr std::uint32_t kCore2Ecx = feature_ecx::kSse3 | feature_ecx::kPclmulqdq | feature_ecx::kSsse3 |
                                    feature_ecx::kSse41 | feature_ecx::kSse42 | feature_ecx::kMovbe |
                                    feature_ecx::kPopcnt | feature_ecx::kAes;

// Indexed by CpuModel. Leaf 2 descriptors: SDM table 3-12.
constexpr std::array<Model, 4> kModels{{
    {1, 0x00000480, feature::kFpu, 0, 0, 0, {}, {}},
    {1, 0x00000543, kPentiumEdx, 0, 0, 0, {}, {}},
    {2, 0x00000686, kPentium3Edx, 0, 0, 0, {0x03020101, 0, 0, 0x0C040843}, {}},
    {0x16,
     0x000106CA,
     kCore2Edx,
     kCore2Ecx,
     0x80000008,
     kNoExecute,
     {0x05B0B101, 0x005657F0, 0, 0x2CB4307D},
     "Ringshift virtual CPU"},
}};

constexpr std::uint32_t kHypervisorBase = 0x40000000;
constexpr std::uint32_t kExtendedBase = 0x80000000;
constexpr std::string_view kVendor = "GenuineIntel";
constexpr std::string_view kHypervisorVendor = "Ringshift";
constexpr std::uint32_t kInvariantTsc = 1U << 8;     // leaf 80000007, EDX
constexpr std::uint32_t kTscAdjust = 1U << 1;        // leaf 7, EBX
constexpr std::uint32_t kAddressSizes = 0x00002024;  // 36 physical bits, 32 linear
constexpr std::uint32_t kClflushSize = 8U << 8;      // leaf 1, EBX: in units of 8 bytes
constexpr std::uint32_t kOneProcessor = 1U << 16;

const Model& model_of(CpuModel model) { return kModels[static_cast<std::size_t>(model)]; }

// Four characters as the register that holds them; zeros beyond the end.
constexpr std::uint32_t characters(std::string_view text, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    if (at + i < text.size()) value |= static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i])) << (8 * i);
  }
  return value;
}

std::uint32_t host_ecx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 ? c : 0;
}

Registers features(const Model& m) {
  Registers r;
  r.eax = m.signature;
  if ((m.edx & feature::kClfsh) != 0) r.ebx = kClflushSize | kOneProcessor;
  r.ecx = m.ecx != 0 ? (m.ecx & host_ecx()) | feature_ecx::kHypervisor : 0;
  r.edx = m.edx;
  return r;
}

// Leaf 15h: the TSC makes EBX ticks for each EAX ticks of a crystal of ECX Hz. An operating system that gets it need
// not compare the TSC with timers, which takes time and goes wrong on a busy host; Linux also believes that the
// crystal clocks the local APIC's timer, which here is so. The product of its kHz and EBX must fit into 32 bits (Linux
// computes with them), so the ratio is the best that does: wrong by a millionth at most.
Registers tsc_ratio(std::uint32_t kilohertz) {
  constexpr std::uint64_t kCrystal = Cpu::kCrystalKilohertz;
  if (kilohertz == 0) return {};
  std::uint64_t best_denominator = 1, best_numerator = 1, least_error = ~0ULL;
  const std::uint64_t most = 0xFFFFFFFFU / kilohertz;
  for (std::uint64_t denominator = most / 2 + 1; denominator <= most && least_error != 0; ++denominator) {
    const std::uint64_t exact = kilohertz * denominator;  // in units of 1 / kCrystal
    const std::uint64_t numerator = (exact + kCrystal / 2) / kCrystal;
    const std::uint64_t rounded = numerator * kCrystal;
    const std::uint64_t error = rounded > exact ? rounded - exact : exact - rounded;
    if (error >= least_error) continue;
    best_denominator = denominator;
    best_numerator = numerator;
    least_error = error;
  }
  return {static_cast<std::uint32_t>(best_denominator), static_cast<std::uint32_t>(best_numerator), kCrystal * 1000, 0};
}

// Leaf 16h: base, maximum and bus frequency in MHz.
Registers frequencies(std::uint32_t kilohertz) {
  const std::uint32_t megahertz = (kilohertz / 1000 + (kilohertz % 1000 >= 500 ? 1 : 0)) & 0xFFFF;
  return {megahertz, megahertz, megahertz != 0 ? 100U : 0, 0};
}

Registers basic(const Model& m, std::uint32_t leaf, std::uint32_t subleaf, std::uint32_t tsc_kilohertz) {
  switch (leaf) {
    case 0:
      return {m.max_leaf, characters(kVendor, 0), characters(kVendor, 8), characters(kVendor, 4)};
    case 1:
      return features(m);
    case 2:
      return m.caches;
    case 7:
      // With it, operating systems trust the invariant TSC without comparing it with slower clocks.
      return {0, subleaf == 0 ? kTscAdjust : 0, 0, 0};
    case 0x15:
      return tsc_ratio(tsc_kilohertz);
    case 0x16:
      return frequencies(tsc_kilohertz);
    default:
      return {};
  }
}

Registers extended(const Model& m, std::uint32_t leaf) {
  switch (leaf - kExtendedBase) {
    case 0:
      return {m.max_extended, 0, 0, 0};
    case 1:
      return {0, 0, 0, m.extended_edx};
    case 2:
    case 3:
    case 4: {
      const std::size_t at = (leaf - kExtendedBase - 2) * 16U;
      return {characters(m.brand, at), characters(m.brand, at + 4), characters(m.brand, at + 8),
              characters(m.brand, at + 12)};
    }
    case 7:
      return {0, 0, 0, kInvariantTsc};
    case 8:
      return {kAddressSizes, 0, 0, 0};
    default:
      return {};
  }
}

Registers query(const Model& m, std::uint32_t leaf, std::uint32_t subleaf, std::uint32_t tsc_kilohertz) {
  if (leaf == kHypervisorBase && m.ecx != 0) {
    return {kHypervisorBase, characters(kHypervisorVendor, 0), characters(kHypervisorVendor, 4),
            characters(kHypervisorVendor, 8)};
  }
  if (leaf >= kExtendedBase && leaf <= m.max_extended) return extended(m, leaf);
  // Beyond the last leaf silicon answers as for its highest basic one.
  return basic(m, std::min(leaf, m.max_leaf), subleaf, tsc_kilohertz);
}

}  // namespace

bool has_feature_edx(CpuModel model, std::uint32_t bit) { return (model_of(model).edx & bit) != 0; }

bool has_no_execute(CpuModel model) { return (model_of(model).extended_edx & kNoExecute) != 0; }

std::uint32_t cpu_signature(CpuModel model) { return model_of(model).signature; }

Flow execute_cpuid(Cpu& cpu, const isa::Insn& /*insn*/) {
  CpuState& s = cpu.state;
  Registers r = query(model_of(cpu.model), s.gpr[kEax], s.gpr[kEcx], cpu.tsc_kilohertz);
  if (s.gpr[kEax] == 1 && cpu.has_apic && (cpu.apic_base & Cpu::kApicEnabled) != 0) r.edx |= feature::kApic;
  s.gpr[kEax] = r.eax;
  s.gpr[kEbx] = r.ebx;
  s.gpr[kEcx] = r.ecx;
  s.gpr[kEdx] = r.edx;
  return Flow::next;
}

}  // namespace ringshift
