#include "translator/decode/common_fields.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "translator/isa/insn.h"

namespace ringshift::decode {
namespace {

// What follows an opcode. 0: not common.
using Shape = std::uint8_t;
constexpr Shape kCommon = 1, kModrm = 2, kMemoryOnly = 4, kImm8 = 8, kImm16 = 16, kImmOperand = 32, kMoffs = 64,
                kGroup = 128;  // only some values of ModRM.reg: kGroupRegs
using ShapeTable = std::array<Shape, 256>;

constexpr void shape(ShapeTable& t, unsigned first, unsigned last, unsigned s) {
  for (unsigned i = first; i <= last; ++i) t[i] = static_cast<Shape>(s | kCommon);
}

constexpr ShapeTable one_byte_shapes() {
  ShapeTable t{};
  for (unsigned alu = 0; alu < 0x40; alu += 8) {
    shape(t, alu, alu + 3, kModrm);
    shape(t, alu + 4, alu + 4, kImm8);
    shape(t, alu + 5, alu + 5, kImmOperand);
  }
  shape(t, 0x40, 0x61, 0);
  shape(t, 0x68, 0x68, kImmOperand);
  shape(t, 0x69, 0x69, kModrm | kImmOperand);
  shape(t, 0x6A, 0x6A, kImm8);
  shape(t, 0x6B, 0x6B, kModrm | kImm8);
  shape(t, 0x70, 0x7F, kImm8);
  shape(t, 0x80, 0x80, kModrm | kImm8);
  shape(t, 0x81, 0x81, kModrm | kImmOperand);
  shape(t, 0x83, 0x83, kModrm | kImm8);
  shape(t, 0x84, 0x8B, kModrm);
  shape(t, 0x8D, 0x8D, kModrm | kMemoryOnly);
  shape(t, 0x90, 0x99, 0);
  shape(t, 0x9C, 0x9F, 0);
  shape(t, 0xA0, 0xA3, kMoffs);
  shape(t, 0xA4, 0xA7, 0);
  shape(t, 0xA8, 0xA8, kImm8);
  shape(t, 0xA9, 0xA9, kImmOperand);
  shape(t, 0xAA, 0xAF, 0);
  shape(t, 0xB0, 0xB7, kImm8);
  shape(t, 0xB8, 0xBF, kImmOperand);
  shape(t, 0xC0, 0xC1, kModrm | kImm8 | kGroup);
  shape(t, 0xC2, 0xC2, kImm16);
  shape(t, 0xC3, 0xC3, 0);
  shape(t, 0xC6, 0xC6, kModrm | kImm8 | kGroup);
  shape(t, 0xC7, 0xC7, kModrm | kImmOperand | kGroup);
  shape(t, 0xC9, 0xC9, 0);
  shape(t, 0xCC, 0xCC, 0);
  shape(t, 0xCD, 0xCD, kImm8);
  shape(t, 0xD0, 0xD3, kModrm | kGroup);
  shape(t, 0xE0, 0xE3, kImm8);
  shape(t, 0xE8, 0xE9, kImmOperand);
  shape(t, 0xEB, 0xEB, kImm8);
  shape(t, 0xF4, 0xF5, 0);
  shape(t, 0xF6, 0xF7, kModrm | kGroup);  // /0 has an immediate: left to Zydis unless test
  shape(t, 0xF8, 0xFD, 0);
  shape(t, 0xFE, 0xFF, kModrm | kGroup);
  return t;
}

constexpr ShapeTable two_byte_shapes() {
  ShapeTable t{};
  shape(t, 0x1F, 0x1F, kModrm | kGroup);
  shape(t, 0x31, 0x31, 0);
  shape(t, 0x40, 0x4F, kModrm);
  shape(t, 0x80, 0x8F, kImmOperand);
  shape(t, 0x90, 0x9F, kModrm);
  shape(t, 0xA3, 0xA3, kModrm);
  shape(t, 0xA4, 0xA4, kModrm | kImm8);
  shape(t, 0xA5, 0xA5, kModrm);
  shape(t, 0xAB, 0xAB, kModrm);
  shape(t, 0xAC, 0xAC, kModrm | kImm8);
  shape(t, 0xAD, 0xAD, kModrm);
  shape(t, 0xAF, 0xB1, kModrm);
  shape(t, 0xB3, 0xB3, kModrm);
  shape(t, 0xB6, 0xB7, kModrm);
  shape(t, 0xBA, 0xBA, kModrm | kImm8 | kGroup);
  shape(t, 0xBB, 0xC1, kModrm);
  shape(t, 0xC8, 0xCF, 0);
  return t;
}

constexpr ShapeTable kOneByteShapes = one_byte_shapes();
constexpr ShapeTable kTwoByteShapes = two_byte_shapes();

// Bit r: ModRM.reg = r is a defined instruction in both register and memory form.
constexpr std::uint8_t group_regs(unsigned map, unsigned opcode) {
  if (map == 1) return opcode == 0xBA ? 0xF0 : 0x01;
  switch (opcode) {
    case 0xC6:
    case 0xC7:
      return 0x01;
    case 0xF6:
    case 0xF7:
      return 0xFD;
    case 0xFE:
      return 0x03;
    case 0xFF:
      return 0x57;
    default:  // shifts
      return 0xBF;
  }
}

std::uint32_t read_value(const std::uint8_t* p, unsigned size) {
  std::uint32_t value = 0;
  if (size == 4) {
    std::memcpy(&value, p, 4);
  } else if (size == 1) {
    value = *p;
  } else {
    value = static_cast<std::uint32_t>(p[0] | p[1] << 8);
  }
  return value;
}

std::int32_t sign_extended(std::uint32_t value, unsigned size) {
  const unsigned shift = 32 - 8 * size;
  return static_cast<std::int32_t>(value << shift) >> shift;
}

// Bytes of the displacement that ModRM asks for, and whether SIB precedes it.
struct AddressShape {
  std::uint8_t disp_size = 0;
  bool sib = false;
};

AddressShape address_shape(unsigned modrm, unsigned sib, bool address32) {
  const unsigned mod = modrm >> 6;
  const unsigned rm = modrm & 7U;
  if (mod == 3) return {};
  if (!address32) {
    return {static_cast<std::uint8_t>(mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0), false};
  }
  const unsigned base = rm == 4 ? sib & 7U : rm;
  return {static_cast<std::uint8_t>(mod == 1 ? 1 : mod == 2 || base == 5 ? 4 : 0), rm == 4};
}

// Takes operand size, address size and segment prefixes; false at any other.
bool read_prefixes(const std::uint8_t* bytes, Fields& f) {
  // More are rare, and their number is limited by the length of an instruction.
  constexpr unsigned kMost = 4;
  for (unsigned i = 0; i <= kMost; ++i) {
    const std::uint8_t b = bytes[i];
    switch (b) {
      case 0x66:
        f.prefixes |= isa::prefix::kOperandSize;
        break;
      case 0x67:
        f.prefixes |= isa::prefix::kAddressSize;
        break;
      case 0x26:
      case 0x2E:
      case 0x36:
      case 0x3E:
        f.prefixes |= isa::prefix::kSegment;
        f.segment = static_cast<Seg>((b >> 3) & 3U);
        break;
      case 0x64:
      case 0x65:
        f.prefixes |= isa::prefix::kSegment;
        f.segment = b == 0x64 ? Seg::fs : Seg::gs;
        break;
      case 0xF0:
      case 0xF2:
      case 0xF3:
        return false;
      default:
        f.prefix_count = static_cast<std::uint8_t>(i);
        return true;
    }
  }
  return false;
}

// 4 prefixes, 2 opcode bytes, ModRM, SIB, 4 + 4.
constexpr std::size_t kLongest = 16;

// `start` has kLongest bytes.
bool read_fields(const std::uint8_t* const start, CodeSize size, Fields& f) {
  if (!read_prefixes(start, f)) return false;
  const std::uint8_t* p = start + f.prefix_count;
  const bool is32 = size == CodeSize::bits32;
  const bool operand32 = is32 == ((f.prefixes & isa::prefix::kOperandSize) == 0);
  const bool address32 = is32 == ((f.prefixes & isa::prefix::kAddressSize) == 0);

  f.opcode = *p++;
  Shape s = kOneByteShapes[f.opcode];
  if (f.opcode == 0x0F) {
    f.map = 1;
    f.opcode = *p++;
    s = kTwoByteShapes[f.opcode];
  }
  if (s == 0) return false;
  unsigned imm_size = (s & kImm8) != 0 ? 1U : (s & kImm16) != 0 ? 2U : 0U;
  if ((s & kImmOperand) != 0) imm_size = operand32 ? 4 : 2;

  if ((s & kModrm) != 0) {
    f.has_modrm = true;
    f.modrm_offset = static_cast<std::uint8_t>(p - start);
    f.modrm = *p++;
    const unsigned reg = (f.modrm >> 3) & 7U;
    if ((s & kMemoryOnly) != 0 && f.modrm >= 0xC0) return false;
    if ((s & kGroup) != 0) {
      if ((group_regs(f.map, f.opcode) >> reg & 1U) == 0) return false;
      if (f.map == 0 && f.opcode == 0xF6 && reg == 0) imm_size = 1;
      if (f.map == 0 && f.opcode == 0xF7 && reg == 0) imm_size = operand32 ? 4 : 2;
    }
    const AddressShape address = address_shape(f.modrm, *p, address32);
    if (address.sib) f.sib = *p++;
    f.disp_size = address.disp_size;
  } else if ((s & kMoffs) != 0) {
    f.disp_size = address32 ? 4 : 2;
  }
  if (f.disp_size != 0) {
    f.disp_offset = static_cast<std::uint8_t>(p - start);
    f.disp = sign_extended(read_value(p, f.disp_size), f.disp_size);
    p += f.disp_size;
  }
  if (imm_size != 0) {
    f.imm_offset = static_cast<std::uint8_t>(p - start);
    f.imm_size = static_cast<std::uint8_t>(imm_size);
    f.imm = read_value(p, imm_size);
    p += imm_size;
  }
  const auto length = p - start;
  if (length > 15) return false;
  f.length = static_cast<std::uint8_t>(length);
  return true;
}

}  // namespace

bool read_common_fields(std::span<const std::uint8_t> bytes, CodeSize size, Fields& f) {
  if (bytes.size() >= kLongest) return read_fields(bytes.data(), size, f);
  std::array<std::uint8_t, kLongest> padded{};
  std::ranges::copy(bytes, padded.begin());
  return read_fields(padded.data(), size, f) && f.length <= bytes.size();
}

}  // namespace ringshift::decode
