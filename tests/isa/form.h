// Every encoding that the decoder knows, enumerated from the instruction set itself.
//
// All opcodes of the legacy maps with all values of ModRM.reg, in register and memory form, under every prefix that
// changes the meaning, go through the decoder; what comes back as an instruction is a form to test. So a row of the
// instruction table cannot be forgotten: it either appears here or the tests say that it does not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "translator/decode/decoder.h"

namespace ringshift::test {

struct Form {
  std::vector<std::uint8_t> prefixes;
  std::uint8_t map = 0;  // as Insn::map
  std::uint8_t opcode = 0;
  bool has_modrm = false;
  bool memory = false;
  std::uint8_t reg = 0;           // of ModRM
  std::uint8_t rm = 0xFF;         // of ModRM, where it selects the instruction; 0xFF: any
  isa::Op op = isa::Op::invalid;  // `invalid`: a LOCK prefix that must be refused
  decode::CodeSize size = decode::CodeSize::bits32;
};

[[nodiscard]] std::vector<Form> enumerate_forms(decode::CodeSize size);

}  // namespace ringshift::test
