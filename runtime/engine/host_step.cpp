#include "runtime/engine/host_step.h"

#include <Zydis/Zydis.h>

#include <array>
#include <optional>

namespace ringshift::engine {
namespace {

// By number in ModRM with REX.B.
constexpr std::array<int, 16> kRegisters{REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                         REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

std::optional<ZydisDecodedInstruction> decode(std::uint64_t rip) {
  ZydisDecoder decoder;
  ZydisDecodedInstruction insn;
  const bool ok = ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) &&
                  ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, reinterpret_cast<const void*>(rip),
                                                             ZYDIS_MAX_INSTRUCTION_LENGTH, &insn));
  return ok ? std::optional(insn) : std::nullopt;
}

// A condition code (SDM vol. 1, appendix B): its lowest bit inverts it.
bool condition_holds(unsigned code, std::uint64_t flags) {
  const auto flag = [flags](unsigned bit) { return (flags >> bit & 1U) != 0; };
  constexpr unsigned kCf = 0, kPf = 2, kZf = 6, kSf = 7, kOf = 11;
  const std::array<bool, 8> held{flag(kOf),
                                 flag(kCf),
                                 flag(kZf),
                                 flag(kCf) || flag(kZf),
                                 flag(kSf),
                                 flag(kPf),
                                 flag(kSf) != flag(kOf),
                                 flag(kZf) || flag(kSf) != flag(kOf)};
  return held[code / 2] != ((code & 1U) != 0);
}

}  // namespace

HostInsn decode_host(std::uint64_t rip) {
  const auto insn = decode(rip);
  if (!insn) return {};
  return {insn->length, insn->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE || insn->mnemonic == ZYDIS_MNEMONIC_RET};
}

bool take_branch(gregset_t& regs) {
  const auto insn = decode(static_cast<std::uint64_t>(regs[REG_RIP]));
  if (!insn || insn->address_width != 64) return false;
  const greg_t next = regs[REG_RIP] + insn->length;
  greg_t target = next;
  if (insn->raw.imm[0].is_relative != 0) {
    target += insn->raw.imm[0].value.s;
  } else if (insn->opcode == 0xFF && insn->raw.modrm.mod == 3) {
    target = regs[kRegisters[static_cast<std::size_t>(insn->raw.modrm.rm | insn->raw.rex.B << 3)]];
  } else if (insn->opcode != 0xC3) {
    return false;
  }
  const auto stack = [&regs]() -> greg_t& { return *reinterpret_cast<greg_t*>(regs[REG_RSP]); };
  switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_JMP:
      break;
    case ZYDIS_MNEMONIC_CALL:
      regs[REG_RSP] -= 8;
      stack() = next;
      break;
    case ZYDIS_MNEMONIC_RET:
      target = stack();
      regs[REG_RSP] += 8;
      break;
    case ZYDIS_MNEMONIC_JRCXZ:
      if (regs[REG_RCX] != 0) target = next;
      break;
    default:
      if (insn->meta.category != ZYDIS_CATEGORY_COND_BR || insn->opcode < 0x70 || insn->opcode > 0x8F) return false;
      if (!condition_holds(insn->opcode & 0xFU, static_cast<std::uint64_t>(regs[REG_EFL]))) target = next;
  }
  regs[REG_RIP] = target;
  return true;
}

}  // namespace ringshift::engine
