// A PS/2 mouse with the wheel of the IntelliMouse and the five buttons of the IntelliMouse Explorer, once a driver asks
// for them. Sources: IBM PS/2 Hardware Interface Technical Reference, mouse section; Microsoft, IntelliMouse protocol.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "devices/pointer.h"

namespace ringshift::devices {

class Ps2Mouse {
 public:
  // A command or parameter byte from the host.
  void command(std::uint8_t value);
  // Becomes a packet as soon as the host has read the one before; what comes meanwhile is added up.
  void move(const PointerMove& move);

  [[nodiscard]] bool has_output() const { return !output_.empty(); }
  // The next byte for the host.
  std::uint8_t take();

  // 0: two or three buttons; 3: with a wheel; 4: with a wheel and five buttons.
  [[nodiscard]] std::uint8_t id() const { return id_; }
  [[nodiscard]] bool reporting() const { return reporting_ && mode_ == Mode::stream; }
  // Commands that it does not know (answered FE).
  [[nodiscard]] std::uint64_t odd_commands() const { return odd_; }

 private:
  enum class Mode : std::uint8_t {
    stream,
    remote,
    wrap
  };
  void reply(std::initializer_list<std::uint8_t> bytes);
  void defaults();
  void parameter(std::uint8_t command, std::uint8_t value);
  void status();
  void packet(bool scaled);
  void report();
  [[nodiscard]] bool news() const;

  std::deque<std::uint8_t> output_;
  std::vector<std::uint8_t> last_;       // what was answered, for "resend"
  std::optional<std::uint8_t> waiting_;  // the command whose parameter comes next
  Mode mode_ = Mode::stream, before_wrap_ = Mode::stream;
  bool reporting_ = false, scaling_ = false;
  std::uint8_t resolution_ = 2, rate_ = 100, id_ = 0;
  std::array<std::uint8_t, 3> rates_{};  // the last ones: some sequences ask for another identity
  int dx_ = 0, dy_ = 0, wheel_ = 0;      // not reported yet
  unsigned buttons_ = 0, reported_buttons_ = 0;
  std::uint64_t odd_ = 0;
};

}  // namespace ringshift::devices
