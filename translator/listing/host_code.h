// Host code as text.
#pragma once

#include <span>
#include <vector>

#include "translator/listing/listing.h"

namespace ringshift::listing {

// Every instruction of `code`, which runs at `address`; bytes that are none end it, as one line.
[[nodiscard]] std::vector<HostLine> host_lines(std::span<const std::uint8_t> code, std::uint64_t address,
                                               const abi::StubTable& stubs);

}  // namespace ringshift::listing
