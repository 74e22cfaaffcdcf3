// The part of the CPU's mode that a translation depends on. Fragments are found by physical and linear
// address plus this key; everything else about the mode is looked up at run time.
#pragma once

#include <cstdint>

#include "runtime/state/cpu_state.h"

namespace ringshift::translator {

struct ModeKey {
  std::uint8_t cpl = 0;  // 0 to 3
  bool code32 = false;   // CS.D
  bool stack32 = false;  // SS.B
  bool flat_cs = false;  // readable, base 0, limit 4 GiB
  bool flat_ds = false;
  bool flat_es = false;
  bool flat_ss = false;
  bool fp_trap = false;          // CR0.EM or CR0.TS: floating point is left to the runtime
  bool iopl_ok = false;          // CPL <= IOPL: cli, sti, popf may change IF
  bool time_stamp_trap = false;  // CR4.TSD at CPL > 0
  bool sse_trap = false;         // CR4.OSFXSR is clear: SSE is left to the runtime, which raises #UD

  // The rest is used only where code and stack are not 32-bit and flat (see plain()), and as it stands here elsewhere.
  bool paragraphs = false;  // real or V86 mode: the base of a segment is 16 times its selector, and none counts as flat
  // One bit for each Seg: every offset of 16 bits may be read and written (CS: read). With `paragraphs` also: a load
  // changes nothing of it but selector and base.
  std::uint8_t reach = 0;
  // Translated code has them as constants; they are not what a flat code segment has.
  std::uint32_t cs_base = 0;
  std::uint32_t cs_limit = 0xFFFFFFFF;

  bool operator==(const ModeKey&) const = default;
  // Ordinary 32-bit code: protected mode, and offsets in code and stack are linear addresses.
  [[nodiscard]] bool plain() const { return code32 && stack32 && flat_cs && flat_ss && !paragraphs; }
  [[nodiscard]] bool v86() const { return paragraphs && cpl == 3; }
  [[nodiscard]] bool reaches(Seg segment) const { return (reach >> static_cast<unsigned>(segment) & 1U) != 0; }
  // Tells all plain modes apart.
  [[nodiscard]] std::uint32_t packed() const {
    return static_cast<std::uint32_t>(cpl) | (code32 ? 4U : 0U) | (stack32 ? 8U : 0U) | (flat_cs ? 16U : 0U) |
           (flat_ds ? 32U : 0U) | (flat_es ? 64U : 0U) | (flat_ss ? 128U : 0U) | (fp_trap ? 256U : 0U) |
           (iopl_ok ? 512U : 0U) | (time_stamp_trap ? 1024U : 0U) | (sse_trap ? 2048U : 0U);
  }
  [[nodiscard]] std::uint32_t hash() const {
    const std::uint32_t rest = packed() << 8 | reach << 1 | (paragraphs ? 1U : 0U);
    return (cs_base ^ cs_limit * 0x85EBCA6BU ^ rest) * 0x9E3779B1U;
  }
};
inline constexpr std::uint32_t kModeKeyCount = 4096;

// ModeKey::reach of one segment.
[[nodiscard, gnu::always_inline]] inline bool reaches_64k(const SegmentRegister& r, Seg seg, const CpuState& s) {
  if (r.limit < 0xFFFF || !r.expands_up(seg == Seg::cs)) return false;
  if (s.protected_mode() && !s.v86()) return true;
  if (seg == Seg::cs) return true;
  constexpr auto kData =
      static_cast<std::uint16_t>(segment::kPresent | segment::kNonSystem | segment::kWritable | segment::kAccessed);
  if (s.v86()) return r.limit == 0xFFFF && r.attributes == (kData | segment::kDplMask);
  constexpr auto kKept = static_cast<std::uint16_t>(segment::kAvl | segment::kBig | segment::kGranular);
  return (r.attributes & ~kKept) == kData;
}

// Always inline, as CpuState::set_segment.
[[nodiscard, gnu::always_inline]] inline ModeKey mode_key(const CpuState& s) {
  ModeKey key;
  key.cpl = static_cast<std::uint8_t>(s.cpl());
  key.code32 = s.segment(Seg::cs).big();
  key.stack32 = s.segment(Seg::ss).big();
  key.flat_cs = s.segment(Seg::cs).flat(true);
  key.flat_ds = s.segment(Seg::ds).flat(false);
  key.flat_es = s.segment(Seg::es).flat(false);
  key.flat_ss = s.segment(Seg::ss).flat(false);
  key.fp_trap = (s.cr0 & (cr0::kEm | cr0::kTs)) != 0;
  key.iopl_ok = key.cpl <= s.iopl();
  key.time_stamp_trap = (s.cr4 & cr4::kTsd) != 0 && key.cpl != 0;
  key.sse_trap = (s.cr4 & cr4::kOsfxsr) == 0;
  key.paragraphs = !s.protected_mode() || s.v86();
  if (key.plain()) [[likely]]
    return key;
  if (key.paragraphs) key.flat_cs = key.flat_ds = key.flat_es = key.flat_ss = false;
  for (unsigned i = 0; i < kSegCount; ++i) {
    const auto seg = static_cast<Seg>(i);
    if (reaches_64k(s.segment(seg), seg, s)) key.reach |= static_cast<std::uint8_t>(1U << i);
  }
  if (!key.flat_cs) {
    key.cs_base = s.segment(Seg::cs).base;
    key.cs_limit = s.segment(Seg::cs).limit;
  }
  return key;
}

// Whether code in this mode is translated at all; the rest is interpreted: single-stepping, armed breakpoints,
// alignment checks.
[[nodiscard]] inline bool translatable(const CpuState& s) {
  const bool alignment_checked = (s.cr0 & cr0::kAm) != 0 && (s.system_flags & eflags::kAc) != 0 && s.cpl() == 3;
  return (s.system_flags & eflags::kTf) == 0 && (s.dr[7] & 0xFFU) == 0 && !alignment_checked;
}

}  // namespace ringshift::translator
