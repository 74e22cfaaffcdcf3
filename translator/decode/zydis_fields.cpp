#include "translator/decode/zydis_fields.h"

#include <Zydis/Zydis.h>

#include "translator/decode/zydis_decoders.h"
#include "translator/isa/insn.h"

namespace ringshift::decode {
namespace {

// Of several prefixes of one group the last one counts, as in silicon.
void scan_prefixes(std::span<const std::uint8_t> bytes, unsigned count, Fields& f) {
  for (unsigned i = 0; i < count; ++i) {
    switch (bytes[i]) {
      case 0xF0:
        f.prefixes |= isa::prefix::kLock;
        break;
      case 0xF2:
        f.prefixes = static_cast<std::uint8_t>((f.prefixes & ~isa::prefix::kRep) | isa::prefix::kRepne);
        break;
      case 0xF3:
        f.prefixes = static_cast<std::uint8_t>((f.prefixes & ~isa::prefix::kRepne) | isa::prefix::kRep);
        break;
      case 0x66:
        f.prefixes |= isa::prefix::kOperandSize;
        break;
      case 0x67:
        f.prefixes |= isa::prefix::kAddressSize;
        break;
      default: {
        f.prefixes |= isa::prefix::kSegment;
        const std::uint8_t b = bytes[i];
        f.segment = b == 0x64 ? Seg::fs : b == 0x65 ? Seg::gs : static_cast<Seg>((b >> 3) & 3);
        break;
      }
    }
  }
}

std::uint8_t map_number(const ZydisDecodedInstruction& z) {
  if (z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) return kNoMap;  // VEX, EVEX, XOP, 3DNow!
  switch (z.opcode_map) {
    case ZYDIS_OPCODE_MAP_DEFAULT:
      return 0;
    case ZYDIS_OPCODE_MAP_0F:
      return 1;
    case ZYDIS_OPCODE_MAP_0F38:
      return 2;
    case ZYDIS_OPCODE_MAP_0F3A:
      return 3;
    default:
      return kNoMap;
  }
}

}  // namespace

Failure read_zydis_fields(std::span<const std::uint8_t> bytes, CodeSize size, Fields& f) {
  ZydisDecodedInstruction z;
  ZydisDecoderContext context;
  const ZyanStatus status =
      ZydisDecoderDecodeInstruction(&zydis_decoders(size).minimal, &context, bytes.data(), bytes.size(), &z);
  if (ZYAN_FAILED(status)) {
    return status == ZYDIS_STATUS_NO_MORE_DATA           ? Failure::truncated
           : status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? Failure::too_long
                                                         : Failure::invalid;
  }
  f.length = z.length;
  f.prefix_count = z.raw.prefix_count;
  scan_prefixes(bytes, z.raw.prefix_count, f);
  f.map = map_number(z);
  f.opcode = z.opcode;
  f.mnemonic = static_cast<std::uint16_t>(z.mnemonic);
  f.has_modrm = (z.attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0;
  if (f.has_modrm) {
    f.modrm_offset = z.raw.modrm.offset;
    f.modrm = bytes[f.modrm_offset];
    if ((z.attributes & ZYDIS_ATTRIB_HAS_SIB) != 0) f.sib = bytes[z.raw.sib.offset];
  }
  if (z.raw.disp.size != 0) {
    f.disp = static_cast<std::int32_t>(z.raw.disp.value);
    f.disp_offset = z.raw.disp.offset;
    f.disp_size = static_cast<std::uint8_t>(z.raw.disp.size / 8);
  }
  if (z.raw.imm[0].size != 0) {
    f.imm = static_cast<std::uint32_t>(z.raw.imm[0].value.u);
    f.imm_offset = z.raw.imm[0].offset;
    f.imm_size = static_cast<std::uint8_t>(z.raw.imm[0].size / 8);
    f.imm2 = static_cast<std::uint16_t>(z.raw.imm[1].value.u);
  }
  return Failure::none;
}

}  // namespace ringshift::decode
