// The flow check: follows what the scratch and string registers hold through the code.
//
// A small abstract interpretation, in the order of the code. Where a forward branch arrives, the
// knowledge of all ways is met; where a backward branch arrives, nothing is known. So no sequence can be
// entered in its middle with less than it needs.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "translator/verify/rules.h"

namespace ringshift::verify {

inline constexpr std::uint32_t kNowhere = 0xFFFFFFFFU;

// One decoded instruction.
struct Step {
  const Meaning* meaning = nullptr;
  std::uint32_t offset = 0;
  std::int32_t disp = 0;
  std::int32_t imm = 0;  // sign-extended
  std::uint8_t imm_size = 0;
  std::uint32_t target = kNowhere;    // relative branches inside the code: index of the step they reach
  bool to_lookup = false;             // the branch goes to a stub that looks r8 up
  bool leaves_by_call = false;        // a call of StubTable::exit_direct, which does not return
  bool after_call = false;            // a return site
  bool backward = false;              // reached by a backward branch
  std::uint32_t incoming = kNowhere;  // knowledge met from forward branches, or kNowhere
};

struct FlowError {
  std::uint32_t step = 0;  // index
  const char* reason = nullptr;
};

[[nodiscard]] std::optional<FlowError> check_flow(std::span<Step> steps, bool paragraphs);

}  // namespace ringshift::verify
