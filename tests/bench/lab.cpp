#include "tests/bench/lab.h"

#include <fmt/format.h>

namespace ringshift::test {

std::unique_ptr<cli::BenchEnvironment> scripted(std::string name, std::string_view script) {
  cli::ProcessPlan plan;
  plan.command = {"/bin/sh", "-c", fmt::format("echo @ready; while read row units; do {}; done", script)};
  plan.log = "/dev/null";
  return std::make_unique<cli::BenchEnvironment>(std::move(name), std::move(plan), true);
}

std::unique_ptr<cli::BenchEnvironment> answering(std::string name, unsigned unit_ns, std::string_view sum) {
  return scripted(
      std::move(name),
      fmt::format("echo @begin $row $units; t=$((units * {})); echo @end $row $units $t $t {}", unit_ns, sum));
}

}  // namespace ringshift::test
