// Guest instructions that the host CPU executes itself.
//
// x87, MMX, SSE and a few integer extensions mean the same in 64-bit mode. Such an instruction is copied
// to a small executable stub, once for each encoding, and run there with the guest's floating-point state,
// general registers and status flags loaded. A memory operand becomes [r8], which points to a buffer of
// ours; guest ESP, which the host cannot lend, is r12d.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "runtime/state/cpu_state.h"
#include "translator/isa/insn.h"

namespace ringshift {

// The operands of one run. The entry code in host_thunk.cpp knows the offsets.
struct ThunkContext {
  std::array<std::uint32_t, kGprCount> gpr{};
  std::uint64_t flags = 0;  // native flags, in and out
  void* memory = nullptr;   // r8: the memory operand
  // 512 bytes in FXSAVE64 format, 16-byte aligned, in and out; null if the instruction uses none of it.
  std::uint8_t* fx = nullptr;
  const void* body = nullptr;         // the stub
  std::uint64_t scratch = 0;          // r9: a byte register operand that has no name beside a REX prefix
  std::uint32_t host_mxcsr = 0x1F80;  // loaded when done, with the x87 initialised
};

// An instruction in its 64-bit form.
struct HostEncoding {
  std::array<std::uint8_t, 16> bytes{};
  std::uint8_t size = 0;
  std::uint8_t scratch_source = isa::kNoRegister;  // byte register (AL..BH) to be passed in ThunkContext::scratch
  bool operator==(const HostEncoding&) const = default;
};

// The 64-bit form of a guest instruction, or nothing if there is none (VEX and other unknown forms).
[[nodiscard]] std::optional<HostEncoding> host_encoding(const isa::Insn& insn);

// Stubs by encoding, in executable memory that is never writable through the same mapping.
class HostThunks {
 public:
  HostThunks();
  ~HostThunks();
  HostThunks(const HostThunks&) = delete;
  HostThunks& operator=(const HostThunks&) = delete;

  // Runs `code` with the operands of `context`; `context.body` is set here. False if there is no executable
  // memory to be had from the host.
  [[nodiscard]] bool run(const HostEncoding& code, ThunkContext& context);

  [[nodiscard]] std::size_t size() const { return stubs_.size(); }

  bool reported_ferr = false;  // Platform::report is called once a cause
  bool reported_unknown = false;

 private:
  struct Hash {
    std::size_t operator()(const std::array<std::uint8_t, 16>& bytes) const;
  };
  const void* stub(const HostEncoding& code);

  std::uint8_t* write_alias_ = nullptr;
  std::uint8_t* exec_alias_ = nullptr;
  std::size_t used_ = 0;
  std::unordered_map<std::array<std::uint8_t, 16>, const void*, Hash> stubs_;
};

}  // namespace ringshift
