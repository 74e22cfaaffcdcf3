#include "runtime/semantics/task_switch.h"

#include <array>

#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/far_stack.h"
#include "runtime/semantics/segment_load.h"
#include "runtime/semantics/system_registers.h"

namespace ringshift {

namespace {

constexpr std::uint32_t kTss32MinLimit = 0x67;
constexpr std::uint32_t kTss16MinLimit = 0x2B;
constexpr std::uint32_t kDr6Bt = 1U << 15;
constexpr std::uint32_t kDr7Local = 0x155;  // L0 to L3, LE: breakpoints of one task

// Offsets of the fields that a task switch reads and writes (SDM figures 7-2 and 7-10).
struct Layout {
  unsigned width;  // of eip, eflags and the general registers
  std::uint32_t eip;
  std::uint32_t eflags;
  std::uint32_t gpr;  // eight of them, in encoding order
  std::uint32_t seg;  // es cs ss ds (fs gs)
  unsigned segments;
  std::uint32_t seg_step;
  std::uint32_t ldt;
  std::uint32_t saved_end;  // one past the last byte that a switch away writes
};
constexpr Layout kLayout32{4, 0x20, 0x24, 0x28, 0x48, 6, 4, 0x60, 0x60};
constexpr Layout kLayout16{2, 0x0E, 0x10, 0x12, 0x22, 4, 2, 0x2A, 0x2A};

constexpr std::uint32_t kTss32Cr3 = 0x1C;
constexpr std::uint32_t kTss32Trap = 0x64;

// Everything that the new TSS says.
struct Task {
  bool wide = false;
  std::uint32_t cr3 = 0;
  std::uint32_t eip = 0;
  std::uint32_t eflags = 0;
  std::array<std::uint32_t, kGprCount> gpr{};
  std::array<std::uint16_t, kSegCount> seg{};
  std::uint16_t ldt = 0;
  bool trap = false;
};

using Image = std::array<std::uint8_t, kTss32MinLimit + 1>;

std::uint32_t get(const Image& image, std::uint32_t offset, unsigned size) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < size; ++i) value |= static_cast<std::uint32_t>(image[offset + i]) << (8 * i);
  return value;
}

void put(Image& image, std::uint32_t offset, unsigned size, std::uint32_t value) {
  for (unsigned i = 0; i < size; ++i) image[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

Task parse(const Image& image, bool wide) {
  const Layout& at = wide ? kLayout32 : kLayout16;
  Task task;
  task.wide = wide;
  if (wide) {
    task.cr3 = get(image, kTss32Cr3, 4);
    task.trap = (image[kTss32Trap] & 1U) != 0;
  }
  task.eip = get(image, at.eip, at.width);
  task.eflags = get(image, at.eflags, at.width);
  for (unsigned i = 0; i < kGprCount; ++i) task.gpr[i] = get(image, at.gpr + i * at.width, at.width);
  for (unsigned i = 0; i < at.segments; ++i) {
    task.seg[i] = static_cast<std::uint16_t>(get(image, at.seg + i * at.seg_step, 2));
  }
  task.ldt = static_cast<std::uint16_t>(get(image, at.ldt, 2));
  return task;
}

// The part of the old TSS that is written, as an image whose first byte stands at layout.eip.
void save(const CpuState& s, const Layout& at, std::uint32_t eip, std::uint32_t flags, Image& image) {
  put(image, at.eip, at.width, eip);
  put(image, at.eflags, at.width, flags);
  for (unsigned i = 0; i < kGprCount; ++i) put(image, at.gpr + i * at.width, at.width, s.gpr[i]);
  for (unsigned i = 0; i < at.segments; ++i) put(image, at.seg + i * at.seg_step, at.seg_step, s.seg[i].selector);
}

bool fail(Cpu& cpu, std::uint8_t vec, std::uint32_t error) {
  cpu.raise(vec, error);
  return false;
}

bool load_ldt(Cpu& cpu, std::uint16_t sel) {
  if (selector::is_null(sel)) return true;
  const std::uint32_t error = selector::error(sel);
  if (selector::in_ldt(sel)) return fail(cpu, vector::kTs, error);
  Descriptor d;
  if (!fetch_descriptor_or_raise(cpu, sel, d, vector::kTs)) return false;
  if (!d.is(SystemType::ldt) || !d.present()) return fail(cpu, vector::kTs, error);
  cpu.state.ldtr = d.to_register(sel);
  return true;
}

bool load_code(Cpu& cpu, std::uint16_t sel) {
  const std::uint32_t error = selector::error(sel);
  if (selector::is_null(sel)) return fail(cpu, vector::kTs, error);
  Descriptor d;
  if (!fetch_descriptor_or_raise(cpu, sel, d, vector::kTs)) return false;
  const unsigned cpl = selector::rpl(sel);
  if (!d.is_code() || (d.conforming() ? d.dpl() > cpl : d.dpl() != cpl)) return fail(cpu, vector::kTs, error);
  if (!d.present()) return fail(cpu, vector::kNp, error);
  if (!set_accessed(cpu, d)) return false;
  cpu.state.set_segment(Seg::cs, d.to_register(sel));
  return true;
}

// The descriptors of the new task, in its own context: a fault here is the new task's.
bool load_segments(Cpu& cpu, const Task& task) {
  CpuState& s = cpu.state;
  if (!load_ldt(cpu, task.ldt)) return false;
  if (s.v86()) {
    for (unsigned i = 0; i < kSegCount; ++i) s.set_segment(static_cast<Seg>(i), v86_register(task.seg[i]));
    return true;
  }
  const auto wanted = [&](Seg seg) { return task.seg[static_cast<std::size_t>(seg)]; };
  const unsigned cpl = selector::rpl(wanted(Seg::cs));
  if (!load_code(cpu, wanted(Seg::cs))) return false;
  SegmentRegister r;
  if (selector::is_null(wanted(Seg::ss))) return fail(cpu, vector::kTs, selector::error(wanted(Seg::ss)));
  if (!check_stack_segment(cpu, wanted(Seg::ss), cpl, vector::kTs, 0, r)) return false;
  s.set_segment(Seg::ss, r);
  for (const Seg seg : {Seg::ds, Seg::es, Seg::fs, Seg::gs}) {
    if (selector::is_null(wanted(seg))) continue;
    if (!check_data_segment(cpu, wanted(seg), cpl, vector::kTs, r)) return false;
    s.set_segment(seg, r);
  }
  return true;
}

// Registers that need no descriptor; the segments hold their selectors and nothing else yet.
void load_registers(Cpu& cpu, const Task& task, std::uint32_t flags) {
  CpuState& s = cpu.state;
  s.gpr = task.gpr;
  s.eip = task.eip;
  s.set_eflags(flags);
  const unsigned cpl = s.v86() ? 3U : selector::rpl(task.seg[static_cast<std::size_t>(Seg::cs)]);
  for (unsigned i = 0; i < kSegCount; ++i) {
    SegmentRegister r = null_register(task.seg[i]);
    r.attributes = static_cast<std::uint16_t>(r.attributes | (cpl << segment::kDplShift));  // SS gives the CPL
    s.set_segment(static_cast<Seg>(i), r);
  }
  s.ldtr = null_register(task.ldt);
}

bool push_error(Cpu& cpu, const TaskSwitch& request, bool wide) {
  FrameWriter frame(cpu.state.segment(Seg::ss), cpu.state.gpr[kEsp], cpu.state.cpl(), request.ext);
  frame.push(request.error, wide ? 4 : 2);
  if (!frame.check(cpu)) return false;
  frame.write(cpu);
  cpu.state.gpr[kEsp] = frame.esp();
  return true;
}

}  // namespace

bool switch_task(Cpu& cpu, const TaskSwitch& request) {
  using Cause = TaskSwitch::Cause;
  CpuState& s = cpu.state;
  Descriptor target = request.descriptor;
  const bool wide = (target.type() & 8U) != 0;
  const bool old_wide = (s.tr.attributes & 8U) != 0;
  const Layout& old_at = old_wide ? kLayout32 : kLayout16;
  const bool nests = request.cause == Cause::call || request.cause == Cause::interrupt;
  const bool leaves = request.cause == Cause::jump || request.cause == Cause::iret;

  // 1. Everything that can fault in the old task's context, before anything is written.
  if (target.limit() < (wide ? kTss32MinLimit : kTss16MinLimit)) {
    return fail(cpu, vector::kTs, selector::error(request.selector, request.ext));
  }
  if (!s.tr.usable() || s.tr.limit < (old_wide ? kTss32MinLimit : kTss16MinLimit)) {
    return fail(cpu, vector::kTs, selector::error(s.tr.selector, request.ext));
  }
  Image image{};
  const std::uint32_t image_size = wide ? kTss32MinLimit + 1 : kTss16MinLimit + 1;
  if (!cpu.read_linear_bytes(target.base(), image.data(), image_size, false)) return false;
  const Task task = parse(image, wide);
  const std::uint32_t saved_size = old_at.saved_end - old_at.eip;
  if (!cpu.probe_write_linear(s.tr.base + old_at.eip, saved_size, false)) return false;
  if (nests && !cpu.probe_write_linear(target.base(), 2, false)) return false;
  if (request.cause != Cause::iret && !cpu.probe_write_linear(target.address, 8, false)) return false;
  Descriptor old_descriptor;
  if (leaves && !fetch_descriptor_or_raise(cpu, s.tr.selector, old_descriptor, vector::kTs, request.ext)) return false;
  if (leaves && !cpu.probe_write_linear(old_descriptor.address, 8, false)) return false;
  std::array<std::uint64_t, 4> pdpte{};
  const bool loads_cr3 = wide && s.paging();
  if (loads_cr3 && (s.cr4 & cr4::kPae) != 0 && !read_pdptes(cpu, task.cr3, pdpte)) {
    return fail(cpu, vector::kGp, 0);
  }

  // 2. The old task is saved.
  if (leaves) static_cast<void>(set_busy(cpu, old_descriptor, false));
  const std::uint32_t saved_flags =
      request.cause == Cause::iret ? request.saved_flags & ~eflags::kNt : request.saved_flags;
  Image saved{};
  save(s, old_at, request.saved_eip, saved_flags, saved);
  static_cast<void>(cpu.write_linear_bytes(s.tr.base + old_at.eip, saved.data() + old_at.eip, saved_size, false));

  // 3. The new task is entered.
  if (nests) static_cast<void>(cpu.write_linear<std::uint16_t>(target.base(), s.tr.selector, false));
  if (request.cause != Cause::iret) static_cast<void>(set_busy(cpu, target, true));
  s.tr = target.to_register(request.selector);
  s.cr0 |= cr0::kTs;
  s.dr[7] &= ~kDr7Local;
  std::uint32_t flags = task.eflags & eflags::kAll & ~(eflags::kVif | eflags::kVip);
  if (nests) flags |= eflags::kNt;
  load_registers(cpu, task, flags);
  if (loads_cr3) {
    load_cr3(cpu, task.cr3, pdpte);
  } else {
    cpu.platform.mode_changed();
  }

  // 4. From here on faults are the new task's.
  if (!load_segments(cpu, task)) return false;
  if (s.eip > s.segment(Seg::cs).limit) return fail(cpu, vector::kGp, request.ext);
  if (request.has_error && !push_error(cpu, request, wide)) return false;
  if (task.trap) {
    s.dr[6] |= kDr6Bt;
    cpu.raise(vector::kDb);
    cpu.fault.trap = true;
    return false;
  }
  return true;
}

Flow transfer_to_task(Cpu& cpu, std::uint16_t sel, const Descriptor& descriptor, TaskSwitch::Cause cause,
                      std::uint32_t next_eip) {
  const unsigned cpl = cpu.state.cpl();
  const std::uint32_t error = selector::error(sel);
  if (descriptor.dpl() < cpl || descriptor.dpl() < selector::rpl(sel)) return cpu.raise(vector::kGp, error);
  TaskSwitch request;
  request.cause = cause;
  request.selector = sel;
  request.descriptor = descriptor;
  request.saved_eip = next_eip;
  request.saved_flags = cpu.state.eflags();
  if (descriptor.is(SystemType::task_gate)) {
    if (!descriptor.present()) return cpu.raise(vector::kNp, error);
    const std::uint16_t tss = descriptor.gate_selector();
    if (selector::is_null(tss) || selector::in_ldt(tss)) return cpu.raise(vector::kGp, selector::error(tss));
    if (!fetch_descriptor_or_raise(cpu, tss, request.descriptor, vector::kGp)) return Flow::fault;
    request.selector = tss;
  }
  const std::uint32_t tss_error = selector::error(request.selector);
  if (!request.descriptor.tss_available()) return cpu.raise(vector::kGp, tss_error);
  if (!request.descriptor.present()) return cpu.raise(vector::kNp, tss_error);
  return switch_task(cpu, request) ? Flow::jump : Flow::fault;
}

Flow return_to_previous_task(Cpu& cpu, std::uint32_t next_eip) {
  const auto link = cpu.read_linear<std::uint16_t>(cpu.state.tr.base, false);
  if (!link) return Flow::fault;
  const std::uint16_t sel = *link;
  const std::uint32_t error = selector::error(sel);
  TaskSwitch request;
  if (selector::is_null(sel) || selector::in_ldt(sel)) return cpu.raise(vector::kTs, error);
  if (!fetch_descriptor_or_raise(cpu, sel, request.descriptor, vector::kTs)) return Flow::fault;
  if (!request.descriptor.tss_busy()) return cpu.raise(vector::kTs, error);
  if (!request.descriptor.present()) return cpu.raise(vector::kNp, error);
  request.cause = TaskSwitch::Cause::iret;
  request.selector = sel;
  request.saved_eip = next_eip;
  request.saved_flags = cpu.state.eflags();
  return switch_task(cpu, request) ? Flow::jump : Flow::fault;
}

}  // namespace ringshift
