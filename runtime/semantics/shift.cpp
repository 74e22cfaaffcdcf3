// ROL, ROR, RCL, RCR, SHL, SHR, SAR, SHLD, SHRD.
#include "runtime/semantics/arithmetic_host.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/operands.h"

namespace ringshift {
namespace {

using isa::Form;
using isa::Insn;
using isa::Op;

std::uint8_t shift_count(const CpuState& state, const Insn& insn) {
  switch (insn.form) {
    case Form::rm_one:
      return 1;
    case Form::rm_cl:
    case Form::rm_reg_cl:
      return get_reg<std::uint8_t>(state, kEcx);
    default:
      return static_cast<std::uint8_t>(insn.imm);
  }
}

template <Op kOp>
Flow shift(Cpu& cpu, const Insn& insn) {
  const std::uint8_t count = shift_count(cpu.state, insn);
  return by_width(insn, [&]<class T>() {
    return modify_rm<T>(cpu, insn, [&](T a) {
      std::uint32_t flags = cpu.state.native_flags;
      const T result = host::shift<kOp, T>(a, count, flags);
      set_flags(cpu.state, eflags::kStatus, flags);
      return result;
    });
  });
}

template <Op kOp>
Flow double_shift(Cpu& cpu, const Insn& insn) {
  const std::uint8_t count = shift_count(cpu.state, insn);
  return by_word_width(insn, [&]<class T>() {
    return modify_rm<T>(cpu, insn, [&](T a) {
      std::uint32_t flags = cpu.state.native_flags;
      const T result = host::double_shift<kOp, T>(a, get_reg<T>(cpu.state, insn.reg), count, flags);
      set_flags(cpu.state, eflags::kStatus, flags);
      return result;
    });
  });
}

}  // namespace

Flow execute_rol(Cpu& cpu, const Insn& insn) { return shift<Op::rol>(cpu, insn); }
Flow execute_ror(Cpu& cpu, const Insn& insn) { return shift<Op::ror>(cpu, insn); }
Flow execute_rcl(Cpu& cpu, const Insn& insn) { return shift<Op::rcl>(cpu, insn); }
Flow execute_rcr(Cpu& cpu, const Insn& insn) { return shift<Op::rcr>(cpu, insn); }
Flow execute_shl(Cpu& cpu, const Insn& insn) { return shift<Op::shl>(cpu, insn); }
Flow execute_shr(Cpu& cpu, const Insn& insn) { return shift<Op::shr>(cpu, insn); }
Flow execute_sar(Cpu& cpu, const Insn& insn) { return shift<Op::sar>(cpu, insn); }
Flow execute_shld(Cpu& cpu, const Insn& insn) { return double_shift<Op::shld>(cpu, insn); }
Flow execute_shrd(Cpu& cpu, const Insn& insn) { return double_shift<Op::shrd>(cpu, insn); }

}  // namespace ringshift
