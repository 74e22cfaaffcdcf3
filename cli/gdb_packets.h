// The packets of gdb's remote serial protocol ("Debugging with GDB", appendix E).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringshift::cli {

// Takes packets out of a stream of bytes.
class GdbPackets {
 public:
  // The longest packet, without its frame. gdb is told of it.
  static constexpr std::size_t kMost = 16384;

  struct Item {
    enum class Kind : std::uint8_t {
      packet,     // `data` without frame and escapes
      broken,     // its checksum is wrong, or it is too long: to be asked for again
      interrupt,  // Ctrl-C
      resend      // the peer could not read our last packet
    };
    Kind kind = Kind::packet;
    std::string data{};
  };
  [[nodiscard]] std::vector<Item> feed(std::string_view bytes);

 private:
  enum class Where : std::uint8_t {
    outside,
    inside,
    first_digit,
    second_digit
  };
  void finish(std::vector<Item>& items);

  Where where_ = Where::outside;
  std::string raw_;
  bool too_long_ = false;
  char first_digit_ = 0;
  char second_digit_ = 0;
};

// "$payload#checksum"; escapes what must be.
[[nodiscard]] std::string gdb_frame(std::string_view payload);

// ---- hexadecimal numbers, which most packets are made of ----------------------------------------
[[nodiscard]] std::string to_hex(std::string_view bytes);
// Nothing: an odd number of digits, or something else than digits.
[[nodiscard]] std::optional<std::string> from_hex(std::string_view digits);
// Takes a number off the front; nothing if there is none of at most 32 bits.
[[nodiscard]] std::optional<std::uint32_t> take_hex(std::string_view& text);

}  // namespace ringshift::cli
