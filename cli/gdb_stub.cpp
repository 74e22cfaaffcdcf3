#include "cli/gdb_stub.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/gdb_registers.h"
#include "runtime/machine/debug_memory.h"

namespace ringshift::cli {
namespace {

using machine::MachineEvent;

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::span<const std::uint8_t> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

// ---- the connection ---------------------------------------------------------------------------

void GdbStub::open() {
  open_ = true;
  acks_ = true;
  waiting_ = false;
  packets_ = {};
  last_.clear();
  stop_ = {};
  machine_.stop();
}

void GdbStub::close() {
  if (!open_) return;
  open_ = waiting_ = false;
  points_.clear();
  install_points();
  machine_.resume();
}

void GdbStub::receive(std::string_view bytes) {
  using Kind = GdbPackets::Item::Kind;
  for (const GdbPackets::Item& item : packets_.feed(bytes)) {
    if (!open_) return;
    switch (item.kind) {
      case Kind::packet:
        if (acks_) host_.send("+");
        packet(item.data);
        break;
      case Kind::broken:
        if (acks_) host_.send("-");
        break;
      case Kind::resend:
        if (acks_) host_.send(last_);
        break;
      case Kind::interrupt:
        machine_.stop();
        break;
    }
  }
}

void GdbStub::reply(std::string_view payload) {
  last_ = gdb_frame(payload);
  host_.send(last_);
}

void GdbStub::on_event(const MachineEvent& event) {
  if (!open_) return;
  if (event.kind == MachineEvent::Kind::stopped) {
    stop_ = event;
    if (std::exchange(waiting_, false)) reply(stop_reply());
  } else if (event.kind == MachineEvent::Kind::ended) {
    if (std::exchange(waiting_, false)) reply("W00");
  }
}

// Why the guest stands, as a signal that a program would have got: SIGTRAP, or SIGINT for a stop that was asked for.
std::string GdbStub::stop_reply() const {
  using Cause = MachineEvent::Cause;
  std::string text = stop_.cause == Cause::request ? "T02" : "T05";
  if (stop_.cause == Cause::breakpoint) {
    const CpuState& s = machine_.cpu();
    const std::uint32_t here = s.segment(Seg::cs).base + s.eip;
    const bool hardware =
        std::ranges::none_of(points_, [&](const Point& p) { return p.type == 0 && p.address == here; });
    text += hardware ? "hwbreak:;" : "swbreak:;";
  } else if (stop_.cause == Cause::watchpoint) {
    const auto& watch = stop_.watch;
    text += fmt::format("{}:{:x};", watch.reads ? (watch.writes ? "awatch" : "rwatch") : "watch", watch.linear);
  }
  return text + "thread:1;";
}

// ---- packets ----------------------------------------------------------------------------------

void GdbStub::packet(std::string_view text) {
  if (text.empty()) return reply("");
  const char kind = text.front();
  const std::string_view rest = text.substr(1);
  switch (kind) {
    case '?':
      return reply(stop_reply());
    case '!':
    case 'H':  // there is one thread
    case 'T':
      return reply("OK");
    case 'g':
      return reply(to_hex(gdb_registers(machine_.cpu())));
    case 'G': {
      const auto bytes = from_hex(rest);
      return answer(bytes && set_gdb_registers(machine_.processor(), *bytes));
    }
    case 'p':
      return reply_register(rest);
    case 'P':
      return write_register(rest);
    case 'm':
      return reply_memory(rest);
    case 'M':
      return write_memory(rest, false);
    case 'X':
      return write_memory(rest, true);
    case 'Z':
      return change_point(rest, true);
    case 'z':
      return change_point(rest, false);
    case 'c':
      return resume_at(rest, false);
    case 's':
      return resume_at(rest, true);
    case 'C':  // with a signal, of which a machine has none
      return go(false);
    case 'S':
      return go(true);
    case 'q':
    case 'Q':
      return query(text);
    case 'v':
      return v_packet(text);
    case 'D':
      reply("OK");
      close();
      return host_.disconnect();
    case 'k':
      open_ = false;
      return host_.quit();
    case 'R':  // without an answer
      return machine_.press_reset();
    default:
      return reply("");  // not known
  }
}

void GdbStub::resume_at(std::string_view text, bool step) {
  if (const auto address = take_hex(text)) {
    CpuState& state = machine_.processor().state;
    state.eip = *address;
    state.halted = 0;
  }
  go(step);
}

void GdbStub::go(bool step) {
  waiting_ = true;
  if (step) {
    machine_.step();
  } else {
    machine_.resume();
  }
}

void GdbStub::v_packet(std::string_view text) {
  if (text == "vCont?") return reply("vCont;c;C;s;S");
  if (take(text, "vCont;") && !text.empty()) {
    // The first action is for our one thread, by its name or as any.
    switch (text.front()) {
      case 's':
      case 'S':
        return go(true);
      case 'c':
      case 'C':
        return go(false);
      default:
        return reply("E22");
    }
  }
  if (take(text, "vKill")) {
    reply("OK");
    open_ = false;
    return host_.quit();
  }
  reply("");
}

void GdbStub::reply_register(std::string_view text) {
  const auto number = take_hex(text);
  const auto value = number ? gdb_register(machine_.cpu(), *number) : std::nullopt;
  reply(value ? to_hex(*value) : "E45");
}

void GdbStub::write_register(std::string_view text) {
  const auto number = take_hex(text);
  if (!number || !take(text, "=")) return reply("E22");
  const auto bytes = from_hex(text);
  answer(bytes && set_gdb_register(machine_.processor(), *number, *bytes));
}

void GdbStub::reply_memory(std::string_view text) {
  const auto address = take_hex(text);
  if (!address || !take(text, ",")) return reply("E22");
  const auto size = take_hex(text);
  if (!size) return reply("E22");
  std::vector<std::uint8_t> bytes(std::min<std::size_t>(*size, GdbPackets::kMost / 2));
  bytes.resize(machine::read_linear(machine_.processor().mmu, *address, bytes));
  if (bytes.empty() && *size != 0) return reply("E14");
  reply(to_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
}

void GdbStub::write_memory(std::string_view text, bool binary) {
  const auto address = take_hex(text);
  if (!address || !take(text, ",")) return reply("E22");
  const auto size = take_hex(text);
  if (!size || !take(text, ":")) return reply("E22");
  const auto bytes = binary ? std::optional(std::string(text)) : from_hex(text);
  if (!bytes || bytes->size() != *size) return reply("E22");
  const std::size_t written = machine::write_linear(machine_.processor().mmu, *address, as_bytes(*bytes));
  reply(written == bytes->size() ? "OK" : "E14");
}

// ---- breakpoints and watchpoints --------------------------------------------------------------

void GdbStub::change_point(std::string_view text, bool set) {
  const auto type = take_hex(text);
  if (!type || *type > 4) return reply("");
  if (!take(text, ",")) return reply("E22");
  const auto address = take_hex(text);
  if (!address || !take(text, ",")) return reply("E22");
  const auto size = take_hex(text);
  if (!size) return reply("E22");
  constexpr std::size_t kMostPoints = 4096;
  const Point point{*type, *address, *size};
  const auto found = std::ranges::find(points_, point);
  if (set && found == points_.end()) {
    if (points_.size() >= kMostPoints || (*type >= 2 && *size == 0)) return reply("E22");
    points_.push_back(point);
  } else if (!set && found != points_.end()) {
    points_.erase(found);
  }
  install_points();
  reply("OK");
}

void GdbStub::install_points() {
  std::vector<std::uint32_t> breakpoints;
  std::vector<Cpu::Watchpoint> watchpoints;
  for (const Point& point : points_) {
    if (point.type < 2) {
      breakpoints.push_back(point.address);
    } else {
      watchpoints.push_back({point.address, point.size, point.type != 2, point.type != 3});
    }
  }
  machine_.set_breakpoints(std::move(breakpoints));
  machine_.set_watchpoints(std::move(watchpoints));
}

// ---- queries ----------------------------------------------------------------------------------

void GdbStub::query(std::string_view text) {
  if (take(text, "qSupported")) {
    return reply(fmt::format("PacketSize={:x};qXfer:features:read+;swbreak+;hwbreak+;vContSupported+;QStartNoAckMode+",
                             GdbPackets::kMost));
  }
  if (text == "QStartNoAckMode") {
    reply("OK");
    acks_ = false;
    return;
  }
  if (take(text, "qXfer:features:read:target.xml:")) return transfer(text);
  if (take(text, "qRcmd,")) return remote_command(text);
  if (text == "qC") return reply("QC1");
  if (text == "qfThreadInfo") return reply("m1");
  if (text == "qsThreadInfo") return reply("l");
  if (text.starts_with("qThreadExtraInfo")) return reply(to_hex("CPU 0"));
  if (text.starts_with("qAttached")) return reply("1");
  if (text.starts_with("qSymbol")) return reply("OK");
  reply("");
}

void GdbStub::transfer(std::string_view text) {
  const auto offset = take_hex(text);
  if (!offset || !take(text, ",")) return reply("E00");
  const auto size = take_hex(text);
  if (!size) return reply("E00");
  const std::string xml = gdb_target_description();
  if (*offset >= xml.size()) return reply("l");
  const std::size_t count = std::min<std::size_t>({*size, xml.size() - *offset, GdbPackets::kMost / 2});
  reply((*offset + count < xml.size() ? "m" : "l") + xml.substr(*offset, count));
}

void GdbStub::remote_command(std::string_view text) {
  const auto line = from_hex(text);
  if (!line) return reply("E22");
  const std::string output = host_.monitor(*line);
  constexpr std::size_t kPiece = 2048;
  for (std::size_t at = 0; at < output.size(); at += kPiece) {
    host_.send(gdb_frame("O" + to_hex(std::string_view(output).substr(at, kPiece))));
  }
  reply("OK");
}

}  // namespace ringshift::cli
