// MOV and its relatives, exchanges, conversions, conditional moves, BOUND.
#include <type_traits>

#include "runtime/semantics/arithmetic_host.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/operands.h"

namespace ringshift {
namespace {

using isa::Form;
using isa::Insn;
using isa::Op;

template <class T>
Flow mov(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  switch (insn.form) {
    case Form::rm_reg:
      return write_rm<T>(cpu, insn, get_reg<T>(s, insn.reg)) ? Flow::next : Flow::fault;
    case Form::rm_imm:
      return write_rm<T>(cpu, insn, static_cast<T>(insn.imm)) ? Flow::next : Flow::fault;
    case Form::opreg_imm:
      set_reg<T>(s, insn.reg, static_cast<T>(insn.imm));
      return Flow::next;
    case Form::moffs_acc:
      return write_rm<T>(cpu, insn, get_reg<T>(s, kEax)) ? Flow::next : Flow::fault;
    default: {  // reg_rm, acc_moffs
      const auto value = read_rm<T>(cpu, insn);
      if (!value) return Flow::fault;
      set_reg<T>(s, insn.form == Form::acc_moffs ? unsigned{kEax} : insn.reg, *value);
      return Flow::next;
    }
  }
}

// Source is the unsigned or signed type of the source's width.
template <class Source>
Flow extend(Cpu& cpu, const Insn& insn) {
  const auto source = read_rm<std::make_unsigned_t<Source>>(cpu, insn);
  if (!source) return Flow::fault;
  const auto value = static_cast<std::uint32_t>(static_cast<std::int32_t>(static_cast<Source>(*source)));
  if (insn.width == 2) {
    set_reg<std::uint16_t>(cpu.state, insn.reg, static_cast<std::uint16_t>(value));
  } else {
    cpu.state.gpr[insn.reg] = value;
  }
  return Flow::next;
}

}  // namespace

Flow execute_mov(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() { return mov<T>(cpu, insn); });
}

Flow execute_movzx(Cpu& cpu, const Insn& insn) {
  return insn.source_width == 1 ? extend<std::uint8_t>(cpu, insn) : extend<std::uint16_t>(cpu, insn);
}

Flow execute_movsx(Cpu& cpu, const Insn& insn) {
  return insn.source_width == 1 ? extend<std::int8_t>(cpu, insn) : extend<std::int16_t>(cpu, insn);
}

Flow execute_lea(Cpu& cpu, const Insn& insn) {
  const std::uint32_t offset = cpu.effective_address(insn);
  if (insn.width == 2) {
    set_reg<std::uint16_t>(cpu.state, insn.reg, static_cast<std::uint16_t>(offset));
  } else {
    cpu.state.gpr[insn.reg] = offset;
  }
  return Flow::next;
}

Flow execute_xchg(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() {
    CpuState& s = cpu.state;
    if (insn.form == Form::acc_opreg) {
      const T old = get_reg<T>(s, kEax);
      set_reg<T>(s, kEax, get_reg<T>(s, insn.reg));
      set_reg<T>(s, insn.reg, old);
      return Flow::next;
    }
    const T source = get_reg<T>(s, insn.reg);
    if (!insn.memory) {
      const T old = get_reg<T>(s, insn.rm);
      set_reg<T>(s, insn.rm, source);
      set_reg<T>(s, insn.reg, old);
      return Flow::next;
    }
    const std::uint32_t offset = cpu.effective_address(insn);
    const auto old = cpu.read_for_write<T>(insn.segment, offset);
    if (!old || !cpu.write<T>(insn.segment, offset, source)) return Flow::fault;
    set_reg<T>(s, insn.reg, *old);
    return Flow::next;
  });
}

// The destination is written in either case, so that a read-only page faults even if the values differ.
Flow execute_cmpxchg(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() {
    return modify_rm<T>(cpu, insn, [&](T old) {
      CpuState& s = cpu.state;
      std::uint32_t flags = 0;
      host::binary<Op::cmp, T>(get_reg<T>(s, kEax), old, flags);
      set_flags(s, eflags::kStatus, flags);
      if ((flags & eflags::kZf) != 0) return get_reg<T>(s, insn.reg);
      // With AL or EAX itself as destination the order of these two does not show: both hold `old`.
      set_reg<T>(s, kEax, old);
      return old;
    });
  });
}

Flow execute_cmpxchg8b(Cpu& cpu, const Insn& insn) {
  if (cpu.model < CpuModel::pentium) return cpu.raise(vector::kUd);
  CpuState& s = cpu.state;
  const std::uint32_t offset = cpu.effective_address(insn);
  const auto old = cpu.read_for_write<std::uint64_t>(insn.segment, offset);
  if (!old) return Flow::fault;
  const std::uint64_t expected = (std::uint64_t{s.gpr[kEdx]} << 32) | s.gpr[kEax];
  const bool equal = *old == expected;
  const std::uint64_t value = equal ? (std::uint64_t{s.gpr[kEcx]} << 32) | s.gpr[kEbx] : *old;
  if (!cpu.write<std::uint64_t>(insn.segment, offset, value)) return Flow::fault;
  if (!equal) {
    s.gpr[kEax] = static_cast<std::uint32_t>(*old);
    s.gpr[kEdx] = static_cast<std::uint32_t>(*old >> 32);
  }
  set_flags(s, eflags::kZf, equal ? eflags::kZf : 0);
  return Flow::next;
}

Flow execute_xadd(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() {
    CpuState& s = cpu.state;
    const T addend = get_reg<T>(s, insn.reg);
    std::uint32_t flags = 0;
    if (!insn.memory) {
      const T old = get_reg<T>(s, insn.rm);
      set_reg<T>(s, insn.reg, old);
      set_reg<T>(s, insn.rm, host::binary<Op::add, T>(old, addend, flags));
    } else {
      const std::uint32_t offset = cpu.effective_address(insn);
      const auto old = cpu.read_for_write<T>(insn.segment, offset);
      if (!old || !cpu.write<T>(insn.segment, offset, host::binary<Op::add, T>(*old, addend, flags))) {
        return Flow::fault;
      }
      set_reg<T>(s, insn.reg, *old);
    }
    set_flags(s, eflags::kStatus, flags);
    return Flow::next;
  });
}

Flow execute_xlat(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  std::uint32_t offset = s.gpr[kEbx] + get_reg<std::uint8_t>(s, kEax);
  if (insn.address_size == 2) offset &= 0xFFFFU;
  const auto value = cpu.read<std::uint8_t>(insn.segment, offset);
  if (!value) return Flow::fault;
  set_reg<std::uint8_t>(s, kEax, *value);
  return Flow::next;
}

// The source is read even if the condition is false (SDM vol. 2, CMOVcc), and may fault.
Flow execute_cmov(Cpu& cpu, const Insn& insn) {
  if (cpu.model < CpuModel::pentium3) return cpu.raise(vector::kUd);
  return by_word_width(insn, [&]<class T>() {
    const auto value = read_rm<T>(cpu, insn);
    if (!value) return Flow::fault;
    if (condition_holds(insn.condition, cpu.state.native_flags)) set_reg<T>(cpu.state, insn.reg, *value);
    return Flow::next;
  });
}

Flow execute_setcc(Cpu& cpu, const Insn& insn) {
  const std::uint8_t value = condition_holds(insn.condition, cpu.state.native_flags) ? 1 : 0;
  return write_rm<std::uint8_t>(cpu, insn, value) ? Flow::next : Flow::fault;
}

Flow execute_cbw(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  if (insn.width == 2) {
    set_reg<std::uint16_t>(s, kEax, static_cast<std::uint16_t>(static_cast<std::int8_t>(s.gpr[kEax])));
  } else {
    s.gpr[kEax] = static_cast<std::uint32_t>(std::int32_t{static_cast<std::int16_t>(s.gpr[kEax])});
  }
  return Flow::next;
}

Flow execute_cwd(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  const unsigned sign_bit = insn.width == 2 ? 15 : 31;
  const std::uint32_t fill = ((s.gpr[kEax] >> sign_bit) & 1U) != 0 ? 0xFFFFFFFFU : 0;
  if (insn.width == 2) {
    set_reg<std::uint16_t>(s, kEdx, static_cast<std::uint16_t>(fill));
  } else {
    s.gpr[kEdx] = fill;
  }
  return Flow::next;
}

// The bounds lie in memory, lower first; both are signed and inclusive.
Flow execute_bound(Cpu& cpu, const Insn& insn) {
  const std::uint32_t offset = cpu.effective_address(insn);
  const auto check = [&]<class T>() {
    const auto lower = cpu.read<std::make_unsigned_t<T>>(insn.segment, offset);
    if (!lower) return Flow::fault;
    const std::uint32_t second = offset + std::uint32_t{sizeof(T)};
    const auto upper =
        cpu.read<std::make_unsigned_t<T>>(insn.segment, insn.address_size == 2 ? second & 0xFFFFU : second);
    if (!upper) return Flow::fault;
    const auto index = static_cast<T>(cpu.state.gpr[insn.reg]);
    const bool inside = index >= static_cast<T>(*lower) && index <= static_cast<T>(*upper);
    return inside ? Flow::next : cpu.raise(vector::kBr);
  };
  return insn.width == 2 ? check.operator()<std::int16_t>() : check.operator()<std::int32_t>();
}

// AL becomes 0 or FF by CF; undocumented, in every processor.
Flow execute_salc(Cpu& cpu, const Insn&) {
  set_reg<std::uint8_t>(cpu.state, kEax, (cpu.state.native_flags & eflags::kCf) != 0 ? 0xFF : 0);
  return Flow::next;
}

}  // namespace ringshift
