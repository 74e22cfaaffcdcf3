#include "cli/qmp_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/qmp_commands.h"

namespace ringshift::cli {
namespace {

using machine::MachineEvent;
using machine::RunEnd;
using nlohmann::json;

std::string line(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\r\n"; }

json timestamp() {
  const auto now =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch());
  return {{"seconds", now.count() / 1'000'000}, {"microseconds", now.count() % 1'000'000}};
}

json event(std::string_view name, json data = nullptr) {
  json value{{"timestamp", timestamp()}, {"event", name}};
  if (!data.is_null()) value["data"] = std::move(data);
  return value;
}

std::string_view reason_of(RunEnd::Reason reason, bool by_qmp) {
  switch (reason) {
    case RunEnd::Reason::powered_off:
    case RunEnd::Reason::debug_exit:
      return "guest-shutdown";
    case RunEnd::Reason::reset:
      return "guest-reset";
    case RunEnd::Reason::triple_fault:
      return "guest-panic";
    case RunEnd::Reason::stopped:
      return by_qmp ? "host-qmp-quit" : "host-signal";
    case RunEnd::Reason::timeout:
      return "host-signal";
    case RunEnd::Reason::host_error:
      return "host-error";
  }
  return "none";
}

}  // namespace

void QmpSession::open() {
  open_ = true;
  negotiated_ = false;
  stream_ = {};
  host_.send(line({{"QMP", {{"version", qmp_version()}, {"capabilities", json::array()}}}}));
}

void QmpSession::receive(std::string_view bytes) {
  for (const auto& text : stream_.feed(bytes)) command(text.value_or(""));
}

void QmpSession::command(const std::string& text) {
  const json request = json::parse(text, nullptr, false);
  json id;
  const auto fail = [&](std::string_view kind, std::string_view why) {
    json answer{{"error", {{"class", kind}, {"desc", why}}}};
    if (!id.is_null()) answer["id"] = id;
    host_.send(line(answer));
  };
  if (request.is_discarded()) return fail("GenericError", "JSON parse error, invalid input");
  if (!request.is_object()) return fail("GenericError", "QMP input must be a JSON object");
  if (request.contains("id")) id = request["id"];
  for (const auto& [name, value] : request.items()) {
    if (name != "execute" && name != "arguments" && name != "id") {
      return fail("GenericError", fmt::format("QMP input member '{}' is unexpected", name));
    }
  }
  if (!request.contains("execute")) return fail("GenericError", "QMP input lacks member 'execute'");
  if (!request["execute"].is_string()) return fail("GenericError", "QMP input member 'execute' must be a string");
  const auto name = request["execute"].get<std::string>();
  const json arguments = request.value("arguments", json::object());
  if (!arguments.is_object()) return fail("GenericError", "QMP input member 'arguments' must be an object");

  const auto done = [&](const json& value) {
    json answer{{"return", value}};
    if (!id.is_null()) answer["id"] = id;
    host_.send(line(answer));
  };
  if (name == "qmp_capabilities") {
    if (negotiated_) return fail("CommandNotFound", "Capabilities negotiation is already complete, command ignored");
    if (!arguments.value("enable", json::array()).empty()) {
      return fail("GenericError", "No capability is offered that could be enabled");
    }
    negotiated_ = true;
    return done(json::object());
  }
  if (!negotiated_) return fail("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'");
  if (name == "quit") {
    if (!arguments.empty()) return fail("GenericError", "Parameter '" + arguments.begin().key() + "' is unexpected");
    quit_by_qmp_ = true;
    done(json::object());
    return host_.quit();
  }
  const auto commands = qmp_commands();
  const auto found = std::ranges::find(commands, name, &QmpCommand::name);
  if (found == commands.end()) return fail("CommandNotFound", fmt::format("The command {} has not been found", name));
  if (const std::string wrong = check_qmp_arguments(*found, arguments); !wrong.empty()) {
    return fail("GenericError", wrong);
  }
  if (name == "system_reset") reset_by_host_ = true;
  const QmpResult result = found->run({machine_, host_.monitor, hand_, arguments});
  if (const auto* error = std::get_if<QmpError>(&result)) return fail(error->kind, error->text);
  done(std::get<json>(result));
}

void QmpSession::on_event(const MachineEvent& happened) {
  const bool by_host = happened.kind == MachineEvent::Kind::reset && std::exchange(reset_by_host_, false);
  if (!open_ || !negotiated_) return;
  const auto send = [this](const json& value) { host_.send(line(value)); };
  switch (happened.kind) {
    case MachineEvent::Kind::stopped:
      return send(event("STOP"));
    case MachineEvent::Kind::resumed:
      return send(event("RESUME"));
    case MachineEvent::Kind::reset:
      return send(event("RESET", {{"guest", !by_host}, {"reason", by_host ? "host-qmp-system-reset" : "guest-reset"}}));
    case MachineEvent::Kind::power_button:
      return send(event("POWERDOWN"));
    case MachineEvent::Kind::ended: {
      const std::string_view reason = reason_of(happened.end->reason, quit_by_qmp_);
      return send(event("SHUTDOWN", {{"guest", reason.starts_with("guest")}, {"reason", reason}}));
    }
  }
}

}  // namespace ringshift::cli
