// The guest that comes with the program.
#pragma once

#include <cstdint>

extern "C" {
// examples/tour as a multiboot ELF image, from begin to end.
extern const std::uint8_t ringshift_tour_begin[];
extern const std::uint8_t ringshift_tour_end[];
}
