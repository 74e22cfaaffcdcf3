// ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST, INC, DEC, NOT, NEG.
#include "runtime/semantics/arithmetic_host.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/operands.h"

namespace ringshift {
namespace {

using isa::Form;
using isa::Insn;
using isa::Op;

template <Op kOp, class T>
T compute(CpuState& state, T a, T b) {
  std::uint32_t flags = state.native_flags;
  const T result = host::binary<kOp, T>(a, b, flags);
  set_flags(state, eflags::kStatus, flags);
  return result;
}

template <Op kOp, class T>
Flow into_rm(Cpu& cpu, const Insn& insn, T b) {
  if constexpr (kOp == Op::cmp || kOp == Op::test) {
    const auto a = read_rm<T>(cpu, insn);
    if (!a) return Flow::fault;
    compute<kOp, T>(cpu.state, *a, b);
    return Flow::next;
  } else {
    return modify_rm<T>(cpu, insn, [&](T a) { return compute<kOp, T>(cpu.state, a, b); });
  }
}

template <Op kOp, class T>
Flow into_register(Cpu& cpu, unsigned reg, T b) {
  const T result = compute<kOp, T>(cpu.state, get_reg<T>(cpu.state, reg), b);
  if constexpr (kOp != Op::cmp && kOp != Op::test) set_reg<T>(cpu.state, reg, result);
  return Flow::next;
}

template <Op kOp>
Flow binary(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() {
    switch (insn.form) {
      case Form::rm_reg:
        return into_rm<kOp, T>(cpu, insn, get_reg<T>(cpu.state, insn.reg));
      case Form::rm_imm:
        return into_rm<kOp, T>(cpu, insn, static_cast<T>(insn.imm));
      case Form::acc_imm:
        return into_register<kOp, T>(cpu, kEax, static_cast<T>(insn.imm));
      default: {  // reg_rm
        const auto b = read_rm<T>(cpu, insn);
        if (!b) return Flow::fault;
        return into_register<kOp, T>(cpu, insn.reg, *b);
      }
    }
  });
}

template <Op kOp>
Flow unary(Cpu& cpu, const Insn& insn) {
  constexpr std::uint32_t kMask = kOp == Op::neg ? eflags::kStatus : eflags::kStatus & ~eflags::kCf;
  return by_width(insn, [&]<class T>() {
    const auto compute_one = [&](T a) {
      std::uint32_t flags = 0;
      const T result = host::unary<kOp, T>(a, flags);
      set_flags(cpu.state, kMask, flags);
      return result;
    };
    if (insn.form == Form::opreg) {
      set_reg<T>(cpu.state, insn.reg, compute_one(get_reg<T>(cpu.state, insn.reg)));
      return Flow::next;
    }
    return modify_rm<T>(cpu, insn, compute_one);
  });
}

}  // namespace

Flow execute_add(Cpu& cpu, const Insn& insn) { return binary<Op::add>(cpu, insn); }
Flow execute_or(Cpu& cpu, const Insn& insn) { return binary<Op::or_>(cpu, insn); }
Flow execute_adc(Cpu& cpu, const Insn& insn) { return binary<Op::adc>(cpu, insn); }
Flow execute_sbb(Cpu& cpu, const Insn& insn) { return binary<Op::sbb>(cpu, insn); }
Flow execute_and(Cpu& cpu, const Insn& insn) { return binary<Op::and_>(cpu, insn); }
Flow execute_sub(Cpu& cpu, const Insn& insn) { return binary<Op::sub>(cpu, insn); }
Flow execute_xor(Cpu& cpu, const Insn& insn) { return binary<Op::xor_>(cpu, insn); }
Flow execute_cmp(Cpu& cpu, const Insn& insn) { return binary<Op::cmp>(cpu, insn); }
Flow execute_test(Cpu& cpu, const Insn& insn) { return binary<Op::test>(cpu, insn); }
Flow execute_inc(Cpu& cpu, const Insn& insn) { return unary<Op::inc>(cpu, insn); }
Flow execute_dec(Cpu& cpu, const Insn& insn) { return unary<Op::dec>(cpu, insn); }
Flow execute_neg(Cpu& cpu, const Insn& insn) { return unary<Op::neg>(cpu, insn); }

Flow execute_not(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() { return modify_rm<T>(cpu, insn, [](T a) { return static_cast<T>(~a); }); });
}

}  // namespace ringshift
