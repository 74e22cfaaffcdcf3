// A PS/2 keyboard: answers every command of the protocol, types what is injected, and repeats the key that is held.
// Source: IBM PS/2 Hardware Interface Technical Reference, keyboard section.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace ringshift::devices {

class Ps2Keyboard {
 public:
  Ps2Keyboard() { defaults(); }
  // A command or parameter byte from the host.
  void command(std::uint8_t value);
  // A key by its set 1 make code, E0xxh for the extended keys, kPauseKey. Sent in the set that the host chose; dropped
  // while scanning is disabled or the buffer is full.
  void key(std::uint16_t code, bool pressed);

  // Whether a key is held that repeats, and when: the first time after the delay, then with the period.
  [[nodiscard]] bool repeats() const { return held_.has_value(); }
  [[nodiscard]] std::uint64_t repeat_delay_ns() const;
  [[nodiscard]] std::uint64_t repeat_period_ns() const;
  void repeat();

  [[nodiscard]] bool has_output() const { return !output_.empty(); }
  // The next byte for the host.
  std::uint8_t take();

  [[nodiscard]] std::uint8_t leds() const { return leds_; }
  [[nodiscard]] std::uint8_t scan_set() const { return set_; }
  [[nodiscard]] bool scanning() const { return scanning_; }
  // Commands that this keyboard does not know (answered FE), replies that nobody read; and key events it could not
  // keep.
  [[nodiscard]] std::uint64_t odd_commands() const { return odd_; }
  [[nodiscard]] std::uint64_t dropped_keys() const { return dropped_; }

 private:
  void reply(std::uint8_t byte);
  void parameter(std::uint8_t command, std::uint8_t value);
  void defaults();
  void set_all_types(std::uint8_t type);
  [[nodiscard]] std::vector<std::uint8_t> encode(std::uint16_t code, bool pressed) const;
  [[nodiscard]] bool type_has(std::uint16_t code, std::uint8_t property) const;

  std::deque<std::uint8_t> output_;
  std::optional<std::uint8_t> waiting_;  // the command whose parameter comes next
  std::uint8_t set_ = 2;
  std::uint8_t leds_ = 0;
  std::uint8_t typematic_ = 0x2B;
  std::uint8_t last_ = 0;
  std::optional<std::uint16_t> held_;          // the last key pressed, while it is held
  std::array<std::uint8_t, 256> key_types_{};  // by the code of set 3, which alone has them
  bool scanning_ = true;
  std::uint64_t odd_ = 0;
  std::uint64_t dropped_ = 0;
};

// A set 1 make code (E0xxh: extended, kPauseKey) in set 3, which has a byte for each key; 0: none.
std::uint8_t set3_code(std::uint16_t set1);

// The controller's translation of a set 2 code to set 1, and its inverse for make codes below 80h (0: none).
std::uint8_t set2_to_set1(std::uint8_t code);
std::uint8_t set1_to_set2(std::uint8_t code);

}  // namespace ringshift::devices
