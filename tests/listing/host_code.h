// Translations in readable form, and what must be true of every one of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "translator/translate.h"

namespace ringshift::testing {

inline constexpr std::uint32_t kGuestAddress = 0x08048000;
inline constexpr std::uint64_t kHostAddress = 0x10000000;
inline constexpr abi::StubTable kStubs{.exit_direct = 0x0F000000,
                                       .exit_interpret = 0x0F000100,
                                       .exit_interrupt = 0x0F000200,
                                       .lookup = 0x0F000300,
                                       .return_mismatch = 0x0F000400};

// Bytes from hexadecimal digits; spaces are ignored.
[[nodiscard]] std::vector<std::uint8_t> hex(std::string_view text);

// 32-bit flat segments, CPL 0, IOPL 0.
[[nodiscard]] translator::ModeKey kernel_mode();
// The same at CPL 3.
[[nodiscard]] translator::ModeKey user_mode();

// Guest code and how to translate it. The code is its page's last.
struct Source {
  std::vector<std::uint8_t> bytes{};
  translator::ModeKey mode = kernel_mode();
  translator::Options options{};
  std::uint32_t eip = kGuestAddress;
  // Of `bytes`, in the page of eip; by default all.
  std::uint32_t in_page = ~0U;
  std::optional<std::int32_t> place{};  // translator::Request::place
};
// The same as code that may be executed anywhere: eip is only its offset in the page.
[[nodiscard]] Source movable(Source source);
inline constexpr std::int32_t kPlace = abi::place_offset(5);
[[nodiscard]] translator::Fragment translate(const Source& source);
[[nodiscard]] translator::Fragment translate(const Source& source, std::uint64_t host_address,
                                             const abi::StubTable& stubs);

// Host instructions from `first` to `last` (offsets), one a line, in Intel syntax. Branches out of the
// fragment are shown with the stub's name, those within with an offset.
[[nodiscard]] std::string disassemble(const translator::Fragment& fragment, std::uint32_t first, std::uint32_t last);
// The main path: up to the boundary behind the last instruction, or everything if there is none.
[[nodiscard]] std::string main_path(const translator::Fragment& fragment);

// Empty, or one line that says what is wrong with the fragment: an operand outside the window and the
// vCPU state, a branch to nowhere, an instruction that has no business here, inconsistent side tables.
[[nodiscard]] std::string find_fault(const translator::Fragment& fragment, const Source& source);

}  // namespace ringshift::testing
