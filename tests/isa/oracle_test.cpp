// Every form of every instruction against the host CPU in 32-bit mode.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include "tests/isa/exemptions.h"
#include "tests/isa/laboratory.h"
#include "translator/isa/row.h"

namespace ringshift::test {
namespace {

bool is_fp(const Form& f) { return f.op != isa::Op::invalid && isa::row(f.op).family == isa::Family::fp; }

// All differences of a run in one message.
void expect_agreement(EngineKind kind, LaboratoryOptions options, std::uint64_t cases) {
  Laboratory lab(kind, std::move(options));
  if (!lab.ok()) GTEST_SKIP() << lab.why();
  lab.run(0, cases);
  EXPECT_EQ(lab.different(), 0U);
  for (const Discrepancy& d : lab.discrepancies()) ADD_FAILURE() << "case " << d.number << "\n" << d.text;
  for (std::size_t i = 0; i < lab.forms().size(); ++i) {
    const Form& f = lab.forms()[i];
    EXPECT_GT(lab.cases_of_form()[i], 0U) << "no case of " << isa::row(f.op).name << ", opcode map " << int{f.map}
                                          << " " << std::hex << int{f.opcode} << " /" << int{f.reg};
  }
}

// A row of the instruction table without a form is compared with nothing.
TEST(IsaForms, EveryOperationHasFormsOrAnExemption) {
  std::set<isa::Op> seen;
  for (const Form& f : enumerate_forms(decode::CodeSize::bits32)) {
    if (!exempt(f)) seen.insert(f.op);
  }
  for (const isa::Row& row : isa::kRows) {
    EXPECT_TRUE(seen.contains(row.op) || exempt(row.op)) << row.name;
  }
}

TEST(IsaForms, NoExemptionIsForNothing) {
  std::set<isa::Op> seen;
  for (const Form& f : enumerate_forms(decode::CodeSize::bits32)) seen.insert(f.op);
  for (const Exemption& e : kExemptions) EXPECT_TRUE(seen.contains(e.op)) << isa::row(e.op).name;
}

// The tests that cover what is exempt are there.
TEST(IsaForms, EveryExemptionHasADirectedTest) {
  std::string sources;
  for (const auto& entry : std::filesystem::directory_iterator(RINGSHIFT_ENGINE_TESTS)) {
    std::ifstream in(entry.path());
    sources.append(std::istreambuf_iterator<char>(in), {});
  }
  const auto expect = [&sources](std::string_view test) {
    EXPECT_NE(sources.find("TEST_P(" + std::string(test) + ")"), std::string::npos) << test;
  };
  for (const Exemption& e : kExemptions) expect(e.test);
  for (const FormExemption& e : kFormExemptions) expect(e.test);
  for (const StateExemption& e : kStateExemptions) expect(e.test);
}

TEST(IsaForms, NoFormExemptionIsForNothing) {
  const auto forms = enumerate_forms(decode::CodeSize::bits32);
  for (const FormExemption& e : kFormExemptions) EXPECT_TRUE(std::ranges::any_of(forms, e.applies)) << e.reason;
}

class IsaOracle : public ::testing::TestWithParam<EngineKind> {};

TEST_P(IsaOracle, Integer) {
  LaboratoryOptions options;
  options.filter = [](const Form& f) { return !is_fp(f); };
  expect_agreement(GetParam(), options, 300'000);
}

TEST_P(IsaOracle, FloatingPoint) {
  LaboratoryOptions options;
  options.filter = is_fp;
  expect_agreement(GetParam(), options, 200'000);
}

// 16-bit code, in protected mode: what real mode and V86 mode execute too.
TEST_P(IsaOracle, SixteenBitCode) {
  LaboratoryOptions options;
  options.size = decode::CodeSize::bits16;
  expect_agreement(GetParam(), options, 150'000);
}

std::string name(const ::testing::TestParamInfo<EngineKind>& info) {
  return info.param == EngineKind::translate ? "translate" : "interpret";
}
INSTANTIATE_TEST_SUITE_P(Isa, IsaOracle, ::testing::Values(EngineKind::interpret, EngineKind::translate), name);

}  // namespace
}  // namespace ringshift::test
