// What the emitters of one fragment share.
#pragma once

#include <asmjit/x86.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/state/cpu_state.h"
#include "translator/emit/encoding.h"
#include "translator/translate.h"

namespace ringshift::translator::emit {

// A rel32 whose destination is written out of line, after the main path.
struct Deferred {
  enum class Kind : std::uint8_t {
    direct_stub,            // leave through exit_direct for `exit`
    counted_branch,         // count, then a direct exit to `target`
    saved_flags_interpret,  // restore flags from r10, then leave through exit_interpret
    stale,                  // restore ecx from r10, then leave through exit_direct for `exit`
    shadowed_exit,          // sti: leave through exit_interrupt to `target`, with the interrupt shadow set
  };
  Kind kind = Kind::direct_stub;
  std::uint32_t patch_offset = 0;
  std::uint32_t target = 0;
  std::uint32_t exit = 0;  // index in Fragment::exits
  Point point;             // of the branch; its host_offset is set when the stub is placed
};

struct Patch {
  std::uint32_t offset = 0;  // of a rel32
  std::uint32_t destination = 0;
};

struct Context {
  const Request& request;
  asmjit::x86::Assembler& a;
  Fragment& fragment;
  std::vector<Deferred> deferred{};
  std::vector<Patch> patches{};
  std::vector<Patch> short_patches{};  // of a rel8
  // The instruction being emitted, and those of the block completed since the last counted exit.
  std::uint16_t guest_offset = 0;
  std::uint16_t index = 0;
  std::int32_t esp_delta = 0;  // guest esp is r12d plus this
  bool shadow = false;         // the previous instruction was sti
  bool last = false;           // no instruction of the block follows

  [[nodiscard]] std::uint32_t offset() const { return static_cast<std::uint32_t>(a.offset()); }
  // Addresses of code, as here and in what follows from it, are relative to that of the page if the code is movable:
  // the host code gets at them by load_linear() (exits.h) alone.
  [[nodiscard]] std::uint32_t eip() const { return request.eip + guest_offset; }
  [[nodiscard]] bool movable() const { return request.place.has_value(); }
  // The offset in the code segment of a linear address, and the other way round.
  [[nodiscard]] std::uint32_t in_code(std::uint32_t linear) const { return linear - request.mode.cs_base; }
  [[nodiscard]] std::uint32_t linear(std::uint32_t in_code) const { return in_code + request.mode.cs_base; }
  // Of a relative branch at eip().
  [[nodiscard]] std::uint32_t target(const isa::Insn& insn) const { return linear(insn.target(in_code(eip()))); }
  void put(const Bytes& bytes) { a.embed(bytes.data(), bytes.size()); }
};

// An instruction boundary is here: all guest state is exact.
void mark_boundary(Context& c);
// From here on the state of the current instruction is completed by `fixup`.
void mark_fixup(Context& c, Fixup fixup);

// A field of CpuState.
[[nodiscard]] inline asmjit::x86::Mem state(std::size_t offset, unsigned size) {
  return asmjit::x86::ptr(asmjit::x86::r15, static_cast<std::int32_t>(offset), size);
}

// A field of a segment register.
[[nodiscard]] inline asmjit::x86::Mem segment_field(Seg segment, std::size_t field, unsigned size) {
  return state(offsetof(CpuState, seg) + static_cast<std::size_t>(segment) * sizeof(SegmentRegister) + field, size);
}

}  // namespace ringshift::translator::emit
