#include "cli/input_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "devices/key_names.h"

namespace ringshift::cli {
namespace {

using nlohmann::json;
using Error = std::optional<std::string>;

constexpr int kAbsoluteEnd = 0x8000;

struct Button {
  std::string_view name;
  unsigned bit = 0;
  int wheel = 0;
};
constexpr std::array kButtons{Button{"left", devices::pointer::kLeft},
                              Button{"middle", devices::pointer::kMiddle},
                              Button{"right", devices::pointer::kRight},
                              Button{"side", devices::pointer::kBack},
                              Button{"extra", devices::pointer::kForward},
                              Button{"wheel-up", 0, -1},
                              Button{"wheel-down", 0, 1},
                              Button{"wheel-left"},
                              Button{"wheel-right"}};

class Reader {
 public:
  Reader(int width, int height, const PointerHand& hand) : width_(width), height_(height), hand_(hand) {}

  Error read(const json& event) {
    if (!event.is_object() || !event.contains("type") || !event["type"].is_string() || !event.contains("data") ||
        !event["data"].is_object()) {
      return "an event needs members 'type' and 'data'";
    }
    const auto type = event["type"].get<std::string>();
    const json& data = event["data"];
    if (type == "key") return key(data);
    if (type == "btn") return button(data);
    if (type == "rel" || type == "abs") return axis(data, type == "abs");
    return fmt::format("Parameter 'type' does not accept value '{}'", type);
  }

  std::pair<InputEvents, PointerHand> take() {
    flush();
    return {std::move(out_), hand_};
  }

 private:
  Error key(const json& data) {
    const auto down = pressed(data);
    if (!down || !data.contains("key")) return "a key event needs members 'down' and 'key'";
    const auto code = key_of(data["key"]);
    if (const auto* error = std::get_if<std::string>(&code)) return *error;
    out_.keys.push_back({std::get<std::uint16_t>(code), *down});
    return std::nullopt;
  }

  Error button(const json& data) {
    const auto down = pressed(data);
    if (!down || !data.contains("button") || !data["button"].is_string()) {
      return "a button event needs members 'down' and 'button'";
    }
    const auto name = data["button"].get<std::string>();
    const auto* found = std::ranges::find(kButtons, name, &Button::name);
    if (found == kButtons.end()) return fmt::format("Parameter 'button' does not accept value '{}'", name);
    flush();
    hand_.buttons = *down ? hand_.buttons | found->bit : hand_.buttons & ~found->bit;
    if (*down) move_.wheel = found->wheel;
    changed_ = found->bit != 0 || move_.wheel != 0;
    flush();
    return std::nullopt;
  }

  Error axis(const json& data, bool absolute) {
    if (!data.contains("axis") || !data.contains("value") || !data["value"].is_number_integer() ||
        (data["axis"] != "x" && data["axis"] != "y")) {
      return "a pointer event needs members 'axis', x or y, and 'value'";
    }
    const bool x = data["axis"] == "x";
    constexpr std::int64_t kFarthest = 0x7FFF;
    const auto value =
        static_cast<int>(std::clamp<std::int64_t>(data["value"].get<std::int64_t>(), -kFarthest, kFarthest));
    int way = value;
    if (absolute) {
      const int at = std::max(value, 0) * (x ? width_ : height_) / kAbsoluteEnd;
      std::optional<int>& last = x ? hand_.x : hand_.y;
      way = last ? at - *last : 0;
      last = at;
    }
    (x ? move_.dx : move_.dy) += way;
    changed_ = changed_ || way != 0;
    return std::nullopt;
  }

  static std::optional<bool> pressed(const json& data) {
    if (!data.contains("down") || !data["down"].is_boolean()) return std::nullopt;
    return data["down"].get<bool>();
  }

  void flush() {
    move_.buttons = hand_.buttons;
    if (std::exchange(changed_, false)) out_.moves.push_back(move_);
    move_ = {};
  }

  int width_, height_;
  PointerHand hand_;
  InputEvents out_;
  devices::PointerMove move_;
  bool changed_ = false;
};

}  // namespace

std::variant<std::uint16_t, std::string> key_of(const json& value) {
  if (!value.is_object() || !value.contains("type") || !value.contains("data")) {
    return "a key needs members 'type' and 'data'";
  }
  if (value["type"] == "qcode" && value["data"].is_string()) {
    const auto name = value["data"].get<std::string>();
    if (const auto code = devices::key_code(name)) return *code;
    return fmt::format("Invalid parameter '{}'", name);
  }
  if (value["type"] == "number" && value["data"].is_number_unsigned() && value["data"] <= 0xFF) {
    const auto number = value["data"].get<std::uint16_t>();
    // Bit 7 stands for the prefix E0.
    return static_cast<std::uint16_t>((number & 0x80) != 0 ? 0xE000 | (number & 0x7F) : number);
  }
  return "a key is of type 'qcode', with a name, or 'number', up to 255";
}

std::variant<InputEvents, std::string> read_input_events(const json& events, int width, int height, PointerHand& hand) {
  Reader reader(width, height, hand);
  for (const json& event : events) {
    if (auto error = reader.read(event)) return *error;
  }
  auto [out, after] = reader.take();
  hand = after;
  return std::move(out);
}

}  // namespace ringshift::cli
