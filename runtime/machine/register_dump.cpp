#include "runtime/machine/register_dump.h"

#include <fmt/format.h>

namespace ringshift::machine {
namespace {

std::string segment_line(std::string_view name, const SegmentRegister& segment) {
  return fmt::format("{:<4} {:04x} base {:08x} limit {:08x} attributes {:04x}\n", name, segment.selector, segment.base,
                     segment.limit, segment.attributes);
}

}  // namespace

std::string register_dump(const CpuState& s) {
  std::string text = fmt::format(
      "eax {:08x} ebx {:08x} ecx {:08x} edx {:08x}\n"
      "esi {:08x} edi {:08x} ebp {:08x} esp {:08x}\n"
      "eip {:08x} eflags {:08x} cpl {}{}\n",
      s.gpr[kEax], s.gpr[kEbx], s.gpr[kEcx], s.gpr[kEdx], s.gpr[kEsi], s.gpr[kEdi], s.gpr[kEbp], s.gpr[kEsp], s.eip,
      s.eflags(), s.cpl(), s.halted != 0 ? " halted" : "");
  constexpr std::array<std::string_view, kSegCount> kNames{"es", "cs", "ss", "ds", "fs", "gs"};
  for (unsigned i = 0; i < kSegCount; ++i) text += segment_line(kNames[i], s.seg[i]);
  text += segment_line("ldtr", s.ldtr);
  text += segment_line("tr", s.tr);
  text += fmt::format(
      "gdtr base {:08x} limit {:04x}   idtr base {:08x} limit {:04x}\n"
      "cr0 {:08x} cr2 {:08x} cr3 {:08x} cr4 {:08x} efer {:x}\n",
      s.gdtr.base, s.gdtr.limit, s.idtr.base, s.idtr.limit, s.cr0, s.cr2, s.cr3, s.cr4, s.msr.efer);
  return text;
}

}  // namespace ringshift::machine
