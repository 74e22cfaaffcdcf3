// Small but valid kernel images, made in memory.
#pragma once

#include <cstdint>
#include <vector>

namespace ringshift::test {

// Boot protocol 2.15, relocatable, prefers 1 MiB, 4 KiB of code that are HLT instructions.
[[nodiscard]] std::vector<std::uint8_t> small_bzimage();
// One segment of 64 bytes at 1 MiB, 128 in memory, linked at C0100000; with a multiboot header or without.
[[nodiscard]] std::vector<std::uint8_t> small_elf(bool multiboot);
// A multiboot kernel with address fields instead of ELF headers: 256 bytes at 1 MiB and as much bss.
[[nodiscard]] std::vector<std::uint8_t> small_multiboot_addresses();

}  // namespace ringshift::test
