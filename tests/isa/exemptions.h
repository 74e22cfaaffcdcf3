// What is not compared with the host CPU, each with its reason.
#pragma once

#include <array>
#include <string_view>

#include "tests/isa/form.h"
#include "translator/isa/insn.h"

namespace ringshift::test {

// Operations that the host cannot serve as oracle for.
struct Exemption {
  isa::Op op;
  std::string_view reason;
};
inline constexpr std::array kExemptions{
    Exemption{isa::Op::invalid, "no instruction; LOCK prefixes that must be refused are forms of their own"},
    Exemption{isa::Op::sgdt, "the host's kernel sets CR4.UMIP, and emulates with values of its own"},
    Exemption{isa::Op::sidt, "the host's kernel sets CR4.UMIP, and emulates with values of its own"},
    Exemption{isa::Op::sldt, "the host's kernel sets CR4.UMIP, and emulates with values of its own"},
    Exemption{isa::Op::str, "the host's kernel sets CR4.UMIP, and emulates with values of its own"},
    Exemption{isa::Op::smsw, "the host's kernel sets CR4.UMIP, and emulates with values of its own"},
    Exemption{isa::Op::cpuid, "the CPU model is ours"},
    Exemption{isa::Op::rdtsc, "the counter is ours"},
    Exemption{isa::Op::sysenter, "enters the host's kernel (Intel), or is undefined in long mode (AMD)"},
    Exemption{isa::Op::int1, "hypervisors report the address of the instruction itself"},
    Exemption{isa::Op::sysexit, "#GP(0) on Intel, undefined in long mode on AMD"},
};
constexpr bool exempt(isa::Op op) {
  for (const Exemption& e : kExemptions) {
    if (e.op == op) return true;
  }
  return false;
}

// The same of single forms.
inline bool exempt(const Form& f) {
  if (exempt(f.op) && f.op != isa::Op::invalid) return true;
  bool rep = false;
  bool repne = false;
  for (const auto b : f.prefixes) {
    rep |= b == 0xF3;
    repne |= b == 0xF2;
  }
  // AMD refuses PREFETCHW of a register; for Intel it is a NOP like its neighbours.
  if (f.map == 1 && f.opcode == 0x0D && !f.memory) return true;
  // TZCNT and LZCNT on the host; our model ignores the prefix.
  if ((f.op == isa::Op::bsf || f.op == isa::Op::bsr) && rep) return true;
  // A repeat prefix is reserved here: AMD's lets it choose the condition, Intel's ignores it.
  if ((f.op == isa::Op::loope || f.op == isa::Op::loopne) && (rep || repne)) return true;
  // AMD gives LOCK MOV CR0 a meaning (CR8), and ignores LOCK before VERW.
  if (f.op == isa::Op::invalid && f.map == 1 && (f.opcode == 0x20 || f.opcode == 0x22)) return true;
  if (f.op == isa::Op::invalid && f.map == 1 && f.opcode == 0x00 && f.reg == 5) return true;
  // With an x87 exception pending, Intel's CVTPI2PS from memory raises #MF as ours does, AMD's does not.
  if (f.op == isa::Op::host_fp && f.map == 1 && f.opcode == 0x2A && f.memory && !rep && !repne) return true;
  return false;
}

}  // namespace ringshift::test
