// A child process that is spoken to in lines.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace ringshift::cli {

// What to start. Standard error goes to a file.
struct ProcessPlan {
  std::vector<std::string> command;
  std::vector<std::pair<std::string, std::string>> variables{};  // added to the environment
  std::string folder{};                                          // to run in; empty: this process's
  std::string log;
};

// Ends with its object, or with this process. Not thread-safe.
class LineProcess {
 public:
  using Clock = std::chrono::steady_clock;

  // The error is one line.
  static std::variant<std::unique_ptr<LineProcess>, std::string> start(const ProcessPlan& plan);
  ~LineProcess();
  LineProcess(const LineProcess&) = delete;
  LineProcess& operator=(const LineProcess&) = delete;

  // False if the process does not read any more.
  [[nodiscard]] bool write_line(std::string line) const;

  // The next line of its output, without the end of line. Nothing when `until` has passed or the output has ended.
  [[nodiscard]] std::optional<std::string> read_line(Clock::time_point until);

  // The CPU time that all its threads have taken, in nanoseconds.
  [[nodiscard]] std::uint64_t cpu_ns() const;

  // Waits until `until` for it to end by itself, then kills it. What happened, in a few words.
  std::string finish(Clock::time_point until);

 private:
  LineProcess(pid_t pid, int input, int output) : pid_(pid), input_(input), output_(output) {}
  pid_t pid_;
  int input_, output_;
  std::string buffer_;
};

}  // namespace ringshift::cli
