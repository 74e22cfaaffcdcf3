#include "translator/decode/decoder.h"

#include <Zydis/Zydis.h>

#include <algorithm>
#include <array>

#include "runtime/state/cpu_state.h"
#include "translator/decode/common_fields.h"
#include "translator/decode/host_operands.h"
#include "translator/decode/opcode_tables.h"
#include "translator/decode/zydis_decoders.h"
#include "translator/decode/zydis_fields.h"

namespace ringshift::decode {
namespace {

using isa::Form;
using isa::Insn;
using isa::Op;

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

void fill_memory_operand(const Fields& f, Insn& insn) {
  const auto mod = static_cast<std::uint8_t>(f.modrm >> 6);
  const std::uint8_t rm = f.modrm & 7U;
  insn.memory = true;
  if (insn.address_size == 2) {
    const Pair pair = kAddress16[rm];
    if (mod == 0 && rm == 6) return;  // disp16 alone
    insn.base = pair.base;
    insn.index = pair.index;
    return;
  }
  if (rm != 4) {
    if (mod != 0 || rm != 5) insn.base = rm;
    return;
  }
  const std::uint8_t base = f.sib & 7U;
  const std::uint8_t index = (f.sib >> 3) & 7U;
  if (mod != 0 || base != 5) insn.base = base;
  if (index != 4) {
    insn.index = index;
    insn.scale = static_cast<std::uint8_t>(1U << (f.sib >> 6));
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

Rule find_rule(const Fields& f) {
  switch (f.map) {
    case 0:
      return kOneByteRules[f.opcode];
    case 1:
      return kTwoByteRules[f.opcode];
    case 2:
      // movbe and crc32; the rest of the map is MMX and SSE. The ISA set check sorts out the others.
      return {f.opcode >= 0xF0 ? Op::host_int : Op::host_fp, Form::host};
    case 3:
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

std::uint32_t extend(std::uint32_t value, unsigned size, Immediate how) {
  switch (size) {
    case 1:
      return how == Immediate::sign_extended
                 ? static_cast<std::uint32_t>(static_cast<std::int32_t>(static_cast<std::int8_t>(value)))
                 : value & 0xFFU;
    case 2:
      return how == Immediate::sign_extended
                 ? static_cast<std::uint32_t>(static_cast<std::int32_t>(static_cast<std::int16_t>(value)))
                 : value & 0xFFFFU;
    default:
      return value;
  }
}

void fill_immediates(const Fields& f, const Rule& rule, Insn& insn) {
  if (f.imm_size == 0) return;
  insn.imm = extend(f.imm, f.imm_size, rule.immediate);
  insn.imm_offset = f.imm_offset;
  insn.imm_size = f.imm_size;
  insn.imm2 = f.imm2;
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

// What the instruction is, from its fields.
void complete(const Fields& f, std::span<const std::uint8_t> bytes, CodeSize size, Insn& insn) {
  insn.length = f.length;
  std::copy_n(bytes.begin(), f.length, insn.bytes.begin());
  insn.mnemonic = f.mnemonic;
  insn.opcode = f.opcode;
  insn.prefixes = f.prefixes;
  const bool is32 = size == CodeSize::bits32;
  const std::uint8_t operand_size = is32 == insn.has(isa::prefix::kOperandSize) ? 2 : 4;
  insn.address_size = is32 == insn.has(isa::prefix::kAddressSize) ? 2 : 4;
  insn.stack_operand = operand_size;
  insn.opcode_offset = f.prefix_count;

  Rule rule = find_rule(f);
  insn.map = f.map == kNoMap ? std::uint8_t{0} : f.map;
  insn.has_modrm = f.has_modrm;
  if (f.has_modrm) {
    insn.modrm_offset = f.modrm_offset;
    insn.modrm = f.modrm;
    insn.reg = (f.modrm >> 3) & 7U;
    insn.rm = f.modrm & 7U;
    if (f.modrm < 0xC0 && !always_register(rule.op)) fill_memory_operand(f, insn);
    rule = resolve_group(rule, insn.reg, insn.memory, insn.prefixes);
  }
  insn.disp = f.disp;
  insn.disp_offset = f.disp_offset;
  insn.disp_size = f.disp_size;
  if (rule.form == Form::acc_moffs || rule.form == Form::moffs_acc) insn.memory = true;

  insn.op = rule.op;
  insn.form = rule.form;
  insn.width = width_in_bytes(rule.width, insn.memory, operand_size);
  insn.source_width = insn.width;
  if (insn.op == Op::movzx || insn.op == Op::movsx) insn.source_width = (insn.opcode & 1U) != 0 ? 2 : 1;
  if (insn.op == Op::lar || insn.op == Op::lsl) insn.source_width = 2;
  if (insn.op == Op::jcc || insn.op == Op::setcc || insn.op == Op::cmov) insn.condition = insn.opcode & 15U;
  if (insn.op == Op::nop && insn.map == 0 && insn.has(isa::prefix::kRep)) insn.op = Op::pause;
  fill_immediates(f, rule, insn);
  fill_implied_register(insn);

  const bool stack_base = insn.memory && (insn.base == kEbp || insn.base == kEsp);
  insn.segment = insn.has(isa::prefix::kSegment) ? f.segment : stack_base ? Seg::ss : Seg::ds;

  if (insn.form == Form::host) fill_host_operands(bytes.first(std::min<std::size_t>(bytes.size(), 15)), size, insn);
  if (insn.op == Op::host_fp && is_fp_environment(insn)) insn.op = Op::fp_environment;
}

}  // namespace

Failure decode_by_zydis(std::span<const std::uint8_t> bytes, CodeSize size, isa::Insn& insn) {
  Fields fields;
  bytes = bytes.first(std::min<std::size_t>(bytes.size(), 15));
  const Failure failure = read_zydis_fields(bytes, size, fields);
  if (failure == Failure::none) complete(fields, bytes, size, insn);
  return failure;
}

Failure decode(std::span<const std::uint8_t> bytes, CodeSize size, isa::Insn& insn) {
  Fields fields;
  if (bytes.empty() || !read_common_fields(bytes, size, fields)) return decode_by_zydis(bytes, size, insn);
  complete(fields, bytes, size, insn);
  return Failure::none;
}

Decoded decode(std::span<const std::uint8_t> bytes, CodeSize size) {
  Decoded out;
  out.failure = decode(bytes, size, out.insn);
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
