#include "translator/verify/verifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "translator/verify/flow.h"
#include "translator/verify/templates.h"

namespace ringshift::verify {
namespace {

bool is_call(Action a) { return a == Action::call || a == Action::call_indirect; }
bool is_relative(Action a) { return a == Action::jump || a == Action::jump_if || a == Action::call; }

// The low 4 bytes of a displacement or immediate, sign-extended if shorter.
std::int32_t read_value(std::span<const std::uint8_t> bytes, unsigned offset, unsigned size) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < std::min(size, 4U); ++i) value |= static_cast<std::uint32_t>(bytes[offset + i]) << (8 * i);
  if (size == 1) return static_cast<std::int8_t>(value);
  if (size == 2) return static_cast<std::int16_t>(value);
  return static_cast<std::int32_t>(value);
}

}  // namespace

struct Verifier::Impl {
  Templates templates;
  // Of the fragment at hand; kept for their storage.
  std::vector<Step> steps;
  std::vector<std::uint32_t> step_at;   // by offset: index of the step that starts there, or kNowhere
  std::vector<std::uint32_t> branches;  // steps with relative targets
  std::vector<std::uint32_t> calls;

  std::optional<Violation> sweep(const VerifyRequest& request);
  std::optional<Violation> resolve_branches(const VerifyRequest& request);
  std::optional<Violation> check_return_sites(const VerifyRequest& request);
  std::optional<Violation> check_patches(const VerifyRequest& request);
  [[nodiscard]] Violation violation(const VerifyRequest& request, std::uint32_t offset, const char* reason) const;
};

Violation Verifier::Impl::violation(const VerifyRequest& request, std::uint32_t offset, const char* reason) const {
  const std::string text = templates.text(request.code.subspan(offset), request.host_address + offset);
  if (text.empty()) return {offset, reason};
  return {offset, fmt::format("{}: {}", reason, text)};
}

// Linear decoding from the first byte to the last.
std::optional<Violation> Verifier::Impl::sweep(const VerifyRequest& request) {
  const auto size = static_cast<std::uint32_t>(request.code.size());
  step_at.assign(size, kNowhere);
  for (std::uint32_t offset = 0; offset < size;) {
    const auto bytes = request.code.subspan(offset);
    const Template& t = *templates.find(bytes);
    if (t.refusal != nullptr) return violation(request, offset, t.refusal);
    if (t.size > bytes.size()) return violation(request, offset, "the last instruction is cut off");
    const auto index = static_cast<std::uint32_t>(steps.size());
    step_at[offset] = index;
    steps.push_back({.meaning = &t.meaning,
                     .offset = offset,
                     .disp = read_value(bytes, t.disp_offset, t.disp_size),
                     .imm = read_value(bytes, t.imm_offset, t.imm_size),
                     .imm_size = t.imm_size});
    offset += t.size;
    if (is_relative(t.meaning.action)) branches.push_back(index);
    if (is_call(t.meaning.action)) calls.push_back(index);
  }
  return std::nullopt;
}

std::optional<Violation> Verifier::Impl::resolve_branches(const VerifyRequest& request) {
  for (const std::uint32_t index : branches) {
    Step& s = steps[index];
    const std::uint64_t end = index + 1 < steps.size() ? steps[index + 1].offset : request.code.size();
    const std::uint64_t target =
        request.host_address + end + static_cast<std::uint64_t>(static_cast<std::int64_t>(s.imm));
    const std::uint64_t inside = target - request.host_address;
    if (inside < request.code.size()) {
      s.target = step_at[inside];
      if (s.target == kNowhere) return violation(request, s.offset, "branch into the middle of an instruction");
      if (s.target <= index) steps[s.target].backward = true;
      continue;
    }
    if (request.is_entry && request.is_entry(target)) continue;
    const abi::StubTable& stubs = request.stubs;
    const bool to_stub = target == stubs.exit_direct || target == stubs.exit_interpret ||
                         target == stubs.exit_interrupt || target == stubs.lookup || target == stubs.return_mismatch ||
                         (stubs.exit_brief != 0 && target == stubs.exit_brief);
    if (!to_stub) return violation(request, s.offset, "branch to neither a stub nor a fragment's entry");
    s.leaves_by_call = target == stubs.exit_direct;
    if ((s.meaning->action == Action::call) != s.leaves_by_call) return violation(request, s.offset, "call of a stub");
    s.to_lookup = target == stubs.lookup || target == stubs.return_mismatch;
  }
  return std::nullopt;
}

std::optional<Violation> Verifier::Impl::check_return_sites(const VerifyRequest& request) {
  for (const std::uint32_t offset : request.return_sites) {
    const std::uint32_t index = offset < step_at.size() ? step_at[offset] : kNowhere;
    if (index == kNowhere || index == 0 || !is_call(steps[index - 1].meaning->action) ||
        steps[index - 1].leaves_by_call) {
      return Violation{offset, "return site that does not follow a call"};
    }
    steps[index].after_call = true;
  }
  for (const std::uint32_t index : calls) {
    if (steps[index].leaves_by_call) continue;
    if (index + 1 >= steps.size() || !steps[index + 1].after_call) {
      return violation(request, steps[index].offset, "call whose return address is not a return site");
    }
  }
  return std::nullopt;
}

// Redirecting a branch from its stub to another fragment's entry keeps all promises, because nothing is asked of
// registers at an entry that is not asked at every branch.
std::optional<Violation> Verifier::Impl::check_patches(const VerifyRequest& request) {
  constexpr std::uint32_t kSize = 4;
  const auto size = static_cast<std::uint32_t>(request.code.size());
  for (const PatchSite& patch : request.patches) {
    const auto found = std::ranges::find_if(branches, [&](std::uint32_t index) {
      const std::uint32_t end = index + 1 < steps.size() ? steps[index + 1].offset : size;
      return steps[index].imm_size == kSize && end == patch.offset + kSize;
    });
    if (found == branches.end()) return Violation{patch.offset, "patch of something else than a branch"};
    const Step& branch = steps[*found];
    if (branch.target == kNowhere || steps[branch.target].offset != patch.stub) {
      return violation(request, branch.offset, "patched branch that does not lead to its stub");
    }
  }
  return std::nullopt;
}

Verifier::Verifier() : impl_(std::make_unique<Impl>()) {}
Verifier::~Verifier() = default;

std::optional<Violation> Verifier::verify(const VerifyRequest& request) {
  Impl& impl = *impl_;
  if (request.code.empty()) return Violation{0, "no code"};
  if (request.code.size() > 0x40000000U) return Violation{0, "too much code"};
  impl.templates.trim();
  impl.steps.clear();
  impl.branches.clear();
  impl.calls.clear();
  if (auto v = impl.sweep(request)) return v;
  if (auto v = impl.resolve_branches(request)) return v;
  if (auto v = impl.check_return_sites(request)) return v;
  if (auto v = impl.check_patches(request)) return v;
  if (const auto error = check_flow(impl.steps, request.paragraphs)) {
    return impl.violation(request, impl.steps[error->step].offset, error->reason);
  }
  return std::nullopt;
}

std::optional<Violation> verify(const VerifyRequest& request) { return Verifier().verify(request); }

}  // namespace ringshift::verify
