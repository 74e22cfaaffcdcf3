// The guest's side of an experiment: ring 3, 32-bit, paging as the host process has it, one of the two engines.
#pragma once

#include <cstdint>
#include <memory>

#include "mmu/mmu.h"
#include "runtime/engine/engine.h"
#include "runtime/semantics/cpu.h"
#include "runtime/semantics/events.h"
#include "tests/isa/case.h"

namespace ringshift::test {

enum class EngineKind : std::uint8_t {
  interpret,
  translate
};

// No devices. Reports of unsupported instructions are ignored; that of a fragment which the verifier refuses ends it
// all.
class BarePlatform final : public Platform {
 public:
  std::uint32_t port_read(std::uint16_t, unsigned) override { return 0xFFFFFFFF; }
  void port_write(std::uint16_t, unsigned, std::uint32_t) override {}
  bool interrupt_pending() override { return false; }
  std::uint8_t interrupt_acknowledge() override { return 0; }
  std::uint64_t tsc() override { return 1000; }
  void mode_changed() override {}
  void report(const char* message) override;
};

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
    change(state_);
    update_paging(*cpu_);
  }
  engine::RunOutcome step(std::uint64_t instructions) { return engine_->run(instructions); }
  void finish_system(engine::StopReason reason, SystemOutcome& out);
  [[nodiscard]] const CpuState& state() const { return state_; }
  void kick() { engine_->kick(); }
  // eip where the handler of `vector` has halted.
  [[nodiscard]] static std::uint32_t after_handler(unsigned vector);
  // After a run that may have changed the code.
  void load_again() { load(CodeImage(loaded_)); }
  [[nodiscard]] const engine::Engine& engine() const { return *engine_; }

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
  mmu::GuestMemory memory_;
  mmu::PhysicalMap physical_;
  mmu::CodePages code_pages_;
  std::unique_ptr<mmu::Mmu> mmu_;
  CpuState state_;
  BarePlatform platform_;
  std::unique_ptr<Cpu> cpu_;
  std::unique_ptr<engine::Engine> engine_;
  MemoryPages pages_;
  CodeImage loaded_;
  CpuState initial_;
  std::vector<std::uint8_t> tables_;  // the machine's own pages as they were made
  std::uint32_t next_table_;
};

}  // namespace ringshift::test
