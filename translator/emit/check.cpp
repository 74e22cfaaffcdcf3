// Code that may be written unseen: the fragment looks for itself whether its source is still what was translated.
//
// No flag may change, so a difference is found by subtracting (lea) and testing ecx (jrcxz).
#include <algorithm>
#include <array>
#include <cstring>

#include "translator/emit/exits.h"
#include "translator/emit/families.h"
#include "translator/emit/memory.h"

namespace ringshift::translator::emit {
namespace {

namespace x86 = asmjit::x86;

std::uint32_t value_at(const Context& c, std::uint32_t offset, unsigned size) {
  std::uint32_t value = 0;
  std::memcpy(&value, c.request.bytes.data() + offset, size);
  return value;
}

// Leaves if `size` bytes (1, 2 or 4) at `offset` of the block differ.
void compare(Context& c, std::uint32_t offset, unsigned size) {
  const Address at{.disp = static_cast<std::int32_t>(c.request.eip + offset)};
  if (size == 4) {
    load(c, 4, kScratch8, at);
  } else {
    c.put(encode({.map = 1, .opcode = static_cast<std::uint8_t>(size == 2 ? 0xB7 : 0xB6), .reg = kScratch8}, at));
  }
  c.a.lea(x86::ecx, x86::ptr(x86::r8, static_cast<std::int32_t>(0U - value_at(c, offset, size))));
  // jrcxz over the way out (5 bytes).
  constexpr std::array<std::uint8_t, 2> kJrcxz{0xE3, 0x05};
  c.a.embed(kJrcxz.data(), kJrcxz.size());
  jump_stale(c);
}

// Bytes [begin, end) of the block.
void compare_stretch(Context& c, std::uint32_t begin, std::uint32_t end) {
  const std::uint32_t first = begin;
  while (end - begin >= 4) {
    compare(c, begin, 4);
    begin += 4;
  }
  if (begin == end) return;
  if (end - first >= 4) return compare(c, end - 4, 4);
  if (end - begin >= 2) {
    compare(c, begin, 2);
    begin += 2;
  }
  if (begin != end) compare(c, begin, 1);
}

}  // namespace

void emit_check(Context& c, const plan::Block& block) {
  mark_boundary(c);
  c.a.mov(x86::r10, x86::rcx);
  mark_fixup(c, Fixup::ecx_in_r10);
  std::uint32_t begin = 0;
  for (const plan::Step& step : block.steps) {
    if (!step.loads_immediate) continue;
    const std::uint32_t immediate = step.offset + std::uint32_t{step.insn.imm_offset};
    compare_stretch(c, begin, immediate);
    begin = immediate + step.insn.imm_size;
  }
  compare_stretch(c, begin, block.bytes);
  c.a.mov(x86::rcx, x86::r10);
  if (!block.writes_memory) c.fragment.loop_offset = c.offset();
}

// mov, add, or, adc, sbb, and, sub, xor, cmp with an immediate of 4 bytes (plan::immediate_can_be_loaded).
void emit_with_loaded_immediate(Context& c, const isa::Insn& insn) {
  const Address immediate{.disp = static_cast<std::int32_t>(c.eip() + insn.imm_offset)};
  // As the form "reg, r/m" and, with the next lower bit of the opcode clear, "r/m, reg".
  std::uint8_t opcode = 0x8B;
  if (insn.op != isa::Op::mov) {
    const std::uint8_t operation = insn.form == isa::Form::acc_imm ? insn.opcode >> 3 : insn.modrm >> 3 & 7;
    opcode = static_cast<std::uint8_t>(operation << 3 | 3);
  }
  if (insn.memory) {
    const Address destination = resolve(c, insn);
    load(c, 4, kScratch10, immediate);
    const auto to_memory = static_cast<std::uint8_t>(opcode & ~2U);
    c.put(encode({.lock = insn.has(isa::prefix::kLock), .opcode = to_memory, .reg = kScratch10}, destination));
    return;
  }
  const std::uint8_t reg = insn.form == isa::Form::acc_imm     ? std::uint8_t{kEax}
                           : insn.form == isa::Form::opreg_imm ? insn.reg
                                                               : insn.rm;
  c.put(encode({.opcode = opcode, .reg = host_register(reg)}, immediate));
}

}  // namespace ringshift::translator::emit
