// The fields of the instructions that nearly all code consists of.
//
// Zydis costs some 200 cycles an instruction, mostly to tell the 1,500 instructions apart that it knows. The common
// ones need a table of 512 bytes. Whatever is special about an encoding (LOCK, REP, undefined ModRM.reg, far pointers,
// floating point) is left to Zydis, which so stays the judge of what is an instruction.
#pragma once

#include <cstdint>
#include <span>

#include "translator/decode/decoder.h"
#include "translator/decode/fields.h"

namespace ringshift::decode {

// False if the instruction is not one of these, or `bytes` may be too few.
[[nodiscard]] bool read_common_fields(std::span<const std::uint8_t> bytes, CodeSize size, Fields& fields);

}  // namespace ringshift::decode
