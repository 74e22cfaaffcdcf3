// Which operation and operand form an opcode byte stands for (SDM vol. 2, appendix A).
//
// Zydis finds lengths, prefixes and field offsets; what the instruction is comes from these tables, so
// that operations have our names and undocumented aliases are visible.
#pragma once

#include <array>
#include <cstdint>

#include "translator/isa/insn.h"

namespace ringshift::decode {

enum class Width : std::uint8_t {
  byte,
  word,
  dword,
  operand,         // by operand size: 2 or 4
  word_in_memory,  // 2 in memory, the operand size in a register (sldt, str, smsw, mov from segment)
};

enum class Immediate : std::uint8_t {
  sign_extended,
  zero_extended,
};

// Opcodes whose ModRM.reg (or more) selects the operation.
enum class Group : std::uint8_t {
  none,
  immediate,    // 80 to 83
  shift,        // C0, C1, D0 to D3
  unary,        // F6, F7
  inc_dec,      // FE
  indirect,     // FF
  pop,          // 8F
  move,         // C6, C7
  descriptor,   // 0F 00
  table,        // 0F 01
  bit_test,     // 0F BA
  exchange_8b,  // 0F C7
  fp_area,      // 0F AE
  prefetch,     // 0F 0D, 0F 18
};

struct Rule {
  isa::Op op = isa::Op::invalid;
  isa::Form form = isa::Form::none;
  Width width = Width::operand;
  Immediate immediate = Immediate::sign_extended;
  Group group = Group::none;
};

using RuleTable = std::array<Rule, 256>;

namespace detail {

using isa::Form;
using isa::Op;

constexpr Rule grouped(Group group, Form form, Width width, Immediate immediate = Immediate::sign_extended) {
  return Rule{Op::invalid, form, width, immediate, group};
}

// The 8 operations of the ModRM.reg field of 80 to 83, which are also opcode bits 5 to 3 of 00 to 3F.
inline constexpr std::array<Op, 8> kAluOps{Op::add, Op::or_, Op::adc, Op::sbb, Op::and_, Op::sub, Op::xor_, Op::cmp};
// /6 is an undocumented alias of /4 in all x86 processors.
inline constexpr std::array<Op, 8> kShiftOps{Op::rol, Op::ror, Op::rcl, Op::rcr, Op::shl, Op::shr, Op::shl, Op::sar};

constexpr RuleTable one_byte_table() {
  RuleTable t{};
  for (unsigned i = 0; i < 8; ++i) {
    const Op op = kAluOps[i];
    t[i * 8 + 0] = {op, Form::rm_reg, Width::byte};
    t[i * 8 + 1] = {op, Form::rm_reg};
    t[i * 8 + 2] = {op, Form::reg_rm, Width::byte};
    t[i * 8 + 3] = {op, Form::reg_rm};
    t[i * 8 + 4] = {op, Form::acc_imm, Width::byte};
    t[i * 8 + 5] = {op, Form::acc_imm};
  }
  for (const unsigned i : {0x06U, 0x0EU, 0x16U, 0x1EU}) t[i] = {Op::push_seg, Form::sreg};
  for (const unsigned i : {0x07U, 0x17U, 0x1FU}) t[i] = {Op::pop_seg, Form::sreg};
  t[0x27] = {Op::daa, Form::none, Width::byte};
  t[0x2F] = {Op::das, Form::none, Width::byte};
  t[0x37] = {Op::aaa, Form::none, Width::word};
  t[0x3F] = {Op::aas, Form::none, Width::word};
  for (unsigned i = 0; i < 8; ++i) {
    t[0x40 + i] = {Op::inc, Form::opreg};
    t[0x48 + i] = {Op::dec, Form::opreg};
    t[0x50 + i] = {Op::push, Form::opreg};
    t[0x58 + i] = {Op::pop, Form::opreg};
    t[0x90 + i] = {Op::xchg, Form::acc_opreg};
    t[0xB0 + i] = {Op::mov, Form::opreg_imm, Width::byte};
    t[0xB8 + i] = {Op::mov, Form::opreg_imm};
    t[0xD8 + i] = {Op::host_fp, Form::host};
  }
  t[0x60] = {Op::pusha};
  t[0x61] = {Op::popa};
  t[0x62] = {Op::bound, Form::reg_rm};
  t[0x63] = {Op::arpl, Form::rm_reg, Width::word};
  t[0x68] = {Op::push, Form::imm};
  t[0x69] = {Op::imul_reg, Form::reg_rm_imm};
  t[0x6A] = {Op::push, Form::imm};
  t[0x6B] = {Op::imul_reg, Form::reg_rm_imm};
  t[0x6C] = {Op::ins, Form::none, Width::byte};
  t[0x6D] = {Op::ins};
  t[0x6E] = {Op::outs, Form::none, Width::byte};
  t[0x6F] = {Op::outs};
  for (unsigned i = 0x70; i < 0x80; ++i) t[i] = {Op::jcc, Form::relative};
  t[0x80] = grouped(Group::immediate, Form::rm_imm, Width::byte);
  t[0x81] = grouped(Group::immediate, Form::rm_imm, Width::operand);
  t[0x82] = grouped(Group::immediate, Form::rm_imm, Width::byte);
  t[0x83] = grouped(Group::immediate, Form::rm_imm, Width::operand);
  t[0x84] = {Op::test, Form::rm_reg, Width::byte};
  t[0x85] = {Op::test, Form::rm_reg};
  t[0x86] = {Op::xchg, Form::rm_reg, Width::byte};
  t[0x87] = {Op::xchg, Form::rm_reg};
  t[0x88] = {Op::mov, Form::rm_reg, Width::byte};
  t[0x89] = {Op::mov, Form::rm_reg};
  t[0x8A] = {Op::mov, Form::reg_rm, Width::byte};
  t[0x8B] = {Op::mov, Form::reg_rm};
  t[0x8C] = {Op::mov_from_seg, Form::rm_sreg, Width::word_in_memory};
  t[0x8D] = {Op::lea, Form::reg_rm};
  t[0x8E] = {Op::mov_to_seg, Form::sreg_rm, Width::word};
  t[0x8F] = grouped(Group::pop, Form::rm, Width::operand);
  t[0x90] = {Op::nop};
  t[0x98] = {Op::cbw};
  t[0x99] = {Op::cwd};
  t[0x9A] = {Op::call_far, Form::far_imm, Width::operand, Immediate::zero_extended};
  t[0x9B] = {Op::fwait};
  t[0x9C] = {Op::pushf};
  t[0x9D] = {Op::popf};
  t[0x9E] = {Op::sahf, Form::none, Width::byte};
  t[0x9F] = {Op::lahf, Form::none, Width::byte};
  t[0xA0] = {Op::mov, Form::acc_moffs, Width::byte};
  t[0xA1] = {Op::mov, Form::acc_moffs};
  t[0xA2] = {Op::mov, Form::moffs_acc, Width::byte};
  t[0xA3] = {Op::mov, Form::moffs_acc};
  t[0xA4] = {Op::movs, Form::none, Width::byte};
  t[0xA5] = {Op::movs};
  t[0xA6] = {Op::cmps, Form::none, Width::byte};
  t[0xA7] = {Op::cmps};
  t[0xA8] = {Op::test, Form::acc_imm, Width::byte};
  t[0xA9] = {Op::test, Form::acc_imm};
  t[0xAA] = {Op::stos, Form::none, Width::byte};
  t[0xAB] = {Op::stos};
  t[0xAC] = {Op::lods, Form::none, Width::byte};
  t[0xAD] = {Op::lods};
  t[0xAE] = {Op::scas, Form::none, Width::byte};
  t[0xAF] = {Op::scas};
  t[0xC0] = grouped(Group::shift, Form::rm_imm, Width::byte, Immediate::zero_extended);
  t[0xC1] = grouped(Group::shift, Form::rm_imm, Width::operand, Immediate::zero_extended);
  t[0xC2] = {Op::ret, Form::imm, Width::operand, Immediate::zero_extended};
  t[0xC3] = {Op::ret};
  t[0xC4] = {Op::les, Form::reg_rm};
  t[0xC5] = {Op::lds, Form::reg_rm};
  t[0xC6] = grouped(Group::move, Form::rm_imm, Width::byte);
  t[0xC7] = grouped(Group::move, Form::rm_imm, Width::operand);
  t[0xC8] = {Op::enter, Form::imm_imm, Width::operand, Immediate::zero_extended};
  t[0xC9] = {Op::leave};
  t[0xCA] = {Op::ret_far, Form::imm, Width::operand, Immediate::zero_extended};
  t[0xCB] = {Op::ret_far};
  t[0xCC] = {Op::int3};
  t[0xCD] = {Op::int_n, Form::imm, Width::operand, Immediate::zero_extended};
  t[0xCE] = {Op::into};
  t[0xCF] = {Op::iret};
  t[0xD0] = grouped(Group::shift, Form::rm_one, Width::byte);
  t[0xD1] = grouped(Group::shift, Form::rm_one, Width::operand);
  t[0xD2] = grouped(Group::shift, Form::rm_cl, Width::byte);
  t[0xD3] = grouped(Group::shift, Form::rm_cl, Width::operand);
  t[0xD4] = {Op::aam, Form::imm, Width::byte, Immediate::zero_extended};
  t[0xD5] = {Op::aad, Form::imm, Width::byte, Immediate::zero_extended};
  t[0xD6] = {Op::salc, Form::none, Width::byte};
  t[0xD7] = {Op::xlat, Form::none, Width::byte};
  t[0xE0] = {Op::loopne, Form::relative};
  t[0xE1] = {Op::loope, Form::relative};
  t[0xE2] = {Op::loop, Form::relative};
  t[0xE3] = {Op::jcxz, Form::relative};
  t[0xE4] = {Op::in, Form::acc_port, Width::byte, Immediate::zero_extended};
  t[0xE5] = {Op::in, Form::acc_port, Width::operand, Immediate::zero_extended};
  t[0xE6] = {Op::out, Form::port_acc, Width::byte, Immediate::zero_extended};
  t[0xE7] = {Op::out, Form::port_acc, Width::operand, Immediate::zero_extended};
  t[0xE8] = {Op::call, Form::relative};
  t[0xE9] = {Op::jmp, Form::relative};
  t[0xEA] = {Op::jmp_far, Form::far_imm, Width::operand, Immediate::zero_extended};
  t[0xEB] = {Op::jmp, Form::relative};
  t[0xEC] = {Op::in, Form::acc_dx, Width::byte};
  t[0xED] = {Op::in, Form::acc_dx};
  t[0xEE] = {Op::out, Form::dx_acc, Width::byte};
  t[0xEF] = {Op::out, Form::dx_acc};
  t[0xF1] = {Op::int1};
  t[0xF4] = {Op::hlt};
  t[0xF5] = {Op::cmc};
  t[0xF6] = grouped(Group::unary, Form::rm, Width::byte);
  t[0xF7] = grouped(Group::unary, Form::rm, Width::operand);
  t[0xF8] = {Op::clc};
  t[0xF9] = {Op::stc};
  t[0xFA] = {Op::cli};
  t[0xFB] = {Op::sti};
  t[0xFC] = {Op::cld};
  t[0xFD] = {Op::std_};
  t[0xFE] = grouped(Group::inc_dec, Form::rm, Width::byte);
  t[0xFF] = grouped(Group::indirect, Form::rm, Width::operand);
  return t;
}

constexpr RuleTable two_byte_table() {
  RuleTable t{};
  // The MMX and SSE opcodes; which of them our CPU model has is checked by Zydis's ISA set.
  constexpr Rule kHostFp{Op::host_fp, Form::host};
  for (unsigned i = 0x10; i <= 0x17; ++i) t[i] = kHostFp;
  for (unsigned i = 0x28; i <= 0x2F; ++i) t[i] = kHostFp;
  for (unsigned i = 0x50; i <= 0x7F; ++i) t[i] = kHostFp;
  for (unsigned i = 0xD0; i <= 0xFE; ++i) t[i] = kHostFp;
  t[0x78] = {};
  t[0x79] = {};
  t[0xF7] = {Op::masked_store, Form::host};
  t[0xC2] = kHostFp;
  t[0xC3] = {Op::host_int, Form::host};  // movnti
  t[0xC4] = kHostFp;
  t[0xC5] = kHostFp;
  t[0xC6] = kHostFp;
  t[0xB8] = {Op::host_int, Form::host};  // popcnt

  t[0x00] = grouped(Group::descriptor, Form::rm, Width::word);
  t[0x01] = grouped(Group::table, Form::rm, Width::operand);
  t[0x02] = {Op::lar, Form::reg_rm};
  t[0x03] = {Op::lsl, Form::reg_rm};
  t[0x06] = {Op::clts};
  t[0x08] = {Op::invd};
  t[0x09] = {Op::wbinvd};
  t[0x0B] = {Op::ud};
  t[0x0D] = grouped(Group::prefetch, Form::rm, Width::byte);
  t[0x18] = grouped(Group::prefetch, Form::rm, Width::byte);
  for (unsigned i = 0x19; i <= 0x1F; ++i) t[i] = {Op::nop, Form::rm};
  t[0x20] = {Op::mov_from_cr, Form::reg_cr, Width::dword};
  t[0x21] = {Op::mov_from_dr, Form::reg_dr, Width::dword};
  t[0x22] = {Op::mov_to_cr, Form::cr_reg, Width::dword};
  t[0x23] = {Op::mov_to_dr, Form::dr_reg, Width::dword};
  t[0x30] = {Op::wrmsr};
  t[0x31] = {Op::rdtsc};
  t[0x32] = {Op::rdmsr};
  t[0x33] = {Op::rdpmc};
  t[0x34] = {Op::sysenter};
  t[0x35] = {Op::sysexit};
  for (unsigned i = 0; i < 16; ++i) {
    t[0x40 + i] = {Op::cmov, Form::reg_rm};
    t[0x80 + i] = {Op::jcc, Form::relative};
    t[0x90 + i] = {Op::setcc, Form::rm, Width::byte};
  }
  t[0xA0] = {Op::push_seg, Form::sreg};
  t[0xA1] = {Op::pop_seg, Form::sreg};
  t[0xA2] = {Op::cpuid};
  t[0xA3] = {Op::bt, Form::rm_reg};
  t[0xA4] = {Op::shld, Form::rm_reg_imm, Width::operand, Immediate::zero_extended};
  t[0xA5] = {Op::shld, Form::rm_reg_cl};
  t[0xA8] = {Op::push_seg, Form::sreg};
  t[0xA9] = {Op::pop_seg, Form::sreg};
  t[0xAB] = {Op::bts, Form::rm_reg};
  t[0xAC] = {Op::shrd, Form::rm_reg_imm, Width::operand, Immediate::zero_extended};
  t[0xAD] = {Op::shrd, Form::rm_reg_cl};
  t[0xAE] = grouped(Group::fp_area, Form::rm, Width::operand);
  t[0xAF] = {Op::imul_reg, Form::reg_rm};
  t[0xB0] = {Op::cmpxchg, Form::rm_reg, Width::byte};
  t[0xB1] = {Op::cmpxchg, Form::rm_reg};
  t[0xB2] = {Op::lss, Form::reg_rm};
  t[0xB3] = {Op::btr, Form::rm_reg};
  t[0xB4] = {Op::lfs, Form::reg_rm};
  t[0xB5] = {Op::lgs, Form::reg_rm};
  t[0xB6] = {Op::movzx, Form::reg_rm};
  t[0xB7] = {Op::movzx, Form::reg_rm};
  t[0xB9] = {Op::ud};
  t[0xBA] = grouped(Group::bit_test, Form::rm_imm, Width::operand, Immediate::zero_extended);
  t[0xBB] = {Op::btc, Form::rm_reg};
  // Our model has neither TZCNT nor LZCNT, so F3 0F BC and BD are BSF and BSR with an ignored prefix.
  t[0xBC] = {Op::bsf, Form::reg_rm};
  t[0xBD] = {Op::bsr, Form::reg_rm};
  t[0xBE] = {Op::movsx, Form::reg_rm};
  t[0xBF] = {Op::movsx, Form::reg_rm};
  t[0xC0] = {Op::xadd, Form::rm_reg, Width::byte};
  t[0xC1] = {Op::xadd, Form::rm_reg};
  t[0xC7] = grouped(Group::exchange_8b, Form::rm, Width::dword);
  for (unsigned i = 0xC8; i <= 0xCF; ++i) t[i] = {Op::bswap, Form::opreg};
  t[0xFF] = {Op::ud};
  return t;
}

}  // namespace detail

inline constexpr RuleTable kOneByteRules = detail::one_byte_table();
inline constexpr RuleTable kTwoByteRules = detail::two_byte_table();

// Completes the rule of a grouped opcode from ModRM and prefixes.
[[nodiscard]] constexpr Rule resolve_group(Rule rule, unsigned reg, bool memory, std::uint8_t prefixes) {
  using isa::Form;
  using isa::Op;
  constexpr std::uint8_t kMandatory = isa::prefix::kRep | isa::prefix::kRepne | isa::prefix::kOperandSize;
  switch (rule.group) {
    case Group::none:
      break;
    case Group::immediate:
      rule.op = detail::kAluOps[reg];
      break;
    case Group::shift:
      rule.op = detail::kShiftOps[reg];
      break;
    case Group::unary: {
      constexpr std::array<Op, 8> kOps{Op::test, Op::test, Op::not_, Op::neg, Op::mul, Op::imul, Op::div, Op::idiv};
      rule.op = kOps[reg];
      if (reg < 2) rule.form = Form::rm_imm;
      break;
    }
    case Group::inc_dec:
      if (reg < 2) rule.op = reg == 0 ? Op::inc : Op::dec;
      break;
    case Group::indirect: {
      constexpr std::array<Op, 8> kOps{
          Op::inc,  Op::dec,    Op::call_indirect, Op::call_far_indirect, Op::jmp_indirect, Op::jmp_far_indirect,
          Op::push, Op::invalid};
      rule.op = kOps[reg];
      if ((reg == 3 || reg == 5) && !memory) rule.op = Op::invalid;
      break;
    }
    case Group::pop:
      if (reg == 0) rule.op = Op::pop;
      break;
    case Group::move:
      if (reg == 0) rule.op = Op::mov;
      break;
    case Group::descriptor: {
      constexpr std::array<Op, 8> kOps{Op::sldt, Op::str,  Op::lldt,    Op::ltr,
                                       Op::verr, Op::verw, Op::invalid, Op::invalid};
      rule.op = kOps[reg];
      if (reg < 2) rule.width = Width::word_in_memory;
      break;
    }
    case Group::table: {
      constexpr std::array<Op, 8> kOps{Op::sgdt, Op::sidt,    Op::lgdt, Op::lidt,
                                       Op::smsw, Op::invalid, Op::lmsw, Op::invlpg};
      rule.op = kOps[reg];
      if (reg == 4) rule.width = Width::word_in_memory;
      if (reg == 6) rule.width = Width::word;
      if (!memory && reg != 4 && reg != 6) rule.op = Op::invalid;  // VMX, MONITOR, XGETBV, RDTSCP, ...
      break;
    }
    case Group::bit_test: {
      constexpr std::array<Op, 4> kOps{Op::bt, Op::bts, Op::btr, Op::btc};
      if (reg >= 4) rule.op = kOps[reg - 4];
      break;
    }
    case Group::exchange_8b:
      if (reg == 1 && memory) rule.op = Op::cmpxchg8b;
      break;
    case Group::fp_area:
      if ((prefixes & kMandatory) != 0) break;  // rdfsbase, clwb, clflushopt, umonitor: not in our model
      if (!memory) {
        if (reg >= 5) rule.op = Op::fence;
      } else if (reg == 0 || reg == 1) {
        rule.op = reg == 0 ? Op::fxsave : Op::fxrstor;
      } else if (reg == 2 || reg == 3) {
        rule.op = Op::host_fp;  // ldmxcsr, stmxcsr
        rule.form = Form::host;
      } else if (reg == 7) {
        rule.op = Op::prefetch;  // clflush
        rule.width = Width::byte;
      }
      break;
    case Group::prefetch:
      rule.op = memory ? Op::prefetch : Op::nop;
      break;
  }
  return rule;
}

}  // namespace ringshift::decode
