// Guest memory as a debugger sees it: without rights, without accessed and dirty bits, and without devices, whose
// registers would notice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "mmu/mmu.h"

namespace ringshift::machine {

// Each returns how many bytes, from the first on, are there. Writes reach RAM only, and code made from it is forgotten.
[[nodiscard]] std::size_t read_physical(const mmu::Mmu& mmu, mmu::PhysAddr address, std::span<std::uint8_t> to);
[[nodiscard]] std::size_t write_physical(const mmu::Mmu& mmu, mmu::PhysAddr address,
                                         std::span<const std::uint8_t> from);
// By the page tables that are loaded now.
[[nodiscard]] std::size_t read_linear(const mmu::Mmu& mmu, mmu::Linear address, std::span<std::uint8_t> to);
[[nodiscard]] std::size_t write_linear(const mmu::Mmu& mmu, mmu::Linear address, std::span<const std::uint8_t> from);

}  // namespace ringshift::machine
