// The interpreter: complete by itself, and the reference for translated code.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/semantics/cpu.h"
#include "translator/isa/insn.h"

namespace ringshift {

enum class Stop : std::uint8_t {
  budget,    // ran as many instructions as allowed
  pending,   // CpuState::pending is set and an interrupt could be taken now: the caller decides
  halted,    // HLT
  shutdown,  // triple fault
};

struct RunResult {
  Stop stop = Stop::budget;
  std::uint64_t retired = 0;  // instructions completed (a rep string instruction counts once; a fault does not count)
  isa::Op last = isa::Op::invalid;  // what was executed last, if anything

  [[nodiscard]] RunResult with(Stop why) const { return {why, retired, last}; }
};

// Decodes with a cache of decoded instructions (kept coherent through CodePages), executes, delivers
// exceptions. Honours TF, RF, debug registers and the interrupt shadow.
class Interpreter {
 public:
  explicit Interpreter(Cpu& cpu);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Runs up to `max_instructions` (1: a single step). Each instruction that faults also ends as one step.
  RunResult run(std::uint64_t max_instructions);
  // The same as run(1), with an instruction that has been fetched from eip already: what is there now may be another.
  RunResult run_fetched(const isa::Insn& insn);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringshift
