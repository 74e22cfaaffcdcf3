#include "runtime/semantics/fp_checks.h"

#include "runtime/semantics/fp_state.h"
#include "runtime/semantics/fp_thunk.h"

namespace ringshift::fp {
namespace {

struct MandatoryPrefix {
  bool operand_size = false;
  bool rep = false;
  bool repne = false;
  [[nodiscard]] bool none() const { return !operand_size && !rep && !repne; }
};

MandatoryPrefix mandatory_prefix(const isa::Insn& insn) {
  MandatoryPrefix p;
  for (unsigned i = 0; i < insn.opcode_offset; ++i) {
    const std::uint8_t b = insn.bytes[i];
    if (b == 0x66) p.operand_size = true;
    if (b == 0xF3 || b == 0xF2) {
      p.rep = b == 0xF3;
      p.repne = b == 0xF2;
    }
  }
  return p;
}

// The control instructions that never wait: FNSTCW, FNSTENV, FNSAVE, FNSTSW, FNCLEX, FNINIT, and the 8087's
// and 80287's FNENI, FNDISI, FNSETPM, which do nothing.
bool x87_waits(const isa::Insn& insn) {
  const unsigned reg = (insn.modrm >> 3) & 7U;
  if (insn.modrm < 0xC0) {
    if (insn.opcode == 0xD9) return reg != 6 && reg != 7;
    if (insn.opcode == 0xDD) return reg != 6 && reg != 7;
    return true;
  }
  if (insn.opcode == 0xDB) return !(insn.modrm >= 0xE0 && insn.modrm <= 0xE4);
  return !(insn.opcode == 0xDF && insn.modrm == 0xE0);
}

// FCMOVcc, FCOMI, FUCOMI and their pops came with the P6.
bool x87_of_p6(const isa::Insn& insn) {
  if (insn.modrm < 0xC0) return false;
  const unsigned reg = (insn.modrm >> 3) & 7U;
  if (insn.opcode == 0xDA) return reg < 4;
  if (insn.opcode == 0xDB) return reg < 4 || reg == 5 || reg == 6;
  return insn.opcode == 0xDF && (reg == 5 || reg == 6);
}

// Opcodes of map 1 that without a mandatory prefix work on MMX registers alone.
bool mmx_opcode(std::uint8_t op) {
  if (op >= 0x60 && op <= 0x6B) return true;
  if (op == 0x6E || op == 0x6F || (op >= 0x70 && op <= 0x77) || op == 0x7E || op == 0x7F) return true;
  if (op == 0xC4 || op == 0xC5) return true;
  return op >= 0xD1 && op != 0xD6 && op != 0xE6 && op != 0xF0;
}

// Of these, the ones that came with SSE: pshufw, pinsrw, pextrw, pmovmskb, pminub, pmaxub, pavgb, pavgw, pmulhuw,
// movntq, pminsw, pmaxsw, psadbw, maskmovq.
bool mmx_opcode_of_sse(std::uint8_t op) {
  switch (op) {
    case 0x70:
    case 0xC4:
    case 0xC5:
    case 0xD7:
    case 0xDA:
    case 0xDE:
    case 0xE0:
    case 0xE3:
    case 0xE4:
    case 0xE7:
    case 0xEA:
    case 0xEE:
    case 0xF6:
    case 0xF7:
      return true;
    default:
      return false;
  }
}

Traits traits_of_map1(const isa::Insn& insn, const MandatoryPrefix& p) {
  const std::uint8_t op = insn.opcode;
  if (op == 0xC3) return {Unit::none, false, CpuModel::core2};                                   // movnti
  if (op == 0xAE && ((insn.modrm >> 3) & 7U) >= 5) return {Unit::none, false, CpuModel::core2};  // fences, clflush
  if (p.none() && mmx_opcode(op)) {
    const bool sse2 = op == 0xD4 || op == 0xF4 || op == 0xFB;  // paddq, pmuludq, psubq
    const CpuModel first = mmx_opcode_of_sse(op) ? CpuModel::pentium3 : CpuModel::pentium;
    return {Unit::mmx, true, sse2 ? CpuModel::core2 : first};
  }
  const bool converts_mmx = (op == 0x2A || op == 0x2C || op == 0x2D) && !p.rep && !p.repne;
  const bool moves_mmx = op == 0xD6 && (p.rep || p.repne);
  // With F3, SSE has the scalar arithmetic, moves and conversions; SSE2 and SSE3 added the rest.
  const bool rep_of_sse2 = op == 0x12 || op == 0x16 || op == 0x5A || op == 0x5B || (op >= 0x6F && op != 0xC2);
  const bool sse2 = p.operand_size || p.repne || (p.rep && rep_of_sse2) || (p.none() && (op == 0x5A || op == 0x5B));
  const CpuModel first = sse2 ? CpuModel::core2 : CpuModel::pentium3;
  if (converts_mmx || moves_mmx) return {Unit::sse_mmx, true, first};
  return {Unit::sse, false, first};
}

}  // namespace

Traits traits(const isa::Insn& insn) {
  if (insn.map == 0) {
    return {Unit::x87, x87_waits(insn), x87_of_p6(insn) ? CpuModel::pentium3 : CpuModel::i486};
  }
  const MandatoryPrefix p = mandatory_prefix(insn);
  if (insn.map == 1) return traits_of_map1(insn, p);
  // SSSE3 has MMX forms: 0F38 00 to 0B, 1C to 1E, and palignr.
  const bool ssse3 =
      insn.map == 2 ? insn.opcode <= 0x0B || (insn.opcode >= 0x1C && insn.opcode <= 0x1E) : insn.opcode == 0x0F;
  if (p.none() && ssse3) return {Unit::mmx, true, CpuModel::core2};
  return {Unit::sse, false, CpuModel::core2};
}

Flow raise_x87(Cpu& cpu) {
  if ((cpu.state.cr0 & cr0::kNe) == 0) {
    HostThunks& thunks = thunks_of(cpu);
    if (!thunks.reported_ferr) {
      thunks.reported_ferr = true;
      cpu.platform.report("x87 exception with CR0.NE = 0: FERR# and IRQ 13 are not wired, #MF is raised instead");
    }
  }
  return cpu.raise(vector::kMf);
}

Flow check(Cpu& cpu, const Traits& t) {
  const CpuState& state = cpu.state;
  if (t.unit == Unit::none) return cpu.model < t.first ? cpu.raise(vector::kUd) : Flow::next;
  const bool emulated = (state.cr0 & cr0::kEm) != 0;
  const bool switched = (state.cr0 & cr0::kTs) != 0;
  if (t.unit == Unit::x87) {
    if (emulated || switched) return cpu.raise(vector::kNm);
    if (cpu.model < t.first) return cpu.raise(vector::kUd);
  } else {
    if (emulated || cpu.model < t.first) return cpu.raise(vector::kUd);
    if (t.unit != Unit::mmx && (state.cr4 & cr4::kOsfxsr) == 0) return cpu.raise(vector::kUd);
    if (switched) return cpu.raise(vector::kNm);
  }
  if (t.waits && x87_exception_pending(state)) return raise_x87(cpu);
  return Flow::next;
}

}  // namespace ringshift::fp
