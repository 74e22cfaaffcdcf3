// The loadable segments of an ELF32 executable (System V ABI, Intel386 supplement).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/machine/boot/boot_plan.h"
#include "runtime/machine/boot/byte_view.h"

namespace ringshift::machine::boot {

struct ElfProgram {
  std::vector<Piece> pieces;  // at their physical addresses
  std::uint32_t entry = 0;    // physical
};

[[nodiscard]] bool is_elf(const ByteView& image);
// The error is a reason without the image's name.
[[nodiscard]] std::variant<ElfProgram, std::string> parse_elf(const ByteView& image);

}  // namespace ringshift::machine::boot
