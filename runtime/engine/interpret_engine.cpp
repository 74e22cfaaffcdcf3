// The interpreting engine: the reference semantics behind the engine interface.
#include <utility>

#include "runtime/engine/breakpoints.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/single_step.h"
#include "runtime/semantics/events.h"
#include "runtime/semantics/interpreter.h"

namespace ringshift::engine {
namespace {

class InterpretEngine final : public Engine {
 public:
  explicit InterpretEngine(Cpu& cpu) : cpu_(cpu), interpreter_(cpu) {}

  RunOutcome run(std::uint64_t max_instructions) override {
    CpuState& state = cpu_.state;
    const std::uint64_t start = retired_;
    const auto leave = [&](StopReason reason) { return RunOutcome{reason, retired_ - start}; };
    for (;;) {
      if (state.pending != 0) {
        if ((state.pending & kStopRequest) != 0) {
          __atomic_fetch_and(&state.pending, static_cast<std::uint8_t>(~kStopRequest), __ATOMIC_SEQ_CST);
          return leave(StopReason::service);
        }
        if (interruptible(state) && cpu_.platform.interrupt_pending()) {
          ++interrupts_;
          if (!deliver_interrupt(cpu_, cpu_.platform.interrupt_acknowledge())) return leave(StopReason::shutdown);
        }
      }
      if (state.halted != 0) return leave(StopReason::halted);
      const bool debugged = breakpoints_.any() || state.watched != 0;
      if (breakpoints_.stop_at(state)) return leave(StopReason::breakpoint);
      const RunResult result = interpreter_.run(debugged ? 1 : max_instructions - (retired_ - start));
      retired_ += result.retired;
      if (cpu_.watch_met) return leave(StopReason::watchpoint);
      switch (result.stop) {
        case Stop::budget:
          if (debugged) break;
          return leave(StopReason::budget);
        case Stop::shutdown:
          return leave(StopReason::shutdown);
        case Stop::pending:
        case Stop::halted:
          break;
      }
      if (retired_ - start >= max_instructions) return leave(StopReason::budget);
    }
  }

  void kick() override { __atomic_fetch_or(&cpu_.state.pending, kStopRequest, __ATOMIC_SEQ_CST); }

  void set_breakpoints(std::vector<std::uint32_t> linear) override { breakpoints_.set(std::move(linear)); }
  void pass_breakpoint() override { breakpoints_.pass(cpu_.state); }
  RunOutcome step() override {
    const RunOutcome outcome = single_step(cpu_, interpreter_);
    retired_ += outcome.retired;
    return outcome;
  }

  [[nodiscard]] Stats stats() const override {
    const mmu::MmuStats& m = cpu_.mmu.stats();
    return {{"instructions retired", retired_},
            {"interrupts", interrupts_},
            {"guest page faults", m.page_faults},
            {"TLB misses", m.tlb_misses}};
  }

 private:
  Cpu& cpu_;
  Interpreter interpreter_;
  Breakpoints breakpoints_;
  std::uint64_t retired_ = 0;
  std::uint64_t interrupts_ = 0;
};

}  // namespace

std::unique_ptr<Engine> make_interpreter(Cpu& cpu) { return std::make_unique<InterpretEngine>(cpu); }

}  // namespace ringshift::engine
