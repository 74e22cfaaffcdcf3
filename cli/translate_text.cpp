// Listings for a terminal.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/translate_command.h"

namespace ringshift::cli {
namespace {

using listing::GuestLine;
using listing::HostLine;

constexpr std::size_t kGuestWidth = 64;

std::string host_text(const HostLine& line) { return fmt::format("+{:03x}  {}", line.offset, line.text); }

std::size_t byte_count(const GuestLine& line) {
  std::size_t count = 0;
  for (const auto* lines : {&line.host, &line.out_of_line}) {
    for (const HostLine& host : *lines) count += host.bytes.size();
  }
  return count;
}

// The left column: the instruction, and what is known of it.
std::vector<std::string> guest_text(const GuestLine& line) {
  const isa::Row& row = isa::row(line.op);
  std::string treatment(listing::name(line.treatment));
  std::string facts = fmt::format("{}, {}", listing::name(row.cls), treatment);
  if (row.sensitive_unprivileged) facts += ", sensitive";
  if (line.callouts != 0) facts += fmt::format(", {} callout{}", line.callouts, line.callouts == 1 ? "" : "s");
  return {fmt::format("{:08x}  {:<16} {}", line.eip, hex_bytes(line.bytes), line.text),
          fmt::format("          {}; {} -> {} bytes", facts, line.bytes.size(), byte_count(line))};
}

void put_side_by_side(std::string& out, const std::vector<std::string>& left, const std::vector<HostLine>& right) {
  for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const std::string& guest = i < left.size() ? left[i] : std::string();
    if (i < right.size()) {
      out += fmt::format("{:<{}} | {}\n", guest, kGuestWidth, host_text(right[i]));
    } else {
      out += guest + "\n";
    }
  }
}

void put_interpreted(std::string& out, const listing::Listing& listing) {
  for (const GuestLine& line : listing.guest) out += guest_text(line).front() + "\n";
}

void put_translated(std::string& out, const Translation::Block& block) {
  const listing::Listing& listing = block.listing;
  const std::size_t count = listing.guest.size();
  out += fmt::format("block at {:08x}: {} instruction{}, {} bytes -> {} bytes, {:.1f} times\n",
                     listing.guest.front().eip, count, count == 1 ? "" : "s", listing.guest_bytes, listing.host_bytes,
                     static_cast<double>(listing.host_bytes) / static_cast<double>(listing.guest_bytes));
  for (const GuestLine& line : listing.guest) put_side_by_side(out, guest_text(line), line.host);
  if (!listing.epilogue.empty()) put_side_by_side(out, {"          (what follows the block)"}, listing.epilogue);
  for (const GuestLine& line : listing.guest) {
    if (line.out_of_line.empty()) continue;
    put_side_by_side(out, {fmt::format("{:08x}  out of line", line.eip)}, line.out_of_line);
  }
  out += block.violation ? fmt::format("REFUSED by the verifier: {}\n", *block.violation) : "verified\n";
}

}  // namespace

std::string as_text(const Translation& translation) {
  std::string out;
  if (!translation.mode.code32) {
    out = "16-bit code is interpreted, not translated:\n";
    for (const auto& block : translation.blocks) put_interpreted(out, block.listing);
    return out;
  }
  for (const auto& block : translation.blocks) {
    if (!out.empty()) out += "\n";
    put_translated(out, block);
  }
  return out;
}

}  // namespace ringshift::cli
