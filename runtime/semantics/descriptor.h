// Segment and gate descriptors, and the tables they live in (SDM vol. 3, 3.4 and 3.5).
#pragma once

#include <cstdint>

#include "runtime/semantics/cpu.h"

namespace ringshift {

// Types of system descriptors (SDM table 3-2).
enum class SystemType : std::uint8_t {
  tss16_available = 1,
  ldt = 2,
  tss16_busy = 3,
  call_gate16 = 4,
  task_gate = 5,
  interrupt_gate16 = 6,
  trap_gate16 = 7,
  tss32_available = 9,
  tss32_busy = 11,
  call_gate32 = 12,
  interrupt_gate32 = 14,
  trap_gate32 = 15,
};

// The eight bytes of a table entry.
struct Descriptor {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  std::uint32_t address = 0;  // linear address of the entry, for the accessed and busy bits

  [[nodiscard]] unsigned type() const { return (high >> 8) & 0xFU; }
  [[nodiscard]] bool is_segment() const { return (high & (1U << 12)) != 0; }
  [[nodiscard]] unsigned dpl() const { return (high >> 13) & 3U; }
  [[nodiscard]] bool present() const { return (high & (1U << 15)) != 0; }
  [[nodiscard]] bool is_code() const { return is_segment() && (type() & 8U) != 0; }
  [[nodiscard]] bool is_data() const { return is_segment() && (type() & 8U) == 0; }
  [[nodiscard]] bool conforming() const { return is_code() && (type() & 4U) != 0; }
  [[nodiscard]] bool readable() const { return is_data() || (is_code() && (type() & 2U) != 0); }
  [[nodiscard]] bool writable() const { return is_data() && (type() & 2U) != 0; }
  [[nodiscard]] bool is(SystemType t) const { return !is_segment() && type() == static_cast<unsigned>(t); }
  [[nodiscard]] bool tss_available() const {
    return is(SystemType::tss16_available) || is(SystemType::tss32_available);
  }
  [[nodiscard]] bool tss_busy() const { return is(SystemType::tss16_busy) || is(SystemType::tss32_busy); }

  [[nodiscard]] std::uint32_t base() const { return (low >> 16) | ((high & 0xFFU) << 16) | (high & 0xFF000000U); }
  // The last valid offset in bytes: granularity applied.
  [[nodiscard]] std::uint32_t limit() const {
    const std::uint32_t raw = (low & 0xFFFFU) | (high & 0xF0000U);
    return (high & (1U << 23)) != 0 ? (raw << 12) | 0xFFFU : raw;
  }
  [[nodiscard]] std::uint16_t attributes() const { return static_cast<std::uint16_t>((high >> 8) & 0xF0FFU); }

  // Gates only.
  [[nodiscard]] std::uint16_t gate_selector() const { return static_cast<std::uint16_t>(low >> 16); }
  [[nodiscard]] std::uint32_t gate_offset() const {
    const std::uint32_t upper = (type() & 8U) != 0 ? high & 0xFFFF0000U : 0;
    return (low & 0xFFFFU) | upper;
  }
  [[nodiscard]] unsigned gate_parameters() const { return high & 0x1FU; }

  // The hidden part of a segment register that `selector` loads.
  [[nodiscard]] SegmentRegister to_register(std::uint16_t selector) const {
    return SegmentRegister{selector, attributes(), base(), limit()};
  }
};

namespace selector {
inline constexpr std::uint16_t kRplMask = 3;
inline constexpr std::uint16_t kLdt = 4;  // the table indicator
[[nodiscard]] constexpr bool is_null(std::uint16_t s) { return (s & ~kRplMask) == 0; }
[[nodiscard]] constexpr unsigned rpl(std::uint16_t s) { return s & 3U; }
[[nodiscard]] constexpr bool in_ldt(std::uint16_t s) { return (s & kLdt) != 0; }
// The selector as an error code reports it; `ext` is 1 if an event outside the program is to blame.
[[nodiscard]] constexpr std::uint32_t error(std::uint16_t s, std::uint32_t ext = 0) { return (s & 0xFFFCU) | ext; }
[[nodiscard]] constexpr std::uint16_t with_rpl(std::uint16_t s, unsigned rpl_value) {
  return static_cast<std::uint16_t>((s & ~kRplMask) | rpl_value);
}
}  // namespace selector

enum class Fetch : std::uint8_t {
  ok,
  outside,  // beyond the table's limit, or in an LDT that is not loaded: nothing was raised
  fault,    // page fault: in Cpu::fault
};

// Reads the descriptor of a selector that is not null.
[[nodiscard]] Fetch fetch_descriptor(Cpu& cpu, std::uint16_t sel, Descriptor& descriptor);
// The same; outside the table raises `vec` with the selector as error code.
[[nodiscard]] bool fetch_descriptor_or_raise(Cpu& cpu, std::uint16_t sel, Descriptor& descriptor, std::uint8_t vec,
                                             std::uint32_t ext = 0);

// Sets the accessed bit of a segment descriptor, in the table and in `descriptor`. False: page fault.
[[nodiscard]] bool set_accessed(Cpu& cpu, Descriptor& descriptor);
// Writes the type byte of a TSS descriptor with its busy bit set or clear. False: page fault.
[[nodiscard]] bool set_busy(Cpu& cpu, Descriptor& descriptor, bool busy);

// What loading a null selector leaves in a data segment register.
[[nodiscard]] constexpr SegmentRegister null_register(std::uint16_t sel) {
  return SegmentRegister{sel, segment::kUnusable, 0, 0};
}
// A segment register in virtual-8086 mode (SDM vol. 3, 21.2.1).
[[nodiscard]] constexpr SegmentRegister v86_register(std::uint16_t sel) {
  return SegmentRegister{
      sel,
      segment::kPresent | segment::kNonSystem | segment::kWritable | segment::kAccessed | (3U << segment::kDplShift),
      static_cast<std::uint32_t>(sel) << 4, 0xFFFF};
}

}  // namespace ringshift
