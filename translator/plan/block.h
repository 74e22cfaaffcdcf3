// The plan of one fragment: which guest instructions it holds, and how each is treated.
#pragma once

#include <cstdint>
#include <vector>

#include "translator/isa/insn.h"
#include "translator/translate.h"

namespace ringshift::translator::plan {

// How an instruction becomes host code.
enum class Treatment : std::uint8_t {
  copy,       // its own bytes, with prefixes and ModRM rewritten
  expand,     // a short sequence, emitted by its family
  side_exit,  // as expand, and may go elsewhere: a conditional branch, a call
  branch,     // as expand, and ends the block
  interpret,  // leaves for the runtime, and ends the block
};

// Decides by the operation, its operands, the mode and the options.
[[nodiscard]] Treatment treatment(const isa::Insn& insn, const ModeKey& mode, const Options& options);

// Whether the instruction, as translated, may write to guest memory.
[[nodiscard]] bool may_write_memory(const isa::Insn& insn);

// How many bytes the explicit memory operand has.
[[nodiscard]] unsigned memory_bytes(const isa::Insn& insn);

// Whether the translation can load the immediate from the guest's code.
[[nodiscard]] bool immediate_can_be_loaded(const isa::Insn& insn, Treatment treatment);

// Whether a string instruction finds its elements where its registers say, in the window.
[[nodiscard]] bool string_in_window(const isa::Insn& insn, const ModeKey& mode);

// What lds, les, lss, lfs and lgs load.
[[nodiscard]] Seg far_pointer_segment(isa::Op op);

// Whether an offset in `segment` is a linear address in this mode.
[[nodiscard]] bool flat(Seg segment, const ModeKey& mode);

// For a host_fp or host_int instruction in a legacy encoding: which ModRM fields name general registers.
struct HostFields {
  bool known = false;
  bool reg = false;
  bool rm = false;  // if the operand is a register
};
[[nodiscard]] HostFields host_register_fields(const isa::Insn& insn);

struct Step {
  isa::Insn insn;
  std::uint16_t offset = 0;  // from the start of the block
  Treatment treatment = Treatment::interpret;
  bool traps = false;            // translatable, but of Request::trapping
  bool beyond_limit = false;     // not all of it, or of its target, is within the code segment
  bool loads_immediate = false;  // from the guest's code, which changes there (Request::variable)
};

struct Block {
  std::vector<Step> steps;
  std::uint32_t bytes = 0;    // of the guest code that the plan covers, at least 1
  bool crosses_page = false;  // one instruction that continues on the next page
  // The first bytes are no complete instruction: `steps` is empty and the runtime must look at them.
  bool undecodable = false;
  // Execution continues at eip + bytes: the last step does not end the block.
  bool falls_through = false;
  bool writes_memory = false;
};

// Replaces what `block` holds, but keeps its storage.
void plan_block(const Request& request, Block& block);
// A call counts itself and what precedes it before it goes to its target.
[[nodiscard]] inline bool counted_at_once(const Step& step) {
  return step.treatment == Treatment::side_exit && step.insn.op != isa::Op::jcc;
}

[[nodiscard]] Block plan_block(const Request& request);

}  // namespace ringshift::translator::plan
