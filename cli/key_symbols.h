// Keys by the X11 key symbols that RFB clients send (RFC 6143, 7.5.4).
#pragma once

#include <cstdint>
#include <optional>

namespace ringshift::cli {

// The set 1 make code (E0xxh: extended) of the key of a US keyboard that carries the symbol, with or without shift: the
// client tells of the shift key itself.
[[nodiscard]] std::optional<std::uint16_t> key_of_symbol(std::uint32_t symbol);

}  // namespace ringshift::cli
