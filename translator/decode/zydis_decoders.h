// The configured Zydis decoders.
#pragma once

#include <Zydis/Zydis.h>

#include "translator/decode/decoder.h"

namespace ringshift::decode {

struct ZydisDecoders {
  ZydisDecoder minimal;  // lengths, prefixes, raw fields
  ZydisDecoder full;     // also operands and ISA sets
};

// Immutable after first use.
[[nodiscard]] const ZydisDecoders& zydis_decoders(CodeSize size);

}  // namespace ringshift::decode
