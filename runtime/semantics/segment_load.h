// Loading segment registers, with the checks of each mode (SDM vol. 3, 5.6 to 5.8).
#pragma once

#include <cstdint>

#include "runtime/semantics/cpu.h"
#include "runtime/semantics/descriptor.h"

namespace ringshift {

// What MOV, POP and LDS and its like do to ES, SS, DS, FS or GS, in any mode. False: in Cpu::fault,
// nothing has changed.
[[nodiscard]] bool load_segment(Cpu& cpu, Seg seg, std::uint16_t sel);

// The register that a real-mode load leaves: the base follows the selector; limit and size stay as
// they were, so that limits loaded in protected mode survive.
[[nodiscard]] SegmentRegister real_mode_register(const SegmentRegister& before, std::uint16_t sel);

// Loads CS in real or virtual-8086 mode.
void load_cs_real_or_v86(Cpu& cpu, std::uint16_t sel);

// Checks a data segment selector that is not null for a register other than SS, at privilege `cpl`,
// and sets the accessed bit. `vec` is #GP, or #TS in a task switch; absent is #NP.
[[nodiscard]] bool check_data_segment(Cpu& cpu, std::uint16_t sel, unsigned cpl, std::uint8_t vec,
                                      SegmentRegister& result);

// Checks a stack segment for privilege `cpl`, and sets the accessed bit. `vec` is #GP, or #TS when the
// selector came from a TSS; absent is #SS. A null selector raises `vec` with error code `ext`.
[[nodiscard]] bool check_stack_segment(Cpu& cpu, std::uint16_t sel, unsigned cpl, std::uint8_t vec, std::uint32_t ext,
                                       SegmentRegister& result);

// Fetches the descriptor of a code segment that control is to be transferred to. A null selector raises
// #GP(ext); what is no code segment or lies outside its table raises #GP(selector). Privilege and
// presence are the caller's to check.
[[nodiscard]] bool fetch_code_segment(Cpu& cpu, std::uint16_t sel, std::uint32_t ext, Descriptor& descriptor);

// Raises #NP(selector) if absent, #GP(0) (with ext) if `offset` is beyond the limit, else sets the
// accessed bit and gives the register with the selector's RPL replaced by `cpl`.
[[nodiscard]] bool finish_code_segment(Cpu& cpu, std::uint16_t sel, Descriptor& descriptor, unsigned cpl,
                                       std::uint32_t offset, std::uint32_t ext, SegmentRegister& result);

// After control passed to an outer ring: data segments that it may not see become null.
void drop_inner_segments(Cpu& cpu, unsigned cpl);

}  // namespace ringshift
