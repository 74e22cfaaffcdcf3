// String instructions. es:[edi] cannot be overridden with a segment prefix, so the window's base is
// added to the pointers and the 64-bit instruction runs. Windows are 4 GiB aligned: the low halves of
// rsi and rdi stay linear addresses throughout, also where a fault interrupts a repetition.
#include "translator/emit/families.h"
#include "translator/emit/memory.h"

namespace ringshift::translator::emit {
namespace {

namespace x86 = asmjit::x86;
using isa::Op;

struct Uses {
  bool esi = false, edi = false;
};

Uses uses(const isa::Insn& insn) {
  return {.esi = insn.op == Op::movs || insn.op == Op::lods || insn.op == Op::cmps, .edi = insn.op != Op::lods};
}

// On linear addresses in esi and edi.
void run_on_window(Context& c, const isa::Insn& insn, Uses used, Fixup fixup) {
  c.a.mov(x86::r8, state(offsetof(CpuState, host) + offsetof(HostContext, window_base), 8));
  if (used.edi) c.a.lea(x86::rdi, x86::ptr(x86::rdi, x86::r8));
  if (used.esi) c.a.lea(x86::rsi, x86::ptr(x86::rsi, x86::r8));
  if (fixup != Fixup::none) mark_fixup(c, fixup);
  Bytes bytes;
  if (insn.width == 2) bytes.put(0x66);
  if (insn.has(isa::prefix::kRep)) bytes.put(0xF3);
  if (insn.has(isa::prefix::kRepne)) bytes.put(0xF2);
  bytes.put(insn.opcode);
  c.put(bytes);
  if (used.edi) c.a.mov(x86::edi, x86::edi);
  if (used.esi) c.a.mov(x86::esi, x86::esi);
}

// r8d = the offset in an index register.
void take_offset(Context& c, std::uint8_t index, bool bits16) {
  if (bits16) {
    c.a.movzx(x86::r8d, x86::gpw(index));
  } else {
    c.a.mov(x86::r8d, x86::gpd(index));
  }
}

// Faults unless an element at the offset in `index` is in reach.
void check_element(Context& c, std::uint8_t index, Seg segment, const isa::Insn& insn) {
  const bool bits16 = insn.address_size == 2;
  if (bits16 && insn.width == 1 && c.request.mode.reaches(segment)) return;
  take_offset(c, index, bits16);
  check_limit(c, segment, insn.width);
}

// Faults unless all of cx elements from the offset in `index`, upwards, are in reach and below 64 KiB. (Or if both are
// 0, which the runtime then finds out.)
void check_elements(Context& c, std::uint8_t index, Seg segment, const isa::Insn& insn) {
  c.a.movzx(x86::r8d, x86::gpw(index));
  c.a.movzx(x86::r9d, x86::cx);
  c.put(encode_lea(kScratch8, {.base = kScratch8, .index = kScratch9, .scale = insn.width, .disp = -1}));
  check_below(c, 0xFFFF);
  if (!c.request.mode.reaches(segment)) check_limit(c, segment, 1);
}

// Faults if DF is set.
void check_forwards(Context& c) {
  c.a.pushfq();
  c.a.pop(x86::r8);
  c.a.mov(x86::r9d, eflags::kDf);
  c.a.pext(x86::r8d, x86::r8d, x86::r9d);
  check_below(c, 0);
}

// An index register becomes a linear address.
void add_base(Context& c, std::uint8_t index, Seg segment, bool bits16) {
  if (bits16) c.a.movzx(x86::gpd(index), x86::gpw(index));
  c.a.mov(x86::r8d, segment_field(segment, offsetof(SegmentRegister, base), 4));
  c.a.lea(x86::gpd(index), x86::ptr(x86::gpq(index), x86::r8));
}

// And an offset again; of 16 bits, if `saved` has the rest.
void take_base(Context& c, std::uint8_t index, Seg segment, bool bits16, std::uint8_t saved) {
  c.a.mov(x86::r8d, segment_field(segment, offsetof(SegmentRegister, base), 4));
  c.a.not_(x86::r8d);
  if (!bits16) {
    c.a.lea(x86::gpd(index), x86::ptr(x86::gpq(index), x86::r8, 0, 1));
    return;
  }
  c.a.lea(x86::r8d, x86::ptr(x86::gpq(index), x86::r8, 0, 1));
  c.a.mov(x86::gpw(saved), x86::r8w);
  c.a.mov(x86::gpd(index), x86::gpd(saved));
}

// All that may fault comes first, or is the string instruction itself, which has a fixup (Fixup::string16).
void emit_in_segments(Context& c, const isa::Insn& insn, Uses used) {
  const bool bits16 = insn.address_size == 2;
  if (insn.repeated()) {
    check_forwards(c);
    if (used.esi) check_elements(c, kEsi, insn.segment, insn);
    if (used.edi) check_elements(c, kEdi, Seg::es, insn);
  } else {
    if (used.esi) check_element(c, kEsi, insn.segment, insn);
    if (used.edi) check_element(c, kEdi, Seg::es, insn);
  }
  if (used.esi) c.a.mov(x86::r10d, x86::esi);
  if (used.edi) c.a.mov(x86::r11d, x86::edi);
  if (used.esi) add_base(c, kEsi, insn.segment, bits16);
  if (used.edi) add_base(c, kEdi, Seg::es, bits16);
  if (insn.repeated()) {
    c.a.mov(x86::r9d, x86::ecx);
    c.a.movzx(x86::ecx, x86::cx);
  }
  run_on_window(c, insn, used, string_fixup(bits16, insn.segment));
  if (used.esi) take_base(c, kEsi, insn.segment, bits16, kScratch10);
  if (used.edi) take_base(c, kEdi, Seg::es, bits16, kScratch11);
  if (insn.repeated()) {
    c.a.mov(x86::r9w, x86::cx);
    c.a.mov(x86::ecx, x86::r9d);
  }
}

}  // namespace

void emit_string(Context& c, const isa::Insn& insn) {
  const Uses used = uses(insn);
  if (plan::string_in_window(insn, c.request.mode)) return run_on_window(c, insn, used, Fixup::none);
  emit_in_segments(c, insn, used);
}

}  // namespace ringshift::translator::emit
