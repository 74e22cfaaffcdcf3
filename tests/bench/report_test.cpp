#include "cli/bench/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ringshift::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

BenchCell cell_of(double nanoseconds) {
  BenchSample sample;
  sample.units = 1;
  sample.own = sample.host = sample.cpu = nanoseconds;
  BenchCell cell;
  cell.samples = {sample};
  return cell;
}

// Times of one row on this host, translated, interpreted, in QEMU.
BenchReport report_of(std::string_view row, std::array<double, 4> times) {
  BenchReport report;
  report.environments = {"native", "translate", "interpret", "tcg"};
  BenchResult result{std::get<0>(select_bench_rows(row)).front()};
  for (const double time : times) result.cells.push_back(cell_of(time));
  report.results = {result};
  return report;
}

bool is_kept(const BenchReport& report, std::string_view what) {
  const auto findings = bench_findings(report);
  const auto found = std::ranges::find(findings, what, &BenchFinding::what);
  EXPECT_NE(found, findings.end()) << what;
  return found != findings.end() && found->kept;
}

TEST(BenchFindings, ARowKeepsItsLimitAndIsFasterThanQemu) {
  const auto good = report_of("getpid", {100, 190, 3000, 400});
  EXPECT_TRUE(is_kept(good, "getpid to native"));
  EXPECT_TRUE(is_kept(good, "getpid to QEMU TCG"));
  const auto bad = report_of("getpid", {100, 410, 3000, 400});
  EXPECT_FALSE(is_kept(bad, "getpid to native"));
  EXPECT_FALSE(is_kept(bad, "getpid to QEMU TCG"));
}

TEST(BenchFindings, TheInterpreterIsAtLeastTwentyTimesSlowerOnComputation) {
  constexpr auto kWhat = "computation: interpreted to translated (at least)";
  EXPECT_TRUE(is_kept(report_of("hash", {100, 100, 2001, 400}), kWhat));
  EXPECT_FALSE(is_kept(report_of("hash", {100, 100, 1999, 400}), kWhat));
}

TEST(BenchText, HasARowWithItsRatios) {
  const std::string text = bench_text(report_of("getpid", {100, 250, 3000, 400}));
  EXPECT_THAT(text, HasSubstr("getpid"));
  for (const auto* ratio : {"2.50", "30.0", "4.00", "12.0", "1.60"}) EXPECT_THAT(text, HasSubstr(ratio));
  EXPECT_THAT(text, HasSubstr("getpid to native: 2.50, limit 2.00"));
}

TEST(BenchText, SaysThatAChecksumIsWrong) {
  auto report = report_of("hash", {100, 110, 3000, 400});
  EXPECT_FALSE(has_failures(report));
  EXPECT_THAT(bench_text(report), Not(HasSubstr("WRONG")));
  report.results[0].cells[1].wrong = true;
  EXPECT_TRUE(has_failures(report));
  EXPECT_THAT(bench_text(report), HasSubstr("WRONG"));
}

TEST(BenchText, SaysWhatFailed) {
  auto report = report_of("hash", {100, 110, 3000, 400});
  report.results[0].cells[3] = {{}, {}, "took too long", false};
  EXPECT_TRUE(has_failures(report));
  EXPECT_THAT(bench_text(report), HasSubstr("hash in tcg: took too long"));
}

TEST(BenchText, SaysThatThisHostWasBusy) {
  auto report = report_of("hash", {100, 110, 3000, 400});
  EXPECT_THAT(bench_text(report), Not(HasSubstr("busy")));
  report.results[0].cells[0].samples[0].cpu = 50;
  EXPECT_THAT(bench_text(report), HasSubstr("busy"));
}

TEST(BenchJson, CanBeRead) {
  const auto json = nlohmann::json::parse(bench_json(report_of("hash", {100, 110, 3000, 400})));
  EXPECT_EQ(json["rows"][0]["name"], "hash");
  EXPECT_DOUBLE_EQ(json["rows"][0]["environments"]["translate"]["ratio"], 1.1);
}

TEST(BenchSvg, HasADotForEachEnvironmentButThisHost) {
  const std::string svg = bench_svg(report_of("hash", {100, 110, 3000, 400}));
  EXPECT_THAT(svg, HasSubstr("<title>hash translate: 1.10</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>hash interpret: 30.00</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>hash tcg: 4.00</title>"));
  EXPECT_THAT(svg, Not(HasSubstr("<title>hash native")));
}

}  // namespace
}  // namespace ringshift::cli
