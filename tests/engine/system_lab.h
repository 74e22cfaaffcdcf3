// A machine for tests of system instructions that runs one test text on every engine.
//
//     class Cli : public SystemTest {};
//     INSTANTIATE_TEST_SUITE_P(Engines, Cli, kEngines, engine_name);
//     TEST_P(Cli, NeedsIopl) {
//       SystemLab lab(GetParam(), 3);  // flat 32-bit protected mode, ring 3
//       EXPECT_TRUE(lab.faults({0xFA}, vector::kGp, 0));
//     }
//
// Every vector has an interrupt gate of DPL 3 to its own HLT in ring 0, and all memory that is not a table is full of
// HLTs, so that whatever an instruction does, execution soon stops where it went.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "mmu/mmu.h"
#include "runtime/engine/engine.h"
#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/descriptor.h"
#include "runtime/semantics/events.h"

namespace ringshift::test {

enum class EngineConfig : std::uint8_t {
  interpreter,
  deterministic,  // translated, one fragment at a time
  translator,     // translated, chained, until the guest halts
};
inline const auto kEngines =
    testing::Values(EngineConfig::interpreter, EngineConfig::deterministic, EngineConfig::translator);
[[nodiscard]] std::string engine_name(const testing::TestParamInfo<EngineConfig>& info);

using SystemTest = testing::TestWithParam<EngineConfig>;
using Bytes = std::vector<std::uint8_t>;

// Far pointers in instructions: jmp or call sel:offset (EA, 9A), with a 32-bit offset.
[[nodiscard]] inline Bytes far_insn(std::uint8_t opcode, std::uint16_t sel, std::uint32_t offset) {
  Bytes bytes{opcode};
  for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(offset >> (8 * i)));
  for (unsigned i = 0; i < 2; ++i) bytes.push_back(static_cast<std::uint8_t>(sel >> (8 * i)));
  return bytes;
}

// Descriptor attributes, as bytes 5 and 6 of a descriptor.
namespace attr {
inline constexpr std::uint16_t kP = segment::kPresent, kS = segment::kNonSystem, kBig = segment::kBig,
                               kGran = segment::kGranular;
inline constexpr std::uint16_t kData = kP | kS | 0x2, kReadOnly = kP | kS | 0x0, kExpandDown = kP | kS | 0x6,
                               kCode = kP | kS | 0xA, kExecuteOnly = kP | kS | 0x8, kConforming = kP | kS | 0xE,
                               kFlat = kBig | kGran;
inline constexpr std::uint16_t kLdt = kP | 0x2, kTss16 = kP | 0x1, kTss16Busy = kP | 0x3, kTss32 = kP | 0x9,
                               kTss32Busy = kP | 0xB;
inline constexpr std::uint16_t kAbsent = 0xFFFF & ~kP;  // a mask
[[nodiscard]] constexpr std::uint16_t dpl(unsigned n) { return static_cast<std::uint16_t>(n << segment::kDplShift); }
}  // namespace attr

// Types of gates, for SystemLab::gate().
namespace gate_type {
inline constexpr unsigned kCall16 = 4, kTask = 5, kInterrupt16 = 6, kTrap16 = 7, kCall32 = 0xC, kInterrupt32 = 0xE,
                          kTrap32 = 0xF;
}

// The guest-visible registers that instructions change.
struct Registers {
  std::array<std::uint32_t, kGprCount> gpr{};
  std::uint32_t eip = 0;
  std::uint32_t eflags = 0;
  std::array<SegmentRegister, kSegCount> seg{};
  SegmentRegister ldtr, tr;
  std::uint32_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0;
  std::array<std::uint32_t, 8> dr{};
  std::uint8_t interrupt_shadow = 0;
};

// Remembers what the CPU asked of it. An acknowledged interrupt no longer waits.
class SystemPlatform final : public Platform {
 public:
  // The chained translator reads the host's time-stamp counter, so the clock must be that, too.
  SystemPlatform(CpuState& state, bool host_clock) : host_clock_(host_clock), state_(state) {}
  std::uint32_t port_read(std::uint16_t port, unsigned size) override {
    reads.emplace_back(port, size);
    return port_value;
  }
  void port_write(std::uint16_t port, unsigned size, std::uint32_t value) override {
    writes.push_back({port, size, value});
  }
  bool interrupt_pending() override { return interrupt.has_value(); }
  std::uint8_t interrupt_acknowledge() override {
    __atomic_fetch_and(&state_.pending, static_cast<std::uint8_t>(~kInterruptWaiting), __ATOMIC_SEQ_CST);
    return std::exchange(interrupt, std::nullopt).value_or(0xFF);
  }
  std::uint64_t tsc() override { return host_clock_ ? __builtin_ia32_rdtsc() : tsc_value += 100; }
  void mode_changed() override {}
  void report(const char* message) override { reports.emplace_back(message); }

  struct PortWrite {
    std::uint16_t port;
    unsigned size;
    std::uint32_t value;
  };
  std::uint32_t port_value = 0xFFFFFFFF;
  std::vector<std::pair<std::uint16_t, unsigned>> reads;
  std::vector<PortWrite> writes;
  std::optional<std::uint8_t> interrupt;
  std::uint64_t tsc_value = 0;
  std::vector<std::string> reports;

 private:
  bool host_clock_;
  CpuState& state_;
};

class SystemLab {
 public:
  // Physical addresses. kCode to kData, and everything without a name, is full of HLTs.
  static constexpr std::uint32_t kGdt = 0x1000, kIdt = 0x2000, kTss = 0x3000, kHandlers = 0x4000, kCode = 0x20000,
                                 kData = 0x30000, kSecondTss = 0x60000, kThirdTss = 0x61000, kLdtBase = 0x62000,
                                 kPageDirectory = 0x80000, kPageTable = 0x81000, kRam = 0x100000;
  static constexpr std::uint16_t kGdtEntries = 64;

  // Flat code and data of each ring, with the ring as RPL.
  static constexpr std::uint16_t code(unsigned ring) { return static_cast<std::uint16_t>(0x08 + 0x10 * ring + ring); }
  static constexpr std::uint16_t data(unsigned ring) { return static_cast<std::uint16_t>(0x10 + 0x10 * ring + ring); }
  static constexpr std::uint16_t kTssSelector = 0x48, kCode16 = 0x50, kData16 = 0x58;
  // GDT entries that are not present; `n` counts from 0 to 47.
  static constexpr std::uint16_t free_selector(unsigned n, unsigned rpl = 0) {
    return static_cast<std::uint16_t>(0x80 + 8 * n + rpl);
  }
  static constexpr std::uint16_t kNoEntry = 0x7F8;  // beyond the limit of the GDT
  // Where the TSS points for rings 0 to 2, and where the stack of a program in that ring (0 to 3) begins.
  static constexpr std::uint32_t stack_top(unsigned ring) { return 0x10000 + 0x4000 * ring; }

  explicit SystemLab(EngineConfig config, unsigned cpl = 0);
  ~SystemLab();
  SystemLab(const SystemLab&) = delete;
  SystemLab& operator=(const SystemLab&) = delete;

  // Flat 32-bit protected mode as after construction; memory and all.
  void reset(unsigned cpl);

  [[nodiscard]] CpuState& state() { return state_; }
  [[nodiscard]] Cpu& cpu() { return *cpu_; }
  [[nodiscard]] mmu::Mmu& mmu() { return *mmu_; }
  [[nodiscard]] SystemPlatform& platform() { return platform_; }
  [[nodiscard]] std::uint32_t& gpr(Gpr r) { return state_.gpr[r]; }
  [[nodiscard]] std::uint32_t esp() const { return state_.gpr[kEsp]; }
  [[nodiscard]] std::uint32_t eip() const { return state_.eip; }
  [[nodiscard]] std::uint32_t flags() const { return state_.eflags(); }
  [[nodiscard]] SegmentRegister& segment(Seg s) { return state_.segment(s); }
  [[nodiscard]] std::uint16_t sel(Seg s) const { return state_.segment(s).selector; }
  [[nodiscard]] Registers registers() const;
  void restore(const Registers& r);

  // ---- memory, by physical address -------------------------------------------------------------
  template <class T>
  [[nodiscard]] T peek(std::uint32_t address) const {
    T value;
    std::memcpy(&value, memory_.data() + address, sizeof(T));
    return value;
  }
  template <class T>
  void poke(std::uint32_t address, T value) {
    wrote(address, sizeof(T));
    std::memcpy(memory_.data() + address, &value, sizeof(T));
  }
  void place(std::uint32_t address, const Bytes& bytes);

  // `attributes` as in SegmentRegister; the limit in units of the granularity bit.
  void set_descriptor(std::uint16_t selector, std::uint32_t base, std::uint32_t limit, std::uint16_t attributes);
  [[nodiscard]] std::uint8_t type_byte(std::uint16_t selector) const {
    return peek<std::uint8_t>(kGdt + (selector & 0xFFF8U) + 5);
  }
  [[nodiscard]] bool accessed(std::uint16_t selector) const { return (type_byte(selector) & 1U) != 0; }
  // A gate that is present; `parameters` for call gates.
  [[nodiscard]] static std::uint64_t gate(std::uint16_t selector, std::uint32_t offset, unsigned type, unsigned dpl,
                                          unsigned parameters = 0);
  static constexpr std::uint64_t kGatePresent = 1ULL << 47;
  void set_gdt_gate(std::uint16_t selector, std::uint64_t value) {
    poke<std::uint64_t>(kGdt + (selector & 0xFFF8U), value);
  }
  void set_idt_gate(unsigned vec, std::uint64_t value) { poke<std::uint64_t>(kIdt + vec * 8, value); }
  [[nodiscard]] static std::uint32_t handler(unsigned vec) { return kHandlers + vec * 16; }

  // Two-level paging, identity, everything present, writable and for users; set_page() changes one page.
  void identity_paging();
  void set_page(std::uint32_t linear, std::uint32_t entry);

  // ---- mode --------------------------------------------------------------------------------------
  // Flat segments of a ring, empty stack, eip at kCode.
  void set_cpl(unsigned cpl);
  void set_flags(std::uint32_t value) { state_.set_eflags(eflags::kFixed | value); }
  void set_iopl(unsigned iopl) { set_flags((flags() & ~eflags::kIopl) | iopl << eflags::kIoplShift); }
  // Real mode, 16-bit: cs:ip at kCode, ss:sp at stack_top(0), data at kData; vectors at 0 lead to the handlers.
  void real_mode();
  // V86 mode, in which segment register n has the selector kData / 16 + 0x100 * n, sp is 800 and ip is 100.
  void enter_v86(unsigned iopl);
  static constexpr std::uint32_t v86_base(Seg s) { return kData + 0x1000 * static_cast<std::uint32_t>(s); }

  void push32(std::uint32_t value);
  void push16(std::uint16_t value);
  // The external interrupt pin, as a device sets it.
  void interrupt(std::uint8_t vec);

  // ---- running -------------------------------------------------------------------------------------
  struct Outcome {
    bool shutdown = false;
    bool halted = false;              // it was a HLT
    std::optional<unsigned> handler;  // control is at the handler of this vector
    explicit operator bool() const { return !shutdown && !halted && !handler; }
  };
  // Places `bytes` at cs:eip (linear address = physical address) and executes this one instruction.
  Outcome execute(const Bytes& bytes);
  // Executes the instruction at cs:eip.
  Outcome step();

  // The instruction ends without an exception, and eip is behind it (completes), or anywhere (transfers).
  testing::AssertionResult completes(const Bytes& bytes);
  testing::AssertionResult transfers(const Bytes& bytes);
  // The instruction raises `vec`: the handler finds the state of before on its stack, EFLAGS.RF as faults push it, and
  // the error code, if any; no other register has changed. The lab is then put back to before the instruction.
  testing::AssertionResult faults(const Bytes& bytes, unsigned vec, std::optional<std::uint32_t> error);
  testing::AssertionResult faults(const Bytes& bytes, unsigned vec) { return faults(bytes, vec, std::nullopt); }

  // Runs until the guest halts for good or shuts down, whatever the ring; a HLT in rings 1 to 3 faults, of course.
  engine::StopReason run();

  // The vector whose handler cs:eip is at (or just behind its HLT).
  [[nodiscard]] std::optional<unsigned> vector() const;
  // A doubleword or word of the current stack, counted from its top.
  [[nodiscard]] std::uint32_t stack(unsigned index) const {
    return peek<std::uint32_t>(state_.segment(Seg::ss).base + state_.gpr[kEsp] + index * 4);
  }
  [[nodiscard]] std::uint16_t stack16(unsigned index) const {
    return peek<std::uint16_t>(state_.segment(Seg::ss).base + state_.gpr[kEsp] + index * 2);
  }

 private:
  void wrote(std::uint32_t address, std::uint32_t size);
  void build_tables();
  [[nodiscard]] std::uint8_t byte_at(std::uint16_t cs, std::uint32_t eip, bool v86) const;
  [[nodiscard]] SegmentRegister segment_of(std::uint16_t selector, bool v86) const;
  [[nodiscard]] Outcome outcome_here() const;
  Outcome run_to_filler(bool is_halt);
  bool undo_filler_fault();
  testing::AssertionResult check_fault(const Registers& before, const Outcome& outcome, unsigned vec,
                                       std::optional<std::uint32_t> error) const;

  EngineConfig config_;
  mmu::GuestMemory memory_;
  mmu::PhysicalMap physical_;
  mmu::CodePages code_;
  std::unique_ptr<mmu::Mmu> mmu_;
  CpuState state_;
  SystemPlatform platform_{state_, config_ == EngineConfig::translator};
  std::unique_ptr<Cpu> cpu_;
  std::unique_ptr<engine::Engine> engine_;
};

}  // namespace ringshift::test
