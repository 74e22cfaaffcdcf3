// The benchmark guest, as it comes with the program.
#pragma once

#include <cstdint>

extern "C" {
// A static 32-bit ELF program for Linux, from begin to end.
extern const std::uint8_t ringshift_bench_guest_begin[];
extern const std::uint8_t ringshift_bench_guest_end[];
}
