// The QEMU Machine Protocol (QEMU's docs/interop/qmp-spec) for one peer: JSON commands, answers and events.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "cli/input_events.h"
#include "cli/json_stream.h"
#include "runtime/machine/machine.h"

namespace ringshift::cli {

// On the machine's thread, within its requests and events.
class QmpSession {
 public:
  struct Host {
    std::function<void(std::string_view)> send;
    std::function<void()> quit;  // ends the run
    // Executes a line of the human monitor; its output.
    std::function<std::string(std::string_view)> monitor;
  };
  QmpSession(machine::Machine& machine, Host host) : machine_(machine), host_(std::move(host)) {}

  void open();
  void receive(std::string_view bytes);
  void close() { open_ = false; }
  void on_event(const machine::MachineEvent& event);

 private:
  void command(const std::string& text);

  machine::Machine& machine_;
  Host host_;
  JsonStream stream_;
  PointerHand hand_;
  bool open_ = false;
  bool negotiated_ = false;
  bool reset_by_host_ = false, quit_by_qmp_ = false;
};

}  // namespace ringshift::cli
