// Running host instructions on the state of a Cpu.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "runtime/semantics/cpu.h"
#include "runtime/semantics/fp_state.h"
#include "runtime/semantics/host_thunk.h"

namespace ringshift::fp {

[[nodiscard]] inline HostThunks& thunks_of(Cpu& cpu) {
  if (!cpu.thunks) cpu.thunks = std::make_shared<HostThunks>();
  return *cpu.thunks;
}

// The host's copy of a memory operand. The largest is FNSAVE's image.
struct alignas(64) Bounce {
  std::array<std::uint8_t, 512> bytes{};
};

struct alignas(64) FxImage {
  std::array<std::uint8_t, 512> bytes{};
};

// The registers of `cpu`, ready to run on the floating-point area `fx`.
[[nodiscard]] inline ThunkContext context_of(const Cpu& cpu, std::uint8_t* fx, void* memory) {
  ThunkContext context;
  context.gpr = cpu.state.gpr;
  context.flags = cpu.state.native_flags & eflags::kNative;
  context.memory = memory;
  context.fx = fx;
  return context;
}

// Runs instruction bytes of ours (memory operand, if any: [r8]) on the guest's floating-point state alone.
[[nodiscard]] inline bool run_on_fp_state(Cpu& cpu, std::initializer_list<std::uint8_t> code, void* memory) {
  HostEncoding encoding;
  for (const std::uint8_t byte : code) encoding.bytes[encoding.size++] = byte;
  ThunkContext context = context_of(cpu, cpu.state.fx.data(), memory);
  if (!thunks_of(cpu).run(encoding, context)) return false;
  scrub_pointers(cpu.state);
  return true;
}

// What a thunk that cannot run becomes: a line in the log, and #UD.
[[nodiscard]] Flow unavailable(Cpu& cpu, const char* message);

}  // namespace ringshift::fp
