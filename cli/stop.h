// The wish to end a run, from whoever has it first.
#pragma once

#include <atomic>
#include <functional>
#include <optional>

namespace ringshift::cli {

class Stop {
 public:
  Stop();
  ~Stop();
  Stop(const Stop&) = delete;
  Stop& operator=(const Stop&) = delete;

  // Any thread. Only the first wish counts, and only it calls what on_asked() has set.
  void ask(int exit_status);
  // Called on the asking thread. Set before anybody can ask.
  void on_asked(std::function<void()> action) { action_ = std::move(action); }
  // The exit status that was asked for.
  [[nodiscard]] std::optional<int> status() const;
  // Readable once somebody has asked: for those who wait for something else.
  [[nodiscard]] int fd() const { return fd_; }

 private:
  static constexpr int kNone = -1;
  std::atomic<int> status_{kNone};
  std::function<void()> action_;
  int fd_;
};

}  // namespace ringshift::cli
