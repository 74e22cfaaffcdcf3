// BT, BTS, BTR, BTC, BSF, BSR, BSWAP.
#include <type_traits>

#include "runtime/semantics/arithmetic_host.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/operands.h"

namespace ringshift {
namespace {

using isa::Form;
using isa::Insn;
using isa::Op;

// With a bit offset in a register, the memory operand is a bit string that reaches 2^31 bits to either side: the
// word that holds the bit (SDM vol. 2, 3.1.1.9).
template <class T>
std::uint32_t bit_string_offset(const Cpu& cpu, const Insn& insn) {
  std::uint32_t offset = cpu.effective_address(insn);
  if (insn.form == Form::rm_reg) {
    const auto bit = static_cast<std::int32_t>(static_cast<std::make_signed_t<T>>(get_reg<T>(cpu.state, insn.reg)));
    constexpr int kShift = sizeof(T) == 2 ? 4 : 5;
    offset += static_cast<std::uint32_t>((bit >> kShift) * static_cast<std::int32_t>(sizeof(T)));
  }
  return insn.address_size == 2 ? offset & 0xFFFFU : offset;
}

template <Op kOp>
Flow bit_test(Cpu& cpu, const Insn& insn) {
  return by_word_width(insn, [&]<class T>() {
    const T bit = insn.form == Form::rm_reg ? get_reg<T>(cpu.state, insn.reg) : static_cast<T>(insn.imm);
    const auto compute = [&](T a) {
      std::uint32_t flags = cpu.state.native_flags;
      const T result = host::bit_test<kOp, T>(a, bit, flags);
      set_flags(cpu.state, eflags::kStatus, flags);
      return result;
    };
    if (!insn.memory) {
      const T result = compute(get_reg<T>(cpu.state, insn.rm));
      if constexpr (kOp != Op::bt) set_reg<T>(cpu.state, insn.rm, result);
      return Flow::next;
    }
    const std::uint32_t offset = bit_string_offset<T>(cpu, insn);
    if constexpr (kOp == Op::bt) {
      const auto a = cpu.read<T>(insn.segment, offset);
      if (!a) return Flow::fault;
      compute(*a);
      return Flow::next;
    } else {
      const auto a = cpu.read_for_write<T>(insn.segment, offset);
      if (!a) return Flow::fault;
      return cpu.write<T>(insn.segment, offset, compute(*a)) ? Flow::next : Flow::fault;
    }
  });
}

template <Op kOp>
Flow bit_scan(Cpu& cpu, const Insn& insn) {
  return by_word_width(insn, [&]<class T>() {
    const auto source = read_rm<T>(cpu, insn);
    if (!source) return Flow::fault;
    std::uint32_t flags = cpu.state.native_flags;
    set_reg<T>(cpu.state, insn.reg, host::bit_scan<kOp, T>(get_reg<T>(cpu.state, insn.reg), *source, flags));
    set_flags(cpu.state, eflags::kStatus, flags);
    return Flow::next;
  });
}

}  // namespace

Flow execute_bt(Cpu& cpu, const Insn& insn) { return bit_test<Op::bt>(cpu, insn); }
Flow execute_bts(Cpu& cpu, const Insn& insn) { return bit_test<Op::bts>(cpu, insn); }
Flow execute_btr(Cpu& cpu, const Insn& insn) { return bit_test<Op::btr>(cpu, insn); }
Flow execute_btc(Cpu& cpu, const Insn& insn) { return bit_test<Op::btc>(cpu, insn); }
Flow execute_bsf(Cpu& cpu, const Insn& insn) { return bit_scan<Op::bsf>(cpu, insn); }
Flow execute_bsr(Cpu& cpu, const Insn& insn) { return bit_scan<Op::bsr>(cpu, insn); }

Flow execute_bswap(Cpu& cpu, const Insn& insn) {
  std::uint32_t& r = cpu.state.gpr[insn.reg];
  r = insn.width == 2 ? host::swap_word(r) : __builtin_bswap32(r);
  return Flow::next;
}

}  // namespace ringshift
