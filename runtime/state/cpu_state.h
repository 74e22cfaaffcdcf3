// The architectural state of one virtual CPU, in the layout that translated code knows.
//
// A plain value: it owns nothing and points to nothing but itself and the engine's tables. Both
// engines work on it; translated code reaches it through one host register (translator/abi.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "runtime/state/eflags.h"
#include "runtime/state/segment.h"

namespace ringshift {

// In the encoding order of ModRM.
enum Gpr : std::uint8_t {
  kEax,
  kEcx,
  kEdx,
  kEbx,
  kEsp,
  kEbp,
  kEsi,
  kEdi
};
inline constexpr unsigned kGprCount = 8;

struct TableRegister {  // GDTR, IDTR
  std::uint32_t base = 0;
  std::uint32_t limit = 0xFFFF;
  bool operator==(const TableRegister&) const = default;
};

// Control register bits (SDM vol. 3, 2.5).
namespace cr0 {
inline constexpr std::uint32_t kPe = 1U << 0, kMp = 1U << 1, kEm = 1U << 2, kTs = 1U << 3, kEt = 1U << 4, kNe = 1U << 5,
                               kWp = 1U << 16, kAm = 1U << 18, kNw = 1U << 29, kCd = 1U << 30, kPg = 1U << 31;
}
namespace cr4 {
inline constexpr std::uint32_t kVme = 1U << 0, kPvi = 1U << 1, kTsd = 1U << 2, kDe = 1U << 3, kPse = 1U << 4,
                               kPae = 1U << 5, kMce = 1U << 6, kPge = 1U << 7, kPce = 1U << 8, kOsfxsr = 1U << 9,
                               kOsxmmexcpt = 1U << 10, kUmip = 1U << 11;
}

// The model-specific registers that have state.
struct MsrState {
  std::uint64_t efer = 0;  // NXE is the only bit of ours (SDM vol. 4)
  std::uint64_t sysenter_cs = 0;
  std::uint64_t sysenter_esp = 0;
  std::uint64_t sysenter_eip = 0;
  std::uint64_t pat = 0x0007040600070406ULL;
  std::uint64_t misc_enable = 1;
  std::uint64_t tsc_adjust = 0;
  bool operator==(const MsrState&) const = default;
};
inline constexpr std::uint64_t kEferNxe = 1ULL << 11;

namespace engine {
class TranslateEngine;
}

// What the host side needs to enter and leave translated code. Not guest-visible.
struct HostContext {
  std::uint64_t host_rsp = 0;        // the C++ stack while translated code runs
  std::uint64_t return_ring = 0;     // top of the host-return stack that calls and returns use
  std::uint64_t jump_directory = 0;  // of the current window and mode (abi.h)
  std::uint64_t code_base = 0;       // executable alias of the translation cache
  std::uint64_t window_base = 0;     // linear address 0 of the current window, 4 GiB aligned (also in host GS base)
  std::uint64_t exit_from = 0;       // a direct exit: the host address behind its call
  std::uint64_t limit_space = 0;     // 4 GiB that can be read end here, and 4 GiB of guard begin; 0: there are none
  std::uint32_t exit_reason = 0;     // abi::Exit
  engine::TranslateEngine* engine = nullptr;  // who answers brief callouts
  std::uint64_t retired = 0;                  // guest instructions completed by translated code, where counted
};

// Bits of CpuState::pending.
inline constexpr std::uint8_t kInterruptWaiting = 1;  // an interrupt can be acknowledged, or a timer is due
inline constexpr std::uint8_t kStopRequest = 2;       // the dispatcher is wanted even while IF is clear

struct alignas(64) CpuState {
  std::array<std::uint32_t, kGprCount> gpr{};
  std::uint32_t eip = 0;
  // EFLAGS is kept in three parts (see eflags.h): native flags, IF alone, the rest.
  std::uint32_t native_flags = 0;
  std::uint32_t system_flags = 0;   // bits of eflags::kSystem
  std::uint8_t interrupt_flag = 0;  // 0 or 1
  std::uint8_t interrupt_shadow =
      0;  // 1: sti, mov ss or pop ss just ran; no interrupt before the next instruction ends
  // Why the dispatcher must run before the next guest instruction: kInterruptWaiting (only if IF and
  // the shadow allow an interrupt), kStopRequest (regardless). Set by other threads and signals.
  volatile std::uint8_t pending = 0;
  std::uint8_t halted = 0;

  // For each segment register the address of its base, or 0 if an access must be checked by the
  // runtime: translated code loads the base through this pointer, so a segment that is null,
  // limited or of another type faults on the host and its access is then interpreted.
  std::array<std::uint64_t, kSegCount> base_pointer{};
  // For each segment register the host address at which a byte can be read for each offset that may be accessed, and
  // for no other (HostContext::limit_space): how translated code checks a limit without touching flags.
  std::array<std::uint64_t, kSegCount> limit_pointer{};
  std::array<SegmentRegister, kSegCount> seg{};
  HostContext host;

  SegmentRegister ldtr;
  SegmentRegister tr;
  TableRegister gdtr;
  TableRegister idtr;
  std::uint32_t cr0 = 0x60000010;
  std::uint32_t cr2 = 0;
  std::uint32_t cr3 = 0;
  std::uint32_t cr4 = 0;
  std::array<std::uint64_t, 4> pdpte{};  // loaded with CR3 when PAE paging is on
  std::array<std::uint32_t, 8> dr{0, 0, 0, 0, 0, 0, 0xFFFF0FF0, 0x400};
  MsrState msr;
  std::uint64_t tsc_offset = 0;  // guest TSC = clock's TSC + offset
  std::uint8_t watched = 0;      // a debugger has watchpoints (Cpu::watchpoints). Not guest-visible.

  // x87, MMX and SSE state in FXSAVE64 format (SDM vol. 1, 10.5). While translated code runs, the
  // host's registers hold it and this area is stale.
  alignas(64) std::array<std::uint8_t, 512> fx{};

  [[nodiscard]] std::uint32_t eflags() const {
    return eflags::kFixed | (native_flags & eflags::kNative) | (interrupt_flag != 0 ? eflags::kIf : 0U) |
           (system_flags & eflags::kSystem);
  }
  void set_eflags(std::uint32_t value) {
    native_flags = value & eflags::kNative;
    interrupt_flag = (value & eflags::kIf) != 0 ? 1 : 0;
    system_flags = value & eflags::kSystem;
  }

  [[nodiscard]] SegmentRegister& segment(Seg s) { return seg[static_cast<std::size_t>(s)]; }
  [[nodiscard]] const SegmentRegister& segment(Seg s) const { return seg[static_cast<std::size_t>(s)]; }

  // Loads the hidden part of a segment register. The only way to write `seg`, because
  // base_pointer and limit_pointer must follow. Always inline: brief callouts use general registers only, and one copy
  // for all might not.
  [[gnu::always_inline]] void set_segment(Seg s, const SegmentRegister& value) {
    const auto i = static_cast<std::size_t>(s);
    seg[i] = value;
    base_pointer[i] =
        value.unlimited(s == Seg::cs) && !watches_data() ? reinterpret_cast<std::uint64_t>(&seg[i].base) : 0;
    const std::uint64_t offsets =
        value.expands_up(s == Seg::cs) && !watches_data() ? std::uint64_t{value.limit} + 1 : std::uint64_t{0};
    limit_pointer[i] = host.limit_space - offsets;
  }
  // base_pointer holds addresses of this object: call after a copy, and after a write to DR7, `watched` or
  // HostContext::limit_space.
  void refresh_pointers() {
    for (unsigned i = 0; i < kSegCount; ++i) set_segment(static_cast<Seg>(i), SegmentRegister{seg[i]});
  }

  // DR7 enables a breakpoint on data (SDM vol. 3, 17.2.4), or a debugger watches some: every access must be looked at.
  [[nodiscard]] bool watches_data() const {
    const std::uint32_t dr7 = dr[7];
    if (watched != 0) return true;
    if ((dr7 & 0x11110000U) == 0) [[likely]]
      return false;
    for (unsigned i = 0; i < 4; ++i) {
      if ((dr7 >> (2 * i) & 3U) != 0 && (dr7 >> (16 + 4 * i) & 1U) != 0) return true;
    }
    return false;
  }

  [[nodiscard]] bool protected_mode() const { return (cr0 & cr0::kPe) != 0; }
  [[nodiscard]] bool v86() const { return (system_flags & eflags::kVm) != 0; }
  [[nodiscard]] bool paging() const { return (cr0 & cr0::kPg) != 0; }
  // The current privilege level: DPL of SS, which is 3 in V86 mode and 0 in real mode.
  [[nodiscard]] unsigned cpl() const {
    if (!protected_mode()) return 0;
    return v86() ? 3U : segment(Seg::ss).dpl();
  }
  [[nodiscard]] unsigned iopl() const { return (system_flags & eflags::kIopl) >> eflags::kIoplShift; }
};

static_assert(std::is_standard_layout_v<CpuState>, "translated code addresses its fields by offset");

// State after reset (SDM vol. 3, 10.1.1): real mode at F000:FFF0 with CS base FFFF0000.
void reset(CpuState& state);

}  // namespace ringshift
