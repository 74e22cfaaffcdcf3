// What QMP's commands do.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "cli/input_events.h"
#include "runtime/machine/machine.h"

namespace ringshift::cli {

struct QmpError {
  std::string kind;  // GenericError, CommandNotFound, DeviceNotFound, ...
  std::string text;
};
using QmpResult = std::variant<nlohmann::json, QmpError>;

struct QmpCall {
  machine::Machine& machine;
  const std::function<std::string(std::string_view)>& monitor;
  PointerHand& hand;                // of the session
  const nlohmann::json& arguments;  // an object whose members are those of the command, with the right types
};

struct QmpCommand {
  std::string_view name;
  // Of each argument "name:type", and "?" behind it if it may be missing. Types: s string, i integer, b boolean, a
  // array, o object. Separated by commas.
  std::string_view arguments;
  QmpResult (*run)(const QmpCall&);
};
// All but qmp_capabilities and quit, which are the session's.
[[nodiscard]] std::span<const QmpCommand> qmp_commands();
// Empty: they fit.
[[nodiscard]] std::string check_qmp_arguments(const QmpCommand& command, const nlohmann::json& arguments);

[[nodiscard]] nlohmann::json qmp_version();

}  // namespace ringshift::cli
