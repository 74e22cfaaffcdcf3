#include "runtime/engine/written_code.h"

#include <algorithm>

namespace ringshift::engine {
namespace {

// About a millisecond: trapped writes further apart are not the beginning of many.
constexpr std::uint64_t kBurst = 4'000'000;
// A trap costs about as much as the translation of a few small fragments.
constexpr std::uint32_t kWrites = 6;
// About 25 ms, and 6 seconds at most.
constexpr std::uint64_t kPeriod = 64'000'000;
constexpr std::uint8_t kMostLevels = 8;

}  // namespace

std::uint64_t WrittenCode::period(const Page& page) { return kPeriod << page.level; }

bool WrittenCode::note_write(mmu::PhysAddr address, std::uint64_t now) {
  Page& page = pages_[number(address)];
  if (page.checked) return false;
  page.writes = now - page.last_write < kBurst ? page.writes + 1 : 1;
  page.last_write = now;
  if (page.writes < kWrites) return false;
  const bool too_short = page.until != 0 && now - page.until < period(page);
  page.level = too_short ? std::min<std::uint8_t>(page.level + 1U, kMostLevels) : std::uint8_t{0};
  page.checked = true;
  page.writes = 0;
  page.until = now + period(page);
  ++checked_;
  return true;
}

bool WrittenCode::checked(mmu::PhysAddr address) const {
  if (checked_ == 0) return false;
  const auto found = pages_.find(number(address));
  return found != pages_.end() && found->second.checked;
}

void WrittenCode::note_stale(mmu::PhysAddr address, std::uint64_t now) {
  const auto found = pages_.find(number(address));
  if (found == pages_.end() || !found->second.checked) return;
  found->second.until = std::max(found->second.until, now + period(found->second));
}

void WrittenCode::note_changed(mmu::PhysAddr address) {
  Page& page = pages_[number(address)];
  if (!page.changed) page.changed = std::make_unique<std::array<std::uint8_t, mmu::kPageSize>>();
  (*page.changed)[address & mmu::kPageMask] = 1;
}

std::span<const std::uint8_t> WrittenCode::changed(mmu::PhysAddr address) const {
  const auto found = pages_.find(number(address));
  if (found == pages_.end() || !found->second.changed) return {};
  return *found->second.changed;
}

std::vector<mmu::PhysAddr> WrittenCode::expire(std::uint64_t now) {
  std::vector<mmu::PhysAddr> expired;
  if (checked_ == 0) return expired;
  for (auto& [number, page] : pages_) {
    if (!page.checked || now < page.until) continue;
    page.checked = false;
    page.changed.reset();
    --checked_;
    expired.push_back(mmu::PhysAddr{number} << mmu::kPageShift);
  }
  return expired;
}

}  // namespace ringshift::engine
