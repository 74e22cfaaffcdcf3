// The reference CPU: what every instruction does, written once.
//
// A `Cpu` is a thin view that joins the state of a virtual CPU with its memory, ports and clock. The
// interpreter calls its handlers for every instruction; translated code calls the same handlers as
// callouts. Handlers are free functions over a Cpu, one file a family.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "mmu/mmu.h"
#include "runtime/semantics/fault.h"
#include "runtime/state/cpu_model.h"
#include "runtime/state/cpu_state.h"
#include "translator/isa/insn.h"

namespace ringshift {

// The platform around the CPU, as instructions see it.
class Platform {
 public:
  virtual ~Platform() = default;
  // size is 1, 2 or 4. Ports nobody answers read as ones.
  virtual std::uint32_t port_read(std::uint16_t port, unsigned size) = 0;
  virtual void port_write(std::uint16_t port, unsigned size, std::uint32_t value) = 0;
  // The interrupt pin, and the vector of the interrupt acknowledge cycle (call only if pending).
  virtual bool interrupt_pending() = 0;
  virtual std::uint8_t interrupt_acknowledge() = 0;
  // The time-stamp counter before CpuState::tsc_offset.
  virtual std::uint64_t tsc() = 0;
  // Paging state or a translation-relevant mode changed under the engine's feet (CR0, CR3, CR4, EFER, A20).
  virtual void mode_changed() = 0;
  // IA32_APIC_BASE has a new value.
  virtual void apic_base_changed(std::uint64_t /*value*/) {}
  // One line for the log about something the guest did that we do not support. Called once a cause.
  virtual void report(const char* message) = 0;
};

// What a handler leaves behind.
enum class Flow : std::uint8_t {
  next,      // done: eip moves past the instruction
  jump,      // done: the handler has set eip
  fault,     // Cpu::fault holds the exception; state is unchanged (trap faults: state is after the instruction)
  repeat,    // a rep string instruction stopped between iterations for a pending event: eip stays
  halt,      // HLT: eip moves past it, CpuState::halted is set
  shutdown,  // triple fault
};

class HostThunks;  // host_thunk.h

class Cpu {
 public:
  Cpu(CpuState& cpu_state, mmu::Mmu& cpu_mmu, Platform& cpu_platform)
      : state(cpu_state), mmu(cpu_mmu), platform(cpu_platform) {}

  CpuState& state;
  mmu::Mmu& mmu;
  Platform& platform;
  CpuModel model = CpuModel::core2;
  // Of Platform::tsc(), for CPUID; 0: not known.
  std::uint32_t tsc_kilohertz = 0;
  // Clocks the local APIC's timer, and the TSC through a ratio that CPUID tells.
  static constexpr std::uint32_t kCrystalKilohertz = 25'000;
  // There is a local APIC; CPUID shows it while IA32_APIC_BASE enables it.
  bool has_apic = false;
  std::uint64_t apic_base = kApicBaseAtReset;
  static constexpr std::uint64_t kApicBaseAtReset = 0xFEE00900, kApicEnabled = 1U << 11;  // EN, and BSP
  // From an NMI to the next IRET there is no other one (SDM vol. 3, 6.7.1). IRET then asks for the dispatcher.
  bool nmi_blocked = false;
  std::shared_ptr<HostThunks> thunks;  // stubs for instructions the host executes; made when first needed
  GuestFault fault;                    // valid when a handler returned Flow::fault or a MemResult is empty
  // Set by an instruction that no debug trap follows (INT n that began with TF set; MOV SS, with TF or breakpoints);
  // debug_trap() clears it.
  bool no_debug_trap = false;
  // B0 to B3 of DR6: the data breakpoints that the current instruction has met.
  std::uint32_t watch_hits = 0;
  // A debugger's watchpoints, for whom CpuState::watched is set, and the first that an instruction has met since
  // watch_met was taken.
  struct Watchpoint {
    std::uint32_t linear = 0;
    std::uint32_t size = 1;  // at least 1
    bool reads = false, writes = false;
    bool operator==(const Watchpoint&) const = default;
  };
  std::vector<Watchpoint> watchpoints;
  std::optional<Watchpoint> watch_met;
  // Causes already given to Platform::report by report_once().
  std::vector<std::uint32_t> reported;

  // ---- raising -------------------------------------------------------------------------------
  Flow raise(std::uint8_t vec) {
    fault = GuestFault{vec, false, false, 0, 0};
    return Flow::fault;
  }
  Flow raise(std::uint8_t vec, std::uint32_t error) {
    fault = GuestFault{vec, true, false, error, 0};
    return Flow::fault;
  }

  // ---- memory through a segment, with the rights of the current CPL ----------------------------
  // T is uint8_t, uint16_t, uint32_t or uint64_t. Checks segment type, limit and (CR0.AM, AC, CPL 3)
  // alignment, translates, and handles page crossings and devices.
  template <class T>
  MemResult<T> read(Seg seg, std::uint32_t offset);
  template <class T>
  [[nodiscard]] bool write(Seg seg, std::uint32_t offset, T value);
  // For read-modify-write: like read, but checks the right to write first and so raises what silicon
  // would. After it, write() to the same place cannot fault.
  template <class T>
  MemResult<T> read_for_write(Seg seg, std::uint32_t offset);
  // Operands of any size (SSE, fxsave, descriptor tables); all or nothing.
  [[nodiscard]] bool read_bytes(Seg seg, std::uint32_t offset, void* to, std::uint32_t size);
  [[nodiscard]] bool write_bytes(Seg seg, std::uint32_t offset, const void* from, std::uint32_t size);
  // Checks that a write of `size` bytes would succeed, without writing.
  [[nodiscard]] bool probe_write(Seg seg, std::uint32_t offset, std::uint32_t size);

  // Segment check alone: the linear address, or a fault (#GP(0), #SS(0) for SS).
  MemResult<std::uint32_t> linear(Seg seg, std::uint32_t offset, std::uint32_t size, mmu::Access access);

  // ---- memory by linear address, with given rights (descriptor tables, TSS, gates: supervisor) --
  template <class T>
  MemResult<T> read_linear(std::uint32_t address, bool user);
  template <class T>
  [[nodiscard]] bool write_linear(std::uint32_t address, T value, bool user);
  [[nodiscard]] bool read_linear_bytes(std::uint32_t address, void* to, std::uint32_t size, bool user);
  [[nodiscard]] bool write_linear_bytes(std::uint32_t address, const void* from, std::uint32_t size, bool user);
  [[nodiscard]] bool probe_write_linear(std::uint32_t address, std::uint32_t size, bool user);

  // ---- instruction operands -------------------------------------------------------------------
  // Offset of the memory operand (before the segment base), truncated to the address size.
  [[nodiscard]] std::uint32_t effective_address(const isa::Insn& insn) const {
    std::uint32_t a = static_cast<std::uint32_t>(insn.disp);
    if (insn.base != isa::kNoRegister) a += state.gpr[insn.base];
    if (insn.index != isa::kNoRegister) a += state.gpr[insn.index] * insn.scale;
    return insn.address_size == 2 ? a & 0xFFFFU : a;
  }
  [[nodiscard]] std::uint32_t stack_mask() const { return state.segment(Seg::ss).big() ? 0xFFFFFFFFU : 0xFFFFU; }
  // SP or ESP moves by `delta`; the upper half stays if SS is a 16-bit segment.
  void add_esp(std::int32_t delta) {
    const std::uint32_t mask = stack_mask();
    const std::uint32_t sum = state.gpr[kEsp] + static_cast<std::uint32_t>(delta);
    state.gpr[kEsp] = (state.gpr[kEsp] & ~mask) | (sum & mask);
  }
  // size 2 or 4. esp moves only if the access succeeds.
  [[nodiscard]] bool push(std::uint32_t value, unsigned size);
  MemResult<std::uint32_t> pop(unsigned size);
};

}  // namespace ringshift
