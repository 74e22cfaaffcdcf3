// From operations to their handlers.
#include <algorithm>
#include <array>
#include <utility>

#include "runtime/semantics/handlers.h"

namespace ringshift {
namespace {

using isa::Op;

struct Pair {
  Op op;
  Handler handler;
};

constexpr Pair kPairs[] = {
    {Op::invalid, execute_invalid},
    {Op::add, execute_add},
    {Op::or_, execute_or},
    {Op::adc, execute_adc},
    {Op::sbb, execute_sbb},
    {Op::and_, execute_and},
    {Op::sub, execute_sub},
    {Op::xor_, execute_xor},
    {Op::cmp, execute_cmp},
    {Op::test, execute_test},
    {Op::inc, execute_inc},
    {Op::dec, execute_dec},
    {Op::not_, execute_not},
    {Op::neg, execute_neg},
    {Op::mul, execute_mul},
    {Op::imul, execute_imul},
    {Op::imul_reg, execute_imul_reg},
    {Op::div, execute_div},
    {Op::idiv, execute_idiv},
    {Op::rol, execute_rol},
    {Op::ror, execute_ror},
    {Op::rcl, execute_rcl},
    {Op::rcr, execute_rcr},
    {Op::shl, execute_shl},
    {Op::shr, execute_shr},
    {Op::sar, execute_sar},
    {Op::shld, execute_shld},
    {Op::shrd, execute_shrd},
    {Op::bt, execute_bt},
    {Op::bts, execute_bts},
    {Op::btr, execute_btr},
    {Op::btc, execute_btc},
    {Op::bsf, execute_bsf},
    {Op::bsr, execute_bsr},
    {Op::aaa, execute_aaa},
    {Op::aas, execute_aas},
    {Op::aam, execute_aam},
    {Op::aad, execute_aad},
    {Op::daa, execute_daa},
    {Op::das, execute_das},
    {Op::mov, execute_mov},
    {Op::movzx, execute_movzx},
    {Op::movsx, execute_movsx},
    {Op::lea, execute_lea},
    {Op::xchg, execute_xchg},
    {Op::cmpxchg, execute_cmpxchg},
    {Op::cmpxchg8b, execute_cmpxchg8b},
    {Op::xadd, execute_xadd},
    {Op::bswap, execute_bswap},
    {Op::xlat, execute_xlat},
    {Op::cmov, execute_cmov},
    {Op::setcc, execute_setcc},
    {Op::cbw, execute_cbw},
    {Op::cwd, execute_cwd},
    {Op::lahf, execute_lahf},
    {Op::sahf, execute_sahf},
    {Op::salc, execute_salc},
    {Op::push, execute_push},
    {Op::pop, execute_pop},
    {Op::pusha, execute_pusha},
    {Op::popa, execute_popa},
    {Op::enter, execute_enter},
    {Op::leave, execute_leave},
    {Op::push_seg, execute_push_seg},
    {Op::pop_seg, execute_pop_seg},
    {Op::pushf, execute_pushf},
    {Op::popf, execute_popf},
    {Op::clc, execute_clc},
    {Op::stc, execute_stc},
    {Op::cmc, execute_cmc},
    {Op::cld, execute_cld},
    {Op::std_, execute_std},
    {Op::jcc, execute_jcc},
    {Op::jmp, execute_jmp},
    {Op::jmp_indirect, execute_jmp_indirect},
    {Op::call, execute_call},
    {Op::call_indirect, execute_call_indirect},
    {Op::ret, execute_ret},
    {Op::loop, execute_loop},
    {Op::loope, execute_loope},
    {Op::loopne, execute_loopne},
    {Op::jcxz, execute_jcxz},
    {Op::jmp_far, execute_jmp_far},
    {Op::jmp_far_indirect, execute_jmp_far_indirect},
    {Op::call_far, execute_call_far},
    {Op::call_far_indirect, execute_call_far_indirect},
    {Op::ret_far, execute_ret_far},
    {Op::iret, execute_iret},
    {Op::int_n, execute_int_n},
    {Op::int3, execute_int3},
    {Op::int1, execute_int1},
    {Op::into, execute_into},
    {Op::bound, execute_bound},
    {Op::sysenter, execute_sysenter},
    {Op::sysexit, execute_sysexit},
    {Op::movs, execute_movs},
    {Op::cmps, execute_cmps},
    {Op::stos, execute_stos},
    {Op::lods, execute_lods},
    {Op::scas, execute_scas},
    {Op::ins, execute_ins},
    {Op::outs, execute_outs},
    {Op::in, execute_in},
    {Op::out, execute_out},
    {Op::cli, execute_cli},
    {Op::sti, execute_sti},
    {Op::hlt, execute_hlt},
    {Op::mov_from_seg, execute_mov_from_seg},
    {Op::mov_to_seg, execute_mov_to_seg},
    {Op::lds, execute_lds},
    {Op::les, execute_les},
    {Op::lss, execute_lss},
    {Op::lfs, execute_lfs},
    {Op::lgs, execute_lgs},
    {Op::arpl, execute_arpl},
    {Op::lar, execute_lar},
    {Op::lsl, execute_lsl},
    {Op::verr, execute_verr},
    {Op::verw, execute_verw},
    {Op::sgdt, execute_sgdt},
    {Op::sidt, execute_sidt},
    {Op::lgdt, execute_lgdt},
    {Op::lidt, execute_lidt},
    {Op::sldt, execute_sldt},
    {Op::lldt, execute_lldt},
    {Op::str, execute_str},
    {Op::ltr, execute_ltr},
    {Op::smsw, execute_smsw},
    {Op::lmsw, execute_lmsw},
    {Op::clts, execute_clts},
    {Op::mov_from_cr, execute_mov_from_cr},
    {Op::mov_to_cr, execute_mov_to_cr},
    {Op::mov_from_dr, execute_mov_from_dr},
    {Op::mov_to_dr, execute_mov_to_dr},
    {Op::invlpg, execute_invlpg},
    {Op::invd, execute_invd},
    {Op::wbinvd, execute_wbinvd},
    {Op::rdmsr, execute_rdmsr},
    {Op::wrmsr, execute_wrmsr},
    {Op::rdtsc, execute_rdtsc},
    {Op::rdpmc, execute_rdpmc},
    {Op::cpuid, execute_cpuid},
    {Op::nop, execute_nop},
    {Op::pause, execute_pause},
    {Op::prefetch, execute_prefetch},
    {Op::fence, execute_fence},
    {Op::host_fp, execute_host_fp},
    {Op::host_int, execute_host_int},
    {Op::fwait, execute_fwait},
    {Op::fp_environment, execute_fp_environment},
    {Op::fxsave, execute_fxsave},
    {Op::fxrstor, execute_fxrstor},
    {Op::masked_store, execute_masked_store},
    {Op::ud, execute_ud},
};

constexpr std::array<Handler, isa::kOpCount> make_table() {
  std::array<Handler, isa::kOpCount> table{};
  for (const Pair& p : kPairs) table[static_cast<std::size_t>(p.op)] = p.handler;
  return table;
}
constexpr auto kHandlers = make_table();

// Asks the pairs, not the table: sanitizers keep a comparison of a function with null from being a constant.
constexpr bool complete() {
  std::array<bool, isa::kOpCount> seen{};
  for (const Pair& p : kPairs) {
    if (std::exchange(seen[static_cast<std::size_t>(p.op)], true)) return false;
  }
  return std::all_of(seen.begin(), seen.end(), [](bool s) { return s; });
}
static_assert(complete(), "every operation has one handler");

}  // namespace

Handler handler(Op op) { return kHandlers[static_cast<std::size_t>(op)]; }

Flow execute_invalid(Cpu& cpu, const isa::Insn&) { return cpu.raise(vector::kUd); }
Flow execute_ud(Cpu& cpu, const isa::Insn&) { return cpu.raise(vector::kUd); }

}  // namespace ringshift
