// From the bytes that a terminal sends to the keys of a US keyboard.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/machine/machine.h"

namespace ringshift::cli {

// Presses and releases in order, with the shift, control and alt that a character needs: control characters are
// Ctrl and a letter, ESC before a character is Alt; arrows, F1-F12 and the keys around them come from the sequences of
// xterm and the Linux console. An ESC alone is the Esc key. A sequence must not be cut in two; bytes that no key
// makes are dropped.
[[nodiscard]] std::vector<machine::Key> typed_keys(std::span<const std::uint8_t> typed);

}  // namespace ringshift::cli
