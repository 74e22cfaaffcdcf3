#include "runtime/engine/fragments.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace ringshift::engine {
namespace {

mmu::PhysAddr page_of(mmu::PhysAddr address) { return address & ~mmu::PhysAddr{mmu::kPageMask}; }

}  // namespace

FragmentId FragmentTable::find(mmu::PhysAddr physical, std::uint32_t eip, std::uint32_t mode) const {
  const auto found = by_key_.find(key(physical, eip, mode));
  return found == by_key_.end() ? kNoFragment : found->second;
}

FragmentId FragmentTable::at(std::uint32_t host_offset) const {
  const std::size_t block = host_offset / kBlock;
  const auto record_at = [this](std::size_t b) {
    return records_.begin() + static_cast<std::ptrdiff_t>(b < first_at_.size() ? first_at_[b] : records_.size());
  };
  const auto after = std::upper_bound(record_at(block), record_at(block + 1), host_offset,
                                      [](std::uint32_t offset, const Record& r) { return offset < r.host_offset; });
  if (after == records_.begin()) return kNoFragment;
  const auto found = std::prev(after);
  if (host_offset >= found->host_offset + found->host_size) return kNoFragment;
  return static_cast<FragmentId>(found - records_.begin());
}

const translator::Point* FragmentTable::point_at(const Record& record, std::uint32_t offset) const {
  const auto first = points_.begin() + record.first_point;
  const auto last = first + record.point_count;
  const auto after = std::upper_bound(
      first, last, offset, [](std::uint32_t o, const translator::Point& point) { return o < point.host_offset; });
  return after == first ? nullptr : &*std::prev(after);
}

FragmentId FragmentTable::add(Record record, const translator::Fragment& fragment) {
  if (fragment.brief) briefs_.push_back(*fragment.brief);
  const auto id = static_cast<FragmentId>(records_.size());
  while (first_at_.size() <= record.host_offset / kBlock) first_at_.push_back(id);
  record.first_site = next_site();
  record.site_count = static_cast<std::uint32_t>(fragment.exits.size());
  record.first_point = static_cast<std::uint32_t>(points_.size());
  record.point_count = static_cast<std::uint32_t>(fragment.points.size());
  points_.insert(points_.end(), fragment.points.begin(), fragment.points.end());
  for (const auto& exit : fragment.exits) {
    sites_.push_back({id, kNoFragment, record.host_offset + exit.patch_offset, record.host_offset + exit.stub_offset,
                      exit.target, exit.return_address, ((exit.target ^ record.eip) >> mmu::kPageShift) == 0});
  }
  if (fragment.trap_exit) sites_[record.first_site + *fragment.trap_exit].traps = true;
  if (fragment.stale_exit) sites_[record.first_site + *fragment.stale_exit].stale = true;
  by_key_[key(record.physical, record.eip, record.mode)] = id;
  const std::uint32_t linear = record.eip >> mmu::kPageShift;
  note_on_page(page_of(record.physical), linear, id);
  if (record.second_page != 0) note_on_page(record.second_page, linear + 1, id);
  records_.push_back(std::move(record));
  return id;
}

void FragmentTable::patch(std::uint32_t number, std::uint32_t destination_offset) {
  const Site& s = sites_[number];
  if (const auto replaced = replaced_.find(number); replaced != replaced_.end()) {
    for (std::uint32_t i = 0; i < 3; ++i) cache_.write32(s.patch_offset - 1 + 4 * i, replaced->second[i]);
    replaced_.erase(replaced);
  }
  cache_.write32(s.patch_offset, destination_offset - (s.patch_offset + 4));
}

// A call of code that loads its return address and returns: the load takes the place of the call and of the way
// back's first bytes. No state can be asked for in between, for these are no boundaries.
void FragmentTable::replace_call(std::uint32_t number, std::uint8_t destination) {
  const Site& s = sites_[number];
  constexpr std::uint8_t kRest = 5 + translator::return_site_bytes(false) - 12;
  // mov destination, return_address; lea r12d, [r12 + 4]; jmp over the rest
  std::array<std::uint8_t, 12> load{
      static_cast<std::uint8_t>(0xB8U | destination), 0, 0, 0, 0, 0x45, 0x8D, 0x64, 0x24, 0x04, 0xEB, kRest};
  std::memcpy(&load[1], &s.return_address, 4);
  const std::uint32_t at = s.patch_offset - 1;
  replaced_[number] = {cache_.read32(at), cache_.read32(at + 4), cache_.read32(at + 8)};
  cache_.write(at, load);
}

void FragmentTable::link(std::uint32_t number, FragmentId to) {
  Site& s = sites_[number];
  if (s.to != kNoFragment) return;
  s.to = to;
  records_[to].incoming.push_back(number);
  const Record& target = records_[to];
  if (s.return_address != 0 && target.loads_return_address) return replace_call(number, *target.loads_return_address);
  patch(number, target.host_offset + (s.from == to ? target.loop_offset : 0));
}

bool FragmentTable::link_to_lookup(std::uint32_t number, std::span<const std::uint8_t> lookup) {
  const Site& s = sites_[number];
  std::uint32_t& thunk = lookups_[s.target];
  if (thunk == 0) {
    // mov r8d, target
    std::array<std::uint8_t, 6> load{0x41, 0xB8};
    std::memcpy(&load[2], &s.target, 4);
    const auto size = static_cast<std::uint32_t>(load.size() + lookup.size());
    const std::uint32_t at = cache_.peek(0, size);
    if (at == 0) return false;
    cache_.write(at, load);
    cache_.write(at + static_cast<std::uint32_t>(load.size()), lookup);
    cache_.commit(at, size);
    thunk = at;
  }
  patch(number, thunk);
  return true;
}

void FragmentTable::unlink(const PageOfCode& from, const PageOfCode& to, std::span<const std::uint8_t> lookup) {
  for (const FragmentId id : on_page(to.physical, to.page)) {
    if (records_[id].page() != to) continue;
    std::erase_if(records_[id].incoming, [&](std::uint32_t number) {
      Site& s = sites_[number];
      if (s.to != id || records_[s.from].page() != from) return false;
      s.to = kNoFragment;
      if (!link_to_lookup(number, lookup)) patch(number, s.stub_offset);
      return true;
    });
  }
}

std::uint32_t FragmentTable::site_before(std::uint32_t host_offset) const {
  constexpr std::uint32_t kCall = 5;
  const Record& record = records_[at(host_offset - kCall)];
  std::uint32_t number = record.first_site;
  while (sites_[number].stub_offset != host_offset - kCall) ++number;
  return number;
}

void FragmentTable::note_on_page(mmu::PhysAddr page, std::uint32_t linear, FragmentId id) {
  auto& place = by_place_[place_key(page, linear)];
  if (place.empty()) linear_pages_[page].push_back(linear);
  place.push_back(id);
}

void FragmentTable::forget_on_page(mmu::PhysAddr page, std::uint32_t linear, FragmentId id) {
  const auto place = by_place_.find(place_key(page, linear));
  if (place == by_place_.end()) return;
  std::erase(place->second, id);
  if (!place->second.empty()) return;
  by_place_.erase(place);
  const auto found = linear_pages_.find(page);
  std::erase(found->second, linear);
  if (found->second.empty()) linear_pages_.erase(found);
}

void FragmentTable::kill(FragmentId id) {
  Record& record = records_[id];
  if (!record.live) return;
  record.live = false;
  for (const std::uint32_t number : record.incoming) {
    Site& s = sites_[number];
    if (s.to != id) continue;
    s.to = kNoFragment;
    patch(number, s.stub_offset);
  }
  record.incoming.clear();
  const auto found = by_key_.find(key(record.physical, record.eip, record.mode));
  if (found != by_key_.end() && found->second == id) by_key_.erase(found);
  const std::uint32_t linear = record.eip >> mmu::kPageShift;
  forget_on_page(page_of(record.physical), linear, id);
  if (record.second_page != 0) forget_on_page(record.second_page, linear + 1, id);
}

std::vector<FragmentId> FragmentTable::on_page(mmu::PhysAddr page) const {
  std::vector<FragmentId> all;
  const auto found = linear_pages_.find(page_of(page));
  if (found == linear_pages_.end()) return all;
  for (const std::uint32_t linear : found->second) {
    const auto place = on_page(page, linear);
    all.insert(all.end(), place.begin(), place.end());
  }
  return all;
}

std::span<const FragmentId> FragmentTable::on_page(mmu::PhysAddr page, std::uint32_t linear) const {
  const auto found = by_place_.find(place_key(page_of(page), linear));
  if (found == by_place_.end()) return {};
  return found->second;
}

bool FragmentTable::any_on_page(mmu::PhysAddr page) const { return linear_pages_.contains(page_of(page)); }

void FragmentTable::clear() {
  first_at_.clear();
  records_.clear();
  sites_.clear();
  points_.clear();
  briefs_.clear();
  by_key_.clear();
  linear_pages_.clear();
  by_place_.clear();
  replaced_.clear();
  lookups_.clear();
}

}  // namespace ringshift::engine
