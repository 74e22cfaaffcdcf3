// What is not compared with the host CPU, each with its reason.
#pragma once

#include <array>
#include <string_view>

#include "runtime/state/eflags.h"
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
    Exemption{isa::Op::sysexit, "#GP(0) on Intel, undefined in long mode on AMD"},
};
constexpr bool exempt(isa::Op op) {
  for (const Exemption& e : kExemptions) {
    if (e.op == op) return true;
  }
  return false;
}

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
