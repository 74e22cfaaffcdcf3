// IRET in all its forms (SDM vol. 2, IRET/IRETD).
#include <utility>

#include "runtime/semantics/far.h"
#include "runtime/semantics/far_return.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/segment_load.h"
#include "runtime/semantics/task_switch.h"

namespace ringshift {

namespace {

constexpr std::uint32_t kWordFlags = eflags::kStatus | eflags::kTf | eflags::kDf | eflags::kNt;
constexpr std::uint32_t kDwordFlags = kWordFlags | eflags::kRf | eflags::kAc | eflags::kId;

void merge_flags(CpuState& s, std::uint32_t image, std::uint32_t mask) {
  s.set_eflags((s.eflags() & ~mask) | (image & mask));
}

struct Frame {
  std::uint32_t eip = 0;
  std::uint16_t cs = 0;
  std::uint32_t flags = 0;
};

Frame pop_frame(FrameReader& reader, unsigned width) {
  Frame f;
  f.eip = reader.pop(width);
  f.cs = static_cast<std::uint16_t>(reader.pop(width));
  f.flags = reader.pop(width);
  return f;
}

Flow return_real_or_v86(Cpu& cpu, const Frame& frame, const FrameReader& reader, unsigned width) {
  CpuState& s = cpu.state;
  if (frame.eip > s.segment(Seg::cs).limit) return cpu.raise(vector::kGp, 0);
  std::uint32_t mask = (width == 4 ? kDwordFlags : kWordFlags) | eflags::kIf;
  if (!s.v86()) mask |= eflags::kIopl;
  s.gpr[kEsp] = reader.esp();
  load_cs_real_or_v86(cpu, frame.cs);
  s.eip = frame.eip;
  merge_flags(s, frame.flags, mask);
  return Flow::jump;
}

Flow return_to_v86(Cpu& cpu, const Frame& frame, FrameReader& reader) {
  CpuState& s = cpu.state;
  const std::uint32_t esp = reader.pop(4);
  const auto ss = static_cast<std::uint16_t>(reader.pop(4));
  std::uint16_t data[4];
  for (std::uint16_t& sel : data) sel = static_cast<std::uint16_t>(reader.pop(4));
  if (!reader.ok()) return Flow::fault;
  if (frame.eip > 0xFFFFU) return cpu.raise(vector::kGp, 0);
  s.set_eflags(frame.flags & eflags::kAll & ~(eflags::kVif | eflags::kVip));
  s.set_segment(Seg::cs, v86_register(frame.cs));
  s.set_segment(Seg::ss, v86_register(ss));
  unsigned i = 0;
  for (const Seg seg : {Seg::es, Seg::ds, Seg::fs, Seg::gs}) s.set_segment(seg, v86_register(data[i++]));
  s.gpr[kEsp] = esp;
  s.eip = frame.eip;
  return Flow::jump;
}

Flow return_protected(Cpu& cpu, const Frame& frame, FrameReader& reader, unsigned width) {
  CpuState& s = cpu.state;
  const unsigned cpl = s.cpl();
  if (width == 4 && cpl == 0 && (frame.flags & eflags::kVm) != 0) return return_to_v86(cpu, frame, reader);
  ReturnTarget target;
  if (!check_return(cpu, frame.cs, frame.eip, width, reader, target)) return Flow::fault;
  std::uint32_t mask = width == 4 ? kDwordFlags : kWordFlags;
  if (cpl <= s.iopl()) mask |= eflags::kIf;
  if (cpl == 0) mask |= eflags::kIopl;
  commit_return(cpu, target, reader, 0);
  merge_flags(s, frame.flags, mask);
  return Flow::jump;
}

}  // namespace

Flow execute_iret(Cpu& cpu, const isa::Insn& insn) {
  CpuState& s = cpu.state;
  // Even if it faults.
  if (std::exchange(cpu.nmi_blocked, false)) __atomic_fetch_or(&s.pending, kStopRequest, __ATOMIC_SEQ_CST);
  if (s.v86() && s.iopl() < 3) return cpu.raise(vector::kGp, 0);
  if (uses_descriptors(s) && (s.system_flags & eflags::kNt) != 0) {
    return cpu.mmu.frozen() ? Flow::fault : return_to_previous_task(cpu, next_eip(cpu, insn));
  }
  const unsigned width = insn.stack_operand;
  FrameReader reader(cpu);
  const Frame frame = pop_frame(reader, width);
  if (!reader.ok()) return Flow::fault;
  return uses_descriptors(s) ? return_protected(cpu, frame, reader, width)
                             : return_real_or_v86(cpu, frame, reader, width);
}

}  // namespace ringshift
