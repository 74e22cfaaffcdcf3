// The long run of the instruction laboratory: random cases until told to stop, with a reproducer for each defect.
//
//     isa_lab --seed 7 --seconds 600              interpreter
//     isa_lab --engine both --jobs 2 --cases 50000000
//     isa_lab --seed 7 --only 4711              that case again
//     isa_lab --sequences --seed 7 --seconds 600  random programs, on the host and on both engines; --programs, --only
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "tests/isa/laboratory.h"
#include "tests/isa/long_run.h"
#include "tests/isa/sequence_lab.h"
#include "translator/isa/row.h"

namespace {

using namespace ringshift;
using test::EngineKind;
using test::Laboratory;

// Tells once a minute how far a run is.
class Progress {
 public:
  explicit Progress(const char* what) : what_(what) {}
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  void tell(std::uint64_t done, std::uint64_t different) {
    if (seconds() < next_) return;
    next_ += 60;
    fmt::print(stderr, "{:.0f} s: {} {}, {:.0f} a second, {} different\n", seconds(), done, what_,
               static_cast<double>(done) / seconds(), different);
  }

 private:
  const char* what_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double next_ = 60;
};

bool is_fp(const test::Form& f) { return f.op != isa::Op::invalid && isa::row(f.op).family == isa::Family::fp; }

// Random programs instead of single instructions.
int run_sequences(const test::SequenceOptions& options, std::uint64_t programs, std::uint64_t seconds,
                  std::int64_t only) {
  test::SequenceLab lab(options);
  if (!lab.why_no_oracle().empty()) fmt::print(stderr, "this host is no oracle: {}\n", lab.why_no_oracle());
  if (only >= 0) {
    fmt::print("{}", test::listing(lab.program(static_cast<std::uint64_t>(only))));
    lab.run(static_cast<std::uint64_t>(only), 1);
  } else {
    Progress progress("programs");
    constexpr std::uint64_t kChunk = 200;
    for (std::uint64_t n = 0; seconds != 0 ? progress.seconds() < static_cast<double>(seconds) : n < programs;) {
      const std::uint64_t count = seconds != 0 ? kChunk : std::min(kChunk, programs - n);
      lab.run(n, count);
      n += count;
      progress.tell(lab.programs(), lab.failed());
    }
  }
  for (const std::string& text : lab.failures()) fmt::print("{}\n", text);
  fmt::print("{} programs, {} of them compared with the host, {} endless, {} different\n", lab.programs(),
             lab.with_host(), lab.endless(), lab.failed());
  for (const auto& [what, n] : lab.stats()) fmt::print("  {}: {}\n", what, n);
  return lab.failed() == 0 ? 0 : 1;
}

int run_one(const test::LongRunOptions& run, std::uint64_t number) {
  Laboratory lab(run.engines.front(), run.laboratory);
  if (!lab.ok()) {
    fmt::print(stderr, "this host is no oracle: {}\n", lab.why());
    return 2;
  }
  lab.run(number, 1);
  for (const auto& d : lab.discrepancies()) fmt::print("case {} ({}):\n{}\n", d.number, isa::row(d.op).name, d.text);
  fmt::print("{}\n", lab.different() == 0 ? "no difference" : "different");
  return lab.different() == 0 ? 0 : 1;
}

int print(const test::LongRunSummary& s) {
  for (const std::string& text : s.discrepancies) fmt::print("{}\n", text);
  const auto untested = static_cast<std::size_t>(std::ranges::count(s.cases_of_form, 0U));
  fmt::print("{} forms ({} without a case), {} cases, {:.0f} s, {:.0f} a second, {} different\n",
             s.cases_of_form.size(), untested, s.cases, s.seconds, static_cast<double>(s.cases) / s.seconds,
             s.different);
  for (const auto& [op, n] : s.different_by_op) fmt::print("  different: {}: {}\n", op, n);
  fmt::print("events (vector: cases; 3 is the end of a case)\n");
  for (const auto& [vector, n] : s.events) fmt::print("  {}: {}\n", vector, n);
  fmt::print("results left open by the architecture that were not the host's\n");
  for (const auto& [what, n] : s.ignored) fmt::print("  {}, {}: {}\n", what.first, what.second, n);
  if (s.unsteady != 0) fmt::print("gone when run again: {}\n", s.unsteady);
  if (!s.why_not.empty()) {
    fmt::print(stderr, "isa_lab: {}\n", s.why_not);
    return 2;
  }
  return s.different == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Compares instructions with the host CPU");
  test::LongRunOptions run;
  test::LaboratoryOptions& options = run.laboratory;
  std::int64_t only = -1;
  std::string engine = "interpret";
  std::string family = "all";
  std::string op;
  bool code16 = false;
  bool sequences = false;
  std::uint64_t programs = 100'000;
  app.add_option("--seed", options.seed);
  app.add_option("--cases", run.cases, "how many of each engine (unless --seconds)");
  app.add_option("--seconds", run.seconds, "run that long");
  app.add_option("--jobs", run.jobs, "processes");
  app.add_option("--only", only, "one case or program, by number");
  app.add_option("--engine", engine)->check(CLI::IsMember({"interpret", "translate", "both"}));
  app.add_option("--family", family)->check(CLI::IsMember({"all", "integer", "fp"}));
  app.add_option("--op", op, "only this operation, by its name in the instruction table");
  app.add_option("--keep", options.keep, "discrepancies to print, of each process");
  app.add_flag("--sequences", sequences, "random programs instead of single instructions");
  app.add_option("--programs", programs, "how many (unless --seconds)");
  app.add_flag("--flat", options.generator.flat_only, "flat segments only");
  app.add_flag("--code16", code16, "16-bit code");
  app.add_flag("--verify", options.translate.verify, "check the host code of every fragment");
  CLI11_PARSE(app, argc, argv);
  if (sequences) return run_sequences({.seed = options.seed, .keep = options.keep}, programs, run.seconds, only);
  if (code16) options.size = decode::CodeSize::bits16;
  options.filter = [&](const test::Form& f) {
    if (family != "all" && is_fp(f) != (family == "fp")) return false;
    return op.empty() || (f.op != isa::Op::invalid && isa::row(f.op).name == op);
  };
  if (engine == "translate") run.engines = {EngineKind::translate};
  if (engine == "both") run.engines = {EngineKind::interpret, EngineKind::translate};
  return only >= 0 ? run_one(run, static_cast<std::uint64_t>(only)) : print(test::long_run(run));
}
