// The registers of a virtual CPU as gdb numbers and describes them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/semantics/cpu.h"

namespace ringshift::cli {

// The target description: gdb's features for the i386's core and SSE registers, and one of our own for what only the
// kernel sees.
[[nodiscard]] std::string gdb_target_description();

// All registers in the order of their numbers; each is little-endian.
[[nodiscard]] std::string gdb_registers(const CpuState& state);
// Nothing: there is no such number.
[[nodiscard]] std::optional<std::string> gdb_register(const CpuState& state, std::uint32_t number);

// False: there is none, of this size; or it cannot be changed: segment registers (but in real and virtual-8086 mode),
// control registers and descriptor tables. To write what is there already is never wrong.
[[nodiscard]] bool set_gdb_register(Cpu& cpu, std::uint32_t number, std::string_view bytes);
[[nodiscard]] bool set_gdb_registers(Cpu& cpu, std::string_view bytes);

}  // namespace ringshift::cli
