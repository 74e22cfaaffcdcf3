// What answers gdb: the remote serial protocol ("Debugging with GDB", appendix E) for one machine.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/gdb_packets.h"
#include "runtime/machine/machine.h"

namespace ringshift::cli {

// On the machine's thread, within its requests and events.
class GdbStub {
 public:
  struct Host {
    std::function<void(std::string_view)> send;
    std::function<void()> disconnect;
    std::function<void()> quit;  // ends the run
    // Executes a line as the monitor does; its output.
    std::function<std::string(std::string_view)> monitor;
  };
  GdbStub(machine::Machine& machine, Host host) : machine_(machine), host_(std::move(host)) {}

  // A debugger has come: the guest stops.
  void open();
  void receive(std::string_view bytes);
  // It has gone: its breakpoints go too, and the guest runs on.
  void close();
  void on_event(const machine::MachineEvent& event);

 private:
  struct Point {
    unsigned type = 0;  // of the Z packet: 0 software, 1 hardware, 2 write, 3 read, 4 access
    std::uint32_t address = 0, size = 0;
    auto operator<=>(const Point&) const = default;
  };

  void packet(std::string_view text);
  void reply(std::string_view payload);
  void answer(bool done) { reply(done ? "OK" : "E22"); }
  void reply_memory(std::string_view text);
  void write_memory(std::string_view text, bool binary);
  void reply_register(std::string_view text);
  void write_register(std::string_view text);
  void change_point(std::string_view text, bool set);
  void query(std::string_view text);
  void transfer(std::string_view text);
  void remote_command(std::string_view text);
  void v_packet(std::string_view text);
  void go(bool step);
  void resume_at(std::string_view text, bool step);
  void install_points();
  [[nodiscard]] std::string stop_reply() const;

  machine::Machine& machine_;
  Host host_;
  GdbPackets packets_;
  bool open_ = false;
  bool acks_ = true;
  bool waiting_ = false;  // gdb has let the guest run and waits for it to stop
  std::string last_;      // frame that was sent last, to be sent again
  machine::MachineEvent stop_;
  std::vector<Point> points_;
};

}  // namespace ringshift::cli
