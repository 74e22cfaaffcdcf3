#include "tests/isa/laboratory.h"

#include <fmt/format.h>

#include "runtime/semantics/fault.h"
#include "tests/isa/compare.h"
#include "tests/isa/exemptions.h"

namespace ringshift::test {
namespace {

constexpr std::uint64_t kMemorySeed = 20;

std::uint64_t mix(std::uint64_t x) {  // so that neighbouring case numbers are unrelated
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

// The pages of the native side alone are not there in the guest.
bool touches_native_side(const Outcome& ours) {
  return ours.vector == vector::kPf && ours.cr2 - kNativeContext < 2 * kPage;
}

}  // namespace

Laboratory::Laboratory(EngineKind kind, LaboratoryOptions options)
    : options_(std::move(options)), memory_(kMemorySeed) {
  for (const Form& f : enumerate_forms(options_.size)) {
    if (exempt(f)) continue;
    if (!options_.filter || options_.filter(f)) forms_.push_back(f);
  }
  cases_of_form_.resize(forms_.size());
  native_ = NativeCpu::create(memory_, why_);
  if (!native_) return;
  options_.generator.low_pages = native_->has_low_pages();
  guest_ = std::make_unique<GuestMachine>(kind, memory_, native_->has_low_pages(), options_.translate);
}

void Laboratory::run(std::uint64_t first, std::uint64_t count) {
  unsigned slot = 0;
  for (std::uint64_t number = first; number < first + count; ++number) {
    const std::size_t form = number % forms_.size();
    std::mt19937_64 rng(mix(number * 2 + options_.seed * 0x100000001ULL));
    for (int attempt = 0; attempt < 20; ++attempt) {
      auto c = generate(forms_[form], slot, rng, options_.generator);
      if (!c) continue;
      code_.place(*c);
      batch_.push_back({number, form, std::move(*c), {}});
      // An instruction at the end of a page may reach into the next slot.
      slot += slot % (kPage / kSlotBytes) == kPage / kSlotBytes - 1 ? 2 : 1;
      break;
    }
    if (slot >= kSlots || number + 1 == first + count) {
      run_batch();
      slot = 0;
    }
  }
}

void Laboratory::run_batch() {
  native_->load(code_);
  for (const Entry& e : batch_) native_->close(e.c);
  native_->begin();
  for (Entry& e : batch_) native_->run(e.c, e.expected);
  native_->end();
  guest_->load(code_);
  Outcome actual;
  std::vector<const Entry*> doubtful;
  for (const Entry& e : batch_) {
    guest_->run(e.c, actual);
    ++cases_;
    ++events_[e.expected.vector];
    ++cases_of_form_[e.form];
    const std::string text = difference(e.c, e.expected, actual, &ignored_);
    if (!text.empty() && !touches_native_side(actual)) doubtful.push_back(&e);
  }
  // A signal of the host may have come at a bad time, or a branch have led into another case's bytes, which do not end
  // in the same way on both sides: what is different, is so when it is alone, too.
  for (const Entry* e : doubtful) {
    const std::string text = run_one(e->c);
    if (text.empty()) {
      ++unsteady_;
      continue;
    }
    ++different_;
    ++different_by_op_[forms_[e->form].op];
    if (discrepancies_.size() < options_.keep) discrepancies_.push_back({e->number, forms_[e->form].op, text});
  }
  batch_.clear();
  code_.clear();
}

std::string Laboratory::run_one(Case c) {
  code_.clear();
  code_.place(c);
  native_->load(code_);
  native_->close(c);
  Outcome expected;
  native_->begin();
  native_->run(c, expected);
  native_->end();
  guest_->load(code_);
  Outcome actual;
  guest_->run(c, actual);
  code_.clear();
  const std::string text = difference(c, expected, actual);
  return text.empty() ? text : describe(c) + text;
}

}  // namespace ringshift::test
