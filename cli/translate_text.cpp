// Listings for a terminal of 80 columns.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cli/translate_command.h"

namespace ringshift::cli {
namespace {

using listing::GuestLine;
using listing::HostLine;

constexpr std::size_t kWidth = 80, kGuestWidth = 32, kLabelWidth = 10;
constexpr std::size_t kHostWidth = kWidth - kGuestWidth - 3;

bool is_conditional_jump(const HostLine& line) { return line.text.starts_with('j') && !line.text.starts_with("jmp"); }

// A line for each instruction; a conditional jump stands behind what it tests.
std::vector<std::string> host_text(const std::vector<HostLine>& lines) {
  std::vector<std::string> out;
  for (const HostLine& line : lines) {
    if (!out.empty() && is_conditional_jump(line) && out.back().size() + 2 + line.text.size() <= kHostWidth) {
      out.back() += "; " + line.text;
    } else {
      out.push_back(fmt::format("+{:03x}  {}", line.offset, line.text));
    }
  }
  return out;
}

std::size_t byte_count(const GuestLine& line) {
  std::size_t count = 0;
  for (const auto* lines : {&line.host, &line.out_of_line}) {
    for (const HostLine& host : *lines) count += host.bytes.size();
  }
  return count;
}

// Appends `words`, with `separator` between, to lines of at most `width`, which begin with `indent` spaces.
void put_words(std::vector<std::string>& lines, const std::vector<std::string>& words, std::string_view separator,
               std::size_t indent, std::size_t width) {
  bool first = true;
  for (const std::string& word : words) {
    if (!first) lines.back() += separator.front();
    if (first || lines.back().size() + separator.size() + word.size() > width) {
      lines.push_back(std::string(indent, ' ') + word);
    } else {
      lines.back() += std::string(separator.substr(1)) + word;
    }
    first = false;
  }
}

// The left column: the instruction, and what is known of it.
std::vector<std::string> guest_text(const GuestLine& line) {
  const isa::Row& row = isa::row(line.op);
  std::vector<std::string> lines{fmt::format("{:08x}  {}", line.eip, hex_bytes(line.bytes))};
  put_words(lines, {line.text}, "  ", kLabelWidth, kGuestWidth);
  if (lines[0].size() + 2 + line.text.size() <= kGuestWidth) {
    lines = {lines[0] + "  " + line.text};
  }
  std::vector<std::string> facts{std::string(listing::name(row.cls)), std::string(listing::name(line.treatment))};
  if (row.sensitive_unprivileged) facts.emplace_back("sensitive");
  facts.push_back(fmt::format("{} -> {} bytes", line.bytes.size(), byte_count(line)));
  if (line.callouts != 0) facts.push_back(fmt::format("{} callout{}", line.callouts, line.callouts == 1 ? "" : "s"));
  put_words(lines, facts, ", ", 2, kGuestWidth);
  return lines;
}

void put_side_by_side(std::string& out, const std::vector<std::string>& left, const std::vector<std::string>& right) {
  for (std::size_t i = 0; i < std::max(left.size(), right.size()); ++i) {
    const std::string& guest = i < left.size() ? left[i] : std::string();
    out += i < right.size() ? fmt::format("{:<{}} | {}\n", guest, kGuestWidth, right[i]) : guest + "\n";
  }
}

// Code that is not on the usual way, many instructions a line; each part of it ends in a jump.
void put_rest(std::string& out, std::string_view label, const std::vector<HostLine>& lines) {
  std::vector<std::string> text;
  std::vector<std::string> words;
  for (const HostLine& line : lines) {
    words.push_back(words.empty() ? fmt::format("+{:03x}  {}", line.offset, line.text) : line.text);
    if (!line.text.starts_with("jmp") && &line != &lines.back()) continue;
    const std::size_t first = text.size();
    put_words(text, words, "; ", kLabelWidth, kWidth);
    const std::string_view title = line.leaves ? "callout" : label;
    text[first].replace(0, title.size(), title);
    words.clear();
  }
  for (const std::string& line : text) out += line + "\n";
}

void put_interpreted(std::string& out, const listing::Listing& listing) {
  for (const GuestLine& line : listing.guest) {
    out += fmt::format("{:08x}  {:<16} {}\n", line.eip, hex_bytes(line.bytes), line.text);
  }
}

void put_translated(std::string& out, const Translation::Block& block, unsigned cpl) {
  const listing::Listing& listing = block.listing;
  const std::size_t count = listing.guest.size();
  out +=
      fmt::format("block at {:08x}, CPL {}: {} instruction{}, {} -> {} bytes, {:.1f} times, {}\n",
                  listing.guest.front().eip, cpl, count, count == 1 ? "" : "s", listing.guest_bytes, listing.host_bytes,
                  static_cast<double>(listing.host_bytes) / static_cast<double>(listing.guest_bytes),
                  block.violation ? "REFUSED" : "verified");
  if (block.violation) out += fmt::format("the verifier: {}\n", *block.violation);
  for (const GuestLine& line : listing.guest) put_side_by_side(out, guest_text(line), host_text(line.host));
  put_rest(out, "then", listing.epilogue);
  for (const GuestLine& line : listing.guest) put_rest(out, "aside", line.out_of_line);
}

}  // namespace

std::string as_text(const Translation& translation, std::optional<assemble::Assembler> assembler) {
  std::string out = assembler ? fmt::format("assembled by {}\n", assemble::name(*assembler)) : "";
  if (translation.interpreted) {
    out += "interpreted in this mode, not translated:\n";
    for (const auto& block : translation.blocks) put_interpreted(out, block.listing);
    return out;
  }
  bool first = true;
  for (const auto& block : translation.blocks) {
    if (!std::exchange(first, false)) out += "\n";
    put_translated(out, block, translation.mode.cpl);
  }
  return out;
}

}  // namespace ringshift::cli
