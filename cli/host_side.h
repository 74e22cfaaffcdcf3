// What surrounds a run on the host: the serial port's other end, the terminal, signals, the time limit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "cli/escape_filter.h"
#include "cli/host_signals.h"
#include "cli/line_editor.h"
#include "cli/picture_file.h"
#include "cli/run_options.h"
#include "cli/screen.h"
#include "cli/serial_link.h"
#include "cli/stop.h"
#include "cli/terminal.h"
#include "cli/vnc_server.h"
#include "runtime/machine/io_thread.h"

namespace ringshift::cli {

// What the host does to the guest; called on the I/O thread and the VNC server's.
struct GuestSide {
  std::function<void(std::span<const std::uint8_t>)> input;
  std::function<void(std::span<const machine::Key>)> keys;
  std::function<void(const devices::PointerMove&)> pointer;
  // Whether somebody looks at the screen's pixels.
  std::function<void(bool)> watch_screen;
  // Whether it has room for more input.
  std::function<bool()> wants_input;
  std::function<void()> stop;
  // Executes a line of the monitor; `done` gets its output on the machine's thread. Empty: there is no monitor.
  std::function<void(std::string line, std::function<void(const std::string& output)> done)> monitor{};
};

class HostSide {
 public:
  // The error is one readable line.
  static std::variant<std::unique_ptr<HostSide>, std::string> create(const RunOptions& options);
  ~HostSide();
  HostSide(const HostSide&) = delete;
  HostSide& operator=(const HostSide&) = delete;

  // The guest's serial output, on the thread that runs it. If nobody takes it any more, the run is stopped.
  void output(std::span<const std::uint8_t> bytes);
  // What the guest's screen shows, on the same thread.
  void show(const devices::TextScreen& screen);
  [[nodiscard]] bool takes_pictures() const { return vnc_ != nullptr || picture_file_ != nullptr; }
  void show(const devices::Picture& picture, devices::Rows changed);
  // From now on a terminal is raw and the time limit runs. The watches refer to this object; they are for one IoThread,
  // which must end before this does.
  std::vector<machine::IoThread::Watch> start(GuestSide guest);
  // The terminal as it was before. The I/O thread must have ended.
  void finish();

  // Any thread: ends the run, with status 0.
  void quit() { stop_.ask(0); }
  // Why the run was stopped from here, as an exit status.
  [[nodiscard]] std::optional<int> stopped() const { return stop_.status(); }

 private:
  HostSide(const RunOptions& options, SerialLink serial);
  // Where what is typed comes from, or -1.
  [[nodiscard]] int input_fd() const;
  bool read_input();
  void give(std::span<const std::uint8_t> typed);
  bool read_signals();
  void handle_signal(int number);
  void handle_command(EscapeFilter::Command command);
  void toggle_monitor();
  void type_at_monitor(std::span<const std::uint8_t> typed);
  [[noreturn]] void abandon(int exit_status);

  SerialLink serial_;
  bool keyboard_;  // what is typed goes to the guest's keyboard, not to its serial port
  Screen screen_;
  std::unique_ptr<VncServer> vnc_;
  std::unique_ptr<PictureFile> picture_file_;
  Stop stop_;
  std::optional<std::uint64_t> timeout_ns_;
  HostSignals signals_;
  std::unique_ptr<Terminal> terminal_;
  EscapeFilter filter_;
  bool at_monitor_ = false;  // what is typed goes to the monitor
  LineEditor monitor_line_;
  GuestSide guest_;
  int timeout_fd_ = -1;   // time is up
  int watchdog_fd_ = -1;  // a run that was asked to stop has not
};

}  // namespace ringshift::cli
