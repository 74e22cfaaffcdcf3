// The program under test as a process.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace ringshift::test {

struct Outcome {
  int status = -1;  // exit status; -1: did not end in time and was killed; 1000 + n: died of signal n
  std::string out, err;
};

class Process {
 public:
  enum class Stdin {
    pipe,
    terminal,  // a pseudo terminal, whose job the process is; standard output too
  };
  // `ringshift` with these arguments.
  explicit Process(const std::vector<std::string>& arguments, Stdin input = Stdin::pipe);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void type(std::string_view text);
  void close_input();
  void close_output();  // nobody reads what it writes
  void send(int signal);
  // Waits until the output so far contains `text`. False: the process ended, or 20 seconds passed.
  bool wait_for(std::string_view text);
  // Waits for its end, at most 20 seconds.
  Outcome wait();
  // Waits until the process has been stopped (as Ctrl-z does), at most 20 seconds.
  bool wait_stopped();

  [[nodiscard]] int terminal() const { return in_; }
  [[nodiscard]] const std::string& output() const { return out_; }

 private:
  bool collect(int timeout_ms);  // false: both outputs are at their ends
  pid_t pid_ = -1;
  int in_ = -1, out_fd_ = -1, err_fd_ = -1;
  std::string out_, err_;
};

// Runs it with nothing to read.
Outcome run(const std::vector<std::string>& arguments);

}  // namespace ringshift::test
