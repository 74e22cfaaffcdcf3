// Guests of a few instructions, as files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringshift::test {

// A folder that is removed at the end.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string path(std::string_view name) const { return (path_ / name).string(); }
  // Returns its path.
  std::string write(std::string_view name, std::span<const std::uint8_t> bytes) const;
  // A multiboot kernel that runs this code, of at most 48 bytes, in flat 32-bit mode with interrupts off.
  std::string guest(std::string_view name, std::span<const std::uint8_t> code) const;

 private:
  std::filesystem::path path_;
};

using Code = std::vector<std::uint8_t>;

// mov al, value; mov dx, 501h; out dx, al; then hlt for ever
[[nodiscard]] Code debug_exit_code(std::uint8_t value);
extern const Code kPowerOff;     // through ACPI
extern const Code kReset;        // through the keyboard controller
extern const Code kTripleFault;  // ud2 without handlers
extern const Code kSpin;         // a loop that nothing ends
extern const Code kHalt;         // hlt with interrupts off
extern const Code kEcho;         // sends '>', then back what it receives, each byte plus one
extern const Code kChatter;      // sends for ever
extern const Code kLines;        // sends "a\n\tb\n", then waits for ever

}  // namespace ringshift::test
