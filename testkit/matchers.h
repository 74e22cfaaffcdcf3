// What an outcome is, for EXPECT_THAT:
//
//     EXPECT_THAT(lab.run("hlt"), Faults(vector::kGp, 0));
//     EXPECT_THAT(lab.run("mov eax, [ebx]"), PageFaults(0x31000, mmu::pf::kUser));
//     EXPECT_THAT(lab.run("popf"), CallsOut("popf"));
#pragma once

#include <gmock/gmock.h>

#include "testkit/guest_lab.h"

namespace ringshift::testkit {

// The code ran to its end.
MATCHER(Completes, "runs to its end") {
  const testing::AssertionResult result = arg.completed();
  *result_listener << result.message();
  return static_cast<bool>(result);
}

// The code halted the processor.
MATCHER(Halts, "halts") { return arg.stop == TestMachine::Stop::halted; }

// A triple fault.
MATCHER(ShutsDown, "shuts down") { return arg.stop == TestMachine::Stop::shutdown; }

// An exception with this error code.
MATCHER_P2(Faults, vec, error,
           "raises vector " + testing::PrintToString(vec) + ", error code " + testing::PrintToString(error)) {
  if (arg.event) *result_listener << *arg.event;
  return arg.event && arg.event->vector == static_cast<unsigned>(vec) &&
         arg.event->error == std::optional(static_cast<std::uint32_t>(error));
}

// An event without an error code: an exception, an interrupt, INT n.
MATCHER_P(Raises, vec, "raises vector " + testing::PrintToString(vec)) {
  if (arg.event) *result_listener << *arg.event;
  return arg.event && arg.event->vector == static_cast<unsigned>(vec) && !arg.event->error;
}

// A page fault at this address, with this error code.
MATCHER_P2(PageFaults, address, error, "raises a page fault at " + testing::PrintToString(address)) {
  if (arg.event) *result_listener << *arg.event;
  return arg.event && arg.event->vector == vector::kPf && arg.event->cr2 == static_cast<std::uint32_t>(address) &&
         arg.event->error == std::optional(static_cast<std::uint32_t>(error));
}

// Nothing has changed but what the test has looked at.
MATCHER(LeavesTheRest, "leaves everything else as it was") {
  const testing::AssertionResult result = arg.rest_unchanged();
  *result_listener << result.message();
  return static_cast<bool>(result);
}

// Translated code left the instruction named so to the runtime; or none. The interpreter calls nothing out.
MATCHER_P(CallsOut, operation, "calls out for " + testing::PrintToString(operation)) {
  return arg.callouts.contains(operation);
}
MATCHER(CallsNothingOut, "calls nothing out") {
  for (const auto& [operation, count] : arg.callouts) *result_listener << operation << ' ' << count << ' ';
  return arg.callouts.empty() && arg.brief_callouts == 0;
}

}  // namespace ringshift::testkit
