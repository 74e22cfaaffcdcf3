// A place where the benchmark guest runs: this host, or Linux in a virtual machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "cli/bench/process.h"

namespace ringshift::cli {

// One run of a row. All times are of the timed part, in nanoseconds.
struct BenchSample {
  std::uint32_t units = 0;
  double own = 0;   // by the clock of the environment
  double host = 0;  // by this host's clock, from and to what the environment wrote
  double cpu = 0;   // taken from this host's processors
  std::uint32_t checksum = 0;
};

// Starts when a row is to run, and again after a row that did not end. Not thread-safe.
class BenchEnvironment {
 public:
  using Seconds = std::chrono::duration<double>;

  // `own_cpu`: the guest's own measure of CPU time is the host's (it is a process of this host).
  BenchEnvironment(std::string name, ProcessPlan plan, bool own_cpu)
      : name_(std::move(name)), plan_(std::move(plan)), own_cpu_(own_cpu) {}

  [[nodiscard]] const std::string& name() const { return name_; }

  // The error is one line: what the guest or the process did instead. A guest that takes longer is ended.
  std::variant<BenchSample, std::string> run(std::string_view row, std::uint32_t units, Seconds at_most);

  // Powers it off.
  void stop();

 private:
  using Clock = LineProcess::Clock;
  std::string start();  // empty if it is ready
  std::variant<BenchSample, std::string> listen(std::string_view row, Clock::time_point until);
  std::string give_up(std::string_view what);  // with what it did

  std::string name_;
  ProcessPlan plan_;
  bool own_cpu_;
  int failed_starts_ = 0;
  std::unique_ptr<LineProcess> process_{};
  std::string last_line_{};
};

}  // namespace ringshift::cli
