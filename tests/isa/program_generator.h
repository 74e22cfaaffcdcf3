// Writes random programs: loops, calls, far transfers, code that changes itself, faults at any place.
#pragma once

#include <array>
#include <vector>

#include "tests/isa/form.h"
#include "tests/isa/program.h"
#include "tests/isa/values.h"

namespace ringshift::test {

class ProgramGenerator {
 public:
  ProgramGenerator();

  // Decided by `rng` alone.
  [[nodiscard]] Program generate(Territory territory, Rng& rng) const;

 private:
  friend class ProgramWriter;
  enum Class : unsigned {
    kCommon,  // integer arithmetic, data, stack, flags
    kString,
    kFloating,
    kRare,  // segments, far transfers, privileged instructions: many of them fault
    kCommon16,
    kClasses
  };
  std::array<std::vector<Form>, kClasses> forms_;
};

}  // namespace ringshift::test
