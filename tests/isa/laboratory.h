// Runs numbered cases on the host CPU and on one of our engines, and keeps what differs.
//
//     Laboratory lab(EngineKind::interpret, options);
//     lab.run(0, 200'000);
//     for (const auto& d : lab.discrepancies()) ...
//
// Case n of a seed is always the same; it is about form n modulo the number of forms.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/isa/compare.h"
#include "tests/isa/form.h"
#include "tests/isa/generator.h"
#include "tests/isa/guest_machine.h"
#include "tests/isa/native_cpu.h"

namespace ringshift::test {

struct LaboratoryOptions {
  std::uint64_t seed = 1;
  decode::CodeSize size = decode::CodeSize::bits32;
  std::function<bool(const Form&)> filter;  // all forms if empty
  GeneratorOptions generator;
  engine::TranslateOptions translate;
  std::size_t keep = 20;  // discrepancies with their text
};

struct Discrepancy {
  std::uint64_t number = 0;
  isa::Op op = isa::Op::invalid;
  std::string text;
};

class Laboratory {
 public:
  Laboratory(EngineKind kind, LaboratoryOptions options);

  // False if this host cannot be an oracle; the reason is in why().
  [[nodiscard]] bool ok() const { return native_ != nullptr; }
  [[nodiscard]] const std::string& why() const { return why_; }

  void run(std::uint64_t first, std::uint64_t count);
  // One given case, outside the numbering; empty if both sides agree.
  std::string run_one(Case c);

  [[nodiscard]] std::uint64_t cases() const { return cases_; }
  [[nodiscard]] std::uint64_t different() const { return different_; }
  [[nodiscard]] const std::vector<Discrepancy>& discrepancies() const { return discrepancies_; }
  [[nodiscard]] const std::vector<Form>& forms() const { return forms_; }
  [[nodiscard]] engine::Stats engine_stats() const { return guest_->engine().stats(); }
  // Differences that were gone when the case was run again.
  [[nodiscard]] std::uint64_t unsteady() const { return unsteady_; }
  // Undefined results that were not the host's.
  [[nodiscard]] const Ignored& ignored() const { return ignored_; }
  // Cases by event, and by form.
  [[nodiscard]] const std::map<int, std::uint64_t>& events() const { return events_; }
  [[nodiscard]] const std::vector<std::uint32_t>& cases_of_form() const { return cases_of_form_; }
  [[nodiscard]] const std::map<isa::Op, std::uint64_t>& different_by_op() const { return different_by_op_; }

 private:
  struct Entry {
    std::uint64_t number;
    std::size_t form;
    Case c;
    Outcome expected;
  };
  void run_batch();

  LaboratoryOptions options_;
  MemoryTemplate memory_;
  std::vector<Form> forms_;
  std::string why_;
  std::unique_ptr<NativeCpu> native_;
  std::unique_ptr<GuestMachine> guest_;
  CodeImage code_;
  std::vector<Entry> batch_;

  std::uint64_t cases_ = 0;
  std::uint64_t different_ = 0;
  std::uint64_t unsteady_ = 0;
  Ignored ignored_;
  std::vector<Discrepancy> discrepancies_;
  std::map<int, std::uint64_t> events_;
  std::vector<std::uint32_t> cases_of_form_;
  std::map<isa::Op, std::uint64_t> different_by_op_;
};

}  // namespace ringshift::test
