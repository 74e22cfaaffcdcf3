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

Address in_general_segment(Context& c, Address offset, Seg segment, unsigned bytes, unsigned address_size) {
  const ModeKey& mode = c.request.mode;
  const bool constant = offset.base == kNone && offset.index == kNone;
  const bool reached = address_size == 2 && mode.reaches(segment) &&
                       (bytes <= 1 || (constant && static_cast<std::uint32_t>(offset.disp) + bytes <= 0x10000U));
  const bool simple = offset.base == kScratch8 && offset.index == kNone && offset.disp == 0;
  if (!reached || (offset.index != kNone && segment != Seg::cs)) {
    if (!simple) collapse(c, offset);
    if (!reached) check_limit(c, segment, bytes);
  }
  if (segment == Seg::cs) {
    offset.disp = static_cast<std::int32_t>(static_cast<std::uint32_t>(offset.disp) + mode.cs_base);
    return offset;
  }
  c.a.mov(x86::r9d, segment_field(segment, offsetof(SegmentRegister, base), 4));
  if (offset.base == kNone) {
    offset.base = kScratch9;
  } else {
    offset.index = kScratch9;
    offset.scale = 1;
  }
  return offset;
}

}  // namespace

void check_limit(Context& c, Seg segment, unsigned bytes) {
  const std::size_t pointer =
      offsetof(CpuState, limit_pointer) + static_cast<std::size_t>(segment) * sizeof(std::uint64_t);
  c.a.mov(x86::r9, state(pointer, 8));
  c.a.movzx(x86::r9d, x86::byte_ptr(x86::r9, x86::r8, 0, static_cast<std::int32_t>(bytes) - 1));
}

void check_below(Context& c, std::uint32_t limit) {
  c.a.mov(x86::r9, state(offsetof(CpuState, host) + offsetof(HostContext, limit_space), 8));
  c.a.movzx(x86::r9d, x86::byte_ptr(x86::r9, x86::r8, 0, -static_cast<std::int32_t>(limit) - 1));
}

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

Address in_segment(Context& c, Address offset, Seg segment, unsigned bytes, unsigned address_size) {
  if (plan::flat(segment, c.request.mode)) return offset;
  if (!c.request.mode.plain()) return in_general_segment(c, offset, segment, bytes, address_size);
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
  return in_segment(c, offset, insn.segment, c.request.mode.plain() ? 1 : plan::memory_bytes(insn), 2);
}

Address stack(Context& c, std::int32_t disp, unsigned bytes) {
  const ModeKey& mode = c.request.mode;
  const Address at{.base = kHostEsp, .disp = disp + c.esp_delta};
  if (mode.stack32) return in_segment(c, at, Seg::ss, bytes);
  if (at.disp != 0) {
    lea(c, kScratch8, at);
    c.a.movzx(x86::r8d, x86::r8w);
  } else {
    c.a.movzx(x86::r8d, x86::r12w);
  }
  return in_segment(c, {.base = kScratch8}, Seg::ss, bytes, 2);
}

void move_esp(Context& c, std::int32_t delta) {
  if (c.request.mode.stack32) {
    c.esp_delta += delta;
    return;
  }
  c.a.lea(x86::r8d, x86::ptr(x86::r12, delta));
  c.a.mov(x86::r12w, x86::r8w);
}

void collapse(Context& c, Address& address) {
  lea(c, kScratch8, address);
  address = {.base = kScratch8};
}

void load(Context& c, unsigned width, std::uint8_t reg, const Address& from) {
  c.put(encode({.word = width == 2, .opcode = 0x8B, .reg = reg}, from));
}

void load_zero_extended(Context& c, unsigned width, std::uint8_t reg, const Address& from) {
  if (width == 4) return load(c, 4, reg, from);
  c.put(encode({.map = 1, .opcode = 0xB7, .reg = reg}, from));
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
