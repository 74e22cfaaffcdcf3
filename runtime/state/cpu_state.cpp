#include "runtime/state/cpu_state.h"

namespace ringshift {

void reset(CpuState& state) {
  state = CpuState{};
  state.eip = 0xFFF0;
  state.gpr[kEdx] = 0x000006F0;  // family 6, as CPUID leaf 1 reports it
  const SegmentRegister data{0, segment::kPresent | segment::kNonSystem | segment::kWritable | segment::kAccessed, 0,
                             0xFFFF};
  for (const Seg s : {Seg::es, Seg::ss, Seg::ds, Seg::fs, Seg::gs}) state.set_segment(s, data);
  SegmentRegister code = data;
  code.selector = 0xF000;
  code.base = 0xFFFF0000;
  code.attributes |= segment::kCode;
  state.set_segment(Seg::cs, code);
  constexpr std::uint16_t kLdt = 0x2;
  constexpr std::uint16_t kBusyTss = 0xB;
  state.ldtr = SegmentRegister{0, segment::kPresent | kLdt, 0, 0xFFFF};
  state.tr = SegmentRegister{0, segment::kPresent | kBusyTss, 0, 0xFFFF};
  // x87 after FNINIT would differ: reset leaves CW 0040, tags as zero (SDM table 10-1); MXCSR 1F80.
  state.fx[0] = 0x40;
  state.fx[4] = 0xFF;  // abridged tag word: every register holds zero, none is empty
  state.fx[24] = 0x80;
  state.fx[25] = 0x1F;
}

}  // namespace ringshift
