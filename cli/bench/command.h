// `ringshift bench`: times the benchmark guest on this host, in Ringshift and in QEMU, and compares.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace ringshift::cli {

// What the command line says.
struct BenchText {
  std::string rows, engines = "translate,interpret,tcg";
  std::string clock = "wall";
  std::string kernel, busybox, append;
  std::string memory = "256M";
  std::string qemu = "qemu-system-i386";
  std::string json, svg;
  int runs = 0;        // 0: what the mode says
  double seconds = 0;  // 0: what the mode says
  double timeout = 60;
  bool quick = false, list = false, check = false;
};

CLI::App* add_bench_command(CLI::App& app, BenchText& text);

// Returns the process's exit status: 1 if a row was wrong or did not end, or, with --check, if a limit was missed.
[[nodiscard]] int bench(const BenchText& text);

}  // namespace ringshift::cli
