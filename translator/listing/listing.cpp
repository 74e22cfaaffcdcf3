#include "translator/listing/listing.h"

#include <algorithm>

#include "translator/decode/decoder.h"
#include "translator/listing/host_code.h"

namespace ringshift::listing {
namespace {

using translator::Fragment;
using translator::Point;
using translator::Request;
using translator::plan::Step;

GuestLine guest_line(const Step& step, const Request& request) {
  GuestLine line;
  line.eip = request.eip + step.offset;
  line.bytes.assign(step.insn.bytes.begin(), step.insn.bytes.begin() + step.insn.length);
  const auto size = request.mode.code32 ? decode::CodeSize::bits32 : decode::CodeSize::bits16;
  line.text = decode::disassemble(line.bytes, size, line.eip);
  line.op = step.insn.op;
  line.treatment = step.treatment;
  return line;
}

// The point that holds at `host_offset`.
const Point& point_at(const Fragment& fragment, std::uint32_t host_offset) {
  const auto next = std::ranges::upper_bound(fragment.points, host_offset, {}, &Point::host_offset);
  return next == fragment.points.begin() ? fragment.points.front() : *(next - 1);
}

// Gives each host instruction to the guest instruction that its point names. Once the points have gone back to an
// earlier instruction, the code is out of line.
void attribute(Listing& listing, std::vector<HostLine> lines, const Request& request) {
  std::uint32_t furthest = 0;
  bool out_of_line = false;
  for (HostLine& line : lines) {
    if (listing.fragment.points.empty()) break;
    const std::uint32_t guest_offset = point_at(listing.fragment, line.offset).guest_offset;
    out_of_line = out_of_line || guest_offset < furthest;
    furthest = std::max(furthest, guest_offset);
    const auto owner = std::ranges::find(listing.guest, request.eip + guest_offset, &GuestLine::eip);
    if (owner == listing.guest.end()) {
      listing.epilogue.push_back(std::move(line));
      continue;
    }
    if (line.leaves) ++owner->callouts;
    (out_of_line ? owner->out_of_line : owner->host).push_back(std::move(line));
  }
}

}  // namespace

Listing list_block(const Request& request) {
  Listing listing;
  for (const Step& step : translator::plan::plan_block(request).steps) {
    listing.guest.push_back(guest_line(step, request));
  }
  listing.fragment = translator::translate(request);
  listing.guest_bytes = listing.fragment.guest_bytes;
  listing.host_bytes = static_cast<std::uint32_t>(listing.fragment.code.size());
  attribute(listing, host_lines(listing.fragment.code, request.host_address, request.stubs), request);
  return listing;
}

Listing list_interpreted(const Request& request) {
  const auto block = translator::plan::plan_block(request);
  Listing listing;
  listing.guest_bytes = block.bytes;
  for (const Step& step : block.steps) {
    listing.guest.push_back(guest_line(step, request));
    listing.guest.back().treatment = translator::plan::Treatment::interpret;
  }
  return listing;
}

std::string_view name(translator::plan::Treatment treatment) {
  using translator::plan::Treatment;
  switch (treatment) {
    case Treatment::copy:
      return "copy";
    case Treatment::expand:
      return "expand";
    case Treatment::side_exit:
      return "side exit";
    case Treatment::branch:
      return "branch";
    case Treatment::interpret:
      return "interpret";
  }
  return "?";
}

std::string_view name(isa::Class cls) {
  switch (cls) {
    case isa::Class::identical:
      return "identical";
    case isa::Class::expanded:
      return "expanded";
    case isa::Class::control_flow:
      return "control flow";
    case isa::Class::inlined:
      return "inlined";
    case isa::Class::callout:
      return "callout";
  }
  return "?";
}

}  // namespace ringshift::listing
