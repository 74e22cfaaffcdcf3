// An independent check of translated code: that whatever a fragment computes, it stays confined.
//
// The verifier knows nothing of the translator's intentions. It decodes the host code afresh, with
// another decoder (Capstone), and accepts only what provably keeps these promises:
//
//   memory    every access is gs: with 32-bit addresses (the window), or a fixed place in CpuState, or
//             the lookup of a guest address or the place of a page (abi.h), or a segment base through
//             CpuState::base_pointer, or a byte of the limit space at a 32-bit offset from
//             CpuState::limit_pointer or HostContext::limit_space, or a string instruction on pointers just
//             rebased to the window. CpuState is written only in the fields that translated code owns, the
//             directory and the places never.
//   registers r13, r14, r15 and rsp are never written; the guest's registers and r12 keep their upper
//             halves zero (rsi and rdi except around a string instruction); RFLAGS takes TF, AC and NT
//             from nowhere.
//   control   a branch goes to an instruction that the sweep saw, to a registered stub, to the entry of a
//             fragment, or to what a lookup has found; the return ring only ever receives call return
//             addresses that are registered return sites; the code does not run off its end. What will be
//             patched is the displacement of such a branch and nothing else.
//   the rest  instructions outside a list are refused: no system calls, privileged or far instructions,
//             no writes of segment registers or their bases, no transactional or extended-state ones.
//
// It is assumed, and is the runtime's part: at entry the invariants above hold, base_pointer entries are 0
// or the address of a readable double word, limit_pointer entries lie within the 4 GiB below HostContext::limit_space,
// behind which are 4 GiB of guard, the jump directory is as abi.h says, with all places readable, and entries are
// offsets of fragments, the window has a guard area on both sides, and the return ring ends in a stub.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "translator/abi.h"

namespace ringshift::verify {

// A displacement that the runtime will redirect to the entry of a fragment, and back to its own stub.
struct PatchSite {
  std::uint32_t offset = 0;  // of the 4 bytes
  std::uint32_t stub = 0;    // offset that the branch leads to now
};

struct VerifyRequest {
  std::span<const std::uint8_t> code;
  std::uint64_t host_address = 0;               // where code[0] runs; also the fragment's only entry
  std::span<const std::uint32_t> return_sites;  // offsets in code, any order
  std::span<const PatchSite> patches;           // any order
  abi::StubTable stubs;
  // Real or V86 mode: selectors and bases of es, ss, ds, fs and gs may be written. A base does not lead out of the
  // window.
  bool paragraphs = false;
  // Whether an absolute host address outside `code` is the entry of a live fragment; may be empty.
  std::function<bool(std::uint64_t)> is_entry;
};

struct Violation {
  std::uint32_t offset = 0;  // of the offending instruction in the code
  std::string reason;        // one line, with the instruction's text where it could be decoded
};

// Keeps the decoder and what it learned of instruction encodings, so that many fragments are cheap. Not
// thread-safe; one for each thread that verifies.
class Verifier {
 public:
  Verifier();
  ~Verifier();
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  // Nothing if the code keeps the promises, else the first violation found.
  [[nodiscard]] std::optional<Violation> verify(const VerifyRequest& request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The same with a fresh Verifier: for one-off checks.
[[nodiscard]] std::optional<Violation> verify(const VerifyRequest& request);

}  // namespace ringshift::verify
