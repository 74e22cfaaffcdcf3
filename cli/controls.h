// Who controls a machine from outside: the monitor, QMP and the debugger, wired to their sockets.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/gdb_stub.h"
#include "cli/monitor.h"
#include "cli/qmp_session.h"
#include "cli/socket_server.h"
#include "runtime/machine/machine.h"

namespace ringshift::cli {

struct ControlOptions {
  std::optional<SocketAddress> gdb, qmp;
  bool wait_for_gdb = false;  // the guest does not start before a debugger lets it
  bool start_stopped = false;
};

class Controls {
 public:
  // Listens. The error is one readable line.
  static std::variant<std::unique_ptr<Controls>, std::string> create(const ControlOptions& options);
  Controls(const Controls&) = delete;
  Controls& operator=(const Controls&) = delete;

  // Before the machine runs. `quit` ends the run.
  void attach(machine::Machine& machine, const std::function<void()>& quit);
  [[nodiscard]] std::vector<machine::IoThread::Watch> watches();
  // On the machine's thread.
  void on_event(const machine::MachineEvent& event);
  // Any thread: executes a line of the monitor; `done` gets its output on the machine's thread.
  void monitor(std::string line, std::function<void(const std::string&)> done);

 private:
  Controls() = default;
  // Hands what a peer does on to its session, on the machine's thread.
  template <class Session>
  machine::IoThread::Watch serve(SocketServer& server, Session& session);

  machine::Machine* machine_ = nullptr;
  std::unique_ptr<SocketServer> gdb_server_, qmp_server_;
  std::optional<Monitor> monitor_;
  std::optional<GdbStub> gdb_;
  std::optional<QmpSession> qmp_;
};

}  // namespace ringshift::cli
