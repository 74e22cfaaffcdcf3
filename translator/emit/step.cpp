#include "translator/emit/exits.h"
#include "translator/emit/families.h"
#include "translator/emit/memory.h"

namespace ringshift::translator::emit {
namespace {

using isa::Form;
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
    case Op::mov_from_cr:
      return emit_system(c, insn);
    case Op::movs:
    case Op::cmps:
    case Op::stos:
    case Op::lods:
    case Op::scas:
      return emit_string(c, insn);
    case Op::call:
      return emit_control(c, insn);
    case Op::mov_to_seg:
    case Op::pop_seg:
    case Op::lds:
    case Op::les:
    case Op::lss:
    case Op::lfs:
    case Op::lgs:
      return emit_segment_load(c, insn);
    default:
      return emit_data(c, insn);
  }
}

// Frequent in kernels, and mostly followed by translated code.
bool brief(Op op) {
  switch (op) {
    case Op::call_far:
    case Op::call_far_indirect:
    case Op::cpuid:
    case Op::fxrstor:
    case Op::fxsave:
    case Op::int_n:
    case Op::invlpg:
    case Op::iret:
    case Op::jmp_far:
    case Op::jmp_far_indirect:
    case Op::lds:
    case Op::les:
    case Op::lfs:
    case Op::lgs:
    case Op::lss:
    case Op::mov_to_cr:
    case Op::mov_to_seg:
    case Op::pop_seg:
    case Op::ret_far:
    case Op::sysenter:
    case Op::sysexit:
      return true;
    default:
      return false;
  }
}

// Whether a general register operand of the instruction is esp.
bool names_esp(const isa::Insn& insn) {
  const bool rm = insn.has_modrm && !insn.memory && insn.rm == kEsp;
  switch (insn.form) {
    case Form::rm_reg:
    case Form::reg_rm:
    case Form::reg_rm_imm:
    case Form::rm_reg_imm:
    case Form::rm_reg_cl:
    case Form::host:
      return rm || insn.reg == kEsp;
    case Form::opreg:
    case Form::opreg_imm:
    case Form::acc_opreg:
      return insn.reg == kEsp;
    default:
      return rm;
  }
}

// Whether r12d must be guest esp before the instruction starts.
bool needs_esp(const plan::Step& step) {
  const isa::Insn& insn = step.insn;
  if (step.treatment == plan::Treatment::interpret) return true;
  switch (insn.op) {
    case Op::call:
    case Op::ret:
    case Op::leave:
      return false;
    case Op::call_indirect:
      return names_esp(insn);
    case Op::lea:
      return insn.width != 4 && insn.reg == kEsp;
    case Op::pusha:
    case Op::popf:
    case Op::sti:
      return true;
    default:
      return step.treatment >= plan::Treatment::side_exit || (names_esp(insn) && !copies_esp(insn));
  }
}

}  // namespace

void emit_step(Context& c, const plan::Step& step) {
  if (c.esp_delta != 0 && needs_esp(step)) {
    settle_esp(c);
    mark_fixup(c, Fixup::none);
  }
  switch (step.treatment) {
    case plan::Treatment::copy:
      return step.loads_immediate ? emit_with_loaded_immediate(c, step.insn) : emit_copy(c, step.insn);
    case plan::Treatment::expand:
      return emit_expanded(c, step.insn);
    case plan::Treatment::side_exit:
    case plan::Treatment::branch:
      return emit_control(c, step.insn);
    case plan::Treatment::interpret:
      if (step.traps) return exit_trap(c);
      if (c.request.stubs.exit_brief != 0 && brief(step.insn.op) && !step.beyond_limit) return exit_brief(c, step.insn);
      return exit_interpret(c, c.eip(), c.index);
  }
}

}  // namespace ringshift::translator::emit
