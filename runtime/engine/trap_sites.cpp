#include "runtime/engine/trap_sites.h"

#include <algorithm>

namespace ringshift::engine {
namespace {

// A few faults may happen anywhere. Each time that trapping was wasted, it takes four times as many.
constexpr std::uint32_t kFaults = 8;
constexpr std::uint32_t kMostFaults = 1U << 20;
// A fault costs about as much as so many callouts.
constexpr std::uint32_t kWorth = 4;
constexpr std::uint32_t kPatience = 32;
constexpr std::uint32_t kHistory = 64;
constexpr std::size_t kMostSites = 1U << 16;

}  // namespace

bool TrapSites::note_fault(mmu::PhysAddr instruction) {
  if (sites_.size() >= kMostSites && pages_.empty()) sites_.clear();
  Site& site = sites_[instruction];
  if (site.traps) return false;
  if (site.faults_wanted == 0) site.faults_wanted = kFaults;
  if (++site.faults < site.faults_wanted) return false;
  site.faults = site.needed = site.wasted = 0;
  site.traps = true;
  pages_[instruction >> mmu::kPageShift].push_back(static_cast<std::uint16_t>(instruction & mmu::kPageMask));
  return true;
}

bool TrapSites::note_run(mmu::PhysAddr instruction, bool needed) {
  const auto found = sites_.find(instruction);
  if (found == sites_.end() || !found->second.traps) return false;
  Site& site = found->second;
  ++(needed ? site.needed : site.wasted);
  if (site.needed + site.wasted >= kHistory) {
    site.needed /= 2;
    site.wasted /= 2;
  }
  if (site.wasted <= kWorth * site.needed + kPatience) return true;
  site.traps = false;
  site.faults_wanted = std::min(site.faults_wanted * 4, kMostFaults);
  const auto page = pages_.find(instruction >> mmu::kPageShift);
  std::erase(page->second, static_cast<std::uint16_t>(instruction & mmu::kPageMask));
  if (page->second.empty()) pages_.erase(page);
  return false;
}

std::span<const std::uint16_t> TrapSites::on_page(mmu::PhysAddr page) const {
  const auto found = pages_.find(page >> mmu::kPageShift);
  return found == pages_.end() ? std::span<const std::uint16_t>{} : found->second;
}

}  // namespace ringshift::engine
