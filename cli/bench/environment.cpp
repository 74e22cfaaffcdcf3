#include "cli/bench/environment.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

namespace ringshift::cli {
namespace {

using Clock = LineProcess::Clock;

constexpr std::chrono::seconds kBootTime{300};
constexpr std::chrono::seconds kStopTime{5};
constexpr int kMostFailedStarts = 2;

double nanoseconds(Clock::duration time) { return std::chrono::duration<double, std::nano>(time).count(); }

std::string last_line_of(const std::string& path) {
  std::ifstream file(path);
  std::string last;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

}  // namespace

std::string BenchEnvironment::start() {
  if (failed_starts_ >= kMostFailedStarts) return "does not start";
  auto started = LineProcess::start(plan_);
  if (auto* error = std::get_if<std::string>(&started)) return *error;
  process_ = std::get<0>(std::move(started));
  const auto until = Clock::now() + kBootTime;
  while (auto line = process_->read_line(until)) {
    // The first line of ours may follow what firmware wrote without an end of line.
    if (line->find("@ready") != std::string::npos) {
      failed_starts_ = 0;
      return {};
    }
    if (!line->empty()) last_line_ = *line;
  }
  ++failed_starts_;
  return give_up("did not become ready");
}

std::string BenchEnvironment::give_up(std::string_view what) {
  std::string text = fmt::format("{}: {}", what, process_->finish(Clock::now() + std::chrono::milliseconds(200)));
  process_.reset();
  if (!last_line_.empty()) text += fmt::format("; the console says: {}", last_line_);
  if (const std::string line = last_line_of(plan_.log); !line.empty()) text += fmt::format("; {}", line);
  last_line_.clear();
  return text;
}

std::variant<BenchSample, std::string> BenchEnvironment::run(std::string_view row, std::uint32_t units,
                                                             Seconds at_most) {
  if (!process_) {
    if (std::string error = start(); !error.empty()) return error;
  }
  if (!process_->write_line(fmt::format("{} {}", row, units))) return give_up("takes no commands");
  return listen(row, Clock::now() + std::chrono::duration_cast<Clock::duration>(at_most));
}

std::variant<BenchSample, std::string> BenchEnvironment::listen(std::string_view row, Clock::time_point until) {
  Clock::time_point begin{};
  std::uint64_t cpu_begin = 0;
  while (auto line = process_->read_line(until)) {
    const auto now = Clock::now();
    std::istringstream words(*line);
    std::string word;
    std::string name;
    words >> word >> name;
    if (name != row || !word.starts_with('@')) {
      if (!line->empty()) last_line_ = *line;
    } else if (word == "@begin") {
      begin = now;
      cpu_begin = process_->cpu_ns();
    } else if (word == "@failed") {
      return *line;
    } else if (word == "@end") {
      BenchSample sample;
      double own_cpu = 0;
      words >> sample.units >> sample.own >> own_cpu >> std::hex >> sample.checksum;
      if (!words || begin == Clock::time_point{}) return fmt::format("garbled: {}", *line);
      sample.host = nanoseconds(now - begin);
      sample.cpu = own_cpu_ ? own_cpu : static_cast<double>(process_->cpu_ns() - cpu_begin);
      return sample;
    }
  }
  return give_up(Clock::now() < until ? "ended" : "took too long");
}

void BenchEnvironment::stop() {
  if (!process_) return;
  if (process_->write_line("poweroff")) process_->finish(Clock::now() + kStopTime);
  process_.reset();
}

}  // namespace ringshift::cli
