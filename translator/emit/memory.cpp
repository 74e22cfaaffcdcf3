#include "translator/emit/memory.h"

#include <array>

#include "translator/plan/block.h"

namespace ringshift::translator::emit {
namespace {

namespace x86 = asmjit::x86;

void lea(Context& c, std::uint8_t destination, const Address& m) {
  if (m.base == kNone && m.index == kNone) {
    c.a.mov(x86::gpd(destination), m.disp);
  } else {
    c.put(encode_lea(destination, m));
  }
}

Address offset_of(const Context& c, const isa::Insn& insn, std::int32_t esp_adjust) {
  Address m;
  if (insn.base != isa::kNoRegister) m.base = host_register(insn.base);
  if (insn.index != isa::kNoRegister) m.index = insn.index;
  m.scale = insn.scale;
  m.disp = insn.disp;
  if (insn.base == kEsp) {
    m.disp = static_cast<std::int32_t>(static_cast<std::uint32_t>(m.disp) +
                                       static_cast<std::uint32_t>(esp_adjust + c.esp_delta));
  }
  return m;
}

// Faults if `bytes` bytes at the offset in r8d run over 4 GiB, which no segment does; the runtime then raises #GP or
// #SS. The base, added modulo 2^32, would hide it. Reads the byte of the offset space for the last one, for nothing:
// there are 2^32 of them and a guard behind.
void refuse_beyond_end(Context& c, unsigned bytes) {
  c.a.movzx(x86::r9d, x86::byte_ptr(x86::r13, x86::r8, 0, abi::kOffsetSpace + static_cast<std::int32_t>(bytes) - 1));
}

}  // namespace

void effective_address(Context& c, const isa::Insn& insn, std::uint8_t destination) {
  Address m = offset_of(c, insn, 0);
  if (insn.address_size == 4) {
    lea(c, destination, m);
    return;
  }
  if (m.base == kNone && m.index == kNone) {
    c.a.mov(x86::gpd(destination), m.disp & 0xFFFF);
    return;
  }
  lea(c, destination, m);
  c.a.movzx(x86::gpd(destination), x86::gpw(destination));
}

Address in_segment(Context& c, Address offset, Seg segment, unsigned bytes) {
  if (plan::flat(segment, c.request.mode)) return offset;
  const std::size_t pointer =
      offsetof(CpuState, base_pointer) + static_cast<std::size_t>(segment) * sizeof(std::uint64_t);
  // What has no register is a constant, and plan::treatment() has looked at it.
  const bool computed = offset.base != kNone || offset.index != kNone;
  const bool may_run_over = computed && bytes > 1;
  if (may_run_over || (offset.base != kNone && offset.index != kNone)) collapse(c, offset);
  if (may_run_over) refuse_beyond_end(c, bytes);
  // A pointer of 0 faults here, and the runtime checks the access.
  c.a.mov(x86::r9, state(pointer, 8));
  c.a.mov(x86::r9d, x86::dword_ptr(x86::r9));
  if (offset.base == kNone) {
    offset.base = kScratch9;
  } else {
    offset.index = kScratch9;
    offset.scale = 1;
  }
  return offset;
}

Address resolve(Context& c, const isa::Insn& insn, std::int32_t esp_adjust) {
  if (insn.address_size == 4) {
    return in_segment(c, offset_of(c, insn, esp_adjust), insn.segment, plan::memory_bytes(insn));
  }
  // 16-bit addressing has neither esp nor a scale, and does not reach the end of 4 GiB.
  Address offset{.disp = insn.disp & 0xFFFF};
  if (insn.base != isa::kNoRegister || insn.index != isa::kNoRegister) {
    effective_address(c, insn, kScratch8);
    offset = {.base = kScratch8};
  }
  return in_segment(c, offset, insn.segment, 1);
}

void collapse(Context& c, Address& address) {
  lea(c, kScratch8, address);
  address = {.base = kScratch8};
}

void load(Context& c, unsigned width, std::uint8_t reg, const Address& from) {
  c.put(encode({.word = width == 2, .opcode = 0x8B, .reg = reg}, from));
}

void store(Context& c, unsigned width, const Address& to, std::uint8_t reg) {
  c.put(encode({.word = width == 2, .opcode = 0x89, .reg = reg}, to));
}

void store_immediate(Context& c, unsigned width, const Address& to, std::uint32_t value) {
  const std::array<std::uint8_t, 4> bytes{static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8),
                                          static_cast<std::uint8_t>(value >> 16),
                                          static_cast<std::uint8_t>(value >> 24)};
  c.put(encode({.word = width == 2, .opcode = 0xC7, .immediate = std::span(bytes).first(width)}, to));
}

void settle_esp(Context& c) {
  if (c.esp_delta == 0) return;
  c.a.lea(x86::r12d, x86::ptr(x86::r12, c.esp_delta));
  c.esp_delta = 0;
}

}  // namespace ringshift::translator::emit
