// Control and debug registers: what several files need of them.
#pragma once

#include <array>
#include <cstdint>

#include "runtime/semantics/cpu.h"

namespace ringshift {

// Reads the four PDPTEs that `cr3` points to. False if a present one has reserved bits set (SDM vol. 3,
// 4.4.1); nothing is raised.
[[nodiscard]] bool read_pdptes(Cpu& cpu, std::uint32_t cr3, std::array<std::uint64_t, 4>& pdpte);

// Commits a CR3 load: every non-global translation is seen afresh. `pdpte` counts with PAE paging only.
void load_cr3(Cpu& cpu, std::uint32_t cr3, const std::array<std::uint64_t, 4>& pdpte);

// The R/W field of DR7 (SDM vol. 3, 17.2.4).
enum class BreakpointKind : std::uint8_t {
  execute = 0,
  write = 1,
  io = 2,
  access = 3
};

// The B0 to B3 bits of DR6 for an event of `size` bytes at `address` (a linear address, or a port).
[[nodiscard]] std::uint32_t breakpoint_hits(const CpuState& state, std::uint32_t address, std::uint32_t size,
                                            BreakpointKind kind);

// An access to data while CpuState::watches_data(): collects what it hits in Cpu::watch_hits.
void note_data_access(Cpu& cpu, std::uint32_t linear, std::uint32_t size, bool write);

// Tells the platform of something unsupported, once for each `key`.
void report_once(Cpu& cpu, std::uint32_t key, const char* message);

// True if the CPU model has the feature (bits of CPUID leaf 1).
[[nodiscard]] bool has_feature_edx(CpuModel model, std::uint32_t bit);
namespace feature {
inline constexpr std::uint32_t kFpu = 1U << 0, kDe = 1U << 2, kPse = 1U << 3, kTsc = 1U << 4, kMsr = 1U << 5,
                               kPae = 1U << 6, kCx8 = 1U << 8, kApic = 1U << 9, kSep = 1U << 11, kPge = 1U << 13,
                               kCmov = 1U << 15, kPat = 1U << 16, kPse36 = 1U << 17, kClfsh = 1U << 19, kMmx = 1U << 23,
                               kFxsr = 1U << 24, kSse = 1U << 25, kSse2 = 1U << 26;
}  // namespace feature
[[nodiscard]] bool has_no_execute(CpuModel model);
// Family, model and stepping: EAX of leaf 1, and EDX after reset.
[[nodiscard]] std::uint32_t cpu_signature(CpuModel model);

}  // namespace ringshift
