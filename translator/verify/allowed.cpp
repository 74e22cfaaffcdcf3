#include "translator/verify/allowed.h"

#include <array>
#include <initializer_list>

namespace ringshift::verify {
namespace {

using Table = std::array<Allowed, X86_INS_ENDING>;
using Ids = std::initializer_list<x86_insn>;

constexpr void allow(Table& table, Kind kind, unsigned traits, Ids ids) {
  for (const x86_insn id : ids) table[id] = {kind, static_cast<std::uint8_t>(traits)};
}

constexpr void allow_integer(Table& t) {
  allow(t, Kind::integer, kWide | kState | kSetsOnly,
        {X86_INS_MOV, X86_INS_MOVZX, X86_INS_MOVSX, X86_INS_ADD, X86_INS_SUB, X86_INS_AND, X86_INS_OR, X86_INS_XOR});
  allow(t, Kind::integer, kWide | kState | kReads, {X86_INS_CMP, X86_INS_TEST});
  allow(t, Kind::integer, kWide | kSetsOnly,
        {X86_INS_MOVABS, X86_INS_MOVSXD, X86_INS_NEG, X86_INS_NOT, X86_INS_BSWAP, X86_INS_SHLX, X86_INS_SHRX,
         X86_INS_SARX, X86_INS_RORX});
  // With a count of 0 they may leave the upper half as it was.
  allow(t, Kind::integer, kWide, {X86_INS_SHL, X86_INS_SAL, X86_INS_SHR, X86_INS_SAR});
  allow(t, Kind::integer, kState,
        {X86_INS_INC,   X86_INS_DEC,   X86_INS_ADC,   X86_INS_SBB,   X86_INS_SETA,  X86_INS_SETAE, X86_INS_SETB,
         X86_INS_SETBE, X86_INS_SETE,  X86_INS_SETNE, X86_INS_SETG,  X86_INS_SETGE, X86_INS_SETL,  X86_INS_SETLE,
         X86_INS_SETO,  X86_INS_SETNO, X86_INS_SETP,  X86_INS_SETNP, X86_INS_SETS,  X86_INS_SETNS});
  allow(t, Kind::integer, 0,
        {X86_INS_XCHG,   X86_INS_CMPXCHG, X86_INS_CMPXCHG8B, X86_INS_XADD,  X86_INS_MUL,    X86_INS_IMUL,
         X86_INS_DIV,    X86_INS_IDIV,    X86_INS_ROL,       X86_INS_ROR,   X86_INS_RCL,    X86_INS_RCR,
         X86_INS_SHLD,   X86_INS_SHRD,    X86_INS_BSF,       X86_INS_BSR,   X86_INS_CBW,    X86_INS_CWDE,
         X86_INS_CWD,    X86_INS_CDQ,     X86_INS_LAHF,      X86_INS_SAHF,  X86_INS_CLC,    X86_INS_STC,
         X86_INS_CMC,    X86_INS_CLD,     X86_INS_STD,       X86_INS_CMOVA, X86_INS_CMOVAE, X86_INS_CMOVB,
         X86_INS_CMOVBE, X86_INS_CMOVE,   X86_INS_CMOVNE,    X86_INS_CMOVG, X86_INS_CMOVGE, X86_INS_CMOVL,
         X86_INS_CMOVLE, X86_INS_CMOVO,   X86_INS_CMOVNO,    X86_INS_CMOVP, X86_INS_CMOVNP, X86_INS_CMOVS,
         X86_INS_CMOVNS, X86_INS_ANDN,    X86_INS_BEXTR,     X86_INS_BLSI,  X86_INS_BLSMSK, X86_INS_BLSR,
         X86_INS_BZHI,   X86_INS_MULX,    X86_INS_PDEP,      X86_INS_PEXT});
  allow(t, Kind::integer, kMandatoryPrefix,
        {X86_INS_POPCNT, X86_INS_LZCNT, X86_INS_TZCNT, X86_INS_CRC32, X86_INS_MOVBE, X86_INS_MOVNTI, X86_INS_ADCX,
         X86_INS_ADOX});
  allow(t, Kind::time_stamp, 0, {X86_INS_RDTSC});
  allow(t, Kind::bit_test, kReads, {X86_INS_BT});
  allow(t, Kind::bit_test, 0, {X86_INS_BTS, X86_INS_BTR, X86_INS_BTC});
}

constexpr void allow_x87(Table& t) {
  // fnsave, frstor and the environment forms stay out: they hold host pointers and are the runtime's.
  allow(
      t, Kind::vector, 0,
      {X86_INS_F2XM1,    X86_INS_FABS,    X86_INS_FADD,          X86_INS_FADDP,        X86_INS_FBLD,    X86_INS_FBSTP,
       X86_INS_FCHS,     X86_INS_FNCLEX,  X86_INS_FCMOVB,        X86_INS_FCMOVBE,      X86_INS_FCMOVE,  X86_INS_FCMOVNB,
       X86_INS_FCMOVNBE, X86_INS_FCMOVNE, X86_INS_FCMOVNU,       X86_INS_FCMOVU,       X86_INS_FCOM,    X86_INS_FCOMI,
       X86_INS_FCOMIP,   X86_INS_FCOMP,   X86_INS_FCOMPP,        X86_INS_FCOS,         X86_INS_FDECSTP, X86_INS_FDIV,
       X86_INS_FDIVP,    X86_INS_FDIVR,   X86_INS_FDIVRP,        X86_INS_FFREE,        X86_INS_FFREEP,  X86_INS_FIADD,
       X86_INS_FICOM,    X86_INS_FICOMP,  X86_INS_FIDIV,         X86_INS_FIDIVR,       X86_INS_FILD,    X86_INS_FIMUL,
       X86_INS_FINCSTP,  X86_INS_FIST,    X86_INS_FISTP,         X86_INS_FISTTP,       X86_INS_FISUB,   X86_INS_FISUBR,
       X86_INS_FLD,      X86_INS_FLD1,    X86_INS_FLDCW,         X86_INS_FLDL2E,       X86_INS_FLDL2T,  X86_INS_FLDLG2,
       X86_INS_FLDLN2,   X86_INS_FLDPI,   X86_INS_FLDZ,          X86_INS_FMUL,         X86_INS_FMULP,   X86_INS_FNINIT,
       X86_INS_FNOP,     X86_INS_FNSTCW,  X86_INS_FNSTSW,        X86_INS_FPATAN,       X86_INS_FPREM,   X86_INS_FPREM1,
       X86_INS_FPTAN,    X86_INS_FRNDINT, X86_INS_FSCALE,        X86_INS_FSIN,         X86_INS_FSINCOS, X86_INS_FSQRT,
       X86_INS_FST,      X86_INS_FSTP,    X86_INS_FSTPNCE,       X86_INS_FSUB,         X86_INS_FSUBP,   X86_INS_FSUBR,
       X86_INS_FSUBRP,   X86_INS_FTST,    X86_INS_FUCOM,         X86_INS_FUCOMI,       X86_INS_FUCOMIP, X86_INS_FUCOMP,
       X86_INS_FUCOMPP,  X86_INS_FXAM,    X86_INS_FXCH,          X86_INS_FXTRACT,      X86_INS_FYL2X,   X86_INS_FYL2XP1,
       X86_INS_WAIT,     X86_INS_EMMS,    X86_INS_FDISI8087_NOP, X86_INS_FENI8087_NOP, X86_INS_FSETPM});
}

constexpr void allow_floating(Table& t) {
  allow(t, Kind::vector, kMandatoryPrefix,
        {X86_INS_ADDPD, X86_INS_ADDPS, X86_INS_ADDSD, X86_INS_ADDSS, X86_INS_ADDSUBPD, X86_INS_ADDSUBPS, X86_INS_ANDNPD,
         X86_INS_ANDNPS, X86_INS_ANDPD, X86_INS_ANDPS, X86_INS_BLENDPD, X86_INS_BLENDPS, X86_INS_BLENDVPD,
         X86_INS_BLENDVPS, X86_INS_COMISD, X86_INS_COMISS, X86_INS_CVTDQ2PD, X86_INS_CVTDQ2PS, X86_INS_CVTPD2DQ,
         X86_INS_CVTPD2PI, X86_INS_CVTPD2PS, X86_INS_CVTPI2PD, X86_INS_CVTPI2PS, X86_INS_CVTPS2DQ, X86_INS_CVTPS2PD,
         X86_INS_CVTPS2PI, X86_INS_CVTSD2SI, X86_INS_CVTSD2SS, X86_INS_CVTSI2SD, X86_INS_CVTSI2SS, X86_INS_CVTSS2SD,
         X86_INS_CVTSS2SI, X86_INS_CVTTPD2DQ, X86_INS_CVTTPD2PI, X86_INS_CVTTPS2DQ, X86_INS_CVTTPS2PI,
         X86_INS_CVTTSD2SI, X86_INS_CVTTSS2SI, X86_INS_DIVPD, X86_INS_DIVPS, X86_INS_DIVSD, X86_INS_DIVSS, X86_INS_DPPD,
         X86_INS_DPPS, X86_INS_EXTRACTPS, X86_INS_HADDPD, X86_INS_HADDPS, X86_INS_HSUBPD, X86_INS_HSUBPS,
         X86_INS_INSERTPS, X86_INS_LDDQU, X86_INS_LDMXCSR, X86_INS_MAXPD, X86_INS_MAXPS, X86_INS_MAXSD, X86_INS_MAXSS,
         X86_INS_MINPD, X86_INS_MINPS, X86_INS_MINSD, X86_INS_MINSS, X86_INS_MOVAPD, X86_INS_MOVAPS, X86_INS_MOVDDUP,
         X86_INS_MOVHLPS, X86_INS_MOVHPD, X86_INS_MOVHPS, X86_INS_MOVLHPS, X86_INS_MOVLPD, X86_INS_MOVLPS,
         X86_INS_MOVMSKPD, X86_INS_MOVMSKPS, X86_INS_MOVNTPD, X86_INS_MOVNTPS, X86_INS_MOVSHDUP, X86_INS_MOVSLDUP,
         X86_INS_MOVSS, X86_INS_MOVUPD, X86_INS_MOVUPS, X86_INS_MULPD, X86_INS_MULPS, X86_INS_MULSD, X86_INS_MULSS,
         X86_INS_ORPD, X86_INS_ORPS, X86_INS_RCPPS, X86_INS_RCPSS, X86_INS_ROUNDPD, X86_INS_ROUNDPS, X86_INS_ROUNDSD,
         X86_INS_ROUNDSS, X86_INS_RSQRTPS, X86_INS_RSQRTSS, X86_INS_SHUFPD, X86_INS_SHUFPS, X86_INS_SQRTPD,
         X86_INS_SQRTPS, X86_INS_SQRTSD, X86_INS_SQRTSS, X86_INS_STMXCSR, X86_INS_SUBPD, X86_INS_SUBPS, X86_INS_SUBSD,
         X86_INS_SUBSS, X86_INS_UCOMISD, X86_INS_UCOMISS, X86_INS_UNPCKHPD, X86_INS_UNPCKHPS, X86_INS_UNPCKLPD,
         X86_INS_UNPCKLPS, X86_INS_XORPD, X86_INS_XORPS,
         // cmpps and its like have a name for each predicate
         X86_INS_CMPSS, X86_INS_CMPEQSS, X86_INS_CMPLTSS, X86_INS_CMPLESS, X86_INS_CMPUNORDSS, X86_INS_CMPNEQSS,
         X86_INS_CMPNLTSS, X86_INS_CMPNLESS, X86_INS_CMPORDSS, X86_INS_CMPEQSD, X86_INS_CMPLTSD, X86_INS_CMPLESD,
         X86_INS_CMPUNORDSD, X86_INS_CMPNEQSD, X86_INS_CMPNLTSD, X86_INS_CMPNLESD, X86_INS_CMPORDSD, X86_INS_CMPPS,
         X86_INS_CMPEQPS, X86_INS_CMPLTPS, X86_INS_CMPLEPS, X86_INS_CMPUNORDPS, X86_INS_CMPNEQPS, X86_INS_CMPNLTPS,
         X86_INS_CMPNLEPS, X86_INS_CMPORDPS, X86_INS_CMPPD, X86_INS_CMPEQPD, X86_INS_CMPLTPD, X86_INS_CMPLEPD,
         X86_INS_CMPUNORDPD, X86_INS_CMPNEQPD, X86_INS_CMPNLTPD, X86_INS_CMPNLEPD, X86_INS_CMPORDPD});
}

constexpr void allow_packed(Table& t) {
  allow(t, Kind::vector, kMandatoryPrefix, {X86_INS_AESDEC,     X86_INS_AESDECLAST, X86_INS_AESENC,
                                            X86_INS_AESENCLAST, X86_INS_AESIMC,     X86_INS_AESKEYGENASSIST,
                                            X86_INS_MOVD,       X86_INS_MOVDQ2Q,    X86_INS_MOVDQA,
                                            X86_INS_MOVDQU,     X86_INS_MOVNTDQ,    X86_INS_MOVNTDQA,
                                            X86_INS_MOVNTQ,     X86_INS_MOVQ,       X86_INS_MOVQ2DQ,
                                            X86_INS_MPSADBW,    X86_INS_PABSB,      X86_INS_PABSD,
                                            X86_INS_PABSW,      X86_INS_PACKSSDW,   X86_INS_PACKSSWB,
                                            X86_INS_PACKUSDW,   X86_INS_PACKUSWB,   X86_INS_PADDB,
                                            X86_INS_PADDD,      X86_INS_PADDQ,      X86_INS_PADDSB,
                                            X86_INS_PADDSW,     X86_INS_PADDUSB,    X86_INS_PADDUSW,
                                            X86_INS_PADDW,      X86_INS_PALIGNR,    X86_INS_PAND,
                                            X86_INS_PANDN,      X86_INS_PAVGB,      X86_INS_PAVGW,
                                            X86_INS_PBLENDVB,   X86_INS_PBLENDW,    X86_INS_PCLMULQDQ,
                                            X86_INS_PCMPEQB,    X86_INS_PCMPEQD,    X86_INS_PCMPEQQ,
                                            X86_INS_PCMPEQW,    X86_INS_PCMPESTRI,  X86_INS_PCMPESTRM,
                                            X86_INS_PCMPGTB,    X86_INS_PCMPGTD,    X86_INS_PCMPGTQ,
                                            X86_INS_PCMPGTW,    X86_INS_PCMPISTRI,  X86_INS_PCMPISTRM,
                                            X86_INS_PEXTRB,     X86_INS_PEXTRD,     X86_INS_PEXTRW,
                                            X86_INS_PHADDD,     X86_INS_PHADDSW,    X86_INS_PHADDW,
                                            X86_INS_PHMINPOSUW, X86_INS_PHSUBD,     X86_INS_PHSUBSW,
                                            X86_INS_PHSUBW,     X86_INS_PINSRB,     X86_INS_PINSRD,
                                            X86_INS_PINSRW,     X86_INS_PMADDUBSW,  X86_INS_PMADDWD,
                                            X86_INS_PMAXSB,     X86_INS_PMAXSD,     X86_INS_PMAXSW,
                                            X86_INS_PMAXUB,     X86_INS_PMAXUD,     X86_INS_PMAXUW,
                                            X86_INS_PMINSB,     X86_INS_PMINSD,     X86_INS_PMINSW,
                                            X86_INS_PMINUB,     X86_INS_PMINUD,     X86_INS_PMINUW,
                                            X86_INS_PMOVMSKB,   X86_INS_PMOVSXBD,   X86_INS_PMOVSXBQ,
                                            X86_INS_PMOVSXBW,   X86_INS_PMOVSXDQ,   X86_INS_PMOVSXWD,
                                            X86_INS_PMOVSXWQ,   X86_INS_PMOVZXBD,   X86_INS_PMOVZXBQ,
                                            X86_INS_PMOVZXBW,   X86_INS_PMOVZXDQ,   X86_INS_PMOVZXWD,
                                            X86_INS_PMOVZXWQ,   X86_INS_PMULDQ,     X86_INS_PMULHRSW,
                                            X86_INS_PMULHUW,    X86_INS_PMULHW,     X86_INS_PMULLD,
                                            X86_INS_PMULLW,     X86_INS_PMULUDQ,    X86_INS_POR,
                                            X86_INS_PSADBW,     X86_INS_PSHUFB,     X86_INS_PSHUFD,
                                            X86_INS_PSHUFHW,    X86_INS_PSHUFLW,    X86_INS_PSHUFW,
                                            X86_INS_PSIGNB,     X86_INS_PSIGND,     X86_INS_PSIGNW,
                                            X86_INS_PSLLD,      X86_INS_PSLLDQ,     X86_INS_PSLLQ,
                                            X86_INS_PSLLW,      X86_INS_PSRAD,      X86_INS_PSRAW,
                                            X86_INS_PSRLD,      X86_INS_PSRLDQ,     X86_INS_PSRLQ,
                                            X86_INS_PSRLW,      X86_INS_PSUBB,      X86_INS_PSUBD,
                                            X86_INS_PSUBQ,      X86_INS_PSUBSB,     X86_INS_PSUBSW,
                                            X86_INS_PSUBUSB,    X86_INS_PSUBUSW,    X86_INS_PSUBW,
                                            X86_INS_PTEST,      X86_INS_PUNPCKHBW,  X86_INS_PUNPCKHDQ,
                                            X86_INS_PUNPCKHQDQ, X86_INS_PUNPCKHWD,  X86_INS_PUNPCKLBW,
                                            X86_INS_PUNPCKLDQ,  X86_INS_PUNPCKLQDQ, X86_INS_PUNPCKLWD,
                                            X86_INS_PXOR,       X86_INS_SHA1MSG1,   X86_INS_SHA1MSG2,
                                            X86_INS_SHA1NEXTE,  X86_INS_SHA1RNDS4,  X86_INS_SHA256MSG1,
                                            X86_INS_SHA256MSG2, X86_INS_SHA256RNDS2});
}

constexpr void allow_rest(Table& t) {
  // Prefetches are judged as accesses: their address must be the window's.
  allow(t, Kind::integer, 0,
        {X86_INS_PREFETCH, X86_INS_PREFETCHNTA, X86_INS_PREFETCHT0, X86_INS_PREFETCHT1, X86_INS_PREFETCHT2,
         X86_INS_PREFETCHW, X86_INS_CLFLUSH});
  allow(t, Kind::implicit_bx_al, 0, {X86_INS_XLATB});
  allow(t, Kind::implicit_di, kMandatoryPrefix, {X86_INS_MASKMOVQ, X86_INS_MASKMOVDQU});
  allow(t, Kind::fence, 0, {X86_INS_LFENCE, X86_INS_MFENCE, X86_INS_SFENCE});
  allow(t, Kind::hint, 0, {X86_INS_NOP, X86_INS_PAUSE});
  allow(t, Kind::address, kWide, {X86_INS_LEA});
  // movsd and cmpsd are also SSE's; their opcodes tell.
  allow(t, Kind::string, kMandatoryPrefix,
        {X86_INS_MOVSB, X86_INS_MOVSW, X86_INS_MOVSD, X86_INS_CMPSB, X86_INS_CMPSW, X86_INS_CMPSD, X86_INS_STOSB,
         X86_INS_STOSW, X86_INS_STOSD, X86_INS_LODSB, X86_INS_LODSW, X86_INS_LODSD, X86_INS_SCASB, X86_INS_SCASW,
         X86_INS_SCASD});
  allow(t, Kind::push, 0, {X86_INS_PUSH});
  allow(t, Kind::pop, 0, {X86_INS_POP});
  allow(t, Kind::push_flags, 0, {X86_INS_PUSHFQ});
  allow(t, Kind::pop_flags, 0, {X86_INS_POPFQ});
  allow(t, Kind::jump, 0, {X86_INS_JMP});
  allow(t, Kind::conditional, 0,
        {X86_INS_JA, X86_INS_JAE, X86_INS_JB, X86_INS_JBE, X86_INS_JE, X86_INS_JNE, X86_INS_JG, X86_INS_JGE, X86_INS_JL,
         X86_INS_JLE, X86_INS_JO, X86_INS_JNO, X86_INS_JP, X86_INS_JNP, X86_INS_JS, X86_INS_JNS, X86_INS_JECXZ,
         X86_INS_JRCXZ});
  allow(t, Kind::counted, 0, {X86_INS_LOOP, X86_INS_LOOPE, X86_INS_LOOPNE});
  allow(t, Kind::call, 0, {X86_INS_CALL});
  allow(t, Kind::ret, 0, {X86_INS_RET});
}

// LOCK makes all others undefined (SDM vol. 2, LOCK).
constexpr void mark_lockable(Table& t) {
  for (const x86_insn id : {X86_INS_ADD, X86_INS_ADC, X86_INS_AND, X86_INS_BTC, X86_INS_BTR, X86_INS_BTS,
                            X86_INS_CMPXCHG, X86_INS_CMPXCHG8B, X86_INS_DEC, X86_INS_INC, X86_INS_NEG, X86_INS_NOT,
                            X86_INS_OR, X86_INS_SBB, X86_INS_SUB, X86_INS_XADD, X86_INS_XCHG, X86_INS_XOR}) {
    t[id].traits |= kLockable;
  }
}

constexpr Table make_table() {
  Table t{};
  allow_integer(t);
  allow_x87(t);
  allow_floating(t);
  allow_packed(t);
  allow_rest(t);
  mark_lockable(t);
  return t;
}

constexpr Table kTable = make_table();

}  // namespace

Allowed allowed(unsigned id) { return id < kTable.size() ? kTable[id] : Allowed{}; }

}  // namespace ringshift::verify
