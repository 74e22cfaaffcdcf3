// Guest bytes to isa::Insn: common instructions by a table, all others by Zydis.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "translator/isa/insn.h"

namespace ringshift::decode {

enum class CodeSize : std::uint8_t {
  bits16,
  bits32
};

// Why there is no instruction: too few bytes given (fetch the next page and ask again), or the bytes
// are no instruction of any length (silicon raises #UD, or #GP beyond 15 bytes).
enum class Failure : std::uint8_t {
  none,
  truncated,
  invalid,
  too_long
};

struct Decoded {
  Failure failure = Failure::none;
  isa::Insn insn;  // valid if failure is none; op == Op::invalid means: raises #UD, length is known
};

// Decodes the first instruction of `bytes` (at most 15 are looked at). Stateless and thread-safe.
// Instructions that our CPU model lacks, a LOCK prefix where silicon refuses it, and register forms of
// memory-only instructions come back as Op::invalid.
[[nodiscard]] Decoded decode(std::span<const std::uint8_t> bytes, CodeSize size);

// The same, to an Insn that is as constructed; it is complete if the result is Failure::none.
[[nodiscard]] Failure decode(std::span<const std::uint8_t> bytes, CodeSize size, isa::Insn& insn);
// The same without the short way for common instructions: what that is to be compared with.
[[nodiscard]] Failure decode_by_zydis(std::span<const std::uint8_t> bytes, CodeSize size, isa::Insn& insn);

// Intel-syntax text of the instruction, for messages and listings.
[[nodiscard]] std::string disassemble(std::span<const std::uint8_t> bytes, CodeSize size, std::uint32_t eip);

}  // namespace ringshift::decode
