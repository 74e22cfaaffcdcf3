// What runs guest instructions: the interpreter or the translator, behind one interface.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/semantics/cpu.h"

namespace ringshift::engine {

enum class StopReason : std::uint8_t {
  budget,      // the instructions asked for have run
  service,     // kick() was called: timers, input or a stop request wait
  halted,      // HLT: nothing to do until an interrupt
  shutdown,    // triple fault
  breakpoint,  // in front of an instruction of set_breakpoints()
  watchpoint,  // behind an instruction that met one of Cpu::watchpoints, which Cpu::watch_met tells
};

struct RunOutcome {
  StopReason reason = StopReason::budget;
  std::uint64_t retired = 0;  // instructions completed in this run; 0 where the engine does not count
};

struct Counter {
  std::string name;
  std::uint64_t value = 0;
};
using Stats = std::vector<Counter>;

// Runs one virtual CPU, always on the same host thread. Delivers external interrupts by itself
// (Platform::interrupt_pending) whenever the guest accepts them.
class Engine {
 public:
  virtual ~Engine() = default;
  // Returns after about `max_instructions` (exactly, if the engine counts) or for another StopReason.
  virtual RunOutcome run(std::uint64_t max_instructions) = 0;
  // Any thread: makes run() return StopReason::service soon, or at once when next called.
  virtual void kick() = 0;

  // ---- for debuggers; between runs, on the thread that runs
  // Linear addresses of instructions, in any address space.
  virtual void set_breakpoints(std::vector<std::uint32_t> linear) = 0;
  // The next run does not stop at a breakpoint on the instruction that the CPU stands at now.
  virtual void pass_breakpoint() = 0;
  // Completes one instruction, or delivers one interrupt or exception and stands at its handler: StopReason::budget.
  // StopReason::halted: only an interrupt can go on from here.
  virtual RunOutcome step() = 0;

  [[nodiscard]] virtual Stats stats() const = 0;
};

struct TranslateOptions {
  bool verify = false;         // every fragment goes through the verifier before it runs
  bool count_retired = false;  // needed for RunOutcome::retired and statistics
  bool deterministic = false;  // no chaining: run() steps one fragment or one instruction, exactly counted
  unsigned max_block = 64;     // guest instructions of one block
  std::uint64_t cache_bytes = 64ULL << 20;
  bool protect_code = true;  // false, for tests: every fragment checks its own source
  // For tests: code is translated for any linear page wherever that can be done, and not only what is seen at several.
  bool anywhere_at_once = false;
  bool perf_map = false;  // names every fragment for perf(1) in /tmp/perf-PID.map
};

[[nodiscard]] std::unique_ptr<Engine> make_interpreter(Cpu& cpu);
// The Mmu must have windows. Null with one readable line in `error` if the host lacks something.
[[nodiscard]] std::unique_ptr<Engine> make_translator(Cpu& cpu, const TranslateOptions& options, std::string& error);

}  // namespace ringshift::engine
