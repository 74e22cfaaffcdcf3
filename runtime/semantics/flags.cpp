// LAHF, SAHF, CLC, STC, CMC, CLD, STD, and the hints, which do nothing that software can see.
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/operands.h"

namespace ringshift {

using isa::Insn;

namespace {
constexpr unsigned kAh = 4;
constexpr std::uint32_t kLowStatus = eflags::kStatus & 0xFFU;
}  // namespace

Flow execute_lahf(Cpu& cpu, const Insn&) {
  const std::uint32_t low = (cpu.state.native_flags & kLowStatus) | eflags::kFixed;
  set_reg<std::uint8_t>(cpu.state, kAh, static_cast<std::uint8_t>(low));
  return Flow::next;
}

Flow execute_sahf(Cpu& cpu, const Insn&) {
  set_flags(cpu.state, kLowStatus, get_reg<std::uint8_t>(cpu.state, kAh));
  return Flow::next;
}

Flow execute_clc(Cpu& cpu, const Insn&) {
  cpu.state.native_flags &= ~eflags::kCf;
  return Flow::next;
}
Flow execute_stc(Cpu& cpu, const Insn&) {
  cpu.state.native_flags |= eflags::kCf;
  return Flow::next;
}
Flow execute_cmc(Cpu& cpu, const Insn&) {
  cpu.state.native_flags ^= eflags::kCf;
  return Flow::next;
}
Flow execute_cld(Cpu& cpu, const Insn&) {
  cpu.state.native_flags &= ~eflags::kDf;
  return Flow::next;
}
Flow execute_std(Cpu& cpu, const Insn&) {
  cpu.state.native_flags |= eflags::kDf;
  return Flow::next;
}

Flow execute_nop(Cpu&, const Insn&) { return Flow::next; }
Flow execute_pause(Cpu&, const Insn&) { return Flow::next; }
// SFENCE (0F AE F8) came with SSE, the others with SSE2.
Flow execute_fence(Cpu& cpu, const Insn& insn) {
  const CpuModel first = insn.modrm >= 0xF8 ? CpuModel::pentium3 : CpuModel::core2;
  return cpu.model < first ? cpu.raise(vector::kUd) : Flow::next;
}

// PREFETCH never faults; CLFLUSH (0F AE /7) does, as a byte load would that may also read execute-only segments (SDM
// vol. 2, CLFLUSH).
Flow execute_prefetch(Cpu& cpu, const Insn& insn) {
  const bool flush = insn.opcode == 0xAE;
  if (cpu.model < (flush ? CpuModel::core2 : CpuModel::pentium3)) return cpu.raise(vector::kUd);
  if (!flush) return Flow::next;
  const auto address = cpu.linear(insn.segment, cpu.effective_address(insn), 1, mmu::Access::fetch);
  if (!address) return Flow::fault;
  return cpu.read_linear<std::uint8_t>(address.value, cpu.state.cpl() == 3) ? Flow::next : Flow::fault;
}

}  // namespace ringshift
