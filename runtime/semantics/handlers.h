// One handler for each operation (isa::Op), named execute_<op>. A handler changes state only when nothing
// can fault any more, so that a fault leaves the state as it was before the instruction.
#pragma once

#include "runtime/semantics/cpu.h"
#include "translator/isa/insn.h"

namespace ringshift {

using Handler = Flow (*)(Cpu&, const isa::Insn&);

// The handler of an operation; never null.
[[nodiscard]] Handler handler(isa::Op op);

// arithmetic, logic, shifts, bits (integer family)
Flow execute_add(Cpu& cpu, const isa::Insn& insn);
Flow execute_or(Cpu& cpu, const isa::Insn& insn);
Flow execute_adc(Cpu& cpu, const isa::Insn& insn);
Flow execute_sbb(Cpu& cpu, const isa::Insn& insn);
Flow execute_and(Cpu& cpu, const isa::Insn& insn);
Flow execute_sub(Cpu& cpu, const isa::Insn& insn);
Flow execute_xor(Cpu& cpu, const isa::Insn& insn);
Flow execute_cmp(Cpu& cpu, const isa::Insn& insn);
Flow execute_test(Cpu& cpu, const isa::Insn& insn);
Flow execute_inc(Cpu& cpu, const isa::Insn& insn);
Flow execute_dec(Cpu& cpu, const isa::Insn& insn);
Flow execute_not(Cpu& cpu, const isa::Insn& insn);
Flow execute_neg(Cpu& cpu, const isa::Insn& insn);
Flow execute_mul(Cpu& cpu, const isa::Insn& insn);
Flow execute_imul(Cpu& cpu, const isa::Insn& insn);
Flow execute_imul_reg(Cpu& cpu, const isa::Insn& insn);
Flow execute_div(Cpu& cpu, const isa::Insn& insn);
Flow execute_idiv(Cpu& cpu, const isa::Insn& insn);
Flow execute_rol(Cpu& cpu, const isa::Insn& insn);
Flow execute_ror(Cpu& cpu, const isa::Insn& insn);
Flow execute_rcl(Cpu& cpu, const isa::Insn& insn);
Flow execute_rcr(Cpu& cpu, const isa::Insn& insn);
Flow execute_shl(Cpu& cpu, const isa::Insn& insn);
Flow execute_shr(Cpu& cpu, const isa::Insn& insn);
Flow execute_sar(Cpu& cpu, const isa::Insn& insn);
Flow execute_shld(Cpu& cpu, const isa::Insn& insn);
Flow execute_shrd(Cpu& cpu, const isa::Insn& insn);
Flow execute_bt(Cpu& cpu, const isa::Insn& insn);
Flow execute_bts(Cpu& cpu, const isa::Insn& insn);
Flow execute_btr(Cpu& cpu, const isa::Insn& insn);
Flow execute_btc(Cpu& cpu, const isa::Insn& insn);
Flow execute_bsf(Cpu& cpu, const isa::Insn& insn);
Flow execute_bsr(Cpu& cpu, const isa::Insn& insn);
Flow execute_aaa(Cpu& cpu, const isa::Insn& insn);
Flow execute_aas(Cpu& cpu, const isa::Insn& insn);
Flow execute_aam(Cpu& cpu, const isa::Insn& insn);
Flow execute_aad(Cpu& cpu, const isa::Insn& insn);
Flow execute_daa(Cpu& cpu, const isa::Insn& insn);
Flow execute_das(Cpu& cpu, const isa::Insn& insn);

// data movement, stack, flags
Flow execute_mov(Cpu& cpu, const isa::Insn& insn);
Flow execute_movzx(Cpu& cpu, const isa::Insn& insn);
Flow execute_movsx(Cpu& cpu, const isa::Insn& insn);
Flow execute_lea(Cpu& cpu, const isa::Insn& insn);
Flow execute_xchg(Cpu& cpu, const isa::Insn& insn);
Flow execute_cmpxchg(Cpu& cpu, const isa::Insn& insn);
Flow execute_cmpxchg8b(Cpu& cpu, const isa::Insn& insn);
Flow execute_xadd(Cpu& cpu, const isa::Insn& insn);
Flow execute_bswap(Cpu& cpu, const isa::Insn& insn);
Flow execute_xlat(Cpu& cpu, const isa::Insn& insn);
Flow execute_cmov(Cpu& cpu, const isa::Insn& insn);
Flow execute_setcc(Cpu& cpu, const isa::Insn& insn);
Flow execute_cbw(Cpu& cpu, const isa::Insn& insn);
Flow execute_cwd(Cpu& cpu, const isa::Insn& insn);
Flow execute_lahf(Cpu& cpu, const isa::Insn& insn);
Flow execute_sahf(Cpu& cpu, const isa::Insn& insn);
Flow execute_salc(Cpu& cpu, const isa::Insn& insn);
Flow execute_push(Cpu& cpu, const isa::Insn& insn);
Flow execute_pop(Cpu& cpu, const isa::Insn& insn);
Flow execute_pusha(Cpu& cpu, const isa::Insn& insn);
Flow execute_popa(Cpu& cpu, const isa::Insn& insn);
Flow execute_enter(Cpu& cpu, const isa::Insn& insn);
Flow execute_leave(Cpu& cpu, const isa::Insn& insn);
Flow execute_push_seg(Cpu& cpu, const isa::Insn& insn);
Flow execute_pop_seg(Cpu& cpu, const isa::Insn& insn);
Flow execute_pushf(Cpu& cpu, const isa::Insn& insn);
Flow execute_popf(Cpu& cpu, const isa::Insn& insn);
Flow execute_clc(Cpu& cpu, const isa::Insn& insn);
Flow execute_stc(Cpu& cpu, const isa::Insn& insn);
Flow execute_cmc(Cpu& cpu, const isa::Insn& insn);
Flow execute_cld(Cpu& cpu, const isa::Insn& insn);
Flow execute_std(Cpu& cpu, const isa::Insn& insn);

// branches within the code segment
Flow execute_jcc(Cpu& cpu, const isa::Insn& insn);
Flow execute_jmp(Cpu& cpu, const isa::Insn& insn);
Flow execute_jmp_indirect(Cpu& cpu, const isa::Insn& insn);
Flow execute_call(Cpu& cpu, const isa::Insn& insn);
Flow execute_call_indirect(Cpu& cpu, const isa::Insn& insn);
Flow execute_ret(Cpu& cpu, const isa::Insn& insn);
Flow execute_loop(Cpu& cpu, const isa::Insn& insn);
Flow execute_loope(Cpu& cpu, const isa::Insn& insn);
Flow execute_loopne(Cpu& cpu, const isa::Insn& insn);
Flow execute_jcxz(Cpu& cpu, const isa::Insn& insn);

// far transfers, interrupts and fast system calls (system family)
Flow execute_jmp_far(Cpu& cpu, const isa::Insn& insn);
Flow execute_jmp_far_indirect(Cpu& cpu, const isa::Insn& insn);
Flow execute_call_far(Cpu& cpu, const isa::Insn& insn);
Flow execute_call_far_indirect(Cpu& cpu, const isa::Insn& insn);
Flow execute_ret_far(Cpu& cpu, const isa::Insn& insn);
Flow execute_iret(Cpu& cpu, const isa::Insn& insn);
Flow execute_int_n(Cpu& cpu, const isa::Insn& insn);
Flow execute_int3(Cpu& cpu, const isa::Insn& insn);
Flow execute_int1(Cpu& cpu, const isa::Insn& insn);
Flow execute_into(Cpu& cpu, const isa::Insn& insn);
Flow execute_bound(Cpu& cpu, const isa::Insn& insn);
Flow execute_sysenter(Cpu& cpu, const isa::Insn& insn);
Flow execute_sysexit(Cpu& cpu, const isa::Insn& insn);

// strings
Flow execute_movs(Cpu& cpu, const isa::Insn& insn);
Flow execute_cmps(Cpu& cpu, const isa::Insn& insn);
Flow execute_stos(Cpu& cpu, const isa::Insn& insn);
Flow execute_lods(Cpu& cpu, const isa::Insn& insn);
Flow execute_scas(Cpu& cpu, const isa::Insn& insn);
Flow execute_ins(Cpu& cpu, const isa::Insn& insn);
Flow execute_outs(Cpu& cpu, const isa::Insn& insn);

// I/O, interrupt flag, halt
Flow execute_in(Cpu& cpu, const isa::Insn& insn);
Flow execute_out(Cpu& cpu, const isa::Insn& insn);
Flow execute_cli(Cpu& cpu, const isa::Insn& insn);
Flow execute_sti(Cpu& cpu, const isa::Insn& insn);
Flow execute_hlt(Cpu& cpu, const isa::Insn& insn);

// segments and protection
Flow execute_mov_from_seg(Cpu& cpu, const isa::Insn& insn);
Flow execute_mov_to_seg(Cpu& cpu, const isa::Insn& insn);
Flow execute_lds(Cpu& cpu, const isa::Insn& insn);
Flow execute_les(Cpu& cpu, const isa::Insn& insn);
Flow execute_lss(Cpu& cpu, const isa::Insn& insn);
Flow execute_lfs(Cpu& cpu, const isa::Insn& insn);
Flow execute_lgs(Cpu& cpu, const isa::Insn& insn);
Flow execute_arpl(Cpu& cpu, const isa::Insn& insn);
Flow execute_lar(Cpu& cpu, const isa::Insn& insn);
Flow execute_lsl(Cpu& cpu, const isa::Insn& insn);
Flow execute_verr(Cpu& cpu, const isa::Insn& insn);
Flow execute_verw(Cpu& cpu, const isa::Insn& insn);

// system registers
Flow execute_sgdt(Cpu& cpu, const isa::Insn& insn);
Flow execute_sidt(Cpu& cpu, const isa::Insn& insn);
Flow execute_lgdt(Cpu& cpu, const isa::Insn& insn);
Flow execute_lidt(Cpu& cpu, const isa::Insn& insn);
Flow execute_sldt(Cpu& cpu, const isa::Insn& insn);
Flow execute_lldt(Cpu& cpu, const isa::Insn& insn);
Flow execute_str(Cpu& cpu, const isa::Insn& insn);
Flow execute_ltr(Cpu& cpu, const isa::Insn& insn);
Flow execute_smsw(Cpu& cpu, const isa::Insn& insn);
Flow execute_lmsw(Cpu& cpu, const isa::Insn& insn);
Flow execute_clts(Cpu& cpu, const isa::Insn& insn);
Flow execute_mov_from_cr(Cpu& cpu, const isa::Insn& insn);
Flow execute_mov_to_cr(Cpu& cpu, const isa::Insn& insn);
Flow execute_mov_from_dr(Cpu& cpu, const isa::Insn& insn);
Flow execute_mov_to_dr(Cpu& cpu, const isa::Insn& insn);
Flow execute_invlpg(Cpu& cpu, const isa::Insn& insn);
Flow execute_invd(Cpu& cpu, const isa::Insn& insn);
Flow execute_wbinvd(Cpu& cpu, const isa::Insn& insn);
Flow execute_rdmsr(Cpu& cpu, const isa::Insn& insn);
Flow execute_wrmsr(Cpu& cpu, const isa::Insn& insn);
Flow execute_rdtsc(Cpu& cpu, const isa::Insn& insn);
Flow execute_rdpmc(Cpu& cpu, const isa::Insn& insn);
Flow execute_cpuid(Cpu& cpu, const isa::Insn& insn);

// hints
Flow execute_nop(Cpu& cpu, const isa::Insn& insn);
Flow execute_pause(Cpu& cpu, const isa::Insn& insn);
Flow execute_prefetch(Cpu& cpu, const isa::Insn& insn);
Flow execute_fence(Cpu& cpu, const isa::Insn& insn);

// host-executed: x87, MMX, SSE and integer extensions
Flow execute_host_fp(Cpu& cpu, const isa::Insn& insn);
Flow execute_host_int(Cpu& cpu, const isa::Insn& insn);
Flow execute_fwait(Cpu& cpu, const isa::Insn& insn);
Flow execute_fp_environment(Cpu& cpu, const isa::Insn& insn);
Flow execute_fxsave(Cpu& cpu, const isa::Insn& insn);
Flow execute_fxrstor(Cpu& cpu, const isa::Insn& insn);
Flow execute_masked_store(Cpu& cpu, const isa::Insn& insn);

// always #UD
Flow execute_invalid(Cpu& cpu, const isa::Insn& insn);
Flow execute_ud(Cpu& cpu, const isa::Insn& insn);

}  // namespace ringshift
