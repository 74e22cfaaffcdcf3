// Brief callouts: executed by the runtime and continued in translated code without the dispatcher. For ring crossings
// and segment loads, x87 and SSE state stay in the host's registers; around the others they are saved.
//
// This file and all that it calls is compiled for general registers only, which scripts/style/general_registers
// checks. What would need more (a software TLB miss, a device, a task switch) refuses while the
// MMU is frozen, having changed nothing, and the instruction is then an ordinary callout.
#include <immintrin.h>

#include <utility>

#include "runtime/engine/translate_engine.h"
#include "runtime/semantics/events.h"
#include "runtime/semantics/fp_state.h"
#include "runtime/semantics/handlers.h"

namespace ringshift::engine {
namespace {

Flow execute(Cpu& cpu, const isa::Insn& insn) {
  switch (insn.op) {
    case isa::Op::int_n:
      return execute_int_n(cpu, insn);
    case isa::Op::iret:
      return execute_iret(cpu, insn);
    case isa::Op::sysenter:
      return execute_sysenter(cpu, insn);
    case isa::Op::sysexit:
      return execute_sysexit(cpu, insn);
    case isa::Op::mov_to_seg:
      return execute_mov_to_seg(cpu, insn);
    case isa::Op::pop_seg:
      return execute_pop_seg(cpu, insn);
    case isa::Op::lds:
      return execute_lds(cpu, insn);
    case isa::Op::les:
      return execute_les(cpu, insn);
    case isa::Op::lss:
      return execute_lss(cpu, insn);
    case isa::Op::lfs:
      return execute_lfs(cpu, insn);
    case isa::Op::lgs:
      return execute_lgs(cpu, insn);
    case isa::Op::jmp_far:
      return execute_jmp_far(cpu, insn);
    case isa::Op::jmp_far_indirect:
      return execute_jmp_far_indirect(cpu, insn);
    case isa::Op::call_far:
      return execute_call_far(cpu, insn);
    case isa::Op::call_far_indirect:
      return execute_call_far_indirect(cpu, insn);
    case isa::Op::ret_far:
      return execute_ret_far(cpu, insn);
    default:
      return Flow::fault;
  }
}

// Those whose handlers are compiled for all registers.
bool wants_registers_saved(isa::Op op) {
  switch (op) {
    case isa::Op::cpuid:
    case isa::Op::fxrstor:
    case isa::Op::fxsave:
    case isa::Op::invlpg:
    case isa::Op::mov_to_cr:
      return true;
    default:
      return false;
  }
}

}  // namespace

// The stub has left a linear address in `eip`, and wants one back.
std::uint32_t TranslateEngine::brief_callout(CpuState* state, std::uint32_t number) {
  state->eip -= state->segment(Seg::cs).base;
  const abi::Exit exit = state->host.engine->run_brief(number);
  state->eip += state->segment(Seg::cs).base;
  return static_cast<std::uint32_t>(exit);
}

// Exit::none: translated code goes on at the new eip.
abi::Exit TranslateEngine::run_brief(std::uint32_t number) {
  CpuState& state = cpu_.state;
  const isa::Insn& insn = fragments_->brief(number);
  state.native_flags &= eflags::kNative;
  if (wants_registers_saved(insn.op)) {
    asm volatile("fxsave64 %0; fninit; ldmxcsr %1" : "=m"(state.fx) : "m"(fp::kMxcsrDefault) : "memory");
    const abi::Exit exit = run_saved(insn);
    asm volatile("fxrstor64 %0" : : "m"(state.fx) : "memory");
    return exit;
  }
  cpu_.mmu.freeze(true);
  const Flow flow = execute(cpu_, insn);
  cpu_.mmu.freeze(false);
  if (flow == Flow::fault) return abi::Exit::interpret;
  if (flow == Flow::next) state.eip += insn.length;
  ++interpreted_retired_;
  ++stats_.brief;
  if (!goes_on_translated() || !follow_mode()) return abi::Exit::interrupt;
  return abi::Exit::none;
}

// Like select_mode, where that has nothing to make. False: the dispatcher must.
bool TranslateEngine::follow_mode() {
  CpuState& state = cpu_.state;
  const std::uint32_t mode = modes_.find(translator::mode_key(state));
  if (mode == mode_) return true;  // so is the view
  mmu::ActiveWindow window;
  if (mode == 0 || !windows_.reactivate(view_for(state), window)) return false;
  JumpDirectory* directory = tables_.find(window.id, mode);
  if (directory == nullptr) return false;
  HostContext& host = state.host;
  if (window.id != window_) _writegsbase_u64(reinterpret_cast<std::uint64_t>(window.base));
  const std::uint32_t old_mode = std::exchange(mode_, mode);
  const std::uint32_t old_window = std::exchange(window_, window.id);
  change_ring(old_mode, old_window);
  directory_ = directory;
  host.jump_directory = directory->address();
  host.window_base = reinterpret_cast<std::uint64_t>(window.base);
  return true;
}

// Return sites belong to a mode and a window: after a change of these, what is on the ring must not be returned to,
// until execution is back where it was pushed.
void TranslateEngine::change_ring(std::uint32_t old_mode, std::uint32_t old_window) {
  HostContext& host = cpu_.state.host;
  if (suspended_ring_ != 0 && suspended_mode_ == mode_ && suspended_window_ == window_) {
    host.return_ring = suspended_ring_;
    suspended_ring_ = 0;
    return;
  }
  suspended_ring_ = host.return_ring;
  suspended_mode_ = old_mode;
  suspended_window_ = old_window;
  host.return_ring = ring_->push(host.return_ring, stubs_.return_miss);
  if (host.return_ring == 0) host.return_ring = empty_ring();
}

}  // namespace ringshift::engine
