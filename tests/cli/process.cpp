#include "tests/cli/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

namespace ringshift::test {
namespace {

constexpr std::chrono::seconds kPatience{20};
using Clock = std::chrono::steady_clock;

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) abort();
    read = ends[0];
    write = ends[1];
  }
  int read = -1, write = -1;
};

void execute(const std::vector<std::string>& arguments) {
  std::vector<std::string> strings = arguments;
  strings.insert(strings.begin(), RINGSHIFT_BINARY);
  std::vector<char*> argv;
  for (std::string& string : strings) argv.push_back(string.data());
  argv.push_back(nullptr);
  execv(RINGSHIFT_BINARY, argv.data());
  _exit(127);
}

void close_if_open(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, Stdin input) {
  const Pipe error;
  err_fd_ = error.read;
  if (input == Stdin::terminal) {
    pid_ = forkpty(&in_, nullptr, nullptr, nullptr);
    if (pid_ == 0) {
      dup2(error.write, STDERR_FILENO);
      execute(arguments);
    }
    out_fd_ = dup(in_);
  } else {
    const Pipe in;
    const Pipe out;
    pid_ = fork();
    if (pid_ == 0) {
      dup2(in.read, STDIN_FILENO);
      dup2(out.write, STDOUT_FILENO);
      dup2(error.write, STDERR_FILENO);
      execute(arguments);
    }
    close(in.read);
    close(out.write);
    in_ = in.write;
    out_fd_ = out.read;
  }
  close(error.write);
}

Process::~Process() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close_input();
  close_output();
  close_if_open(err_fd_);
}

void Process::type(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(in_, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void Process::close_input() { close_if_open(in_); }

void Process::close_output() { close_if_open(out_fd_); }

void Process::send(int signal) { kill(pid_, signal); }

bool Process::collect(int timeout_ms) {
  std::array<pollfd, 2> fds{{{out_fd_, POLLIN, 0}, {err_fd_, POLLIN, 0}}};
  poll(fds.data(), fds.size(), timeout_ms);
  const auto take = [](const pollfd& polled, int& fd, std::string& text) {
    if (polled.revents == 0) return;
    std::array<char, 65536> buffer{};
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got > 0) {
      text.append(buffer.data(), static_cast<std::size_t>(got));
    } else {  // a pseudo terminal without a user gives EIO
      close_if_open(fd);
    }
  };
  take(fds[0], out_fd_, out_);
  take(fds[1], err_fd_, err_);
  return out_fd_ >= 0 || err_fd_ >= 0;
}

bool Process::wait_for(std::string_view text) {
  const auto deadline = Clock::now() + kPatience;
  while (out_.find(text) == std::string::npos) {
    if (!collect(100) || Clock::now() > deadline) return out_.find(text) != std::string::npos;
  }
  return true;
}

Outcome Process::wait() {
  const auto deadline = Clock::now() + kPatience;
  int status = 0;
  bool open = true;
  pid_t ended = 0;
  while (ended == 0 && Clock::now() < deadline) {
    if (open) open = collect(20);
    if (!open) usleep(10000);
    ended = waitpid(pid_, &status, WNOHANG);
  }
  if (ended == 0) return {-1, out_, err_};  // the destructor kills it
  pid_ = -1;
  while (open && Clock::now() < deadline) open = collect(20);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  return {code, out_, err_};
}

bool Process::wait_stopped() {
  const auto deadline = Clock::now() + kPatience;
  int status = 0;
  while (Clock::now() < deadline) {
    collect(20);
    if (waitpid(pid_, &status, WNOHANG | WUNTRACED) == pid_) return WIFSTOPPED(status);
  }
  return false;
}

Outcome run(const std::vector<std::string>& arguments) {
  Process process(arguments);
  process.close_input();
  return process.wait();
}

}  // namespace ringshift::test
