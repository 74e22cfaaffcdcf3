#include "translator/emit/families.h"
#include "translator/emit/memory.h"

namespace ringshift::translator::emit {

namespace x86 = asmjit::x86;

// bt, bts, btr, btc [mem], reg: the register is a signed bit offset into a string of bits that
// starts at the operand (SDM vol. 2, BT). The word that holds the bit is addressed here, so that the
// instruction itself sees an offset below its operand size and stays within it.
void emit_alu(Context& c, const isa::Insn& insn) {
  const bool word = insn.width == 2;
  const std::uint8_t offset = host_register(insn.reg);
  effective_address(c, insn, kScratch8);
  c.a.mov(x86::r10d, word ? 4 : 5);
  if (word) {
    c.a.movsx(x86::r9d, x86::gpw(offset));
    c.a.sarx(x86::r9d, x86::r9d, x86::r10d);
  } else {
    c.a.sarx(x86::r9d, x86::gpd(offset), x86::r10d);
  }
  const Address offset_of_word{.base = kScratch8, .index = kScratch9, .scale = insn.width};
  const Address address = in_segment(c, offset_of_word, insn.segment, insn.width);
  c.a.mov(x86::r10d, word ? 15 : 31);
  c.a.pext(x86::r10d, x86::gpd(offset), x86::r10d);
  c.put(encode(
      {.lock = insn.has(isa::prefix::kLock), .word = word, .map = insn.map, .opcode = insn.opcode, .reg = kScratch10},
      address));
}

}  // namespace ringshift::translator::emit
