#include "testkit/host_code.h"

#include <algorithm>
#include <utility>

namespace ringshift::testkit {
namespace {

template <class F>
unsigned sum(const listing::Translation& all, F of_line) {
  std::size_t total = 0;
  for (const auto& block : all.blocks) {
    for (const listing::GuestLine& line : block.listing.guest) total += of_line(line);
  }
  return static_cast<unsigned>(total);
}

}  // namespace

bool HostCode::translated() const {
  return !all_.blocks.empty() &&
         std::ranges::all_of(all_.blocks, [](const auto& b) { return b.listing.host_bytes != 0; });
}

unsigned HostCode::guest_instructions() const {
  return sum(all_, [](const auto&) { return std::size_t{1}; });
}

unsigned HostCode::guest_bytes() const {
  return sum(all_, [](const auto& line) { return line.bytes.size(); });
}

unsigned HostCode::instructions() const {
  return sum(all_, [](const auto& line) { return line.host.size() + line.out_of_line.size(); });
}

unsigned HostCode::usual_instructions() const {
  return sum(all_, [](const auto& line) { return line.host.size(); });
}

unsigned HostCode::bytes() const {
  return sum(all_, [](const auto& line) {
    std::size_t bytes = 0;
    for (const auto* part : {&line.host, &line.out_of_line}) {
      for (const listing::HostLine& host : *part) bytes += host.bytes.size();
    }
    return bytes;
  });
}

unsigned HostCode::callouts() const {
  return sum(all_, [](const auto& line) { return std::size_t{line.callouts}; });
}

std::string HostCode::violation() const {
  for (const auto& block : all_.blocks) {
    if (block.violation) return *block.violation;
  }
  return {};
}

std::string HostCode::text() const {
  std::string out;
  for (const auto& block : all_.blocks) {
    std::vector<const listing::HostLine*> lines;
    for (const listing::GuestLine& guest : block.listing.guest) {
      for (const auto* part : {&guest.host, &guest.out_of_line}) {
        for (const listing::HostLine& host : *part) lines.push_back(&host);
      }
    }
    std::ranges::sort(lines, {}, &listing::HostLine::offset);
    for (const listing::HostLine* line : lines) out += line->text + "\n";
  }
  return out;
}

bool HostCode::contains(std::string_view part_of_a_line) const {
  return text().find(part_of_a_line) != std::string::npos;
}

}  // namespace ringshift::testkit
