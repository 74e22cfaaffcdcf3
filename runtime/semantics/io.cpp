#include "runtime/semantics/io.h"

#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/events.h"
#include "runtime/semantics/far.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/system_registers.h"

namespace ringshift {

namespace {

constexpr std::uint32_t kTssIoBase = 0x66;    // offset of the bitmap's offset
constexpr std::uint16_t kTssTypeMask = 0x1D;  // type without its busy bit, and S
constexpr std::uint16_t kTss32 = 9;

bool deny(Cpu& cpu) {
  cpu.raise(vector::kGp, 0);
  return false;
}

bool bitmap_allows(Cpu& cpu, std::uint16_t port, unsigned size) {
  const SegmentRegister& tr = cpu.state.tr;
  if (!tr.usable() || (tr.attributes & kTssTypeMask) != kTss32 || tr.limit < kTssIoBase + 1) return deny(cpu);
  const auto start = cpu.read_linear<std::uint16_t>(tr.base + kTssIoBase, false);
  if (!start) return false;
  // Two bytes are always read, so the bitmap ends with one byte more than its ports need.
  const std::uint32_t offset = *start + port / 8U;
  if (offset + 1 > tr.limit) return deny(cpu);
  const auto bits = cpu.read_linear<std::uint16_t>(tr.base + offset, false);
  if (!bits) return false;
  const unsigned wanted = ((1U << size) - 1U) << (port % 8U);
  return (*bits & wanted) == 0 || deny(cpu);
}

std::uint16_t port_of(const Cpu& cpu, const isa::Insn& insn) {
  const bool immediate = insn.form == isa::Form::acc_port || insn.form == isa::Form::port_acc;
  return static_cast<std::uint16_t>(immediate ? insn.imm & 0xFFU : cpu.state.gpr[kEdx]);
}

std::uint32_t width_mask(unsigned width) { return width == 4 ? 0xFFFFFFFFU : (1U << (width * 8)) - 1U; }

// The instruction is complete; a matching breakpoint traps behind it.
Flow finish(Cpu& cpu, const isa::Insn& insn, std::uint16_t port) {
  if (!breakpoints_armed(cpu.state) || !io_breakpoint(cpu, port, insn.width)) return Flow::next;
  cpu.state.eip = next_eip(cpu, insn);
  return Flow::fault;
}

}  // namespace

bool io_permitted(Cpu& cpu, std::uint16_t port, unsigned size) {
  const CpuState& s = cpu.state;
  if (!s.protected_mode() || (!s.v86() && s.cpl() <= s.iopl())) return true;
  return bitmap_allows(cpu, port, size);
}

bool io_breakpoint(Cpu& cpu, std::uint16_t port, unsigned size) {
  CpuState& s = cpu.state;
  if ((s.cr4 & cr4::kDe) == 0) return false;
  const std::uint32_t hits = breakpoint_hits(s, port, size, BreakpointKind::io);
  if (hits == 0) return false;
  s.dr[6] |= hits;
  cpu.raise(vector::kDb);
  cpu.fault.trap = true;
  return true;
}

Flow execute_in(Cpu& cpu, const isa::Insn& insn) {
  const std::uint16_t port = port_of(cpu, insn);
  if (!io_permitted(cpu, port, insn.width)) return Flow::fault;
  const std::uint32_t mask = width_mask(insn.width);
  const std::uint32_t value = cpu.platform.port_read(port, insn.width);
  std::uint32_t& eax = cpu.state.gpr[kEax];
  eax = (eax & ~mask) | (value & mask);
  return finish(cpu, insn, port);
}

Flow execute_out(Cpu& cpu, const isa::Insn& insn) {
  const std::uint16_t port = port_of(cpu, insn);
  if (!io_permitted(cpu, port, insn.width)) return Flow::fault;
  cpu.platform.port_write(port, insn.width, cpu.state.gpr[kEax] & width_mask(insn.width));
  return finish(cpu, insn, port);
}

}  // namespace ringshift
