#include "translator/verify/registers.h"

#include <array>

namespace ringshift::verify {
namespace {

using Table = std::array<Register, X86_REG_ENDING>;

constexpr void name(Table& t, std::uint8_t number, x86_reg r64, x86_reg r32, x86_reg r16, x86_reg r8) {
  t[r64] = {RegisterClass::general, number, 8};
  t[r32] = {RegisterClass::general, number, 4};
  t[r16] = {RegisterClass::general, number, 2};
  t[r8] = {RegisterClass::general, number, 1};
}

constexpr Table make_table() {
  Table t{};
  name(t, 0, X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL);
  name(t, 1, X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL);
  name(t, 2, X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL);
  name(t, 3, X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL);
  name(t, 4, X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL);
  name(t, 5, X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL);
  name(t, 6, X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL);
  name(t, 7, X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL);
  name(t, 8, X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B);
  name(t, 9, X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B);
  name(t, 10, X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B);
  name(t, 11, X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B);
  name(t, 12, X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B);
  name(t, 13, X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B);
  name(t, 14, X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B);
  name(t, 15, X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B);
  t[X86_REG_AH] = {RegisterClass::general, 0, 1};
  t[X86_REG_CH] = {RegisterClass::general, 1, 1};
  t[X86_REG_DH] = {RegisterClass::general, 2, 1};
  t[X86_REG_BH] = {RegisterClass::general, 3, 1};
  for (unsigned i = 0; i < 8; ++i) {
    t[X86_REG_ST0 + i].cls = RegisterClass::vector;
    t[X86_REG_MM0 + i].cls = RegisterClass::vector;
    t[X86_REG_XMM0 + i].cls = RegisterClass::vector;
  }
  t[X86_REG_FPSW].cls = RegisterClass::vector;
  return t;
}

constexpr Table kTable = make_table();

}  // namespace

Register classify(x86_reg reg) { return reg < X86_REG_ENDING ? kTable[reg] : Register{}; }

}  // namespace ringshift::verify
