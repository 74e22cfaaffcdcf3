#include "cli/bench/report.h"

#include <fmt/format.h>

#include <algorithm>

namespace ringshift::cli {
namespace {

constexpr double kLeastOverInterpreter = 20;

// The ratios of an environment to this host in the rows of a group, where there are any.
std::vector<double> group_ratios(const BenchReport& report, std::string_view group, std::size_t environment) {
  std::vector<double> ratios;
  for (const BenchResult& result : report.results) {
    if (result.row.group != group) continue;
    if (const auto ratio = ratio_to_native(result, environment, report.plan.clock)) ratios.push_back(*ratio);
  }
  return ratios;
}

// How many times as long as `one` the environment `other` takes.
std::optional<double> between(const BenchReport& report, const BenchResult& result, std::size_t one,
                              std::size_t other) {
  const auto ours = ratio_to_native(result, one, report.plan.clock);
  const auto theirs = ratio_to_native(result, other, report.plan.clock);
  if (!ours || !theirs) return std::nullopt;
  return *theirs / *ours;
}

std::string ratio_text(std::optional<double> ratio) {
  if (!ratio) return "-";
  if (*ratio < 9.995) return fmt::format("{:.2f}", *ratio);
  return fmt::format("{:.{}f}", *ratio, *ratio < 99.95 ? 1 : 0);
}

std::string time_text(std::optional<double> nanoseconds) {
  if (!nanoseconds) return "-";
  if (*nanoseconds < 1e3) return fmt::format("{:.4g} ns", *nanoseconds);
  if (*nanoseconds < 1e6) return fmt::format("{:.4g} us", *nanoseconds / 1e3);
  return fmt::format("{:.4g} ms", *nanoseconds / 1e6);
}

std::string cell_text(const BenchReport& report, const BenchResult& result, std::size_t environment) {
  const BenchCell& cell = result.cells[environment];
  if (cell.wrong) return "WRONG";
  if (!cell.error.empty() && cell.samples.empty()) return "FAILED";
  return ratio_text(ratio_to_native(result, environment, report.plan.clock));
}

void add_row(std::string& text, const BenchReport& report, const BenchResult& result) {
  const auto translate = environment_named(report, "translate");
  const auto tcg = environment_named(report, "tcg");
  const auto interpret = environment_named(report, "interpret");
  text += fmt::format("{:<12}{:>11}", result.row.name, time_text(unit_time(result.cells[0], report.plan.clock)));
  for (std::size_t i = 1; i < report.environments.size(); ++i) {
    text += fmt::format("{:>11}", cell_text(report, result, i));
  }
  if (translate) {
    if (interpret) text += fmt::format("{:>11}", ratio_text(between(report, result, *translate, *interpret)));
    if (tcg) text += fmt::format("{:>11}", ratio_text(between(report, result, *translate, *tcg)));
    const double limit = limit_of(result.row);
    const auto ratio = ratio_to_native(result, *translate, report.plan.clock);
    text += fmt::format("{:>8}", limit != 0 ? ratio_text(limit) : "");
    text += ratio && limit != 0 && *ratio > limit ? " over" : "     ";
  }
  text += fmt::format("  {}\n", result.row.unit);
}

void add_means(std::string& text, const BenchReport& report, const BenchGroup& group) {
  if (group_ratios(report, group.name, 0).empty()) return;
  text += fmt::format("{:<23}", group.title.substr(0, 22));
  std::vector<std::optional<double>> means;
  for (std::size_t i = 0; i < report.environments.size(); ++i) {
    means.push_back(geometric_mean(group_ratios(report, group.name, i)));
    if (i != 0) text += fmt::format("{:>11}", ratio_text(means.back()));
  }
  if (const auto translate = environment_named(report, "translate")) {
    for (const std::string_view other : {"interpret", "tcg"}) {
      const auto at = environment_named(report, other);
      if (!at) continue;
      const bool both = means[*translate] && means[*at];
      text += fmt::format("{:>11}", ratio_text(both ? std::optional(*means[*at] / *means[*translate]) : std::nullopt));
    }
    text += fmt::format("{:>8}", group.mean_limit != 0 ? ratio_text(group.mean_limit) : "");
    text += group.mean_limit != 0 && means[*translate] && *means[*translate] > group.mean_limit ? " over" : "";
  }
  while (text.back() == ' ') text.pop_back();
  text += '\n';
}

// Whether this host often had other things to do while its own rows ran.
bool was_busy(const BenchReport& report) {
  constexpr double kLeastShare = 0.95;
  std::ptrdiff_t disturbed = 0;
  std::ptrdiff_t samples = 0;
  for (const BenchResult& result : report.results) {
    const auto& native = result.cells.front().samples;
    samples += std::ssize(native);
    disturbed += std::ranges::count_if(native, [](const auto& one) { return one.cpu < kLeastShare * one.own; });
  }
  return disturbed * 4 > samples;
}

void add_notes(std::string& text, const BenchReport& report) {
  if (report.plan.clock == BenchClock::wall && was_busy(report)) {
    text += "this host was busy: --clock cpu measures better then\n";
  }
  for (const BenchResult& result : report.results) {
    for (std::size_t i = 0; i < result.cells.size(); ++i) {
      const BenchCell& cell = result.cells[i];
      const auto note = [&](std::string_view what) {
        text += fmt::format("{} in {}: {}\n", result.row.name, report.environments[i], what);
      };
      if (cell.wrong) note("WRONG: the checksum is not that of this host");
      if (!cell.error.empty()) note(cell.error);
      if (const auto error = clock_error(cell)) {
        note(fmt::format("its clock differs from the host's by {:+.0f}%, the host's is used", *error * 100));
      }
    }
  }
}

}  // namespace

std::optional<std::size_t> environment_named(const BenchReport& report, std::string_view name) {
  const auto at = std::ranges::find(report.environments, name);
  if (at == report.environments.end()) return std::nullopt;
  return static_cast<std::size_t>(at - report.environments.begin());
}

bool has_failures(const BenchReport& report) {
  return std::ranges::any_of(report.results, [](const BenchResult& result) {
    return std::ranges::any_of(result.cells, [](const BenchCell& cell) { return cell.wrong || !cell.error.empty(); });
  });
}

std::vector<BenchFinding> bench_findings(const BenchReport& report) {
  std::vector<BenchFinding> findings;
  const auto translate = environment_named(report, "translate");
  if (!translate) return findings;
  const auto at_most = [&](std::string what, std::optional<double> value, double limit) {
    if (value && limit != 0) findings.push_back({std::move(what), *value, limit, *value <= limit});
  };
  for (const BenchGroup& group : bench_groups()) {
    at_most(fmt::format("{}: geometric mean to native", group.title),
            geometric_mean(group_ratios(report, group.name, *translate)), group.mean_limit);
  }
  for (const BenchResult& result : report.results) {
    at_most(fmt::format("{} to native", result.row.name), ratio_to_native(result, *translate, report.plan.clock),
            limit_of(result.row));
  }
  if (const auto tcg = environment_named(report, "tcg")) {
    for (const BenchResult& result : report.results) {
      at_most(fmt::format("{} to QEMU TCG", result.row.name), between(report, result, *tcg, *translate), 1);
    }
  }
  if (const auto interpret = environment_named(report, "interpret")) {
    const auto slow = geometric_mean(group_ratios(report, "compute", *interpret));
    const auto fast = geometric_mean(group_ratios(report, "compute", *translate));
    if (slow && fast) {
      const double value = *slow / *fast;
      findings.push_back({"computation: interpreted to translated (at least)", value, kLeastOverInterpreter,
                          value >= kLeastOverInterpreter});
    }
  }
  return findings;
}

std::string bench_text(const BenchReport& report) {
  std::string text;
  for (const std::string& fact : report.facts) text += fact + '\n';
  text += fmt::format(
      "Time of a unit of work on this host, and how many times as long each environment takes for it; median of {} "
      "{}\n\n",
      report.plan.runs, report.plan.clock == BenchClock::cpu ? "by CPU time" : "by wall clock");
  text += fmt::format("{:<12}{:>11}", "", report.environments.front());
  for (std::size_t i = 1; i < report.environments.size(); ++i) text += fmt::format("{:>11}", report.environments[i]);
  if (environment_named(report, "translate")) {
    if (environment_named(report, "interpret")) text += fmt::format("{:>11}", "int/trans");
    if (environment_named(report, "tcg")) text += fmt::format("{:>11}", "tcg/trans");
    text += fmt::format("{:>8}", "limit");
  }
  text += '\n';
  for (const BenchResult& result : report.results) add_row(text, report, result);
  text += "\ngeometric means\n";
  for (const BenchGroup& group : bench_groups()) add_means(text, report, group);
  std::string missed;
  for (const BenchFinding& finding : bench_findings(report)) {
    if (!finding.kept)
      missed += fmt::format("  {}: {}, limit {}\n", finding.what, ratio_text(finding.value), ratio_text(finding.limit));
  }
  text += missed.empty() ? "\nall limits are kept\n" : "\nmissed:\n" + missed;
  std::string notes;
  add_notes(notes, report);
  if (!notes.empty()) text += "\n" + notes;
  return text;
}

}  // namespace ringshift::cli
