// MUL, IMUL, DIV, IDIV.
#include <limits>
#include <type_traits>

#include "runtime/semantics/arithmetic_host.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/operands.h"

namespace ringshift {
namespace {

using isa::Form;
using isa::Insn;
using isa::Op;

// The double-width accumulator: AX, DX:AX or EDX:EAX.
template <class T>
host::Wide<T> get_wide(const CpuState& state) {
  if constexpr (sizeof(T) == 1) {
    return {get_reg<T>(state, 0), get_reg<T>(state, 4)};  // AL, AH
  } else {
    return {get_reg<T>(state, kEax), get_reg<T>(state, kEdx)};
  }
}

template <class T>
void set_wide(CpuState& state, host::Wide<T> value) {
  set_reg<T>(state, kEax, value.low);
  if constexpr (sizeof(T) == 1) {
    set_reg<T>(state, 4, value.high);
  } else {
    set_reg<T>(state, kEdx, value.high);
  }
}

template <Op kOp>
Flow multiply(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() {
    const auto b = read_rm<T>(cpu, insn);
    if (!b) return Flow::fault;
    std::uint32_t flags = cpu.state.native_flags;
    set_wide<T>(cpu.state, host::multiply<kOp, T>(get_reg<T>(cpu.state, kEax), *b, flags));
    set_flags(cpu.state, eflags::kStatus, flags);
    return Flow::next;
  });
}

// Whether the quotient fits its register; if not: #DE.
template <Op kOp, class T>
bool quotient_fits(host::Wide<T> dividend, T divisor) {
  constexpr unsigned kBits = sizeof(T) * 8;
  if (divisor == 0) return false;
  if constexpr (kOp == Op::div) {
    return dividend.high < divisor;
  } else {
    using Signed = std::make_signed_t<T>;
    const std::uint64_t bits = (std::uint64_t{dividend.high} << kBits) | dividend.low;
    // Sign-extends the 2 * kBits wide number.
    const auto value = static_cast<std::int64_t>(bits << (64 - 2 * kBits)) >> (64 - 2 * kBits);
    const auto by = static_cast<std::int64_t>(static_cast<Signed>(divisor));
    // Apart, because the most negative 64-bit dividend has no quotient that C++ could compute.
    if (by == -1) {
      constexpr std::int64_t kMax = std::numeric_limits<Signed>::max();
      return value >= -kMax && value <= kMax + 1;
    }
    const std::int64_t quotient = value / by;
    return quotient >= std::numeric_limits<Signed>::min() && quotient <= std::numeric_limits<Signed>::max();
  }
}

template <Op kOp>
Flow divide(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() {
    const auto divisor = read_rm<T>(cpu, insn);
    if (!divisor) return Flow::fault;
    const host::Wide<T> dividend = get_wide<T>(cpu.state);
    if (!quotient_fits<kOp, T>(dividend, *divisor)) return cpu.raise(vector::kDe);
    std::uint32_t flags = cpu.state.native_flags;
    set_wide<T>(cpu.state, host::divide<kOp, T>(dividend, *divisor, flags));
    set_flags(cpu.state, eflags::kStatus, flags);
    return Flow::next;
  });
}

}  // namespace

Flow execute_mul(Cpu& cpu, const Insn& insn) { return multiply<Op::mul>(cpu, insn); }
Flow execute_imul(Cpu& cpu, const Insn& insn) { return multiply<Op::imul>(cpu, insn); }
Flow execute_div(Cpu& cpu, const Insn& insn) { return divide<Op::div>(cpu, insn); }
Flow execute_idiv(Cpu& cpu, const Insn& insn) { return divide<Op::idiv>(cpu, insn); }

Flow execute_imul_reg(Cpu& cpu, const Insn& insn) {
  return by_word_width(insn, [&]<class T>() {
    const auto b = read_rm<T>(cpu, insn);
    if (!b) return Flow::fault;
    const T a = insn.form == Form::reg_rm_imm ? static_cast<T>(insn.imm) : get_reg<T>(cpu.state, insn.reg);
    std::uint32_t flags = cpu.state.native_flags;
    set_reg<T>(cpu.state, insn.reg, host::multiply_truncated<T>(a, *b, flags));
    set_flags(cpu.state, eflags::kStatus, flags);
    return Flow::next;
  });
}

}  // namespace ringshift
