// A GuestLab for system instructions: one handler at a time, so that a test sees the fault that an
// instruction raises before the IDT hides it.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <span>

#include "runtime/semantics/descriptor.h"
#include "tests/support/guest_lab.h"

namespace ringshift::test {

// Descriptor attributes, as bytes 5 and 6 of a descriptor.
namespace attr {
inline constexpr std::uint16_t kP = segment::kPresent, kS = segment::kNonSystem, kBig = segment::kBig,
                               kGran = segment::kGranular;
inline constexpr std::uint16_t kData = kP | kS | 0x2, kReadOnly = kP | kS | 0x0, kCode = kP | kS | 0xA,
                               kExecuteOnly = kP | kS | 0x8, kConforming = kP | kS | 0xE, kFlat = kBig | kGran;
inline constexpr std::uint16_t kLdt = kP | 0x2, kTss16 = kP | 0x1, kTss32 = kP | 0x9, kTss32Busy = kP | 0xB;
inline constexpr std::uint16_t dpl(unsigned n) { return static_cast<std::uint16_t>(n << segment::kDplShift); }
}  // namespace attr

class SystemLab : public GuestLab {
 public:
  // Selectors that no test machine uses otherwise; `n` counts from 0.
  static constexpr std::uint16_t free_selector(unsigned n, unsigned rpl = 0) {
    return static_cast<std::uint16_t>(kFreeSelector + 8 * n + rpl);
  }

  explicit SystemLab(unsigned cpl = 0) : GuestLab(cpl) {}

  // Decodes one instruction at eip and calls its handler. On Flow::next eip moves past it.
  Flow execute(std::initializer_list<std::uint8_t> bytes) {
    const bool big = state().segment(Seg::cs).big();
    const auto decoded = decode::decode(std::span(bytes.begin(), bytes.size()),
                                        big ? decode::CodeSize::bits32 : decode::CodeSize::bits16);
    if (decoded.failure == decode::Failure::invalid) return cpu().raise(vector::kUd);
    EXPECT_EQ(decoded.failure, decode::Failure::none);
    EXPECT_EQ(decoded.insn.length, bytes.size());
    cpu().fault = GuestFault{0xFF, false, false, 0, 0};
    const Flow flow = handler(decoded.insn.op)(cpu(), decoded.insn);
    if (flow == Flow::next || flow == Flow::halt) state().eip += decoded.insn.length;
    return flow;
  }

  // The instruction raises `vec` with error code `error` and changes no register.
  void expect_fault(std::initializer_list<std::uint8_t> bytes, unsigned vec, std::uint32_t error) {
    const auto gpr = state().gpr;
    const auto seg = state().seg;
    const std::uint32_t eip = state().eip;
    const std::uint32_t flags = state().eflags();
    EXPECT_EQ(execute(bytes), Flow::fault);
    EXPECT_EQ(unsigned{cpu().fault.vector}, vec);
    EXPECT_TRUE(cpu().fault.has_error);
    EXPECT_EQ(cpu().fault.error, error);
    EXPECT_EQ(state().gpr, gpr);
    EXPECT_TRUE(state().seg == seg);
    EXPECT_EQ(state().eip, eip);
    EXPECT_EQ(state().eflags(), flags);
  }
  void expect_ud(std::initializer_list<std::uint8_t> bytes) {
    EXPECT_EQ(execute(bytes), Flow::fault);
    EXPECT_EQ(unsigned{cpu().fault.vector}, unsigned{vector::kUd});
  }

  void enter_v86(unsigned iopl) {
    state().set_eflags((state().eflags() & ~eflags::kIopl) | eflags::kVm | (iopl << eflags::kIoplShift));
    for (const Seg seg : {Seg::es, Seg::cs, Seg::ss, Seg::ds, Seg::fs, Seg::gs}) {
      state().set_segment(seg, v86_register(static_cast<std::uint16_t>(0x3000 + 0x100 * static_cast<unsigned>(seg))));
    }
    state().gpr[kEsp] = 0x800;
    state().eip = 0x100;
  }

  void push32(std::uint32_t value) {
    state().gpr[kEsp] -= 4;
    poke<std::uint32_t>(state().segment(Seg::ss).base + state().gpr[kEsp], value);
  }
  void push16(std::uint16_t value) {
    state().gpr[kEsp] -= 2;
    poke<std::uint16_t>(state().segment(Seg::ss).base + state().gpr[kEsp], value);
  }
  // Whatever the gate is for: interrupt, trap, call or task gate.
  void set_gdt_gate(std::uint16_t sel, std::uint64_t gate_value) {
    poke<std::uint64_t>(kGdt + (sel & 0xFFF8U), gate_value);
  }
  void set_idt_gate(unsigned vec, std::uint64_t gate_value) { poke<std::uint64_t>(kIdt + vec * 8, gate_value); }

  [[nodiscard]] std::uint16_t sel(Seg seg) { return state().segment(seg).selector; }
  [[nodiscard]] std::uint32_t esp() { return state().gpr[kEsp]; }
  [[nodiscard]] bool accessed(std::uint16_t selector_value) {
    return (peek<std::uint8_t>(kGdt + (selector_value & 0xFFF8U) + 5) & 1U) != 0;
  }
  // Two-level paging, identity, everything writable by user; page_table_entry() changes single pages.
  void identity_paging() {
    poke<std::uint32_t>(kPageDirectory, kPageTable | 7U);
    for (std::uint32_t i = 0; i < 1024; ++i) poke<std::uint32_t>(kPageTable + i * 4, i << 12 | 7U);
    state().cr3 = kPageDirectory;
    state().cr0 |= cr0::kPg | cr0::kWp;
    update_paging(cpu());
  }
  void set_page(std::uint32_t linear, std::uint32_t entry) {
    poke<std::uint32_t>(kPageTable + (linear >> 12) * 4, entry);
    mmu().invlpg(linear);
  }

  static constexpr std::uint32_t kPageDirectory = 0x100000, kPageTable = 0x101000, kSecondTss = 0x62000,
                                 kLdtBase = 0x63000, kInnerStackTop = 0x70000;
};

}  // namespace ringshift::test
