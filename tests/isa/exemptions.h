// What is not compared with the host CPU, each with its reason.
#pragma once

#include <array>
#include <string_view>

#include "runtime/state/eflags.h"
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
  return false;
}

// What a faulting instruction of several accesses leaves open, because the architecture does not say in which order
// they are made, and so not which of several faults is raised.
struct Unordered {
  isa::Op op;
  bool cr2;        // any of its addresses may be the one reported
  bool registers;  // those loaded before the fault may have changed already; esp has not
  bool memory;     // what was written before the fault may stay
};
inline constexpr std::array kUnordered{
    Unordered{isa::Op::popa, true, true, false},
    Unordered{isa::Op::pusha, true, false, true},
    Unordered{isa::Op::iret, true, false, false},
    Unordered{isa::Op::ret_far, true, false, false},
    Unordered{isa::Op::call_far, true, false, true},
    Unordered{isa::Op::call_far_indirect, true, false, true},
    Unordered{isa::Op::jmp_far_indirect, true, false, false},
    Unordered{isa::Op::enter, true, false, true},
};

// Flags that the architecture leaves undefined (SDM vol. 2, "Flags Affected" of each instruction). Where the
// count of a shift decides, `when` tells.
enum class When : std::uint8_t {
  always,
  count_not_one,   // masked count other than 1 (and not 0, when nothing changes)
  count_not_zero,  // masked count other than 0
  count_exceeds,   // masked count at least the operand's size in bits
};
struct Undefined {
  isa::Op op;
  When when;
  std::uint32_t flags;
  std::string_view source;
};
inline constexpr std::array kUndefined{
    Undefined{isa::Op::aaa, When::always, eflags::kOf | eflags::kSf | eflags::kZf | eflags::kPf, "SDM AAA"},
    Undefined{isa::Op::aas, When::always, eflags::kOf | eflags::kSf | eflags::kZf | eflags::kPf, "SDM AAS"},
    Undefined{isa::Op::aam, When::always, eflags::kOf | eflags::kAf | eflags::kCf, "SDM AAM"},
    Undefined{isa::Op::aad, When::always, eflags::kOf | eflags::kAf | eflags::kCf, "SDM AAD"},
    Undefined{isa::Op::daa, When::always, eflags::kOf, "SDM DAA"},
    Undefined{isa::Op::das, When::always, eflags::kOf, "SDM DAS"},
    Undefined{isa::Op::and_, When::always, eflags::kAf, "SDM AND"},
    Undefined{isa::Op::or_, When::always, eflags::kAf, "SDM OR"},
    Undefined{isa::Op::xor_, When::always, eflags::kAf, "SDM XOR"},
    Undefined{isa::Op::test, When::always, eflags::kAf, "SDM TEST"},
    Undefined{isa::Op::mul, When::always, eflags::kSf | eflags::kZf | eflags::kAf | eflags::kPf, "SDM MUL"},
    Undefined{isa::Op::imul, When::always, eflags::kSf | eflags::kZf | eflags::kAf | eflags::kPf, "SDM IMUL"},
    Undefined{isa::Op::imul_reg, When::always, eflags::kSf | eflags::kZf | eflags::kAf | eflags::kPf, "SDM IMUL"},
    Undefined{isa::Op::div, When::always, eflags::kStatus, "SDM DIV"},
    Undefined{isa::Op::idiv, When::always, eflags::kStatus, "SDM IDIV"},
    Undefined{isa::Op::rol, When::count_not_one, eflags::kOf, "SDM RCL/RCR/ROL/ROR"},
    Undefined{isa::Op::ror, When::count_not_one, eflags::kOf, "SDM RCL/RCR/ROL/ROR"},
    Undefined{isa::Op::rcl, When::count_not_one, eflags::kOf, "SDM RCL/RCR/ROL/ROR"},
    Undefined{isa::Op::rcr, When::count_not_one, eflags::kOf, "SDM RCL/RCR/ROL/ROR"},
    Undefined{isa::Op::shl, When::count_not_one, eflags::kOf, "SDM SAL/SAR/SHL/SHR"},
    Undefined{isa::Op::shr, When::count_not_one, eflags::kOf, "SDM SAL/SAR/SHL/SHR"},
    Undefined{isa::Op::sar, When::count_not_one, eflags::kOf, "SDM SAL/SAR/SHL/SHR"},
    Undefined{isa::Op::shl, When::count_not_zero, eflags::kAf, "SDM SAL/SAR/SHL/SHR"},
    Undefined{isa::Op::shr, When::count_not_zero, eflags::kAf, "SDM SAL/SAR/SHL/SHR"},
    Undefined{isa::Op::sar, When::count_not_zero, eflags::kAf, "SDM SAL/SAR/SHL/SHR"},
    Undefined{isa::Op::shl, When::count_exceeds, eflags::kCf, "SDM SAL/SAR/SHL/SHR"},
    Undefined{isa::Op::shr, When::count_exceeds, eflags::kCf, "SDM SAL/SAR/SHL/SHR"},
    Undefined{isa::Op::shld, When::count_not_one, eflags::kOf, "SDM SHLD"},
    Undefined{isa::Op::shrd, When::count_not_one, eflags::kOf, "SDM SHRD"},
    Undefined{isa::Op::shld, When::count_not_zero, eflags::kAf, "SDM SHLD"},
    Undefined{isa::Op::shrd, When::count_not_zero, eflags::kAf, "SDM SHRD"},
    Undefined{isa::Op::bt, When::always, eflags::kOf | eflags::kSf | eflags::kAf | eflags::kPf, "SDM BT"},
    Undefined{isa::Op::bts, When::always, eflags::kOf | eflags::kSf | eflags::kAf | eflags::kPf, "SDM BTS"},
    Undefined{isa::Op::btr, When::always, eflags::kOf | eflags::kSf | eflags::kAf | eflags::kPf, "SDM BTR"},
    Undefined{isa::Op::btc, When::always, eflags::kOf | eflags::kSf | eflags::kAf | eflags::kPf, "SDM BTC"},
    Undefined{isa::Op::bsf, When::always, eflags::kStatus & ~eflags::kZf, "SDM BSF"},
    Undefined{isa::Op::bsr, When::always, eflags::kStatus & ~eflags::kZf, "SDM BSR"},
};

}  // namespace ringshift::test
