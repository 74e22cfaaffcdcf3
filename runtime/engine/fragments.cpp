#include "runtime/engine/fragments.h"

#include <algorithm>
#include <array>
#include <utility>

#include "translator/emit/encoding.h"

namespace ringshift::engine {
namespace {

namespace emit = translator::emit;

mmu::PhysAddr page_of(mmu::PhysAddr address) { return address & ~mmu::PhysAddr{mmu::kPageMask}; }

// The linear page number at which a fragment goes on, or kAnywhere.
std::uint32_t second_number(const Record& record) {
  const std::uint32_t first = record.page().page;
  return first == kAnywhere ? kAnywhere : first + 1;
}

}  // namespace

FragmentId FragmentTable::find(mmu::PhysAddr physical, std::uint32_t eip, std::int32_t place,
                               std::uint32_t mode) const {
  const auto found = by_key_.find(key(physical, eip, place, mode));
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
  by_key_[key(record.physical, record.eip, record.place, record.mode)] = id;
  note_on_page(page_of(record.physical), record.page().page, id);
  if (record.second_page != 0) note_on_page(record.second_page, second_number(record), id);
  records_.push_back(std::move(record));
  return id;
}

void FragmentTable::patch(std::uint32_t number, std::uint32_t destination_offset) {
  restore_call(number);
  const Site& s = sites_[number];
  cache_.write32(s.patch_offset, destination_offset - (s.patch_offset + 4));
}

// A call of code that loads its return address and returns: the load takes the place of the call and of the way
// back's first bytes. No state can be asked for in between, for these are no boundaries.
void FragmentTable::replace_call(std::uint32_t number, std::uint8_t destination) {
  const Site& s = sites_[number];
  const std::int32_t place = records_[s.from].place;
  emit::Bytes load = emit::encode_load_linear(destination, place, s.return_address);
  constexpr std::array<std::uint8_t, 5> kPop{0x45, 0x8D, 0x64, 0x24, 0x04};  // lea r12d, [r12 + 4]
  load.put(kPop);
  constexpr std::uint32_t kCall = 5, kJump = 2;
  const std::size_t rest = kCall + translator::return_site_bytes(place != 0) - load.size() - kJump;
  load.put(0xEB);  // jmp
  load.put(static_cast<std::uint8_t>(rest));
  const std::uint32_t at = s.patch_offset - 1;
  auto& before = replaced_[number];
  for (std::uint32_t i = 0; i < before.size(); ++i) before[i] = cache_.read32(at + 4 * i);
  cache_.write(at, {load.data(), load.size()});
}

void FragmentTable::restore_call(std::uint32_t number) {
  if (sites_[number].return_address == 0) return;
  const auto replaced = replaced_.find(number);
  if (replaced == replaced_.end()) return;
  const std::uint32_t at = sites_[number].patch_offset - 1;
  for (std::uint32_t i = 0; i < replaced->second.size(); ++i) cache_.write32(at + 4 * i, replaced->second[i]);
  replaced_.erase(replaced);
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
  const std::int32_t place = records_[s.from].place;
  std::uint32_t& thunk = lookups_[std::uint64_t{static_cast<std::uint32_t>(place)} << 32 | s.target];
  if (thunk == 0) {
    const emit::Bytes load = emit::encode_load_linear(emit::kScratch8, place, s.target);
    const auto size = static_cast<std::uint32_t>(load.size() + lookup.size());
    const std::uint32_t at = cache_.peek(0, size);
    if (at == 0) return false;
    cache_.write(at, {load.data(), load.size()});
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
  const auto found = by_key_.find(key(record.physical, record.eip, record.place, record.mode));
  if (found != by_key_.end() && found->second == id) by_key_.erase(found);
  forget_on_page(page_of(record.physical), record.page().page, id);
  if (record.second_page != 0) forget_on_page(record.second_page, second_number(record), id);
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

bool FragmentTable::elsewhere(mmu::PhysAddr page, std::uint32_t linear, std::uint32_t mode) const {
  const auto found = linear_pages_.find(page);
  if (found == linear_pages_.end()) return false;
  return std::ranges::any_of(found->second, [&](std::uint32_t other) {
    if (other == linear || other == kAnywhere) return false;
    return std::ranges::any_of(on_page(page, other), [&](FragmentId id) {
      return records_[id].mode == mode && page_of(records_[id].physical) == page;
    });
  });
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
