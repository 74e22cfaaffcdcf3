// The dispatcher. Its whole life: is anything pending; which mode and window; find or build the fragment
// for eip; run it; act on how it was left.
#include "runtime/engine/translate_engine.h"

#include <fmt/format.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "runtime/engine/single_step.h"
#include "runtime/semantics/events.h"
#include "runtime/semantics/fp_state.h"
#include "translator/decode/decoder.h"
#include "translator/isa/row.h"

namespace ringshift::engine {
namespace {

// Modes that are not translated run this many instructions between looks at the mode.
constexpr std::uint64_t kInterpretedBurst = 32;

// In the order of abi::Exit.
constexpr std::array<std::string_view, abi::kExitCount> kExitNames{
    "none", "direct", "miss", "interpret", "interrupt", "memory fault", "floating-point fault", "kicked"};

class CycleTimer {
 public:
  explicit CycleTimer(std::uint64_t& total) : total_(total), start_(__rdtsc()) {}
  ~CycleTimer() { total_ += __rdtsc() - start_; }
  CycleTimer(const CycleTimer&) = delete;
  CycleTimer& operator=(const CycleTimer&) = delete;

 private:
  std::uint64_t& total_;
  std::uint64_t start_;
};

}  // namespace

std::unique_ptr<Engine> make_translator(Cpu& cpu, const TranslateOptions& options, std::string& error) {
  return TranslateEngine::create(cpu, options, error);
}

TranslateEngine::TranslateEngine(Cpu& cpu, const TranslateOptions& options)
    : cpu_(cpu), options_(options), windows_(*cpu.mmu.windows()), interpreter_(cpu) {}

std::unique_ptr<TranslateEngine> TranslateEngine::create(Cpu& cpu, const TranslateOptions& options,
                                                         std::string& error) {
  if (cpu.mmu.windows() == nullptr) {
    error = "the translator needs windows";
    return nullptr;
  }
  if (__builtin_cpu_supports("bmi2") == 0 || __builtin_cpu_supports("avx2") == 0) {
    error = "the host CPU lacks BMI2 or AVX2";
    return nullptr;
  }
  std::unique_ptr<TranslateEngine> engine(new TranslateEngine(cpu, options));
  if (!engine->initialise(error)) return nullptr;
  return engine;
}

bool TranslateEngine::initialise(std::string& error) {
  cache_ = CodeCache::create(options_.cache_bytes, error);
  if (!cache_) return false;
  ring_ = ReturnRing::create(error);
  if (!ring_) return false;
  limits_ = LimitSpace::create(error);
  if (!limits_) return false;
  if (!emit_stubs(*cache_, &brief_callout, stubs_, error)) return false;
  if (options_.perf_map) {
    perf_map_ = PerfMap::create(error);
    if (!perf_map_) return false;
    perf_map_->add(cache_->base(), stubs_.end, "ringshift stubs");
  }
  cpu_.state.host.engine = this;
  cpu_.state.host.limit_space = limits_->end();
  cpu_.state.refresh_pointers();
  fragments_ = std::make_unique<FragmentTable>(*cache_);
  cpu_.mmu.code().add_listener(*this);
  windows_.set_observer(this);
  return true;
}

TranslateEngine::~TranslateEngine() {
  windows_.set_observer(nullptr);
  cpu_.state.host.limit_space = 0;
  cpu_.mmu.code().remove_listener(*this);
}

RunOutcome TranslateEngine::step() {
  const RunOutcome outcome = single_step(cpu_, interpreter_);
  has_last_site_ = false;
  interpreted_retired_ += outcome.retired;
  return outcome;
}

void TranslateEngine::kick() {
  __atomic_fetch_or(&cpu_.state.pending, kStopRequest, __ATOMIC_SEQ_CST);
  if (running_) pthread_kill(thread_, kick_signal());
}

RunOutcome TranslateEngine::run(std::uint64_t max_instructions) {
  CpuState& state = cpu_.state;
  const CycleTimer timer(stats_.run_cycles);
  const GuestThread thread(*this);
  thread_ = pthread_self();
  running_ = true;
  directory_ = nullptr;  // another engine of this thread may have moved the GS base
  const std::uint64_t start = retired();
  const auto leave = [&](StopReason reason) {
    running_ = false;
    return RunOutcome{reason, retired() - start};
  };
  for (;;) {
    if (state.pending != 0) {
      if ((state.pending & kStopRequest) != 0) {
        __atomic_fetch_and(&state.pending, static_cast<std::uint8_t>(~kStopRequest), __ATOMIC_SEQ_CST);
        return leave(StopReason::service);
      }
      if (interruptible(state) && !deliver_pending_interrupt()) return leave(StopReason::shutdown);
    }
    if (state.halted != 0) return leave(StopReason::halted);
    if (breakpoints_.stop_at(state)) return leave(StopReason::breakpoint);
    if (dispatch() == Step::shutdown) return leave(StopReason::shutdown);
    if (cpu_.watch_met) [[unlikely]]
      return leave(StopReason::watchpoint);
    if (options_.deterministic && (max_instructions == 1 || retired() - start >= max_instructions)) {
      return leave(StopReason::budget);
    }
  }
}

// False: the delivery ended in a triple fault.
bool TranslateEngine::deliver_pending_interrupt() {
  if (!cpu_.platform.interrupt_pending()) return true;
  ++stats_.interrupts;
  has_last_site_ = false;
  if (written_.any_checked()) expire_checked_pages();
  return deliver_interrupt(cpu_, cpu_.platform.interrupt_acknowledge());
}

// Follows the guest into its current mode and address space: cheap if nothing changed.
void TranslateEngine::select_mode() {
  const CpuState& state = cpu_.state;
  const translator::ModeKey key = translator::mode_key(state);
  if (modes_.full() && modes_.find(key) == 0) forget_modes();
  const std::uint32_t mode = modes_.add(key);
  windows_.activate(cpu_.mmu.paging(), view_for(state));
  const std::uint32_t window = windows_.current_id();
  if (directory_ != nullptr && mode == mode_ && window == window_) return;
  has_last_site_ = false;
  mode_ = mode;
  window_ = window;
  directory_ = &tables_.get(window, mode);
  HostContext& host = cpu_.state.host;
  host.jump_directory = directory_->address();
  host.code_base = cache_->base();
  host.window_base = reinterpret_cast<std::uint64_t>(windows_.base());
  _writegsbase_u64(host.window_base);
}

TranslateEngine::Step TranslateEngine::dispatch() {
  CpuState& state = cpu_.state;
  if (state.interrupt_shadow != 0) return interpret(1);                  // it ends with the next instruction
  if (debugged_by_steps(state) || at_breakpoint()) return interpret(1);  // one that is passed
  if (!translator::translatable(state)) return interpret(options_.deterministic ? 1 : kInterpretedBurst);
  if ((state.system_flags & eflags::kRf) != 0) {
    // Exactly, RF ends with the next instruction. Without a breakpoint (translatable() sees to that) it can only be
    // seen in the image of an interrupt before that, and each return from a page fault sets it.
    if (options_.deterministic) return interpret(1);
    state.system_flags &= ~eflags::kRf;
  }
  select_mode();
  const std::uint32_t eip = linear_eip();
  const std::uint32_t offset = directory_->get(eip);
  FragmentId id = kNoFragment;
  if (offset != 0) {
    id = cache_->read32(offset - kHeaderBytes);
  } else {
    ++stats_.misses;
    id = fragment_at(eip);
    if (id == kNoFragment) return interpret(1);
  }
  Record& record = (*fragments_)[id];
  if (record.interpret_only) return interpret(1);
  if (has_last_site_) {
    has_last_site_ = false;
    const Site& site = fragments_->site(last_site_);
    const Record& from = (*fragments_)[site.from];
    if (!options_.deterministic && from.live && base_of(from) + site.target == eip) link(last_site_, id);
  }
  return enter(id);
}

void TranslateEngine::link(std::uint32_t site, FragmentId to) {
  const Site& s = fragments_->site(site);
  const bool one_page = s.same_page && (*fragments_)[s.from].page() == (*fragments_)[to].page();
  if ((*fragments_)[to].second_page == 0 && (one_page || may_link(s, to))) {
    fragments_->link(site, to);
    ++stats_.links;
  } else if (fragments_->link_to_lookup(site, stubs_.lookup_code)) {
    ++stats_.links;
  }
}

TranslateEngine::Step TranslateEngine::enter(FragmentId id) {
  CpuState& state = cpu_.state;
  HostContext& host = state.host;
  host.return_ring = empty_ring();
  host.exit_reason = static_cast<std::uint32_t>(abi::Exit::none);
  state.native_flags &= eflags::kNative;
  page_fault_.reset();
  ++stats_.entries;
  const std::uint64_t before = host.retired;
  stubs_.enter(&state, cache_->base() + (*fragments_)[id].host_offset);
  fp_scrub_pointers(state);
  remove_stop();  // code is patched only as it was written
  // As the exits leave it; without one, nothing has run.
  if (host.exit_reason != static_cast<std::uint32_t>(abi::Exit::none)) set_linear_eip(state.eip);
  ++stats_.exits[host.exit_reason];
  switch (static_cast<abi::Exit>(host.exit_reason)) {
    case abi::Exit::direct: {
      const std::uint32_t number = fragments_->site_before(static_cast<std::uint32_t>(host.exit_from - cache_->base()));
      const Site& site = fragments_->site(number);
      set_linear_eip(base_of((*fragments_)[site.from]) + site.target);
      if (site.stale) {
        on_stale(site.from);
        return options_.deterministic ? interpret(1) : Step::ran;  // there, a step makes progress
      }
      if (at_breakpoint()) return Step::ran;
      if (site.traps) return options_.deterministic && host.retired != before ? Step::ran : run_trap_site(site);
      last_site_ = number;
      has_last_site_ = true;
      break;
    }
    case abi::Exit::interpret:
      if (at_breakpoint()) return Step::ran;
      return options_.deterministic && host.retired != before ? Step::ran : interpret(1);
    case abi::Exit::memory_fault:
      if (trap_sites_.note_fault(faulted_)) {
        ++stats_.trap_sites;
        invalidate(faulted_, 1);
      }
      if (options_.deterministic && host.retired != before) return Step::ran;
      return page_fault_ ? raise_page_fault() : interpret_faulted();
    case abi::Exit::fp_fault:
      return options_.deterministic && host.retired != before ? Step::ran : interpret(1);
    case abi::Exit::none:
    case abi::Exit::miss:
    case abi::Exit::interrupt:
    case abi::Exit::kicked:
      break;
  }
  return Step::ran;
}

TranslateEngine::Step TranslateEngine::interpret(std::uint64_t instructions) {
  const CycleTimer timer(stats_.interpret_cycles);
  return after_interpreting(interpreter_.run(instructions), instructions);
}

TranslateEngine::Step TranslateEngine::after_interpreting(const RunResult& result, std::uint64_t instructions) {
  has_last_site_ = false;
  if (instructions == 1) ++stats_.callouts[static_cast<std::size_t>(result.last)];
  interpreted_retired_ += result.retired;
  stats_.interpreted += result.retired;
  return result.stop == Stop::shutdown ? Step::shutdown : Step::ran;
}

// Completes the instruction at which a host fault has left translated code. A repeated string instruction in an
// unprotected page may have overwritten itself: it goes on as it was fetched.
TranslateEngine::Step TranslateEngine::interpret_faulted() {
  if (repeating_in_ == kNoFragment) return interpret(1);
  const Record& record = (*fragments_)[repeating_in_];
  const auto source = std::span(record.source).subspan(linear_eip() - record.eip);
  const CycleTimer timer(stats_.interpret_cycles);
  return after_interpreting(interpreter_.run_fetched(decode::decode(source, code_size()).insn), 1);
}

TranslateEngine::Step TranslateEngine::raise_page_fault() {
  const GuestFault fault = *page_fault_;
  page_fault_.reset();
  has_last_site_ = false;
  cpu_.mmu.note_page_fault(fault.cr2, mmu::Access::read, cpu_.state.cpl() == 3);
  return deliver_fault(cpu_, fault) ? Step::ran : Step::shutdown;
}

Stats TranslateEngine::stats() const {
  const mmu::WindowStats& w = windows_.stats();
  const mmu::MmuStats& m = cpu_.mmu.stats();
  Stats stats{
      {"instructions retired", retired()},
      {"instructions retired by callouts", stats_.interpreted},
      {"brief callouts", stats_.brief},
      {"fragments", stats_.fragments},
      {"guest instructions translated", stats_.guest_instructions},
      {"guest bytes translated", stats_.guest_bytes},
      {"host bytes emitted", stats_.host_bytes},
      {"chains", stats_.links},
      {"entries into translated code", stats_.entries},
      {"lookup misses", stats_.misses},
      {"host faults in translated code", stats_.memory_faults},
      {"host faults answered by a fill", stats_.fault_fills},
      {"shadow fills", w.fills},
      {"shadow pages mapped", w.pages_mapped},
      {"shadow pages dropped", w.drops},
      {"window prefills", w.prefills},
      {"window revalidations", w.revalidations},
      {"window wipes", w.wipes},
      {"window evictions", w.evictions},
      {"guest page faults", m.page_faults},
      {"interrupts", stats_.interrupts},
      {"kicks", stats_.kicks},
      {"host steps after kicks", stats_.kick_steps},
      {"writes to code pages", stats_.code_writes},
      {"fragments invalidated", stats_.invalidated},
      {"code pages checked instead of protected", stats_.checked_pages},
      {"fragments found changed", stats_.stale},
      {"instructions left to the runtime because they fault", stats_.trap_sites},
      {"pages of code that may stand anywhere", stats_.movable_pages},
      {"return ring overflows", stats_.ring_overflows},
      {"translation cache flushes", stats_.flushes},
      {"fragments refused by the verifier", stats_.rejected},
      {"megacycles running", stats_.run_cycles / 1'000'000},
      {"megacycles translating", stats_.translate_cycles / 1'000'000},
      {"megacycles in callouts", stats_.interpret_cycles / 1'000'000},
  };
  for (std::size_t i = 0; i < kExitNames.size(); ++i) {
    stats.push_back({fmt::format("exits: {}", kExitNames[i]), stats_.exits[i]});
  }
  for (std::size_t i = 0; i < stats_.callouts.size(); ++i) {
    if (stats_.callouts[i] == 0) continue;
    stats.push_back({fmt::format("callouts: {}", isa::row(static_cast<isa::Op>(i)).name), stats_.callouts[i]});
  }
  return stats;
}

}  // namespace ringshift::engine
