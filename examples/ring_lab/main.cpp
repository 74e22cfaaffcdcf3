// The lesson of x86 virtualization, in one table: instructions that show a guest the wrong machine without a trap, and
// what it sees when they are interpreted and translated. Exit status 0: every guest sees its own machine.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <optional>
#include <string>

#include "examples/ring_lab/ways.h"

namespace {

using namespace ringshift::ring_lab;
using ringshift::testkit::EngineKind;

// What Linux answers for SGDT if the processor does not let programs have it.
constexpr std::uint32_t kUmipGdt = 0xFFFE0000;

std::string verdict(const Probe& probe, const std::optional<Sight>& native, bool right) {
  if (!right) return "(RINGSHIFT IS WRONG)";
  if (!native) return "not tried";
  if (*native == probe.must_see) return "right";
  return native->kind == Sight::Kind::value ? "silent and wrong" : "not possible";
}

int run() {
  std::string why;
  const auto native = Native::create(why);
  Guest interpreted(EngineKind::interpreter);
  Guest translated(EngineKind::linked_blocks);

  fmt::print(
      "Guest code that believes it is in ring 0. Natively it runs in ring 3, as under a monitor that waits for\n"
      "traps: there are none.\n\n");
  constexpr const char* kLine = "{:<9} {:<16} {:<16} {:<16} {:<16} {}\n";
  fmt::print(fmt::runtime(kLine), "", "must see", "native", "interpreted", "translated", "natively");
  bool umip = false;
  unsigned wrong = 0;
  unsigned silent = 0;
  for (const Probe& probe : probes()) {
    const std::optional<Sight> natively = native ? std::optional(native->run(probe)) : std::nullopt;
    umip = umip || (natively && probe.name == "SGDT" && natively->value == kUmipGdt);
    const Sight a = interpreted.run(probe);
    const Sight b = translated.run(probe);
    const bool right = a == probe.must_see && b == probe.must_see;
    wrong += right ? 0 : 1;
    silent += natively && natively->kind == Sight::Kind::value && *natively != probe.must_see ? 1 : 0;
    fmt::print(fmt::runtime(kLine), probe.name, text(probe, probe.must_see), natively ? text(probe, *natively) : "-",
               text(probe, a), text(probe, b), verdict(probe, natively, right));
  }
  if (native) {
    fmt::print("\n{} of {} are silently wrong natively; ", silent, probes().size());
  } else {
    fmt::print("\nNot run natively: {}. ", why);
  }
  fmt::print("{} are wrong interpreted or translated.\n", wrong);
  if (umip) {
    fmt::print("This host has UMIP: its kernel traps SGDT, SIDT, SLDT, SMSW and STR, and has answered with dummies.\n");
  }
  return wrong == 0 ? 0 : 1;
}

}  // namespace

int main() {
  try {
    return run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ring_lab: %s\n", error.what());
    return 2;
  }
}
