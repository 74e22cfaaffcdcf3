// Sequences of instructions as programs: what single instructions cannot show of the translator. Flags that live across
// instructions and blocks, stack pointers folded over runs of pushes, calls and returns, loops, code that changes
// itself, and faults in the middle.
//
// A program is a list of instructions with labels between them, so that some can be left out and the rest still hangs
// together: a branch to an instruction that is gone leads to the next one that is left.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/isa/case.h"

namespace ringshift::test {

// Where in an instruction's bytes the address of another instruction stands.
struct Label {
  unsigned at = 0;          // first byte of the field
  unsigned bytes = 4;       // 1, 2 or 4
  bool relative = false;    // to the end of the instruction; else a linear address
  std::uint32_t base = 0;   // of the segment that the address is in
  std::size_t target = 0;   // index of an instruction; their number: the end
  std::int32_t offset = 0;  // into that instruction
};

// Or a few that belong together.
struct Instruction {
  std::vector<std::uint8_t> bytes;
  std::optional<Label> label{};
  bool code16 = false;
  bool fixed = false;  // the end of the main part: never left out
};

// Where a program may run.
enum class Territory : std::uint8_t {
  native,  // in ring 3 without system calls: the host CPU is the oracle
  system,  // in ring 0 or 3, with privileged instructions: the interpreter is
};

struct Program {
  Territory territory = Territory::native;
  std::vector<Instruction> code;
  std::uint32_t address = 0;  // of the first instruction
  Case state;                 // registers and memory; its bytes are made by assemble()
};

// The program as a case that can be run. Nothing if a branch does not reach its target.
[[nodiscard]] std::optional<Case> assemble(const Program& program);

// Without the instructions whose `keep` is false.
[[nodiscard]] Program subset(const Program& program, const std::vector<bool>& keep);

// Instructions with their addresses, and the state they start from.
[[nodiscard]] std::string listing(const Program& program);

}  // namespace ringshift::test
