// The laboratory in several processes, for tens of millions of cases.
//
// The native side needs a process of its own: fixed addresses, a local descriptor table, signals. Each process takes
// every n-th chunk of the case numbers, and sends its counts and its discrepancies when it is done.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/isa/laboratory.h"

namespace ringshift::test {

struct LongRunOptions {
  LaboratoryOptions laboratory;
  std::vector<EngineKind> engines{EngineKind::interpret};
  unsigned jobs = 1;              // processes; at least one for each engine
  std::uint64_t cases = 1000000;  // of each engine, unless `seconds`
  std::uint64_t seconds = 0;      // run that long
};

struct LongRunSummary {
  std::string why_not;  // this host is no oracle, or a process died
  std::vector<std::uint64_t> cases_of_form;
  std::uint64_t cases = 0;
  std::uint64_t different = 0;
  std::uint64_t unsteady = 0;
  std::map<int, std::uint64_t> events;
  std::map<std::pair<std::string, std::string>, std::uint64_t> ignored;  // operation and what of it
  std::map<std::string, std::uint64_t> different_by_op;
  std::vector<std::string> discrepancies;  // with a command that shows it again
  double seconds = 0;
};

// Tells how far it is on standard error once a minute.
[[nodiscard]] LongRunSummary long_run(const LongRunOptions& options);

[[nodiscard]] std::string_view engine_name(EngineKind kind);

}  // namespace ringshift::test
