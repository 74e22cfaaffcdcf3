// The fields of any instruction, by Zydis.
#pragma once

#include <cstdint>
#include <span>

#include "translator/decode/decoder.h"
#include "translator/decode/fields.h"

namespace ringshift::decode {

// `bytes` are at most 15.
[[nodiscard]] Failure read_zydis_fields(std::span<const std::uint8_t> bytes, CodeSize size, Fields& fields);

}  // namespace ringshift::decode
