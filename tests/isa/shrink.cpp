#include "tests/isa/shrink.h"

#include <algorithm>

namespace ringshift::test {
namespace {

using Fails = std::function<bool(const Program&)>;

// Tries to leave out each run of `length` instructions. True if it was possible anywhere.
bool leave_out(Program& program, std::size_t length, const Fails& fails) {
  bool any = false;
  for (std::size_t first = 0; first < program.code.size();) {
    std::vector<bool> keep(program.code.size(), true);
    const std::size_t end = std::min(first + length, keep.size());
    bool something = false;
    for (std::size_t i = first; i < end; ++i) {
      keep[i] = program.code[i].fixed;
      something |= !keep[i];
    }
    Program smaller = subset(program, keep);
    if (something && fails(smaller)) {
      program = std::move(smaller);
      any = true;
    } else {
      first = end;
    }
  }
  return any;
}

void simplify_state(Program& program, const Fails& fails) {
  const auto attempt = [&](auto change) {
    Program simpler = program;
    change(simpler.state);
    if (fails(simpler)) program = std::move(simpler);
  };
  for (unsigned r = 0; r < kGprCount; ++r) {
    if (program.state.before.gpr[r] != 0) attempt([r](Case& c) { c.before.gpr[r] = 0; });
  }
  attempt([](Case& c) { c.before.eflags = 0x202; });
  if (program.state.uses_fx) attempt([](Case& c) { c.uses_fx = false; });
  if (!program.state.pokes.empty()) attempt([](Case& c) { c.pokes.clear(); });
}

}  // namespace

Program shrink(Program program, const Fails& fails) {
  bool any = true;
  while (any) {
    any = false;
    for (std::size_t length = std::max<std::size_t>(program.code.size() / 2, 1);; length /= 2) {
      any |= leave_out(program, length, fails);
      if (length == 1) break;
    }
  }
  simplify_state(program, fails);
  return program;
}

}  // namespace ringshift::test
