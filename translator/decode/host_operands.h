// The operands of instructions that the host CPU executes for us.
#pragma once

#include <cstdint>
#include <span>

#include "translator/decode/decoder.h"

namespace ringshift::decode {

// Fills the host_* fields of `insn`. An instruction of an extension that our CPU model lacks becomes
// Op::invalid. Registers that only form the address are not in host_gpr_read.
void fill_host_operands(std::span<const std::uint8_t> bytes, CodeSize size, isa::Insn& insn);

}  // namespace ringshift::decode
