// The runtime's own host code: how translated code is entered and left (translator/abi.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/engine/code_cache.h"
#include "runtime/state/cpu_state.h"
#include "translator/abi.h"

namespace ringshift::engine {

// Executes the brief callout `number` with general registers only; returns an abi::Exit.
using BriefCallout = std::uint32_t(CpuState* state, std::uint32_t number);

struct Stubs {
  // Runs translated code at `host` until it exits; the state is then complete.
  void (*enter)(CpuState* state, std::uint64_t host) = nullptr;
  abi::StubTable table;
  std::uint64_t return_miss = 0;          // what the return ring ends with
  std::uint64_t exit_captured = 0;        // a signal handler stored the registers: save x87/SSE state and leave
  std::uint32_t end = 0;                  // offset behind the last stub
  std::vector<std::uint8_t> lookup_code;  // of the lookup; it may stand anywhere
};

// Emits the stubs at the start of the cache. Offset 0 is the miss stub.
[[nodiscard]] bool emit_stubs(CodeCache& cache, BriefCallout* brief, Stubs& stubs, std::string& error);

}  // namespace ringshift::engine
