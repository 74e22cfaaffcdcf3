#include "translator/emit/encoding.h"

#include <bit>

namespace ringshift::translator::emit {
namespace {

constexpr std::uint8_t kRexR = 0x44, kRexX = 0x42, kRexB = 0x41;

std::uint8_t extension(std::uint8_t reg, std::uint8_t bit) { return reg != kNone && reg >= 8 ? bit : std::uint8_t{0}; }

std::uint8_t low(std::uint8_t reg) { return reg & 7U; }

std::uint8_t modrm(unsigned mod, unsigned reg, unsigned rm) {
  return static_cast<std::uint8_t>(mod << 6 | (reg & 7U) << 3 | (rm & 7U));
}

// Silicon takes prefixes in any order before REX; disassemblers want the mandatory one last.
void put_prefixes(Bytes& out, const Template& t, bool memory) {
  if (memory) {
    out.put(0x65);
    out.put(0x67);
  }
  if (t.lock) out.put(0xF0);
  if (t.word) out.put(0x66);
  if (t.mandatory != 0) out.put(t.mandatory);
}

void put_opcode(Bytes& out, const Template& t, std::uint8_t rex) {
  if (rex != 0) out.put(rex);
  if (t.map != 0) out.put(0x0F);
  if (t.map == 2) out.put(0x38);
  if (t.map == 3) out.put(0x3A);
  out.put(t.opcode);
}

void put_operand(Bytes& out, std::uint8_t reg, const Address& m) {
  // A base of 4 or 12 needs a SIB byte; so does no base at all, because without SIB it would mean
  // RIP-relative in 64-bit mode. A base of 5 or 13 has no form without displacement.
  const bool sib = m.index != kNone || m.base == kNone || low(m.base) == 4;
  const bool no_disp = m.disp == 0 && m.base != kNone && low(m.base) != 5;
  const bool disp8 = m.disp >= -128 && m.disp <= 127;
  const unsigned mod = m.base == kNone || no_disp ? 0U : disp8 ? 1U : 2U;
  out.put(modrm(mod, reg, sib ? 4U : m.base));
  if (sib) {
    const auto scale = static_cast<unsigned>(std::countr_zero(m.scale));
    out.put(modrm(scale, m.index == kNone ? 4U : m.index, m.base == kNone ? 5U : m.base));
  }
  if (mod == 1) {
    out.put(static_cast<std::uint8_t>(m.disp));
  } else if (mod == 2 || m.base == kNone) {
    out.put32(static_cast<std::uint32_t>(m.disp));
  }
}

}  // namespace

Bytes encode(const Template& t, const Address& memory) {
  Bytes out;
  const auto rex = static_cast<std::uint8_t>(extension(t.reg, kRexR) | extension(memory.index, kRexX) |
                                             extension(memory.base, kRexB));
  put_prefixes(out, t, true);
  put_opcode(out, t, rex);
  put_operand(out, t.reg, memory);
  out.put(t.immediate);
  return out;
}

Bytes encode_lea(std::uint8_t destination, const Address& address) {
  Bytes out;
  const auto rex = static_cast<std::uint8_t>(extension(destination, kRexR) | extension(address.index, kRexX) |
                                             extension(address.base, kRexB));
  put_opcode(out, {.opcode = 0x8D}, rex);
  put_operand(out, destination, address);
  return out;
}

Bytes encode_load_place(std::uint8_t destination, std::int32_t offset) {
  Bytes out;
  out.put(static_cast<std::uint8_t>(destination < 8 ? 0x41U : 0x45U));
  out.put(0x8B);
  out.put(static_cast<std::uint8_t>(0x85U | (destination & 7U) << 3));
  out.put32(static_cast<std::uint32_t>(offset));
  return out;
}

Bytes encode_load_linear(std::uint8_t destination, std::int32_t place, std::uint32_t eip) {
  Bytes out;
  if (place == 0) {
    if (destination >= 8) out.put(0x41);
    out.put(static_cast<std::uint8_t>(0xB8U | (destination & 7U)));  // mov destination, eip
    out.put32(eip);
  } else {
    out.put(encode_load_place(destination, place));
    out.put(encode_lea(destination, {.base = destination, .disp = static_cast<std::int32_t>(eip)}));
  }
  return out;
}

Bytes encode(const Template& t, std::uint8_t rm) {
  Bytes out;
  const auto rex = static_cast<std::uint8_t>(extension(t.reg, kRexR) | extension(rm, kRexB));
  put_prefixes(out, t, false);
  put_opcode(out, t, rex);
  out.put(modrm(3, t.reg, rm));
  out.put(t.immediate);
  return out;
}

}  // namespace ringshift::translator::emit
