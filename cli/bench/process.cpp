#include "cli/bench/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <thread>

namespace ringshift::cli {
namespace {

// In the child: from here on only exec or exit.
[[noreturn]] void become(const ProcessPlan& plan, int input, int output) {
  // A guest must not live on without its master, even if that is killed.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_DFL);
  const int log = open(plan.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  if (log >= 0) dup2(log, STDERR_FILENO);
  for (const auto& [name, value] : plan.variables) setenv(name.c_str(), value.c_str(), 1);
  if (!plan.folder.empty() && chdir(plan.folder.c_str()) != 0) _exit(126);
  std::vector<char*> words;
  for (const std::string& word : plan.command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  _exit(127);
}

std::string ending(int status) {
  if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
  return fmt::format("ended with status {}", WEXITSTATUS(status));
}

}  // namespace

std::variant<std::unique_ptr<LineProcess>, std::string> LineProcess::start(const ProcessPlan& plan) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (pipe2(in.data(), O_CLOEXEC) != 0) return fmt::format("pipe: {}", std::strerror(errno));
  if (pipe2(out.data(), O_CLOEXEC) != 0) return fmt::format("pipe: {}", std::strerror(errno));
  const pid_t pid = fork();
  if (pid == 0) become(plan, in[0], out[1]);
  close(in[0]);
  close(out[1]);
  if (pid < 0) {
    close(in[1]);
    close(out[0]);
    return fmt::format("fork: {}", std::strerror(errno));
  }
  return std::unique_ptr<LineProcess>(new LineProcess(pid, in[1], out[0]));
}

LineProcess::~LineProcess() {
  if (pid_ > 0) finish(Clock::now());
  close(input_);
  close(output_);
}

bool LineProcess::write_line(std::string line) const {
  line += '\n';
  return ::write(input_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

std::optional<std::string> LineProcess::read_line(Clock::time_point until) {
  for (;;) {
    if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      while (!line.empty() && line.back() == '\r') line.pop_back();
      return line;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd ready{output_, POLLIN, 0};
    const int found = poll(&ready, 1, static_cast<int>(std::clamp<long>(left, 0, 1'000'000)));
    if (found < 0 && errno == EINTR) continue;
    if (found <= 0) return std::nullopt;
    std::array<char, 4096> bytes{};
    const ssize_t got = ::read(output_, bytes.data(), bytes.size());
    if (got <= 0) return std::nullopt;
    buffer_.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

std::uint64_t LineProcess::cpu_ns() const {
  clockid_t clock{};
  timespec time{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

std::string LineProcess::finish(Clock::time_point until) {
  int status = 0;
  while (waitpid(pid_, &status, WNOHANG) != pid_) {
    if (Clock::now() >= until) {
      kill(pid_, SIGKILL);
      waitpid(pid_, &status, 0);
      pid_ = -1;
      return "stopped";
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  pid_ = -1;
  return ending(status);
}

}  // namespace ringshift::cli
