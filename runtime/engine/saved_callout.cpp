// Brief callouts that run with x87 and SSE state saved: what context switches are made of.
#include "runtime/engine/translate_engine.h"
#include "runtime/semantics/fp_state.h"
#include "runtime/semantics/handlers.h"

namespace ringshift::engine {

// CpuState::fx holds the guest's state, and is loaded afterwards.
abi::Exit TranslateEngine::run_saved(const isa::Insn& insn) {
  CpuState& state = cpu_.state;
  fp_scrub_pointers(state);
  forgotten_ = false;
  if (handler(insn.op)(cpu_, insn) != Flow::next) return abi::Exit::interpret;  // the fault is found again there
  state.eip += insn.length;
  ++interpreted_retired_;
  ++stats_.brief;
  if (!goes_on_translated() || modes_.full()) return abi::Exit::interrupt;
  // The process that a kernel switches to runs soon, and its IRET is brief if its window is ready.
  const bool switches = insn.op == isa::Op::mov_to_cr && insn.reg == 3 && state.cpl() == 0;
  if (switches) windows_.activate(cpu_.mmu.paging(), mmu::View::user);
  const std::uint32_t old_mode = mode_;
  const std::uint32_t old_window = window_;
  select_mode();
  if (mode_ != old_mode || window_ != old_window) change_ring(old_mode, old_window);
  if (forgotten_) state.host.return_ring = empty_ring();
  return abi::Exit::none;
}

}  // namespace ringshift::engine
