#include "runtime/semantics/segment_load.h"

namespace ringshift {

namespace {

constexpr std::uint16_t kRealModeAttributes =
    segment::kPresent | segment::kNonSystem | segment::kWritable | segment::kAccessed;

}  // namespace

SegmentRegister real_mode_register(const SegmentRegister& before, std::uint16_t sel) {
  SegmentRegister r = before;
  // A null register keeps no limit to inherit; silicon that clears it would make the segment useless.
  if ((r.attributes & segment::kUnusable) != 0) {
    r.limit = 0xFFFF;
    r.attributes = 0;
  }
  constexpr auto kKept = static_cast<std::uint16_t>(segment::kAvl | segment::kBig | segment::kGranular);
  r.selector = sel;
  r.base = static_cast<std::uint32_t>(sel) << 4;
  r.attributes = static_cast<std::uint16_t>((r.attributes & kKept) | kRealModeAttributes);
  return r;
}

void load_cs_real_or_v86(Cpu& cpu, std::uint16_t sel) {
  CpuState& s = cpu.state;
  s.set_segment(Seg::cs, s.v86() ? v86_register(sel) : real_mode_register(s.segment(Seg::cs), sel));
}

bool check_data_segment(Cpu& cpu, std::uint16_t sel, unsigned cpl, std::uint8_t vec, SegmentRegister& result) {
  Descriptor d;
  if (!fetch_descriptor_or_raise(cpu, sel, d, vec)) return false;
  const bool privileged = !d.conforming() && (selector::rpl(sel) > d.dpl() || cpl > d.dpl());
  if (!d.readable() || privileged) {
    cpu.raise(vec, selector::error(sel));
    return false;
  }
  if (!d.present()) {
    cpu.raise(vector::kNp, selector::error(sel));
    return false;
  }
  if (!set_accessed(cpu, d)) return false;
  result = d.to_register(sel);
  return true;
}

bool check_stack_segment(Cpu& cpu, std::uint16_t sel, unsigned cpl, std::uint8_t vec, std::uint32_t ext,
                         SegmentRegister& result) {
  if (selector::is_null(sel)) {
    cpu.raise(vec, ext);
    return false;
  }
  Descriptor d;
  if (!fetch_descriptor_or_raise(cpu, sel, d, vec, ext)) return false;
  if (selector::rpl(sel) != cpl || !d.writable() || d.dpl() != cpl) {
    cpu.raise(vec, selector::error(sel, ext));
    return false;
  }
  if (!d.present()) {
    cpu.raise(vector::kSs, selector::error(sel, ext));
    return false;
  }
  if (!set_accessed(cpu, d)) return false;
  result = d.to_register(sel);
  return true;
}

bool load_segment(Cpu& cpu, Seg seg, std::uint16_t sel) {
  CpuState& s = cpu.state;
  if (!s.protected_mode()) {
    s.set_segment(seg, real_mode_register(s.segment(seg), sel));
    return true;
  }
  if (s.v86()) {
    s.set_segment(seg, v86_register(sel));
    return true;
  }
  SegmentRegister r;
  if (seg == Seg::ss) {
    if (!check_stack_segment(cpu, sel, s.cpl(), vector::kGp, 0, r)) return false;
  } else if (selector::is_null(sel)) {
    r = null_register(sel);
  } else if (!check_data_segment(cpu, sel, s.cpl(), vector::kGp, r)) {
    return false;
  }
  s.set_segment(seg, r);
  return true;
}

bool fetch_code_segment(Cpu& cpu, std::uint16_t sel, std::uint32_t ext, Descriptor& descriptor) {
  if (selector::is_null(sel)) {
    cpu.raise(vector::kGp, ext);
    return false;
  }
  if (!fetch_descriptor_or_raise(cpu, sel, descriptor, vector::kGp, ext)) return false;
  if (!descriptor.is_code()) {
    cpu.raise(vector::kGp, selector::error(sel, ext));
    return false;
  }
  return true;
}

bool finish_code_segment(Cpu& cpu, std::uint16_t sel, Descriptor& descriptor, unsigned cpl, std::uint32_t offset,
                         std::uint32_t ext, SegmentRegister& result) {
  if (!descriptor.present()) {
    cpu.raise(vector::kNp, selector::error(sel, ext));
    return false;
  }
  if (offset > descriptor.limit()) {
    cpu.raise(vector::kGp, ext);
    return false;
  }
  if (!set_accessed(cpu, descriptor)) return false;
  result = descriptor.to_register(selector::with_rpl(sel, cpl));
  return true;
}

void drop_inner_segments(Cpu& cpu, unsigned cpl) {
  for (const Seg seg : {Seg::es, Seg::ds, Seg::fs, Seg::gs}) {
    const SegmentRegister& r = cpu.state.segment(seg);
    if ((r.attributes & segment::kUnusable) != 0) continue;
    constexpr auto kConformingCode = static_cast<std::uint16_t>(segment::kCode | segment::kConforming);
    if ((r.attributes & kConformingCode) == kConformingCode) continue;
    if (r.dpl() < cpl) cpu.state.set_segment(seg, null_register(0));
  }
}

}  // namespace ringshift
