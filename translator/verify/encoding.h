// The prefixes, opcode and ModRM of one 64-bit-mode instruction, read by us: a second opinion on the parts of
// the encoding that confinement hangs on, and the key under which meanings are kept.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace ringshift::verify {

struct Encoding {
  bool gs = false, addr32 = false, operand16 = false, lock = false, repne = false, rep = false;
  bool vex = false;
  bool wide = false;  // REX.W or VEX.W
  std::uint8_t rex = 0;
  std::uint8_t map = 0;  // 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A
  std::uint8_t opcode = 0;
  bool has_modrm = false;
  std::uint8_t modrm = 0;
  std::uint8_t modrm_offset = 0;
  std::uint8_t header_size = 0;  // prefixes, opcode, ModRM and SIB: what decides the length of the rest
  std::uint8_t disp_size = 0;

  [[nodiscard]] bool memory_form() const { return has_modrm && modrm < 0xC0; }
};

// Nothing if an instruction of these bytes is never acceptable: a prefix is repeated or is not one of 65 66 67 F0 F2
// F3, 66 follows F2 or F3 (silicon does not care, Capstone does), REX is not last, the encoding is EVEX or XOP, or the
// bytes end too early.
[[nodiscard]] std::optional<Encoding> read_encoding(std::span<const std::uint8_t> bytes);

}  // namespace ringshift::verify
