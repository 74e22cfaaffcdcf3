// Three ways to run a probe.
#pragma once

#include <memory>
#include <string>

#include "examples/ring_lab/probes.h"
#include "testkit/native_ring3.h"
#include "testkit/test_machine.h"

namespace ringshift::ring_lab {

// In ring 0 of a virtual machine.
class Guest {
 public:
  explicit Guest(testkit::EngineKind kind) : machine_(kind) {}
  [[nodiscard]] Sight run(const Probe& probe);

 private:
  testkit::TestMachine machine_;
};

// By the host CPU, in ring 3 of this very process: what a monitor gets that runs the guest's kernel as a program and
// waits for traps.
class Native {
 public:
  // Null if this host does not let us: the reason is in `why`.
  static std::unique_ptr<Native> create(std::string& why);
  ~Native();
  Native(const Native&) = delete;
  Native& operator=(const Native&) = delete;
  [[nodiscard]] Sight run(const Probe& probe);

 private:
  Native() = default;
  bool has_code_ = false, has_data_ = false;
  std::unique_ptr<testkit::NativeRing3> ring3_;
};

}  // namespace ringshift::ring_lab
