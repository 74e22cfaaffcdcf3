// Building fragments: from guest bytes behind the MMU to code in the translation cache.
#include <fmt/format.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/engine/translate_engine.h"
#include "translator/decode/decoder.h"
#include "translator/translate.h"

namespace ringshift::engine {
namespace {
constexpr std::uint32_t kLongestInstruction = 15;
// The host code must know where it will stand; its size is not known before.
constexpr std::uint32_t kLargestFragment = 64U << 10;
}  // namespace

// The fragment for `eip` in the current mode and window, entered into the directory. None if the code is
// not in RAM, or not there: the interpreter then fetches and faults.
FragmentId TranslateEngine::fragment_at(std::uint32_t eip) {
  // First, for it changes what pages are known by (place_for).
  if (out_of_tables_ || cache_->peek(kHeaderBytes, kLargestFragment) == 0) flush();
  const mmu::FillResult fill = windows_.fill(eip, mmu::Access::fetch);
  if (fill.kind != mmu::Fill::mapped) return kNoFragment;
  const std::int32_t place = place_for(eip, fill.address);
  FragmentId id = fragments_->find(fill.address, place != 0 ? eip & mmu::kPageMask : eip, place, mode_);
  if (id == kNoFragment) id = build(eip, fill.address, place);
  if (id == kNoFragment) return kNoFragment;
  const Record& record = (*fragments_)[id];
  if (record.second_page != 0) {
    // The same first page with another second page is another instruction.
    const mmu::Linear next = (eip | mmu::kPageMask) + 1;
    const mmu::FillResult second = windows_.fill(next, mmu::Access::fetch);
    if (second.kind != mmu::Fill::mapped || second.address != record.second_page) {
      kill(id);
      return kNoFragment;
    }
  }
  if (options_.deterministic) return id;
  enter_in_directory(record, eip);
  // Without its place it does not know where it is.
  if (place != 0 && directory_->where(tables_.find_page(record.page())) != eip >> mmu::kPageShift) return kNoFragment;
  return id;
}

// Code that is executed at several linear pages is translated for any of them: i386 Linux places shared libraries at
// random. Fixed code is a little faster, so it is the rule. (0: it is fixed.)
std::int32_t TranslateEngine::place_for(std::uint32_t eip, mmu::PhysAddr physical) {
  if (!may_stand_anywhere() || checked(physical)) return 0;
  const mmu::PhysAddr page = physical & ~mmu::PhysAddr{mmu::kPageMask};
  const PageOfCode code{page, kAnywhere, mode_};
  PageId id = tables_.find_page(code);
  if (id == kNoPage) {
    if (!options_.anywhere_at_once && !fragments_->elsewhere(page, eip >> mmu::kPageShift, mode_)) return 0;
    const TableId table = tables_.add_table(code, 0);
    if (table == kNoTable) return 0;
    id = tables_.page_of(table);
    ++stats_.movable_pages;
    for (const FragmentId fixed : fragments_->on_page(page)) {
      const Record& record = (*fragments_)[fixed];
      if (record.mode == mode_ && record.place == 0 && record.page().physical == page) kill(fixed);
    }
  }
  return abi::place_offset(id);
}

bool TranslateEngine::may_stand_anywhere() const {
  return modes_[mode_].plain() && !options_.deterministic && !options_.count_retired && !breakpoints_.any();
}

// From now on the current directory finds the fragment, with all others of its page.
void TranslateEngine::enter_in_directory(const Record& record, std::uint32_t eip) {
  const PageOfCode code = record.page();
  const std::uint32_t number = eip >> mmu::kPageShift;
  TableId table = directory_->table(number);
  if (!tables_.serves(table, record.second_page) || tables_.code(tables_.page_of(table)) != code) {
    table = tables_.find_table(code, record.second_page);
    if (table == kNoTable) table = make_table(code, record.second_page);
    out_of_tables_ = table == kNoTable;
    if (out_of_tables_) return;
    bind(number, table);
  }
  tables_.set(table, record.eip, record.host_offset);
}

// With what its code jumps into directly. Where this address space lacks that, the jumps look it up from now on.
void TranslateEngine::bind(std::uint32_t number, TableId table) {
  forgotten_ = false;
  const auto fetch = [this](mmu::Linear linear) { return windows_.prefetch(linear); };
  const JumpTables::Reach reach = tables_.reach(*directory_, tables_.page_of(table), number, fetch);
  // To record one page may have taken the record of another.
  if (forgotten_) return;
  for (const auto& [from, to] : reach.broken) {
    fragments_->unlink(tables_.code(from), tables_.code(to), stubs_.lookup_code);
    tables_.refuse(from, to);
  }
  tables_.bind(*directory_, number, table, reach);
}

// Whether a jump between pages needs no lookup: see jump_table.h.
bool TranslateEngine::may_link(const Site& site, FragmentId to) {
  const Record& from = (*fragments_)[site.from];
  const PageId source = tables_.find_page(from.page());
  const PageId target = tables_.find_page((*fragments_)[to].page());
  const auto page = [](std::uint32_t eip) { return static_cast<std::int32_t>(eip) >> mmu::kPageShift; };
  const std::int32_t distance = page(site.target) - page(from.eip);
  return tables_.connect(source, target, distance, [this](std::uint32_t window) {
    return [this, window](mmu::Linear linear) { return windows_.recorded_fetch(window, linear); };
  });
}

TableId TranslateEngine::make_table(const PageOfCode& code, mmu::PhysAddr second_page) {
  const TableId table = tables_.add_table(code, second_page);
  if (table == kNoTable) return table;
  for (const FragmentId id : fragments_->on_page(code.physical, code.page)) {
    const Record& record = (*fragments_)[id];
    const bool ends_here = record.second_page == 0 || record.second_page == second_page;
    if (record.page() == code && ends_here) tables_.set(table, record.eip, record.host_offset);
  }
  return table;
}

FragmentId TranslateEngine::build(std::uint32_t eip, mmu::PhysAddr physical, std::int32_t place) {
  const std::uint64_t start = __rdtsc();
  const std::uint32_t in_page = mmu::kPageSize - (eip & mmu::kPageMask);
  const mmu::PhysPage first = cpu_.mmu.physical().page(physical);
  if (first.host == nullptr) return kNoFragment;
  const std::uint8_t* bytes = first.host + (physical & mmu::kPageMask);

  translator::Request request;
  std::array<std::uint8_t, 2 * kLongestInstruction> joined{};
  mmu::PhysAddr second_page = 0;
  request.bytes = {bytes, in_page};
  if (in_page < kLongestInstruction &&
      decode::decode(request.bytes, code_size()).failure == decode::Failure::truncated) {
    if (eip + in_page == 0) return kNoFragment;  // #GP: no instruction goes on at 0
    const mmu::FillResult fill = windows_.fill(eip + in_page, mmu::Access::fetch);
    if (fill.kind != mmu::Fill::mapped) return kNoFragment;
    const mmu::PhysPage second = cpu_.mmu.physical().page(fill.address);
    if (second.host == nullptr) return kNoFragment;
    second_page = fill.address;
    std::copy_n(bytes, in_page, joined.begin());
    std::copy_n(second.host, kLongestInstruction, joined.begin() + in_page);
    request.bytes = {joined.data(), in_page + kLongestInstruction};
  }

  const std::uint32_t offset = cache_->peek(kHeaderBytes, kLargestFragment);

  request.eip = eip;
  if (place != 0) {
    request.eip = eip & mmu::kPageMask;
    request.place = place;
  }
  request.mode = modes_[mode_];
  request.in_page = in_page;
  request.host_address = cache_->base() + offset;
  request.brief_number = fragments_->next_brief();
  request.stubs = stubs_.table;
  request.options.max_instructions = options_.max_block;
  request.options.count_retired = options_.count_retired || options_.deterministic;
  request.options.deterministic_time = options_.deterministic;
  request.options.model = cpu_.model;
  request.options.repeats_alone = options_.deterministic;
  request.checked = checked(physical) || (second_page != 0 && checked(second_page));
  // Only the second page can be checked then; the check would need linear addresses.
  if (request.checked && place != 0) return kNoFragment;
  if (request.checked) request.variable = variable_bytes(physical, second_page, request.bytes.size());
  request.trapping = trapping_on_page(eip, physical);
  translator::Fragment fragment = translator_.translate(request);
  if (fragment.code.size() > kLargestFragment) return kNoFragment;
  if (options_.verify && !check(request, fragment)) {
    // Jump tables and links may still lead here, so what stands here is the way to the interpreter.
    request.bytes = {};
    fragment = translator_.translate(request);
  }

  Record record;
  record.host_offset = offset;
  record.host_size = static_cast<std::uint32_t>(fragment.code.size());
  record.eip = request.eip;
  record.place = place;
  record.guest_bytes = std::max(fragment.guest_bytes, 1U);
  record.mode = mode_;
  record.physical = physical;
  record.second_page = fragment.crosses_page ? second_page : 0;
  record.interpret_only = fragment.guest_instructions == 0;
  record.loop_offset = fragment.loop_offset;
  record.loads_return_address = fragment.loads_return_address;
  record.checked = request.checked;
  if (record.checked) {
    const auto source = request.bytes.first(std::min<std::size_t>(request.bytes.size(), fragment.guest_bytes));
    record.source.assign(source.begin(), source.end());
  }

  const auto id = static_cast<FragmentId>(fragments_->size());
  cache_->write32(offset - kHeaderBytes, id);
  cache_->write(offset, fragment.code);
  cache_->commit(offset, record.host_size);
  if (perf_map_) {
    const auto name = fmt::format("guest_{:08x}_mode{}", eip, mode_);
    perf_map_->add(request.host_address, record.host_size, name);
  }
  if (!record.checked) {
    protect(physical);
    if (record.second_page != 0) protect(record.second_page);
  }

  ++stats_.fragments;
  stats_.guest_instructions += fragment.guest_instructions;
  stats_.guest_bytes += fragment.guest_bytes;
  stats_.host_bytes += record.host_size;
  fragments_->add(std::move(record), fragment);
  stats_.translate_cycles += __rdtsc() - start;
  return id;
}

// For translator::Request::variable: which of `size` bytes from `physical` change often.
std::span<const std::uint8_t> TranslateEngine::variable_bytes(mmu::PhysAddr physical, mmu::PhysAddr second_page,
                                                              std::size_t size) {
  const auto first = written_.changed(physical);
  const auto offset = static_cast<std::size_t>(physical & mmu::kPageMask);
  if (second_page == 0) return first.empty() ? first : first.subspan(offset, size);
  variable_.assign(size, 0);
  const std::size_t in_first = mmu::kPageSize - offset;
  const auto second = written_.changed(second_page);
  if (!first.empty()) std::copy_n(first.begin() + static_cast<std::ptrdiff_t>(offset), in_first, variable_.begin());
  if (!second.empty()) {
    std::copy_n(second.begin(), size - in_first, variable_.begin() + static_cast<std::ptrdiff_t>(in_first));
  }
  return variable_;
}

// For translator::Request::trapping.
std::span<const std::uint16_t> TranslateEngine::trapping_on_page(std::uint32_t eip, mmu::PhysAddr physical) {
  const auto sites = trap_sites_.on_page(physical);
  if (!breakpoints_.any()) return sites;
  trapping_.assign(sites.begin(), sites.end());
  for (const std::uint32_t linear : breakpoints_.all()) {
    if ((linear ^ eip) >> mmu::kPageShift == 0)
      trapping_.push_back(static_cast<std::uint16_t>(linear & mmu::kPageMask));
  }
  return trapping_;
}

void TranslateEngine::protect(mmu::PhysAddr page) {
  if (cpu_.mmu.code().set(page, mmu::CodePages::kTranslated)) cpu_.mmu.protect_code(page);
}

// There are too many modes, for some 16-bit guests use many code segments. The current one is to be selected anew.
void TranslateEngine::forget_modes() {
  flush();
  tables_.forget_directories();
  modes_.clear();
  mode_ = 0;
  directory_ = nullptr;
  suspended_ring_ = 0;
}

// Everything goes: simple, and rare with a cache larger than the guest's working set of code.
void TranslateEngine::flush() {
  ++stats_.flushes;
  for (FragmentId id = 0; id < fragments_->size(); ++id) {
    const Record& record = (*fragments_)[id];
    cpu_.mmu.code().clear(record.physical, mmu::CodePages::kTranslated);
    if (record.second_page != 0) cpu_.mmu.code().clear(record.second_page, mmu::CodePages::kTranslated);
  }
  fragments_->clear();
  tables_.clear();
  out_of_tables_ = false;
  cache_->reset(stubs_.end);
  has_last_site_ = false;
}

}  // namespace ringshift::engine
