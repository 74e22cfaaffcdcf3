// The parts of a random program, one function a kind of unit; see program_generator.h.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "tests/isa/program_generator.h"
#include "translator/isa/insn.h"

namespace ringshift::test {

class ProgramWriter {
 public:
  ProgramWriter(const ProgramGenerator& generator, Territory territory, Rng& rng)
      : forms_(generator.forms_), rng_(rng), system_(territory == Territory::system) {
    p_.territory = territory;
  }
  Program write();

 private:
  using Bytes = std::vector<std::uint8_t>;

  // ---- the parts of a unit
  [[nodiscard]] bool chance(unsigned n) { return one_in(rng_, n); }
  [[nodiscard]] std::uint32_t below(std::uint64_t n) { return static_cast<std::uint32_t>(rng_() % n); }
  [[nodiscard]] std::size_t here() const { return p_.code.size(); }
  [[nodiscard]] std::uint8_t any_register();  // not esp or ebp
  [[nodiscard]] std::uint8_t pointer_register();
  void put(Bytes bytes) { p_.code.push_back({.bytes = std::move(bytes), .code16 = code16_}); }
  void put32(Bytes bytes, std::uint32_t value);
  // `bytes` and behind them the address of `target`.
  void put_label(Bytes bytes, std::size_t target, bool relative, unsigned size = 4, std::int32_t offset = 0);
  // A later instruction, or the end of the main part: decided when that is known.
  [[nodiscard]] std::size_t later();
  [[nodiscard]] std::size_t subroutine() { return kSubroutines + below(2); }

  // ---- units of 32-bit code
  void unit();
  void random();
  void conditional();
  void branch();
  void call();
  void loop();
  void stack_run();
  void self_modification();
  void code16();
  // ---- units of the system
  void system_unit();
  void flags_unit();
  void segment_unit();
  void interrupt_unit();
  void far_unit();
  void control_unit();
  void table_unit();
  void breakpoint_unit();

  const Form& pick();
  Bytes tamed(const isa::Insn& insn);
  void state();
  void resolve();

  static constexpr std::size_t kLater = 1U << 20, kSubroutines = 1U << 21;  // targets that are not indices yet

  const std::array<std::vector<Form>, ProgramGenerator::kClasses>& forms_;
  Rng& rng_;
  bool system_;
  bool floating_ = false;
  bool code16_ = false;
  unsigned ring_ = 3;
  unsigned counters_ = 0;
  std::size_t end_ = 0;
  std::vector<std::size_t> subroutines_;
  Program p_;
};

}  // namespace ringshift::test
