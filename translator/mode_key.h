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

  bool operator==(const ModeKey&) const = default;
  [[nodiscard]] std::uint32_t packed() const {
    return static_cast<std::uint32_t>(cpl) | (code32 ? 4U : 0U) | (stack32 ? 8U : 0U) | (flat_cs ? 16U : 0U) |
           (flat_ds ? 32U : 0U) | (flat_es ? 64U : 0U) | (flat_ss ? 128U : 0U) | (fp_trap ? 256U : 0U) |
           (iopl_ok ? 512U : 0U) | (time_stamp_trap ? 1024U : 0U) | (sse_trap ? 2048U : 0U);
  }
};
inline constexpr std::uint32_t kModeKeyCount = 4096;

[[nodiscard]] inline ModeKey mode_key(const CpuState& s) {
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
  return key;
}

// Whether code in this mode is translated at all; the rest is interpreted. For now: protected mode
// with a flat 32-bit code and stack segment, no single-stepping, no armed breakpoints, no alignment checks.
[[nodiscard]] inline bool translatable(const CpuState& s) {
  const bool alignment_checked = (s.cr0 & cr0::kAm) != 0 && (s.system_flags & eflags::kAc) != 0 && s.cpl() == 3;
  return s.protected_mode() && !s.v86() && (s.system_flags & eflags::kTf) == 0 && (s.dr[7] & 0xFFU) == 0 &&
         !alignment_checked && s.segment(Seg::cs).big() && s.segment(Seg::cs).flat(true) && s.segment(Seg::ss).big() &&
         s.segment(Seg::ss).flat(false);
}

}  // namespace ringshift::translator
