// QMP's InputEvents: keys, buttons and moves of the pointer.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "devices/pointer.h"
#include "runtime/machine/machine.h"

namespace ringshift::cli {

// A KeyValue: {"type": "qcode", "data": "ctrl"} or {"type": "number", "data": 29}. The key's code, or what is wrong.
[[nodiscard]] std::variant<std::uint16_t, std::string> key_of(const nlohmann::json& value);

// What a peer has done to the mouse so far. It is a relative one: absolute positions are the way from the last one,
// and the first only says where the peer's pointer is.
struct PointerHand {
  unsigned buttons = 0;
  std::optional<int> x{}, y{};  // pixels
};

struct InputEvents {
  std::vector<machine::Key> keys{};
  std::vector<devices::PointerMove> moves{};
};

// `width` and `height` of the screen: absolute positions go from 0 to 7FFFh across it. The error is one readable line;
// `hand` is then as before.
[[nodiscard]] std::variant<InputEvents, std::string> read_input_events(const nlohmann::json& events, int width,
                                                                       int height, PointerHand& hand);

}  // namespace ringshift::cli
