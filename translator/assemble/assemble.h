// Guest code from text in Intel syntax.
//
//     auto code = assemble::assemble("pushf; cli; popf", 32);   // 9C FA 9D
//
// Single instructions go through Zydis's encoder, in this process. What that does not understand (labels, branches,
// directives) makes the whole text one for nasm, which must then be installed. In both, `pushf`, `popf`, `pusha`,
// `popa` and `iret` have the operand size of the mode.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ringshift::assemble {

enum class Assembler : std::uint8_t {
  zydis,
  nasm
};

struct Code {
  std::vector<std::uint8_t> bytes;
  Assembler by = Assembler::zydis;
};

// `bits` is 16 or 32; lines may also be separated by ';'; `origin` is where the code will be. The error is one readable
// line.
[[nodiscard]] std::variant<Code, std::string> assemble(std::string_view text, int bits, std::uint32_t origin = 0);

// One instruction without labels; nothing if it is not understood or ambiguous.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> encode_line(std::string_view line, int bits);

// The whole text by nasm, which is run as a process.
[[nodiscard]] std::variant<std::vector<std::uint8_t>, std::string> run_nasm(std::string_view text, int bits,
                                                                            std::uint32_t origin = 0);

// Bytes from hexadecimal digits with spaces or commas between them; nothing if it is anything else.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> parse_hex(std::string_view text);

// "Zydis", "nasm".
[[nodiscard]] std::string_view name(Assembler by);

}  // namespace ringshift::assemble
