// A translated block for people: each guest instruction beside the host code that it became.
//
// The host side is decoded by Capstone, so that a listing shows what was emitted, not what was meant.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "translator/isa/row.h"
#include "translator/plan/block.h"
#include "translator/translate.h"

namespace ringshift::listing {

struct HostLine {
  std::uint32_t offset = 0;  // from the fragment's entry
  std::vector<std::uint8_t> bytes;
  std::string text;     // Intel syntax; targets as offsets in the fragment or names of stubs
  bool leaves = false;  // branches to a stub through which the runtime takes over
};

struct GuestLine {
  std::uint32_t eip = 0;
  std::vector<std::uint8_t> bytes;
  std::string text;  // Intel syntax
  isa::Op op = isa::Op::invalid;
  translator::plan::Treatment treatment = translator::plan::Treatment::interpret;
  std::vector<HostLine> host;         // the usual way, in the order of the code
  std::vector<HostLine> out_of_line;  // the rest, behind the end of the block
  unsigned callouts = 0;              // places where the runtime executes this instruction, or may
};

struct Listing {
  std::vector<GuestLine> guest;    // empty: the first bytes are no instruction
  std::vector<HostLine> epilogue;  // of the block and of no instruction: falling through to what follows
  std::uint32_t guest_bytes = 0;   // covered by the block
  std::uint32_t host_bytes = 0;    // with alignment
  translator::Fragment fragment;
};

// Translates the block that starts at request.eip.
[[nodiscard]] Listing list_block(const translator::Request& request);

// The same for code that is not translated but interpreted: without a host side.
[[nodiscard]] Listing list_interpreted(const translator::Request& request);

// "copy", "expand", "branch", "interpret".
[[nodiscard]] std::string_view name(translator::plan::Treatment treatment);
// "identical", "expanded", "control flow", "inlined", "callout".
[[nodiscard]] std::string_view name(isa::Class cls);

}  // namespace ringshift::listing
