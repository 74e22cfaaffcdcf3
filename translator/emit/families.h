// The emitters, one for each treatment or family. Each emits one instruction whose plan allows it.
#pragma once

#include "translator/emit/context.h"
#include "translator/plan/block.h"

namespace ringshift::translator::emit {

void emit_copy(Context& c, const isa::Insn& insn);          // copy.cpp
[[nodiscard]] bool copies_esp(const isa::Insn& insn);       // mov reg, esp: needs no r12d that is up to date
void emit_alu(Context& c, const isa::Insn& insn);           // alu.cpp: bit tests with a bit string in memory
void emit_data(Context& c, const isa::Insn& insn);          // data.cpp: lea, xlat, movzx, hints
void emit_stack(Context& c, const isa::Insn& insn);         // stack.cpp: push, pop, pusha, popa, leave, push_seg
void emit_string(Context& c, const isa::Insn& insn);        // string.cpp
void emit_segment_load(Context& c, const isa::Insn& insn);  // segment.cpp, in real and V86 mode
// sti, and loads of ss: no interrupt before the next instruction has ended. As the last of a block they leave.
[[nodiscard]] bool casts_shadow(const isa::Insn& insn);
void emit_system(Context& c, const isa::Insn& insn);   // system.cpp: pushf, popf, cli, sti, rdtsc, mov from segment
void emit_control(Context& c, const isa::Insn& insn);  // control.cpp: what ends a block

// In front of a block whose code may change unseen: leaves if it has changed.
void emit_check(Context& c, const plan::Block& block);               // check.cpp
void emit_with_loaded_immediate(Context& c, const isa::Insn& insn);  // an immediate that is not compared

// Any step of the plan.
void emit_step(Context& c, const plan::Step& step);

}  // namespace ringshift::translator::emit
