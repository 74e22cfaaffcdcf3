// The guest's side of an experiment: ring 3, 32-bit, paging as the host process has it, one of the two engines.
#pragma once

#include <cstdint>

#include "runtime/semantics/events.h"
#include "testkit/bare_machine.h"
#include "tests/isa/case.h"

namespace ringshift::test {

using EngineKind = testkit::Execution;

class GuestMachine {
 public:
  // `low_pages`: whether the native side has them.
  GuestMachine(EngineKind kind, const MemoryTemplate& memory, bool low_pages, engine::TranslateOptions options = {},
               CodeAccess access = CodeAccess::read_only);

  void load(const CodeImage& code);
  void run(const Case& c, Outcome& out);

  // A case that need not stay in ring 3. The machine begins as it was made, with the case's registers, and runs until
  // it halts, shuts down or has executed about `most` instructions.
  struct SystemOutcome {
    engine::StopReason reason = engine::StopReason::budget;
    CpuState state;
    std::vector<Change> changes;  // of the case's memory, and of the machine's own tables and stack
  };
  void run_system(const Case& c, std::uint64_t most, SystemOutcome& out);
  // The same in steps: begin, then step() until it is not StopReason::budget, then finish.
  void begin_system(const Case& c);
  template <class F>
  void change_state(F change) {
    change(machine_.state);
    update_paging(*machine_.cpu);
  }
  engine::RunOutcome step(std::uint64_t instructions) { return machine_.engine->run(instructions); }
  void finish_system(engine::StopReason reason, SystemOutcome& out);
  [[nodiscard]] const CpuState& state() const { return machine_.state; }
  void kick() { machine_.engine->kick(); }
  // eip where the handler of `vector` has halted.
  [[nodiscard]] static std::uint32_t after_handler(unsigned vector);
  // After a run that may have changed the code.
  void load_again() { load(CodeImage(loaded_)); }
  [[nodiscard]] const engine::Engine& engine() const { return *machine_.engine; }

 private:
  enum Rights : std::uint8_t {
    kSupervisor = 0,
    kWrite = 2,
    kUser = 4,
    kNoExecute = 8
  };
  std::uint32_t entry_of(std::uint32_t linear);  // physical address of the page table entry
  void unmap(std::uint32_t linear);
  void map(std::uint32_t linear, std::uint32_t physical, unsigned rights);
  void add_data(std::uint32_t linear, std::uint32_t physical, const std::uint8_t* content);
  void build_tables();
  [[nodiscard]] SegmentRegister cached(std::uint16_t selector) const;
  template <class T>
  void poke(std::uint32_t physical, T value);
  template <class T>
  [[nodiscard]] T peek(std::uint32_t physical) const;

  CodeAccess access_;
  testkit::QuietPlatform platform_;
  testkit::BareMachine machine_;
  MemoryPages pages_;
  CodeImage loaded_;
  CpuState initial_;
  std::vector<std::uint8_t> tables_;  // the machine's own pages as they were made
  std::uint32_t next_table_;
};

}  // namespace ringshift::test
