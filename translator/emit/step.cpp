#include "translator/emit/exits.h"
#include "translator/emit/families.h"

namespace ringshift::translator::emit {
namespace {

using isa::Op;

void emit_expanded(Context& c, const isa::Insn& insn) {
  switch (insn.op) {
    case Op::bt:
    case Op::bts:
    case Op::btr:
    case Op::btc:
      return emit_alu(c, insn);
    case Op::push:
    case Op::pop:
    case Op::pusha:
    case Op::popa:
    case Op::leave:
    case Op::push_seg:
      return emit_stack(c, insn);
    case Op::pushf:
    case Op::popf:
    case Op::cli:
    case Op::sti:
    case Op::rdtsc:
    case Op::mov_from_seg:
      return emit_system(c, insn);
    case Op::movs:
    case Op::cmps:
    case Op::stos:
    case Op::lods:
    case Op::scas:
      return emit_string(c, insn);
    case Op::call:
      return emit_control(c, insn);
    default:
      return emit_data(c, insn);
  }
}

// Frequent in kernels, and the runtime can do them with general registers alone.
bool brief(Op op) {
  switch (op) {
    case Op::int_n:
    case Op::iret:
    case Op::sysenter:
    case Op::sysexit:
    case Op::mov_to_seg:
    case Op::pop_seg:
      return true;
    default:
      return false;
  }
}

}  // namespace

void emit_step(Context& c, const plan::Step& step) {
  switch (step.treatment) {
    case plan::Treatment::copy:
      return emit_copy(c, step.insn);
    case plan::Treatment::expand:
      return emit_expanded(c, step.insn);
    case plan::Treatment::branch:
      return emit_control(c, step.insn);
    case plan::Treatment::interpret:
      if (c.request.stubs.exit_brief != 0 && brief(step.insn.op)) return exit_brief(c, step.insn);
      return exit_interpret(c, c.eip(), c.index);
  }
}

}  // namespace ringshift::translator::emit
