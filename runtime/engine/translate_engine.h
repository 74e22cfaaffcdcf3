// The translating engine: dispatcher, fragment builder and fault handling around one translation cache.
#pragma once

#include <pthread.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/engine/breakpoints.h"
#include "runtime/engine/code_cache.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/fragments.h"
#include "runtime/engine/guest_thread.h"
#include "runtime/engine/jump_table.h"
#include "runtime/engine/limit_space.h"
#include "runtime/engine/mode_table.h"
#include "runtime/engine/perf_map.h"
#include "runtime/engine/return_ring.h"
#include "runtime/engine/stubs.h"
#include "runtime/engine/trap_sites.h"
#include "runtime/engine/written_code.h"
#include "runtime/semantics/interpreter.h"
#include "translator/decode/decoder.h"
#include "translator/translate.h"
#include "translator/verify/verifier.h"

namespace ringshift::engine {

// The window that serves the current privilege level.
[[nodiscard]] inline mmu::View view_for(const CpuState& state) {
  if (state.cpl() == 3) return mmu::View::user;
  return (state.cr0 & cr0::kWp) != 0 ? mmu::View::supervisor : mmu::View::supervisor_no_wp;
}

// Before each fragment stands its FragmentId.
inline constexpr std::uint32_t kHeaderBytes = 4;

struct TranslateStats {
  std::uint64_t fragments = 0;
  std::uint64_t guest_instructions = 0;  // translated
  std::uint64_t guest_bytes = 0;
  std::uint64_t host_bytes = 0;
  std::uint64_t links = 0;
  std::uint64_t entries = 0;        // times translated code was entered
  std::uint64_t misses = 0;         // lookups that found nothing
  std::uint64_t interpreted = 0;    // instructions left to the interpreter: callouts
  std::uint64_t brief = 0;          // callouts that did not leave translated code
  std::uint64_t memory_faults = 0;  // host faults in translated code
  std::uint64_t fault_fills = 0;    // ... answered by mapping a page
  std::uint64_t ring_overflows = 0;
  std::uint64_t interrupts = 0;
  std::uint64_t kicks = 0;
  std::uint64_t kick_steps = 0;   // host instructions stepped to reach a boundary
  std::uint64_t invalidated = 0;  // fragments killed by writes to their code
  std::uint64_t code_writes = 0;
  std::uint64_t checked_pages = 0;  // pages that became checked instead of protected
  std::uint64_t trap_sites = 0;     // instructions that became callouts because they mostly fault
  std::uint64_t stale = 0;          // fragments that found their source changed
  std::uint64_t movable_pages = 0;  // pages of code that were seen at a second place
  std::uint64_t flushes = 0;
  std::uint64_t rejected = 0;  // by the verifier
  std::uint64_t translate_cycles = 0;
  std::uint64_t interpret_cycles = 0;
  std::uint64_t run_cycles = 0;
  std::array<std::uint64_t, abi::kExitCount> exits{};
  std::array<std::uint64_t, isa::kOpCount> callouts{};  // single instructions interpreted
};

class TranslateEngine final : public Engine,
                              private mmu::CodeWriteListener,
                              private mmu::WindowObserver,
                              private SignalHandler {
 public:
  static std::unique_ptr<TranslateEngine> create(Cpu& cpu, const TranslateOptions& options, std::string& error);
  ~TranslateEngine() override;

  RunOutcome run(std::uint64_t max_instructions) override;
  void kick() override;
  void set_breakpoints(std::vector<std::uint32_t> linear) override;
  void pass_breakpoint() override { breakpoints_.pass(cpu_.state); }
  RunOutcome step() override;
  [[nodiscard]] Stats stats() const override;

 private:
  TranslateEngine(Cpu& cpu, const TranslateOptions& options);
  bool initialise(std::string& error);

  // dispatch: one fragment, or one instruction
  enum class Step : std::uint8_t {
    ran,
    shutdown
  };
  Step dispatch();
  // A debugger wants to see each instruction here: data is watched, or breakpoints are set and eip is no linear
  // address.
  [[nodiscard]] bool debugged_by_steps(const CpuState& state) const {
    return state.watched != 0 || (breakpoints_.any() && !state.segment(Seg::cs).flat(true));
  }
  // With a flat code segment.
  [[nodiscard]] bool at_breakpoint() const { return breakpoints_.any() && breakpoints_.contains(cpu_.state.eip); }
  Step enter(FragmentId id);
  void link(std::uint32_t site, FragmentId to);
  Step interpret(std::uint64_t instructions);
  Step interpret_faulted();
  Step after_interpreting(const RunResult& result, std::uint64_t instructions);
  Step raise_page_fault();
  void select_mode();
  [[nodiscard]] std::uint64_t empty_ring() {
    suspended_ring_ = 0;
    return ring_->reset(stubs_.return_miss);
  }

  // brief callouts
  static std::uint32_t brief_callout(CpuState* state, std::uint32_t number);
  abi::Exit run_brief(std::uint32_t number);
  abi::Exit run_saved(const isa::Insn& insn);
  // Whether the next instruction needs nothing of the dispatcher; then RF ends as there.
  [[nodiscard]] bool goes_on_translated() {
    CpuState& state = cpu_.state;
    if (options_.deterministic || state.interrupt_shadow != 0) return false;
    if ((state.pending & kInterruptWaiting) != 0 && state.interrupt_flag != 0) return false;
    if (!translator::translatable(state) || debugged_by_steps(state)) return false;
    state.system_flags &= ~eflags::kRf;
    return true;
  }
  bool follow_mode();
  void forget_modes();
  void change_ring(std::uint32_t old_mode, std::uint32_t old_window);
  bool deliver_pending_interrupt();
  // Translated code and its tables know linear addresses; CpuState::eip is an offset in the code segment.
  [[nodiscard]] std::uint32_t linear_eip() const { return cpu_.state.eip + cpu_.state.segment(Seg::cs).base; }
  void set_linear_eip(std::uint32_t linear) { cpu_.state.eip = linear - cpu_.state.segment(Seg::cs).base; }
  [[nodiscard]] decode::CodeSize code_size() const {
    return cpu_.state.segment(Seg::cs).big() ? decode::CodeSize::bits32 : decode::CodeSize::bits16;
  }
  [[nodiscard]] std::uint64_t retired() const { return cpu_.state.host.retired + interpreted_retired_; }

  // builder
  FragmentId fragment_at(std::uint32_t eip);  // linear
  void enter_in_directory(const Record& record, std::uint32_t eip);
  TableId make_table(const PageOfCode& code, mmu::PhysAddr second_page);
  void bind(std::uint32_t number, TableId table);
  bool may_link(const Site& site, FragmentId to);
  std::int32_t place_for(std::uint32_t eip, mmu::PhysAddr physical);
  [[nodiscard]] bool may_stand_anywhere() const;
  FragmentId build(std::uint32_t eip, mmu::PhysAddr physical, std::int32_t place);
  // What is to be added to the eips of a fragment that has just run.
  [[nodiscard]] std::uint32_t base_of(const Record& record) const {
    return record.place == 0 ? 0 : directory_->base(record.place);
  }
  bool check(const translator::Request& request, const translator::Fragment& fragment);
  std::span<const std::uint16_t> trapping_on_page(std::uint32_t eip, mmu::PhysAddr physical);
  void protect(mmu::PhysAddr page);
  [[nodiscard]] bool checked(mmu::PhysAddr address) const {
    return !options_.protect_code || written_.checked(address);
  }
  std::span<const std::uint8_t> variable_bytes(mmu::PhysAddr physical, mmu::PhysAddr second_page, std::size_t size);
  void flush();

  // faults, on the signal stack
  bool on_signal(int number, const siginfo_t& info, ucontext_t& context) override;
  bool on_memory_fault(const siginfo_t& info, ucontext_t& context);
  bool on_kick(ucontext_t& context);
  bool leave_at_boundary(ucontext_t& context);
  // A place in the host code of a fragment; without a point, none.
  struct Place {
    FragmentId id = kNoFragment;
    const translator::Point* point = nullptr;
  };
  [[nodiscard]] Place place_of(std::uint64_t rip) const;
  [[nodiscard]] Place boundary_at(std::uint64_t rip) const;
  void place_stop(std::uint64_t rip);
  void remove_stop();
  void capture(ucontext_t& context, const Record& record, const translator::Point& point, abi::Exit reason);

  // coherence
  void on_code_write(mmu::PhysAddr address, std::uint32_t size) override;
  void on_drop(std::uint32_t window_id, mmu::Linear first, std::uint32_t pages) override;
  void on_drop_all(std::uint32_t window_id) override;
  void kill(FragmentId id);
  void release_page(mmu::PhysAddr page);
  void invalidate(mmu::PhysAddr address, std::uint32_t size);
  void on_stale(FragmentId id);
  Step run_trap_site(const Site& site);
  void expire_checked_pages();

  Cpu& cpu_;
  TranslateOptions options_;
  mmu::WindowPool& windows_;
  Interpreter interpreter_;
  std::unique_ptr<CodeCache> cache_;
  std::unique_ptr<ReturnRing> ring_;
  std::unique_ptr<LimitSpace> limits_;
  Stubs stubs_;
  std::unique_ptr<FragmentTable> fragments_;
  JumpTables tables_;
  translator::Translator translator_;
  std::unique_ptr<verify::Verifier> verifier_;
  std::unique_ptr<PerfMap> perf_map_;  // if asked for

  ModeTable modes_;
  std::uint32_t mode_ = 0;
  std::uint32_t window_ = 0;
  JumpDirectory* directory_ = nullptr;  // of window_ and mode_
  bool out_of_tables_ = false;          // without one, a page's fragments are not found
  bool forgotten_ = false;              // a directory has lost pages

  // The return ring as it was before the last change of mode; 0: nothing to come back to.
  std::uint64_t suspended_ring_ = 0;
  std::uint32_t suspended_mode_ = 0;
  std::uint32_t suspended_window_ = 0;

  std::uint32_t last_site_ = 0;  // the direct exit just taken, to be linked, if has_last_site_
  bool has_last_site_ = false;
  std::uint64_t interpreted_retired_ = 0;
  std::unordered_map<mmu::PhysAddr, std::uint32_t> writes_;  // trapped writes a code page
  WrittenCode written_;
  TrapSites trap_sites_;
  // Fragments end in front of them, and so each of them is seen by the dispatcher.
  Breakpoints breakpoints_;
  mmu::PhysAddr faulted_ = 0;              // the instruction at which a host fault has just left translated code
  FragmentId repeating_in_ = kNoFragment;  // ... within a repetition of a fragment that checks its code, else none
  std::vector<std::uint8_t> variable_;     // storage of variable_bytes()
  std::vector<std::uint16_t> trapping_;    // storage of trapping_on_page()
  // The guest's page fault by which translated code has just been left: it need not be found out again.
  std::optional<GuestFault> page_fault_;
  std::int64_t last_fault_rip_ = 0;
  std::uint64_t last_fault_address_ = 0;
  std::uint32_t stop_ = 0;  // cache offset of the breakpoint that a kick has placed; 0: none
  std::uint8_t stopped_byte_ = 0;
  pthread_t thread_{};
  volatile bool running_ = false;
  TranslateStats stats_;
};

}  // namespace ringshift::engine
