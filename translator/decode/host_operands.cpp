#include "translator/decode/host_operands.h"

#include <Zydis/Zydis.h>

#include <array>

#include "translator/decode/zydis_decoders.h"

namespace ringshift::decode {
namespace {

bool in_cpu_model(ZydisISASet set) {
  switch (set) {
    case ZYDIS_ISA_SET_X87:
    case ZYDIS_ISA_SET_FCMOV:
    case ZYDIS_ISA_SET_PPRO:
    case ZYDIS_ISA_SET_PENTIUMMMX:
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSEMXCSR:
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX:
    case ZYDIS_ISA_SET_SSE3:
    case ZYDIS_ISA_SET_SSE3X87:
    case ZYDIS_ISA_SET_SSSE3:
    case ZYDIS_ISA_SET_SSSE3MMX:
    case ZYDIS_ISA_SET_SSE4:
    case ZYDIS_ISA_SET_SSE42:
    case ZYDIS_ISA_SET_POPCNT:
    case ZYDIS_ISA_SET_MOVBE:
    case ZYDIS_ISA_SET_AES:
    case ZYDIS_ISA_SET_PCLMULQDQ:
      return true;
    default:
      return false;
  }
}

// One bit for the 32-bit register that holds `reg`; 0 if it is no general register.
std::uint8_t gpr_bit(ZydisRegister reg) {
  const ZyanI8 id = ZydisRegisterGetId(reg);
  switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
      // Ids 0 to 3 are al to bl, 4 to 7 ah to bh; both groups live in eax to ebx.
      return static_cast<std::uint8_t>(1U << (static_cast<unsigned>(id) & 3U));
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
      return static_cast<std::uint8_t>(1U << static_cast<unsigned>(id));
    default:
      return 0;
  }
}

// The 16-byte operands that legacy SSE does not want aligned (SDM vol. 2, table 2-21, type 4).
bool unaligned_allowed(ZydisMnemonic mnemonic) {
  switch (mnemonic) {
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPESTRM:
    case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_PCMPISTRM:
      return true;
    default:
      return false;
  }
}

}  // namespace

void fill_host_operands(std::span<const std::uint8_t> bytes, CodeSize size, isa::Insn& insn) {
  ZydisDecodedInstruction z;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
  const ZyanStatus status =
      ZydisDecoderDecodeFull(&zydis_decoders(size).full, bytes.data(), bytes.size(), &z, operands.data());
  if (ZYAN_FAILED(status) || !in_cpu_model(z.meta.isa_set)) {
    insn.op = isa::Op::invalid;
    return;
  }
  for (unsigned i = 0; i < z.operand_count; ++i) {
    const ZydisDecodedOperand& operand = operands[i];
    const bool read = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
    const bool written = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER) {
      const std::uint8_t bit = gpr_bit(operand.reg.value);
      if (read) insn.host_gpr_read |= bit;
      if (written) insn.host_gpr_written |= bit;
    } else if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.type == ZYDIS_MEMOP_TYPE_MEM) {
      if (read) insn.host_memory |= 1;
      if (written) insn.host_memory |= 2;
      insn.host_memory_bytes = static_cast<std::uint16_t>(operand.size / 8);
      if (z.meta.isa_set != ZYDIS_ISA_SET_X87 && operand.size == 128 && !unaligned_allowed(z.mnemonic)) {
        insn.host_align = 16;
      }
    }
  }
}

}  // namespace ringshift::decode
