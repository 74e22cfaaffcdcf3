// The long run of the programs of random_test.cpp.
//
//     code16_lab --programs 100000              of every mode
//     code16_lab --mode v86 --only 4711
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "tests/code16/lab.h"

int main(int argc, char** argv) {
  using namespace ringshift::test;
  CLI::App app("Compares the engines in real mode, V86 mode, 16-bit protected mode and segments that are not flat");
  std::uint32_t programs = 10'000;
  std::uint32_t first = 0;
  std::uint64_t keep = 5;
  std::string mode = "all";
  std::int64_t only = -1;
  app.add_option("--programs", programs, "how many, of each mode");
  app.add_option("--first", first, "the number of the first");
  app.add_option("--mode", mode, "one mode: real, big_real, v86, v86_iopl0, protected16, limited16, based32");
  app.add_option("--only", only, "one program, by number");
  app.add_option("--keep", keep, "differences to print, of each mode");
  CLI11_PARSE(app, argc, argv);
  if (only >= 0) {
    first = static_cast<std::uint32_t>(only);
    programs = 1;
  }
  std::uint64_t all = 0;
  for (const Code16Mode m : kCode16Modes) {
    if (mode != "all" && mode != name(m)) continue;
    Code16Lab lab;
    std::uint64_t different = 0;
    for (std::uint32_t i = 0; i < programs; ++i) {
      const std::string difference = lab.run(m, first + i);
      if (difference.empty()) continue;
      if (different++ < keep) fmt::print("{}\n", difference);
    }
    fmt::print("{}: {} programs, {} instructions translated, {} left to the runtime, {} different\n", name(m), programs,
               lab.translated(), lab.interpreted(), different);
    std::fflush(stdout);
    all += different;
  }
  return all == 0 ? 0 : 1;
}
