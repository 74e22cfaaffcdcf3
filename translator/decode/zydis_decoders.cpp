#include "translator/decode/zydis_decoders.h"

namespace ringshift::decode {
namespace {

// Encodings that are no-ops or have an older meaning on a CPU without these extensions.
constexpr ZydisDecoderMode kAbsentExtensions[] = {
    ZYDIS_DECODER_MODE_MPX,      ZYDIS_DECODER_MODE_CET,      ZYDIS_DECODER_MODE_LZCNT,        ZYDIS_DECODER_MODE_TZCNT,
    ZYDIS_DECODER_MODE_WBNOINVD, ZYDIS_DECODER_MODE_CLDEMOTE, ZYDIS_DECODER_MODE_AMD_BRANCHES, ZYDIS_DECODER_MODE_KNC};

ZydisDecoder make_decoder(CodeSize size, bool minimal) {
  ZydisDecoder decoder;
  // LEGACY_16 rather than REAL_16: protected mode and V86 use 16-bit code too; what real mode lacks
  // is decided by the handlers.
  if (size == CodeSize::bits16) {
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
  } else {
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
  }
  ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MINIMAL, minimal ? ZYAN_TRUE : ZYAN_FALSE);
  for (const ZydisDecoderMode mode : kAbsentExtensions) ZydisDecoderEnableMode(&decoder, mode, ZYAN_FALSE);
  return decoder;
}

ZydisDecoders make_decoders(CodeSize size) { return {make_decoder(size, true), make_decoder(size, false)}; }

}  // namespace

const ZydisDecoders& zydis_decoders(CodeSize size) {
  static const ZydisDecoders decoders16 = make_decoders(CodeSize::bits16);
  static const ZydisDecoders decoders32 = make_decoders(CodeSize::bits32);
  return size == CodeSize::bits16 ? decoders16 : decoders32;
}

}  // namespace ringshift::decode
