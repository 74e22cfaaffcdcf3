// The ways out of a fragment, and the code that they need out of line (abi.h tells the protocol).
#pragma once

#include "translator/emit/context.h"

namespace ringshift::translator::emit {

// A scratch register = the linear address `eip`, which comes from Context::eip(). Keeps flags.
void load_linear(Context& c, std::uint8_t reg, std::uint32_t eip);

// Code that ends the main path. `completed`: instructions to count as retired on this way out.
void exit_direct(Context& c, std::uint32_t target, unsigned completed);
void exit_brief(Context& c, const isa::Insn& insn);
// In front of an instruction of Request::trapping.
void exit_trap(Context& c);
void exit_interpret(Context& c, std::uint32_t eip, unsigned completed);
// r8d = guest target: looks it up.
void exit_indirect(Context& c);

// A conditional branch (low 4 bits of the opcode) to a direct exit.
void branch_direct(Context& c, std::uint8_t condition, std::uint32_t target, unsigned completed);

// A host call to the target's fragment. `completed` is counted before. A return_site() follows.
void call_direct(Context& c, std::uint32_t target, unsigned completed, std::uint32_t return_address);
// r8d = guest target.
void call_indirect(Context& c, unsigned completed);
// The place where a call returns to: looks r8d up unless it is `expected`.
void return_site(Context& c, std::uint32_t expected);

// Jumps out of line to leave through exit_interrupt in an interrupt shadow; r9d is the old IF.
void jump_shadowed_exit(Context& c, std::uint32_t next, unsigned completed);

// A conditional branch that leaves the current instruction to the runtime; native flags are in r10.
void branch_interpret(Context& c, std::uint8_t condition, unsigned completed);

// To the exit for code that has changed; guest ecx is in r10.
void jump_stale(Context& c);

// Adds to HostContext::retired if the options ask for it. Uses r10, keeps flags.
void count_retired(Context& c, unsigned completed);

// Writes everything that was deferred. Call once, after the main path.
void finish_exits(Context& c);

}  // namespace ringshift::translator::emit
