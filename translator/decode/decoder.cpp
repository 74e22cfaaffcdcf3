#include "translator/decode/decoder.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <array>

#include "runtime/state/cpu_state.h"
#include "translator/decode/host_operands.h"
#include "translator/decode/opcode_tables.h"
#include "translator/decode/zydis_decoders.h"

namespace ringshift::decode {
namespace {

using isa::Form;
using isa::Insn;
using isa::Op;

struct PrefixScan {
  std::uint8_t bits = 0;
  Seg segment = Seg::ds;
};

// Of several prefixes of one group the last one counts, as in silicon.
PrefixScan scan_prefixes(std::span<const std::uint8_t> bytes, unsigned count) {
  PrefixScan scan;
  for (unsigned i = 0; i < count; ++i) {
    switch (bytes[i]) {
      case 0xF0:
        scan.bits |= isa::prefix::kLock;
        break;
      case 0xF2:
        scan.bits = static_cast<std::uint8_t>((scan.bits & ~isa::prefix::kRep) | isa::prefix::kRepne);
        break;
      case 0xF3:
        scan.bits = static_cast<std::uint8_t>((scan.bits & ~isa::prefix::kRepne) | isa::prefix::kRep);
        break;
      case 0x66:
        scan.bits |= isa::prefix::kOperandSize;
        break;
      case 0x67:
        scan.bits |= isa::prefix::kAddressSize;
        break;
      default: {
        scan.bits |= isa::prefix::kSegment;
        const std::uint8_t b = bytes[i];
        scan.segment = b == 0x64 ? Seg::fs : b == 0x65 ? Seg::gs : static_cast<Seg>((b >> 3) & 3);
        break;
      }
    }
  }
  return scan;
}

// Base and index of the 16-bit addressing forms (SDM vol. 2, table 2-1); kNoRegister where absent.
struct Pair {
  std::uint8_t base;
  std::uint8_t index;
};
constexpr std::array<Pair, 8> kAddress16{{{kEbx, kEsi},
                                          {kEbx, kEdi},
                                          {kEbp, kEsi},
                                          {kEbp, kEdi},
                                          {kEsi, isa::kNoRegister},
                                          {kEdi, isa::kNoRegister},
                                          {kEbp, isa::kNoRegister},
                                          {kEbx, isa::kNoRegister}}};

void fill_memory_operand(const ZydisDecodedInstructionRaw& raw, Insn& insn) {
  const auto& modrm = raw.modrm;
  insn.memory = true;
  if (insn.address_size == 2) {
    const Pair pair = kAddress16[modrm.rm];
    if (modrm.mod == 0 && modrm.rm == 6) return;  // disp16 alone
    insn.base = pair.base;
    insn.index = pair.index;
    return;
  }
  if (modrm.rm != 4) {
    if (modrm.mod != 0 || modrm.rm != 5) insn.base = modrm.rm;
    return;
  }
  if (modrm.mod != 0 || raw.sib.base != 5) insn.base = raw.sib.base;
  if (raw.sib.index != 4) {
    insn.index = raw.sib.index;
    insn.scale = static_cast<std::uint8_t>(1U << raw.sib.scale);
  }
}

// ModRM.mod is ignored by the control and debug register moves: the operand is always a register.
bool always_register(Op op) {
  return op == Op::mov_from_cr || op == Op::mov_to_cr || op == Op::mov_from_dr || op == Op::mov_to_dr;
}

std::uint8_t width_in_bytes(Width width, bool memory, std::uint8_t operand_size) {
  switch (width) {
    case Width::byte:
      return 1;
    case Width::word:
      return 2;
    case Width::dword:
      return 4;
    case Width::operand:
      return operand_size;
    case Width::word_in_memory:
      return memory ? 2 : operand_size;
  }
  return operand_size;
}

Rule find_rule(const ZydisDecodedInstruction& z, Insn& insn) {
  if (z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return {};  // VEX, EVEX, XOP, 3DNow!
  switch (z.opcode_map) {
    case ZYDIS_OPCODE_MAP_DEFAULT:
      insn.map = 0;
      return kOneByteRules[z.opcode];
    case ZYDIS_OPCODE_MAP_0F:
      insn.map = 1;
      return kTwoByteRules[z.opcode];
    case ZYDIS_OPCODE_MAP_0F38:
      insn.map = 2;
      // movbe and crc32; the rest of the map is MMX and SSE. The ISA set check sorts out the others.
      return {z.opcode >= 0xF0 ? Op::host_int : Op::host_fp, Form::host};
    case ZYDIS_OPCODE_MAP_0F3A:
      insn.map = 3;
      return {Op::host_fp, Form::host};
    default:
      return {};
  }
}

// The x87 instructions whose memory image holds instruction pointers: D9 and DD with a memory /4 or /6.
bool is_fp_environment(const Insn& insn) {
  const unsigned reg = (insn.modrm >> 3) & 7U;
  return insn.map == 0 && insn.memory && (insn.opcode == 0xD9 || insn.opcode == 0xDD) && (reg == 4 || reg == 6);
}

std::uint32_t extend(std::uint64_t bits, unsigned size_in_bits, Immediate how) {
  const auto value = static_cast<std::uint32_t>(bits);
  switch (size_in_bits) {
    case 8:
      return how == Immediate::sign_extended
                 ? static_cast<std::uint32_t>(static_cast<std::int32_t>(static_cast<std::int8_t>(value)))
                 : value & 0xFFU;
    case 16:
      return how == Immediate::sign_extended
                 ? static_cast<std::uint32_t>(static_cast<std::int32_t>(static_cast<std::int16_t>(value)))
                 : value & 0xFFFFU;
    default:
      return value;
  }
}

void fill_immediates(const ZydisDecodedInstructionRaw& raw, const Rule& rule, Insn& insn) {
  if (raw.imm[0].size == 0) return;
  insn.imm = extend(raw.imm[0].value.u, raw.imm[0].size, rule.immediate);
  insn.imm_offset = raw.imm[0].offset;
  insn.imm_size = static_cast<std::uint8_t>(raw.imm[0].size / 8);
  insn.imm2 = static_cast<std::uint16_t>(raw.imm[1].value.u);
}

// Register numbers that are not in ModRM.reg.
void fill_implied_register(Insn& insn) {
  switch (insn.form) {
    case Form::opreg:
    case Form::opreg_imm:
    case Form::acc_opreg:
      insn.reg = insn.opcode & 7U;
      break;
    case Form::sreg:
      insn.reg = (insn.opcode >> 3) & (insn.map == 0 ? 3U : 7U);
      break;
    default:
      break;
  }
}

}  // namespace

Decoded decode(std::span<const std::uint8_t> bytes, CodeSize size) {
  Decoded out;
  const auto given = std::min<std::size_t>(bytes.size(), 15);
  ZydisDecodedInstruction z;
  ZydisDecoderContext context;
  const ZyanStatus status =
      ZydisDecoderDecodeInstruction(&zydis_decoders(size).minimal, &context, bytes.data(), given, &z);
  if (ZYAN_FAILED(status)) {
    out.failure = status == ZYDIS_STATUS_NO_MORE_DATA           ? Failure::truncated
                  : status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? Failure::too_long
                                                                : Failure::invalid;
    return out;
  }

  Insn& insn = out.insn;
  insn.length = z.length;
  std::copy_n(bytes.begin(), z.length, insn.bytes.begin());
  insn.mnemonic = static_cast<std::uint16_t>(z.mnemonic);
  insn.opcode = z.opcode;
  const PrefixScan prefixes = scan_prefixes(bytes, z.raw.prefix_count);
  insn.prefixes = prefixes.bits;
  const bool is32 = size == CodeSize::bits32;
  const std::uint8_t operand_size = is32 == insn.has(isa::prefix::kOperandSize) ? 2 : 4;
  insn.address_size = is32 == insn.has(isa::prefix::kAddressSize) ? 2 : 4;
  insn.stack_operand = operand_size;
  insn.opcode_offset = z.raw.prefix_count;

  Rule rule = find_rule(z, insn);
  insn.has_modrm = (z.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;
  const auto& modrm = z.raw.modrm;
  if (insn.has_modrm) {
    insn.modrm_offset = modrm.offset;
    insn.modrm = bytes[modrm.offset];
    insn.reg = modrm.reg;
    insn.rm = modrm.rm;
    if (modrm.mod != 3 && !always_register(rule.op)) fill_memory_operand(z.raw, insn);
    rule = resolve_group(rule, modrm.reg, insn.memory, insn.prefixes);
  }
  if (z.raw.disp.size != 0) {
    insn.disp = static_cast<std::int32_t>(z.raw.disp.value);
    insn.disp_offset = z.raw.disp.offset;
    insn.disp_size = static_cast<std::uint8_t>(z.raw.disp.size / 8);
  }
  if (rule.form == Form::acc_moffs || rule.form == Form::moffs_acc) insn.memory = true;

  insn.op = rule.op;
  insn.form = rule.form;
  insn.width = width_in_bytes(rule.width, insn.memory, operand_size);
  insn.source_width = insn.width;
  if (insn.op == Op::movzx || insn.op == Op::movsx) insn.source_width = (insn.opcode & 1U) != 0 ? 2 : 1;
  if (insn.op == Op::lar || insn.op == Op::lsl) insn.source_width = 2;
  if (insn.op == Op::jcc || insn.op == Op::setcc || insn.op == Op::cmov) insn.condition = insn.opcode & 15U;
  if (insn.op == Op::nop && insn.map == 0 && insn.has(isa::prefix::kRep)) insn.op = Op::pause;
  fill_immediates(z.raw, rule, insn);
  fill_implied_register(insn);

  const bool stack_base = insn.memory && (insn.base == kEbp || insn.base == kEsp);
  insn.segment = insn.has(isa::prefix::kSegment) ? prefixes.segment : stack_base ? Seg::ss : Seg::ds;

  if (insn.form == Form::host) fill_host_operands(bytes.first(given), size, insn);
  if (insn.op == Op::host_fp && is_fp_environment(insn)) insn.op = Op::fp_environment;
  return out;
}

std::string disassemble(std::span<const std::uint8_t> bytes, CodeSize size, std::uint32_t eip) {
  ZydisDecodedInstruction z;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
  const auto given = std::min<std::size_t>(bytes.size(), 15);
  const ZyanStatus status =
      ZydisDecoderDecodeFull(&zydis_decoders(size).full, bytes.data(), given, &z, operands.data());
  if (ZYAN_FAILED(status)) return "(bad)";
  ZydisFormatter formatter;
  if (ZYAN_FAILED(ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL))) return "(bad)";
  std::array<char, 128> text{};
  if (ZYAN_FAILED(ZydisFormatterFormatInstruction(&formatter, &z, operands.data(), z.operand_count_visible, text.data(),
                                                  text.size(), eip, nullptr))) {
    return "(bad)";
  }
  return text.data();
}

}  // namespace ringshift::decode
