#include "translator/plan/block.h"

#include <algorithm>

#include "translator/decode/decoder.h"

namespace ringshift::translator::plan {

Block plan_block(const Request& request) {
  Block block;
  const auto size = request.mode.code32 ? decode::CodeSize::bits32 : decode::CodeSize::bits16;
  const auto in_page = std::min<std::size_t>(request.in_page, request.bytes.size());
  const unsigned limit = std::max(1U, request.options.max_instructions);
  block.steps.reserve(std::min(limit, 16U));
  std::size_t offset = 0;
  while (true) {
    const bool first = block.steps.empty();
    const decode::Decoded decoded = decode::decode(request.bytes.subspan(offset), size);
    if (decoded.failure != decode::Failure::none) {
      block.undecodable = first;
      block.falls_through = !first;
      block.bytes = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(offset));
      return block;
    }
    const std::size_t end = offset + decoded.insn.length;
    if (end > in_page && !first) break;
    if (request.options.repeats_alone && decoded.insn.repeated() && !first) break;
    Step& step = block.steps.emplace_back();
    step.insn = decoded.insn;
    step.offset = static_cast<std::uint16_t>(offset);
    step.treatment = treatment(decoded.insn, request.mode, request.options);
    offset = end;
    if (step.treatment >= Treatment::branch) {
      block.bytes = static_cast<std::uint32_t>(offset);
      block.crosses_page = end > in_page;
      return block;
    }
    const bool alone = request.options.repeats_alone && decoded.insn.repeated();
    if (end >= in_page || alone || block.steps.size() >= limit) {
      block.crosses_page = end > in_page;
      break;
    }
  }
  block.bytes = static_cast<std::uint32_t>(offset);
  block.falls_through = true;
  return block;
}

}  // namespace ringshift::translator::plan
