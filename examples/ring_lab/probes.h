// The instructions that made the Pentium hard to virtualize, each as a small program whose answer is in eax.
//
// They read or change the state of the machine, and in user mode they do so without a trap: a monitor that runs a
// guest's kernel in ring 3 and waits for traps never hears of them (Robin and Irvine, "Analysis of the Intel Pentium's
// Ability to Support a Secure Virtual Machine Monitor", USENIX Security 2000). The paper counts seventeen; its list has
// eighteen mnemonics, which have a line each.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringshift::ring_lab {

// What became of a probe.
struct Sight {
  enum class Kind : std::uint8_t {
    value,    // it ran to its end: `value` is eax
    fault,    // an exception, number `vector`, error code `value`
    handler,  // INT n came to the handler of `vector`
    refused,  // the host forbids it
    hung,
  };
  Kind kind = Kind::value;
  std::uint8_t vector = 0;
  std::uint32_t value = 0;
  bool operator==(const Sight&) const = default;
};

struct Probe {
  std::string_view name;
  std::string_view code_text;
  std::vector<std::uint8_t> code;
  std::uint32_t eflags;    // before
  Sight must_see;          // in ring 0 of a machine set up as below
  std::string_view means;  // what a value in eax is
};

// Where the code runs, for the guest and natively: ebx points to the data, esp to the middle of it.
inline constexpr std::uint32_t kCode = 0x20000, kData = 0x30000, kStack = kData + 0x800;

// The guest's machine: it is in ring 0, and its interrupt flag is that of Probe::eflags.
inline constexpr std::uint16_t kKernelCode = 0x08, kKernelData = 0x10, kUserCode = 0x23, kUserData = 0x2B, kTss = 0x48,
                               kLdt = 0x80;
inline constexpr std::uint32_t kGdtBase = 0x1000, kIdtBase = 0x2000, kCr0 = 0x39;  // PE, TS, ET, NE

[[nodiscard]] const std::vector<Probe>& probes();

// "base 00001000", "#GP(0020)", "handler 80".
[[nodiscard]] std::string text(const Probe& probe, const Sight& sight);

}  // namespace ringshift::ring_lab
