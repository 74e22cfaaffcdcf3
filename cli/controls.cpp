#include "cli/controls.h"

#include <utility>

namespace ringshift::cli {
namespace {

using Watch = machine::IoThread::Watch;

std::optional<std::string> listen(const std::optional<SocketAddress>& address, std::unique_ptr<SocketServer>& server) {
  if (!address) return std::nullopt;
  auto created = SocketServer::listen(*address);
  if (auto* error = std::get_if<std::string>(&created)) return std::move(*error);
  server = std::get<std::unique_ptr<SocketServer>>(std::move(created));
  return std::nullopt;
}

}  // namespace

std::variant<std::unique_ptr<Controls>, std::string> Controls::create(const ControlOptions& options) {
  std::unique_ptr<Controls> controls(new Controls);
  if (auto error = listen(options.gdb, controls->gdb_server_)) return "--gdb: " + *error;
  if (auto error = listen(options.qmp, controls->qmp_server_)) return "--qmp: " + *error;
  return controls;
}

void Controls::attach(machine::Machine& machine, const std::function<void()>& quit) {
  machine_ = &machine;
  monitor_.emplace(machine, quit);
  const auto execute = [this](std::string_view line) { return monitor_->execute(line); };
  if (gdb_server_) {
    SocketServer& server = *gdb_server_;
    gdb_.emplace(machine, GdbStub::Host{[&server](std::string_view bytes) { server.send(bytes); },
                                        [&server] { server.disconnect(); }, quit, execute});
  }
  if (qmp_server_) {
    SocketServer& server = *qmp_server_;
    qmp_.emplace(machine, QmpSession::Host{[&server](std::string_view bytes) { server.send(bytes); }, quit, execute});
  }
}

template <class Session>
Watch Controls::serve(SocketServer& server, Session& session) {
  SocketServer::Events events;
  events.opened = [this, &session] { machine_->ask([&session] { session.open(); }); };
  events.received = [this, &server, &session](std::string bytes) {
    machine_->ask([&server, &session, bytes = std::move(bytes)] {
      session.receive(bytes);
      server.processed(bytes.size());
    });
  };
  events.closed = [this, &session] { machine_->ask([&session] { session.close(); }); };
  return server.watch(std::move(events));
}

std::vector<Watch> Controls::watches() {
  std::vector<Watch> all;
  if (gdb_) all.push_back(serve(*gdb_server_, *gdb_));
  if (qmp_) all.push_back(serve(*qmp_server_, *qmp_));
  return all;
}

void Controls::on_event(const machine::MachineEvent& event) {
  if (gdb_) gdb_->on_event(event);
  if (qmp_) qmp_->on_event(event);
}

void Controls::monitor(std::string line, std::function<void(const std::string&)> done) {
  machine_->ask([this, line = std::move(line), done = std::move(done)] { done(monitor_->execute(line)); });
}

}  // namespace ringshift::cli
