// What a peer of the debugger's or QMP's socket may send: anything.
#pragma once

#include <cstddef>
#include <cstdint>

// The first byte chooses the protocol, the second how the rest is cut into pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
