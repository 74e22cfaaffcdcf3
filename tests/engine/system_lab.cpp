#include "tests/engine/system_lab.h"

#include <fmt/format.h>

namespace ringshift::test {

namespace {

testing::AssertionResult no(const std::string& what, std::uint32_t is, std::uint32_t expected) {
  return testing::AssertionFailure() << fmt::format("{} is {:#x}, expected {:#x}", what, is, expected);
}

std::string describe(const SystemLab::Outcome& outcome) {
  if (outcome.shutdown) return "shutdown";
  if (outcome.halted) return "halt";
  return outcome.handler ? "vector " + std::to_string(*outcome.handler) : "no exception";
}

}  // namespace

std::string engine_name(const testing::TestParamInfo<EngineConfig>& info) {
  return std::string(testkit::name(info.param));
}

SystemLab::~SystemLab() { EXPECT_EQ(counter("fragments refused by the verifier"), 0u); }

testing::AssertionResult SystemLab::completes(const Bytes& bytes) {
  const std::uint32_t behind = state().eip + static_cast<std::uint32_t>(bytes.size());
  const Outcome outcome = execute(bytes);
  if (!outcome) return testing::AssertionFailure() << describe(outcome);
  return state().eip == behind ? testing::AssertionSuccess() : no("eip", state().eip, behind);
}

testing::AssertionResult SystemLab::transfers(const Bytes& bytes) {
  const Outcome outcome = execute(bytes);
  return outcome ? testing::AssertionSuccess() : testing::AssertionFailure() << describe(outcome);
}

testing::AssertionResult SystemLab::faults(const Bytes& bytes, unsigned vec, std::optional<std::uint32_t> error) {
  const Registers before = registers();
  const Outcome outcome = execute(bytes);
  const testing::AssertionResult result = check_fault(before, outcome, vec, error);
  restore(before);
  return result;
}

testing::AssertionResult SystemLab::check_fault(const Registers& before, const Outcome& outcome, unsigned vec,
                                                std::optional<std::uint32_t> error) const {
  if (outcome.handler != vec) {
    return testing::AssertionFailure() << describe(outcome) << " instead of vector " << vec
                                       << (error ? "(" + std::to_string(*error) + ")" : "");
  }
  for (unsigned i = 0; i < kGprCount; ++i) {
    if (i != kEsp && state().gpr[i] != before.gpr[i]) return no("register", state().gpr[i], before.gpr[i]);
  }
  if ((before.cr0 & cr0::kPe) == 0) {
    if (stack16(0) != before.eip) return no("saved ip", stack16(0), before.eip);
    const std::uint16_t cs = before.seg[static_cast<unsigned>(Seg::cs)].selector;
    return stack16(1) == cs ? testing::AssertionSuccess() : no("saved cs", stack16(1), cs);
  }
  if (error.has_value() != testkit::pushes_error(vec))
    return testing::AssertionFailure() << "whether there is an error code";
  unsigned slot = 0;
  if (error && stack(slot++) != *error) return no("error code", stack(0), *error);
  const bool v86 = (before.eflags & eflags::kVm) != 0;
  const auto& ss = before.seg[static_cast<unsigned>(Seg::ss)];
  const auto selector_before = [&](Seg s) { return before.seg[static_cast<unsigned>(s)].selector; };
  if (stack(slot) != before.eip) return no("saved eip", stack(slot), before.eip);
  if (stack(++slot) != selector_before(Seg::cs)) return no("saved cs", stack(slot), selector_before(Seg::cs));
  const std::uint32_t flags_image = before.eflags | eflags::kRf;
  if (stack(++slot) != flags_image) return no("saved eflags", stack(slot), flags_image);
  if (v86 || ss.dpl() != 0) {
    if (stack(++slot) != before.gpr[kEsp]) return no("saved esp", stack(slot), before.gpr[kEsp]);
    if (stack(++slot) != selector_before(Seg::ss)) return no("saved ss", stack(slot), selector_before(Seg::ss));
  }
  for (const Seg seg : {Seg::es, Seg::ds, Seg::fs, Seg::gs}) {
    if (v86) {
      if (stack(++slot) != selector_before(seg)) return no("saved segment", stack(slot), selector_before(seg));
      if (state().segment(seg).usable()) return testing::AssertionFailure() << "a V86 segment is left";
    } else if (!(state().segment(seg) == before.seg[static_cast<unsigned>(seg)])) {
      return no("segment", sel(seg), selector_before(seg));
    }
  }
  const bool same_system = state().cr0 == before.cr0 && state().cr3 == before.cr3 && state().cr4 == before.cr4 &&
                           state().ldtr == before.ldtr && state().tr == before.tr;
  return same_system ? testing::AssertionSuccess() : testing::AssertionFailure() << "a system register has changed";
}

}  // namespace ringshift::test
