#include "translator/emit/families.h"
#include "translator/emit/memory.h"

namespace ringshift::translator::emit {
namespace {

namespace x86 = asmjit::x86;
using isa::Insn;
using isa::Op;

void emit_lea(Context& c, const Insn& insn) {
  if (insn.width == 4) {
    effective_address(c, insn, host_register(insn.reg));
    if (insn.reg == kEsp) c.esp_delta = 0;
    return;
  }
  effective_address(c, insn, kScratch8);
  c.a.mov(x86::gpw(host_register(insn.reg)), x86::r8w);
}

// mov al, [ebx + al]
void emit_xlat(Context& c, const Insn& insn) {
  c.a.movzx(x86::r8d, x86::al);
  Address offset{.base = kEbx, .index = kScratch8};
  if (insn.address_size == 2) {
    c.put(encode_lea(kScratch8, offset));
    c.a.movzx(x86::r8d, x86::r8w);
    offset = {.base = kScratch8};
  }
  c.put(encode({.opcode = 0x8A, .reg = kEax}, in_segment(c, offset, insn.segment, 1, insn.address_size)));
}

// To esp, which needs REX, from AH to BH, which do not go with it.
void emit_extend_high_byte(Context& c, const Insn& insn) {
  c.a.rorx(x86::r10d, x86::gpd(insn.rm - 4U), 8);
  c.put(encode({.word = insn.width == 2, .map = 1, .opcode = insn.opcode, .reg = kHostEsp}, kScratch10));
}

}  // namespace

void emit_data(Context& c, const Insn& insn) {
  switch (insn.op) {
    case Op::lea:
      return emit_lea(c, insn);
    case Op::xlat:
      return emit_xlat(c, insn);
    case Op::movzx:
    case Op::movsx:
      return emit_extend_high_byte(c, insn);
    case Op::pause:
      c.a.pause();
      return;
    case Op::fence: {
      Bytes bytes;
      bytes.put(0x0F);
      bytes.put(0xAE);
      bytes.put(insn.modrm & 0xF8U);  // the low bits mean nothing
      return c.put(bytes);
    }
    default:  // nop, prefetch: one byte, so that the next boundary has a host address of its own
      c.a.nop();
      return;
  }
}

}  // namespace ringshift::translator::emit
