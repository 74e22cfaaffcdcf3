// Runs random programs on the host CPU and on both engines, and shrinks what fails.
//
//     SequenceLab lab({.seed = 7});
//     lab.run(0, 1000);
//     for (const std::string& text : lab.failures()) ...
//
// Program n of a seed is always the same. Every third one stays in ring 3 and is compared with the host CPU; the
// others may be privileged, and their reference is the interpreter: at the end, and after every step of the translator.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/isa/guest_machine.h"
#include "tests/isa/native_cpu.h"
#include "tests/isa/program_generator.h"

namespace ringshift::test {

struct SequenceOptions {
  std::uint64_t seed = 1;
  bool verify = true;    // the host code of every fragment
  std::size_t keep = 5;  // failures that are shrunk and told in full
};

// Ends a run of linked fragments, which count no instructions, when it takes far too long.
class Watchdog {
 public:
  Watchdog();
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  void arm(GuestMachine& machine);
  void disarm();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  GuestMachine* machine_ = nullptr;
  std::uint64_t armed_ = 0;
  bool stop_ = false;
  std::thread thread_;
};

// The interpreter and the translator three times: linked, linked with fragments that check their code instead of having
// it protected, and one fragment at a time.
class Engines {
 public:
  Engines(const MemoryTemplate& memory, bool low_pages, bool verify);

  void load(const CodeImage& code);
  // The first difference; empty if there is none. Nothing if the program does not end.
  [[nodiscard]] std::optional<std::string> run_system(const Case& c);
  // Against what the host came to.
  [[nodiscard]] std::string run_native(const Case& c, const Outcome& expected);
  // The program that the interpreter runs; by default the same. A test puts a defect into the interpreter so.
  [[nodiscard]] GuestMachine& interpreter() { return interpreter_; }
  [[nodiscard]] engine::Stats stats() const { return stepped_.engine().stats(); }

 private:
  [[nodiscard]] std::string run_lockstep(const Case& c);

  GuestMachine interpreter_, linked_, checked_, anywhere_, stepped_;
  Watchdog watchdog_;
};

class SequenceLab {
 public:
  explicit SequenceLab(SequenceOptions options);

  // Why programs are not compared with the host CPU; empty if they are.
  [[nodiscard]] const std::string& why_no_oracle() const { return why_; }
  void run(std::uint64_t first, std::uint64_t count);
  [[nodiscard]] Program program(std::uint64_t number) const;
  // The first difference; empty if there is none, or if the program does not end.
  [[nodiscard]] std::string check(const Program& program);

  [[nodiscard]] std::uint64_t programs() const { return programs_; }
  [[nodiscard]] std::uint64_t with_host() const { return with_host_; }
  [[nodiscard]] std::uint64_t endless() const { return endless_; }  // or not comparable
  [[nodiscard]] std::uint64_t failed() const { return failed_; }
  // Number, shrunk listing and first difference of each.
  [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }
  [[nodiscard]] engine::Stats stats() const { return engines_->stats(); }

 private:
  SequenceOptions options_;
  MemoryTemplate memory_;
  ProgramGenerator generator_;
  std::string why_;
  std::unique_ptr<NativeCpu> native_;
  std::unique_ptr<Engines> engines_;
  std::uint64_t programs_ = 0;
  std::uint64_t with_host_ = 0;
  std::uint64_t endless_ = 0;
  std::uint64_t failed_ = 0;
  std::vector<std::string> failures_;
};

}  // namespace ringshift::test
