// Ctrl-a commands in what is typed at a raw terminal.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ringshift::cli {

// Ctrl-a and a key is a command to us: x quits, z suspends, c asks for the monitor, h or ? helps. Ctrl-a Ctrl-a sends
// one Ctrl-a. Any other key behind Ctrl-a is dropped with it.
class EscapeFilter {
 public:
  enum class Command : std::uint8_t {
    quit,
    suspend,
    monitor,
    help
  };
  struct Result {
    std::vector<std::uint8_t> bytes{};  // for the guest
    std::vector<Command> commands{};    // in the order typed; nothing is read behind quit
  };

  // A command may be cut in two by the end of `typed`.
  [[nodiscard]] Result feed(std::span<const std::uint8_t> typed);

 private:
  bool after_prefix_ = false;
};

}  // namespace ringshift::cli
