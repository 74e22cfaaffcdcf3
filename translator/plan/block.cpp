#include "translator/plan/block.h"

#include <algorithm>

#include "translator/decode/decoder.h"

namespace ringshift::translator::plan {
namespace {

bool immediate_varies(const Request& request, const Step& step) {
  const std::size_t first = step.offset + std::size_t{step.insn.imm_offset};
  if (first + step.insn.imm_size > request.variable.size()) return false;
  const auto bytes = request.variable.subspan(first, step.insn.imm_size);
  return std::any_of(bytes.begin(), bytes.end(), [](std::uint8_t varies) { return varies != 0; });
}

bool traps(const Request& request, std::size_t offset) {
  constexpr std::uint32_t kPageMask = 0xFFF;
  const auto place = static_cast<std::uint16_t>((request.eip + offset) & kPageMask);
  return std::find(request.trapping.begin(), request.trapping.end(), place) != request.trapping.end();
}

// Whether all of an instruction and, if it branches to a place that is known, its target are within the limit of the
// code segment. Else the runtime raises #GP, if it comes to that.
bool within_limit(const Request& request, const isa::Insn& insn, std::size_t offset) {
  const ModeKey& mode = request.mode;
  if (mode.plain()) return true;
  const std::uint32_t eip = request.eip - mode.cs_base + static_cast<std::uint32_t>(offset);
  if (std::uint64_t{eip} + insn.length - 1 > mode.cs_limit) return false;
  return insn.form != isa::Form::relative || insn.target(eip) <= mode.cs_limit;
}

}  // namespace

void plan_block(const Request& request, Block& block) {
  block.steps.clear();
  block.crosses_page = block.undecodable = block.falls_through = block.writes_memory = false;
  const auto size = request.mode.code32 ? decode::CodeSize::bits32 : decode::CodeSize::bits16;
  const auto in_page = std::min<std::size_t>(request.in_page, request.bytes.size());
  const unsigned limit = std::clamp(request.options.max_instructions, 1U, kMostInstructions);
  unsigned side_exits = 0;
  std::size_t offset = 0;
  while (true) {
    const bool first = block.steps.empty();
    Step& step = block.steps.emplace_back();
    const bool decoded = decode::decode(request.bytes.subspan(offset), size, step.insn) == decode::Failure::none;
    const std::size_t end = offset + step.insn.length;
    const bool alone = request.options.repeats_alone && step.insn.repeated();
    if (!decoded || ((end > in_page || alone) && !first)) {
      block.steps.pop_back();
      block.undecodable = first;
      block.falls_through = !first;
      break;
    }
    step.offset = static_cast<std::uint16_t>(offset);
    step.beyond_limit = !within_limit(request, step.insn, offset);
    step.treatment = step.beyond_limit ? Treatment::interpret : treatment(step.insn, request.mode, request.options);
    if (step.treatment != Treatment::interpret && traps(request, step.offset)) {
      step.treatment = Treatment::interpret;
      step.traps = true;
    }
    if (request.checked && immediate_can_be_loaded(step.insn, step.treatment)) {
      step.loads_immediate = immediate_varies(request, step);
    }
    const bool writes = may_write_memory(step.insn);
    block.writes_memory = block.writes_memory || writes;
    offset = end;
    block.crosses_page = end > in_page;
    block.falls_through = step.treatment < Treatment::branch;
    if (step.treatment == Treatment::side_exit) ++side_exits;
    const bool full = block.steps.size() >= limit || side_exits > request.options.max_side_exits;
    // What follows a load of ss is the runtime's: an exception there must find the shadow.
    const bool loads_ss = (step.insn.op == isa::Op::mov_to_seg || step.insn.op == isa::Op::pop_seg) &&
                          step.insn.reg == static_cast<std::uint8_t>(Seg::ss);
    if (!block.falls_through || end >= in_page || alone || full || loads_ss || (request.checked && writes)) break;
  }
  block.bytes = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(offset));
}

Block plan_block(const Request& request) {
  Block block;
  plan_block(request, block);
  return block;
}

}  // namespace ringshift::translator::plan
