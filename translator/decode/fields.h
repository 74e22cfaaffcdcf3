// The parts of an instruction's encoding, before anything is known of its meaning.
#pragma once

#include <cstdint>

#include "runtime/state/segment.h"

namespace ringshift::decode {

struct Fields {
  std::uint8_t length = 0;
  std::uint8_t prefix_count = 0;
  std::uint8_t prefixes = 0;  // isa::prefix masks
  Seg segment = Seg::ds;      // of the last segment prefix
  std::uint8_t map = 0;       // as Insn::map; kNoMap for VEX and its like
  std::uint8_t opcode = 0;
  bool has_modrm = false;
  std::uint8_t modrm_offset = 0;
  std::uint8_t modrm = 0;
  std::uint8_t sib = 0;  // if ModRM asks for one
  std::uint8_t disp_offset = 0, disp_size = 0;
  std::uint8_t imm_offset = 0, imm_size = 0;
  std::uint16_t mnemonic = 0;  // ZydisMnemonic, where Zydis was asked
  std::uint16_t imm2 = 0;
  std::int32_t disp = 0;  // sign-extended
  std::uint32_t imm = 0;  // the low 4 bytes at most, not extended
};

inline constexpr std::uint8_t kNoMap = 0xFF;

}  // namespace ringshift::decode
