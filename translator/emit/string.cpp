// String instructions. es:[edi] cannot be overridden with a segment prefix, so the window's base is
// added to the pointers and the 64-bit instruction runs. Windows are 4 GiB aligned: the low halves of
// rsi and rdi stay the guest's values throughout, also where a fault interrupts a repetition.
#include "translator/emit/families.h"

namespace ringshift::translator::emit {

namespace x86 = asmjit::x86;
using isa::Op;

void emit_string(Context& c, const isa::Insn& insn) {
  const bool uses_esi = insn.op == Op::movs || insn.op == Op::lods || insn.op == Op::cmps;
  const bool uses_edi = insn.op != Op::lods;
  c.a.mov(x86::r8, state(offsetof(CpuState, host) + offsetof(HostContext, window_base), 8));
  if (uses_edi) c.a.lea(x86::rdi, x86::ptr(x86::rdi, x86::r8));
  if (uses_esi) c.a.lea(x86::rsi, x86::ptr(x86::rsi, x86::r8));
  Bytes bytes;
  if (insn.width == 2) bytes.put(0x66);
  if (insn.has(isa::prefix::kRep)) bytes.put(0xF3);
  if (insn.has(isa::prefix::kRepne)) bytes.put(0xF2);
  bytes.put(insn.opcode);
  c.put(bytes);
  if (uses_edi) c.a.mov(x86::edi, x86::edi);
  if (uses_esi) c.a.mov(x86::esi, x86::esi);
}

}  // namespace ringshift::translator::emit
