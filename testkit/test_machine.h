// A virtual CPU with a megabyte of RAM, descriptor tables, a TSS and handlers, run by any engine.
//
// Every vector has an interrupt gate of DPL 3 to its own HLT in ring 0, and all memory that is not a table is full of
// HLTs, so that whatever an instruction does, execution soon stops where it went.
//
// GuestLab (testkit/guest_lab.h) is the easy way to use it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/descriptor.h"
#include "runtime/semantics/events.h"
#include "testkit/bare_machine.h"

namespace ringshift::testkit {

using Bytes = std::vector<std::uint8_t>;

enum class EngineKind : std::uint8_t {
  interpreter,
  one_instruction,  // translated, one instruction a block
  whole_blocks,     // translated, one block at a time
  checked_blocks,   // translated, one block at a time, each of which first looks whether its code has changed
  linked_blocks,    // translated, chained, until the guest halts
};
inline constexpr std::array kAllEngines{EngineKind::interpreter, EngineKind::one_instruction, EngineKind::whole_blocks,
                                        EngineKind::checked_blocks, EngineKind::linked_blocks};
// "Interpreter", "OneInstruction", "WholeBlocks", "CheckedBlocks", "LinkedBlocks".
[[nodiscard]] std::string_view name(EngineKind kind);

// Vectors whose handlers find an error code (SDM vol. 3, 6.13).
[[nodiscard]] constexpr bool pushes_error(unsigned vec) { return vec == 8 || (vec >= 10 && vec <= 14) || vec == 17; }

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

// Types of gates, for TestMachine::gate().
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
class TestPlatform final : public Platform {
 public:
  // The chained translator reads the host's time-stamp counter, so the clock must be that, too.
  TestPlatform(CpuState& state, bool host_clock) : host_clock_(host_clock), state_(state) {}
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

class TestMachine {
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

  explicit TestMachine(EngineKind config, unsigned cpl = 0);
  ~TestMachine() = default;
  TestMachine(const TestMachine&) = delete;
  TestMachine& operator=(const TestMachine&) = delete;

  // Flat 32-bit protected mode as after construction; memory and all.
  void reset(unsigned cpl);

  [[nodiscard]] EngineKind engine_kind() const { return config_; }
  [[nodiscard]] CpuState& state() { return machine_.state; }
  [[nodiscard]] const CpuState& state() const { return machine_.state; }
  [[nodiscard]] Cpu& cpu() { return *machine_.cpu; }
  [[nodiscard]] mmu::Mmu& mmu() { return *machine_.mmu; }
  [[nodiscard]] TestPlatform& platform() { return platform_; }
  [[nodiscard]] std::uint32_t& gpr(Gpr r) { return machine_.state.gpr[r]; }
  [[nodiscard]] std::uint32_t esp() const { return machine_.state.gpr[kEsp]; }
  [[nodiscard]] std::uint32_t eip() const { return machine_.state.eip; }
  [[nodiscard]] std::uint32_t flags() const { return machine_.state.eflags(); }
  [[nodiscard]] SegmentRegister& segment(Seg s) { return machine_.state.segment(s); }
  [[nodiscard]] std::uint16_t sel(Seg s) const { return machine_.state.segment(s).selector; }
  [[nodiscard]] Registers registers() const;
  void restore(const Registers& r);

  // What the engine counts; 0 for a name that it does not know.
  [[nodiscard]] engine::Stats stats() const { return machine_.engine->stats(); }
  [[nodiscard]] std::uint64_t counter(std::string_view counter_name) const;

  // ---- memory, by physical address -------------------------------------------------------------
  [[nodiscard]] std::span<const std::uint8_t> ram() const { return {machine_.memory.data(), kRam}; }
  template <class T>
  [[nodiscard]] T peek(std::uint32_t address) const {
    T value;
    std::memcpy(&value, machine_.memory.data() + address, sizeof(T));
    return value;
  }
  template <class T>
  void poke(std::uint32_t address, T value) {
    machine_.before_write(address, sizeof(T));
    std::memcpy(machine_.memory.data() + address, &value, sizeof(T));
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
  // Where a linear address is in RAM now: nothing if it is not mapped, or not to RAM. For tables without PAE.
  [[nodiscard]] std::optional<std::uint32_t> physical(std::uint32_t linear) const;

  // ---- mode --------------------------------------------------------------------------------------
  // Flat segments of a ring, empty stack, eip at kCode.
  void set_cpl(unsigned cpl);
  void set_flags(std::uint32_t value) { machine_.state.set_eflags(eflags::kFixed | value); }
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

  enum class Stop : std::uint8_t {
    filler,   // at a HLT that is none of the code's: behind its end, or where it has gone
    halted,   // behind a HLT of the code
    handler,  // at the handler of a vector
    shutdown,
  };
  // Runs from cs:eip until one of these. `code` is the range of linear addresses of the code's own HLTs. Throws
  // LabError if it goes on for long.
  Stop run_code(std::uint32_t code, std::uint32_t bytes);

  // In rings 1 to 3 a HLT faults: where the last run_code() has left the stack frame of that, if it met a filler so.
  struct FillerFrame {
    std::uint32_t address = 0, bytes = 0;  // physical
  };
  [[nodiscard]] const FillerFrame& filler_frame() const { return filler_frame_; }

  // What an event has pushed on the stack of its handler, which execution is at.
  struct Frame {
    bool has_error = false;
    std::uint32_t error = 0;
    std::uint32_t eip = 0, eflags = 0;
    std::uint16_t cs = 0;
    bool outer = false;  // it came from an outer ring, or V86 mode: esp and ss hold
    std::uint32_t esp = 0;
    std::uint16_t ss = 0;
    std::array<std::uint16_t, 4> v86_segments{};  // es, ds, fs, gs
    std::uint32_t bytes = 0;                      // on the stack
    [[nodiscard]] bool v86() const { return (eflags & eflags::kVm) != 0; }
  };
  [[nodiscard]] Frame frame(bool has_error) const;
  // Whether the event of this vector has pushed an error code.
  [[nodiscard]] bool has_error_code(unsigned vec) const;
  // As IRET would do, but without checks.
  void return_from(const Frame& f);

  // Runs until the guest halts for good or shuts down, whatever the ring; a HLT in rings 1 to 3 faults, of course.
  engine::StopReason run();

  // The vector whose handler cs:eip is at (or just behind its HLT).
  [[nodiscard]] std::optional<unsigned> vector() const;
  // A doubleword or word of the current stack, counted from its top.
  [[nodiscard]] std::uint32_t stack(unsigned index) const {
    return peek<std::uint32_t>(machine_.state.segment(Seg::ss).base + machine_.state.gpr[kEsp] + index * 4);
  }
  [[nodiscard]] std::uint16_t stack16(unsigned index) const {
    return peek<std::uint16_t>(machine_.state.segment(Seg::ss).base + machine_.state.gpr[kEsp] + index * 2);
  }

 private:
  void build_tables();
  [[nodiscard]] std::uint8_t byte_at(std::uint16_t cs, std::uint32_t eip, bool v86) const;
  [[nodiscard]] SegmentRegister segment_of(std::uint16_t selector, bool v86) const;
  [[nodiscard]] Outcome outcome_here() const;
  Outcome run_to_filler(bool is_halt);
  [[nodiscard]] std::uint32_t linear(const Frame& f) const;
  [[nodiscard]] bool at_filler(std::uint32_t code, std::uint32_t bytes) const;
  engine::StopReason run_watched();
  bool undo_filler_fault();

  EngineKind config_;
  FillerFrame filler_frame_;
  TestPlatform platform_;
  BareMachine machine_;
};

}  // namespace ringshift::testkit
