#include "cli/host_side.h"

#include <fmt/format.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "cli/exit_code.h"
#include "cli/files.h"
#include "cli/message.h"
#include "cli/typed_keys.h"

namespace ringshift::cli {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
// A machine that was asked to stop does so within milliseconds. One that does not is abandoned.
constexpr std::uint64_t kPatienceNs = 10 * kNsPerSecond;

void arm(int timer, std::uint64_t ns) {
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(ns / kNsPerSecond);
  when.it_value.tv_nsec = static_cast<long>(ns % kNsPerSecond);
  timerfd_settime(timer, 0, &when, nullptr);
}

// The first line of the file.
std::optional<std::string> read_password(const std::string& path, std::string& password) {
  auto file = read_image("VNC password", path);
  if (auto* error = std::get_if<std::string>(&file)) return std::move(*error);
  const auto& bytes = std::get<machine::boot::Image>(file).bytes;
  password.assign(bytes.begin(), std::ranges::find(bytes, std::uint8_t{'\n'}));
  if (password.empty()) return fmt::format("VNC password '{}': is empty", path);
  return std::nullopt;
}

}  // namespace

std::variant<std::unique_ptr<HostSide>, std::string> HostSide::create(const RunOptions& options) {
  auto serial = SerialLink::open(options.serial);
  if (auto* error = std::get_if<std::string>(&serial)) return std::move(*error);
  std::unique_ptr<HostSide> host(new HostSide(options, std::get<SerialLink>(std::move(serial))));
  if (options.pc && options.pc->vnc) {
    VncOptions vnc = *options.pc->vnc;
    if (!options.pc->vnc_password_file.empty()) {
      if (auto error = read_password(options.pc->vnc_password_file, vnc.password)) return std::move(*error);
    }
    auto server = VncServer::create(vnc);
    if (auto* error = std::get_if<std::string>(&server)) return std::move(*error);
    host->vnc_ = std::get<std::unique_ptr<VncServer>>(std::move(server));
  }
  if (options.pc && !options.pc->screen_picture.empty()) {
    host->picture_file_ = std::make_unique<PictureFile>(options.pc->screen_picture);
  }
  return host;
}

HostSide::HostSide(const RunOptions& options, SerialLink serial)
    : serial_(std::move(serial)),
      keyboard_(options.pc && options.pc->terminal),
      screen_(keyboard_, options.pc ? options.pc->screen_text : ""),
      timeout_ns_(options.timeout_ns),
      timeout_fd_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      watchdog_fd_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  std::signal(SIGPIPE, SIG_IGN);  // a failing write says so
}

HostSide::~HostSide() {
  close(timeout_fd_);
  close(watchdog_fd_);
}

void HostSide::output(std::span<const std::uint8_t> bytes) {
  if (const auto error = serial_.write(bytes, stop_.fd())) {
    say(*error);
    stop_.ask(kExitHostError);
  }
}

void HostSide::show(const devices::Picture& picture, devices::Rows changed) {
  if (vnc_) vnc_->show(picture, changed);
  if (picture_file_) picture_file_->show(picture, changed);
}

void HostSide::show(const devices::TextScreen& screen) {
  if (const auto error = screen_.show(screen)) say(*error);
}

std::vector<machine::IoThread::Watch> HostSide::start(GuestSide guest) {
  guest_ = std::move(guest);
  stop_.on_asked([this] {
    arm(watchdog_fd_, kPatienceNs);
    guest_.stop();
  });
  std::vector<machine::IoThread::Watch> watches;
  watches.push_back({signals_.fd(), [this] { return read_signals(); }});
  watches.push_back({timeout_fd_, [this] {
                       stop_.ask(kExitTimeout);
                       return false;
                     }});
  watches.push_back({watchdog_fd_, [this]() -> bool { abandon(*stop_.status()); }});
  const int input = input_fd();
  if (input >= 0) {
    watches.push_back({input, [this] { return read_input(); }, [this] { return guest_.wants_input(); }});
  }
  if (input == STDIN_FILENO) terminal_ = Terminal::open(STDIN_FILENO);
  if (terminal_) terminal_->make_raw();
  if (timeout_ns_) arm(timeout_fd_, *timeout_ns_);
  if (picture_file_) guest_.watch_screen(true);
  // The file follows the screen whether or not there is a viewer.
  const auto watch = [this](bool on) { guest_.watch_screen(on || picture_file_ != nullptr); };
  if (vnc_) vnc_->start({guest_.keys, guest_.pointer, watch});
  return watches;
}

void HostSide::finish() {
  if (vnc_) vnc_->stop();
  if (picture_file_) picture_file_->close();
  screen_.close();
  terminal_.reset();
}

int HostSide::input_fd() const { return keyboard_ ? STDIN_FILENO : serial_.input(); }

bool HostSide::read_input() {
  std::array<std::uint8_t, 4096> buffer{};
  const ssize_t got = ::read(input_fd(), buffer.data(), buffer.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  const std::span<const std::uint8_t> bytes(buffer.data(), static_cast<std::size_t>(got));
  if (!terminal_) {
    give(bytes);
    return true;
  }
  // What is typed before and behind a command may go to different places.
  std::vector<std::uint8_t> typed;
  for (const std::uint8_t byte : bytes) {
    const auto result = filter_.feed({&byte, 1});
    typed.insert(typed.end(), result.bytes.begin(), result.bytes.end());
    for (const auto command : result.commands) {
      if (!typed.empty()) give(std::exchange(typed, {}));
      handle_command(command);
    }
  }
  if (!typed.empty()) give(typed);
  return true;
}

void HostSide::give(std::span<const std::uint8_t> typed) {
  if (at_monitor_) return type_at_monitor(typed);
  if (keyboard_) {
    guest_.keys(typed_keys(typed));
  } else {
    guest_.input(typed);
  }
}

void HostSide::handle_command(EscapeFilter::Command command) {
  switch (command) {
    case EscapeFilter::Command::quit:
      stop_.ask(0);
      break;
    case EscapeFilter::Command::suspend:
      kill(0, SIGTSTP);  // the whole job, which is us too
      break;
    case EscapeFilter::Command::monitor:
      toggle_monitor();
      break;
    case EscapeFilter::Command::help:
      say("Ctrl-a x quits, Ctrl-a c goes to the monitor and back, Ctrl-a z suspends, Ctrl-a Ctrl-a sends Ctrl-a");
      break;
  }
}

// ---- the monitor at the terminal --------------------------------------------------------------

namespace {

constexpr std::string_view kPrompt = "(ringshift) ";

// To a raw terminal.
void print(std::string_view text) {
  std::string out;
  for (const char c : text) c == '\n' ? out += "\r\n" : out += c;
  [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, out.data(), out.size());
}

}  // namespace

void HostSide::toggle_monitor() {
  if (!guest_.monitor) {
    say("there is no monitor in lockstep");
    return;
  }
  at_monitor_ = !at_monitor_;
  print("\n");
  if (at_monitor_) print(kPrompt);
}

void HostSide::type_at_monitor(std::span<const std::uint8_t> typed) {
  auto [echo, lines] = monitor_line_.feed(typed);
  [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, echo.data(), echo.size());
  for (std::string& line : lines) {
    guest_.monitor(std::move(line), [](const std::string& output) {
      print(output);
      print(kPrompt);
    });
  }
}

bool HostSide::read_signals() {
  while (const auto number = signals_.next()) handle_signal(*number);
  return true;
}

void HostSide::handle_signal(int number) {
  if (number == SIGTSTP) {
    if (terminal_) terminal_->restore();
    kill(getpid(), SIGSTOP);
    return;
  }
  if (number == SIGCONT) {
    if (terminal_ && terminal_->in_foreground()) terminal_->make_raw();
    return;
  }
  // The second one is for a run that does not react to the first.
  if (stop_.status()) abandon(kExitSignal + number);
  stop_.ask(kExitSignal + number);
}

void HostSide::abandon(int exit_status) {
  if (terminal_) terminal_->restore();
  say("the guest does not stop; abandoned");
  _exit(exit_status);
}

}  // namespace ringshift::cli
