// Debug registers (SDM vol. 3, 17.2).
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/system_registers.h"

namespace ringshift {

namespace {

constexpr std::uint32_t kDr6Fixed = 0xFFFF0FF0;
constexpr std::uint32_t kDr6Writable = 0x0000E00F;
constexpr std::uint32_t kDr6Bd = 1U << 13;
constexpr std::uint32_t kDr7Fixed = 0x400;
constexpr std::uint32_t kDr7Writable = 0xFFFF23FF;
constexpr std::uint32_t kDr7Gd = 1U << 13;

// DR4 and DR5 are other names of DR6 and DR7, unless CR4.DE makes them invalid. False: in Cpu::fault.
bool resolve(Cpu& cpu, unsigned& number) {
  CpuState& s = cpu.state;
  if (number == 4 || number == 5) {
    if ((s.cr4 & cr4::kDe) != 0) {
      cpu.raise(vector::kUd);
      return false;
    }
    number += 2;
  }
  if (s.cpl() != 0) {
    cpu.raise(vector::kGp, 0);
    return false;
  }
  if ((s.dr[7] & kDr7Gd) != 0) {
    s.dr[6] |= kDr6Bd;
    cpu.raise(vector::kDb);
    return false;
  }
  return true;
}

unsigned field(std::uint32_t dr7, unsigned i) { return dr7 >> (16 + 4 * i) & 0xFU; }
bool enabled(std::uint32_t dr7, unsigned i) { return (dr7 >> (2 * i) & 3U) != 0; }

}  // namespace

std::uint32_t breakpoint_hits(const CpuState& state, std::uint32_t address, std::uint32_t size, BreakpointKind kind) {
  constexpr std::uint32_t kLengths[] = {1, 2, 8, 4};
  const std::uint32_t dr7 = state.dr[7];
  std::uint32_t hits = 0;
  for (unsigned i = 0; i < 4; ++i) {
    if (!enabled(dr7, i) || (field(dr7, i) & 3U) != static_cast<unsigned>(kind)) continue;
    const std::uint32_t length = kLengths[field(dr7, i) >> 2];
    const std::uint32_t first = state.dr[i] & ~(length - 1);
    // Distances, not ends: ranges may touch the top of the address space.
    if (address - first < length || first - address < size) hits |= 1U << i;
  }
  return hits;
}

void note_data_access(Cpu& cpu, std::uint32_t linear, std::uint32_t size, bool write) {
  cpu.watch_hits |= breakpoint_hits(cpu.state, linear, size, BreakpointKind::access);
  if (write) cpu.watch_hits |= breakpoint_hits(cpu.state, linear, size, BreakpointKind::write);
  if (cpu.state.watched == 0 || cpu.watch_met) return;
  for (const Cpu::Watchpoint& watch : cpu.watchpoints) {
    if (!(write ? watch.writes : watch.reads)) continue;
    if (linear - watch.linear < watch.size || watch.linear - linear < size) {
      cpu.watch_met = watch;
      return;
    }
  }
}

Flow execute_mov_from_dr(Cpu& cpu, const isa::Insn& insn) {
  unsigned number = insn.reg;
  if (!resolve(cpu, number)) return Flow::fault;
  cpu.state.gpr[insn.rm] = cpu.state.dr[number];
  return Flow::next;
}

Flow execute_mov_to_dr(Cpu& cpu, const isa::Insn& insn) {
  unsigned number = insn.reg;
  if (!resolve(cpu, number)) return Flow::fault;
  CpuState& s = cpu.state;
  const std::uint32_t value = s.gpr[insn.rm];
  if (number == 6) {
    s.dr[6] = (value & kDr6Writable) | kDr6Fixed;
  } else if (number == 7) {
    s.dr[7] = (value & kDr7Writable) | kDr7Fixed;
    s.refresh_pointers();  // watched data has no fast paths
    cpu.platform.mode_changed();
  } else {
    s.dr[number] = value;
    if (enabled(s.dr[7], number)) cpu.platform.mode_changed();
  }
  return Flow::next;
}

}  // namespace ringshift
