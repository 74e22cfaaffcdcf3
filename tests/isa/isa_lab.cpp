// The long run of the instruction laboratory: random cases until told to stop, with a reproducer for each defect.
//
//     isa_lab --seed 7 --seconds 600            interpreter
//     isa_lab --engine translate --cases 1000000
//     isa_lab --seed 7 --only 4711              that case again
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "tests/isa/laboratory.h"
#include "translator/isa/row.h"

namespace {

using namespace ringshift;
using test::EngineKind;
using test::Laboratory;

bool is_fp(const test::Form& f) { return f.op != isa::Op::invalid && isa::row(f.op).family == isa::Family::fp; }

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Compares instructions with the host CPU");
  test::LaboratoryOptions options;
  std::uint64_t cases = 1'000'000;
  std::uint64_t seconds = 0;
  std::int64_t only = -1;
  std::string engine = "interpret";
  std::string family = "all";
  std::string op;
  bool code16 = false;
  app.add_option("--seed", options.seed);
  app.add_option("--cases", cases, "how many (unless --seconds)");
  app.add_option("--seconds", seconds, "run that long");
  app.add_option("--only", only, "one case, by number");
  app.add_option("--engine", engine)->check(CLI::IsMember({"interpret", "translate"}));
  app.add_option("--family", family)->check(CLI::IsMember({"all", "integer", "fp"}));
  app.add_option("--op", op, "only this operation, by its name in the instruction table");
  app.add_option("--keep", options.keep, "discrepancies to print");
  app.add_flag("--flat", options.generator.flat_only, "flat segments only");
  app.add_flag("--code16", code16, "16-bit code");
  app.add_flag("--verify", options.translate.verify, "check the host code of every fragment");
  CLI11_PARSE(app, argc, argv);
  if (code16) options.size = decode::CodeSize::bits16;
  options.filter = [&](const test::Form& f) {
    if (family != "all" && is_fp(f) != (family == "fp")) return false;
    return op.empty() || (f.op != isa::Op::invalid && isa::row(f.op).name == op);
  };

  Laboratory lab(engine == "translate" ? EngineKind::translate : EngineKind::interpret, options);
  if (!lab.ok()) {
    fmt::print(stderr, "this host is no oracle: {}\n", lab.why());
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  constexpr std::uint64_t kChunk = 20'000;
  if (only >= 0) {
    lab.run(static_cast<std::uint64_t>(only), 1);
  } else {
    for (std::uint64_t n = 0; seconds != 0 ? elapsed() < static_cast<double>(seconds) : n < cases; n += kChunk) {
      lab.run(n, kChunk);
    }
  }
  for (const auto& d : lab.discrepancies()) fmt::print("case {} ({}):\n{}\n", d.number, isa::row(d.op).name, d.text);
  fmt::print("{} forms, {} cases, {} different, {:.1f} s\n", lab.forms().size(), lab.cases(), lab.different(),
             elapsed());
  for (const auto& [vec, n] : lab.events()) fmt::print("  vector {}: {}\n", vec, n);
  for (const auto& [o, n] : lab.different_by_op()) fmt::print("  {} ({}): {}\n", isa::row(o).name, int(o), n);
  for (const auto& [what, n] : lab.engine_stats()) fmt::print("  {}: {}\n", what, n);
  return lab.different() == 0 ? 0 : 1;
}
