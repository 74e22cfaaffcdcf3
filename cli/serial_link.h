// The host's end of the guest's serial cable: standard input and output, a file, a socket or nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "cli/run_options.h"

namespace ringshift::cli {

class SerialLink {
 public:
  // A file is created or emptied; a socket is connected to. The error is one readable line.
  static std::variant<SerialLink, std::string> open(const SerialTarget& target);
  SerialLink(SerialLink&& other) noexcept;
  SerialLink& operator=(SerialLink&&) = delete;
  ~SerialLink();

  // Where bytes for the guest come from, or -1.
  [[nodiscard]] int input() const { return input_; }
  // Writes everything, however slow the other end is, unless `stop_fd` becomes readable: then what would block is lost.
  // An error, one readable line, is reported once; bytes after it are dropped.
  [[nodiscard]] std::optional<std::string> write(std::span<const std::uint8_t> bytes, int stop_fd);

 private:
  SerialLink(std::string name, int input, int output, bool owned)
      : name_(std::move(name)), input_(input), output_(output), owned_(owned) {}
  std::string name_;
  int input_ = -1;
  int output_ = -1;  // -1: nobody listens
  bool owned_ = false;
  bool failed_ = false;
};

}  // namespace ringshift::cli
