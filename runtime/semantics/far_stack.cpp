#include "runtime/semantics/far_stack.h"

#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/segment_load.h"

namespace ringshift {

namespace {

bool within(const SegmentRegister& stack, std::uint32_t offset, std::uint32_t size) {
  if (!stack.usable()) return false;
  const std::uint32_t last = offset + size - 1;
  const bool wraps = last < offset;
  if ((stack.attributes & (segment::kCode | segment::kExpandDown)) == segment::kExpandDown) {
    return !wraps && offset > stack.limit && last <= (stack.big() ? 0xFFFFFFFFU : 0xFFFFU);
  }
  return !wraps && last <= stack.limit;
}

}  // namespace

bool FrameWriter::check(Cpu& cpu) const {
  std::uint32_t checked_page = 1;  // no page number shifted left ends in 1
  for (unsigned i = 0; i < count_; ++i) {
    const Slot& slot = slots_[i];
    if (!within(stack_, slot.offset, slot.size)) {
      cpu.raise(vector::kSs, error_);
      return false;
    }
    const std::uint32_t first = stack_.base + slot.offset;
    if (user_ && (first & (slot.size - 1U)) != 0 && alignment_checked(cpu.state)) {
      cpu.raise(vector::kAc, 0);
      return false;
    }
    const std::uint32_t last = first + slot.size - 1;
    if ((first & ~mmu::kPageMask) == checked_page && (last & ~mmu::kPageMask) == checked_page) continue;
    if (!cpu.probe_write_linear(first, slot.size, user_)) return false;
    checked_page = first & ~mmu::kPageMask;
  }
  return true;
}

void FrameWriter::write(Cpu& cpu) const {
  for (unsigned i = 0; i < count_; ++i) {
    const Slot& slot = slots_[i];
    const std::uint32_t address = stack_.base + slot.offset;
    if (slot.size == 2) {
      static_cast<void>(cpu.write_linear<std::uint16_t>(address, static_cast<std::uint16_t>(slot.value), user_));
    } else {
      static_cast<void>(cpu.write_linear<std::uint32_t>(address, slot.value, user_));
    }
  }
}

std::uint32_t FrameReader::pop(unsigned size) {
  if (!ok_) return 0;
  const std::uint32_t offset = esp_ & cpu_.stack_mask();
  std::uint32_t value = 0;
  if (size == 2) {
    const auto r = cpu_.read<std::uint16_t>(Seg::ss, offset);
    ok_ = r.ok;
    value = r.value;
  } else {
    const auto r = cpu_.read<std::uint32_t>(Seg::ss, offset);
    ok_ = r.ok;
    value = r.value;
  }
  if (!ok_) return 0;
  advance(size);
  return value;
}

bool fetch_inner_stack(Cpu& cpu, unsigned cpl, std::uint32_t ext, InnerStack& stack) {
  const SegmentRegister& tr = cpu.state.tr;
  const bool wide = (tr.attributes & 8U) != 0;  // TSS type: 9 and 11 are 32-bit ones
  const std::uint32_t offset = wide ? 4 + cpl * 8 : 2 + cpl * 4;
  const std::uint32_t last = offset + (wide ? 5U : 3U);
  if (!tr.usable() || last > tr.limit) {
    cpu.raise(vector::kTs, selector::error(tr.selector, ext));
    return false;
  }
  const std::uint32_t address = tr.base + offset;
  if (wide) {
    const auto esp = cpu.read_linear<std::uint32_t>(address, false);
    if (!esp) return false;
    stack.esp = *esp;
  } else {
    const auto sp = cpu.read_linear<std::uint16_t>(address, false);
    if (!sp) return false;
    stack.esp = *sp;
  }
  const auto ss = cpu.read_linear<std::uint16_t>(address + (wide ? 4U : 2U), false);
  if (!ss) return false;
  return check_stack_segment(cpu, *ss, cpl, vector::kTs, ext, stack.ss);
}

}  // namespace ringshift
