// The entry that libFuzzer calls (with -fsanitize=fuzzer) and that the mutation test calls.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
