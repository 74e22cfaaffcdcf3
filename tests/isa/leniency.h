// Where two outcomes may differ, because the architecture leaves the result open or we document a gap.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "runtime/state/eflags.h"
#include "tests/isa/case.h"
#include "translator/isa/insn.h"

namespace ringshift::test {

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
    Unordered{isa::Op::call, true, false, true},
    Unordered{isa::Op::call_indirect, true, false, true},
    Unordered{isa::Op::call_far, true, false, true},
    Unordered{isa::Op::call_far_indirect, true, false, true},
    Unordered{isa::Op::jmp_far_indirect, true, false, false},
    Unordered{isa::Op::enter, true, false, true},
    Unordered{isa::Op::fp_environment, true, false, true},
    Unordered{isa::Op::fxsave, true, false, true},
    Unordered{isa::Op::fxrstor, true, false, false},
    Unordered{isa::Op::masked_store, true, false, true},
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

// What may differ in one case.
struct Leniency {
  bool any_access_fault = false;
  bool cr2 = false;
  bool registers = false;
  bool memory = false;
  bool x87_top = false;     // TOP and the tags
  std::uint32_t mxcsr = 0;  // status bits
  std::uint32_t flags = 0;
  struct Range {
    std::uint32_t first, bytes;
  };
  std::vector<Range> ranges;  // of memory
};
// `vector` and `mxcsr` are what the host came to.
[[nodiscard]] Leniency leniency(const isa::Insn& insn, const Registers& before, int vector, std::uint32_t mxcsr);

}  // namespace ringshift::test
