// The instruction table: what is true of each operation, for every reader.
//
// The interpreter, the translator, the tests, the fuzzers and the documentation read this one table,
// so that nothing can be forgotten in one of them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "translator/isa/op.h"

namespace ringshift::isa {

enum class Family : std::uint8_t {
  arithmetic,
  data,
  stack,
  flags,
  branch,
  far,
  string,
  io,
  segment,
  system,
  hint,
  fp
};

// What the translator does with an instruction whose mode is ordinary (32-bit flat segments).
enum class Class : std::uint8_t {
  identical,     // the same instruction; a memory operand, if there is one, is rewritten to the window
  expanded,      // a few host instructions, because 64-bit mode lacks the encoding or esp is elsewhere
  control_flow,  // ends or links blocks
  inlined,       // sensitive, with an inline fast path that may leave for the runtime
  callout,       // executed by the runtime
};

// Who may execute it without a fault (SDM vol. 3, 5.9).
enum class Privilege : std::uint8_t {
  any,
  cpl0,            // #GP(0) at CPL > 0
  iopl,            // #GP(0) at CPL > IOPL
  io,              // IOPL, or the I/O permission bitmap
  filtered,        // never faults for privilege, but its effect depends on CPL or IOPL (popf, iret, ...)
  protected_only,  // #UD outside protected mode (arpl, lar, ...)
};

struct Row {
  Op op;
  std::string_view name;  // as the SDM calls it, in lower case; with its operands where several share a mnemonic
  Family family;
  Class cls;
  Privilege privilege;
  // True of the 17 unprivileged sensitive instructions of Robin and Irvine, USENIX Security 2000.
  bool sensitive_unprivileged;
  std::uint32_t flags_read;       // eflags:: masks; for conditions: all that any condition may read
  std::uint32_t flags_written;    // includes the undefined ones
  std::uint32_t flags_undefined;  // by the SDM; for shifts: under some count
  bool flags_conditional;         // flags_written may be left as they were (shift by 0, rep with ecx 0)
  bool may_fault;                 // other than by a memory operand or its privilege rule
  bool ends_block;
};

// Indexed by Op.
extern const std::array<Row, kOpCount> kRows;

[[nodiscard]] inline const Row& row(Op op) { return kRows[static_cast<std::size_t>(op)]; }

}  // namespace ringshift::isa
