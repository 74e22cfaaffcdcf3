// The exit status of every way in which a run can end.
#include "cli/exit_code.h"

#include <gtest/gtest.h>

namespace ringshift::cli {
namespace {

using Reason = machine::RunEnd::Reason;

struct Row {
  Reason reason;
  std::uint32_t code;
  std::optional<int> stopped;
  int expected;
};

class ExitCode : public testing::TestWithParam<Row> {};

const Row kRows[] = {
    {Reason::powered_off, 0, {}, 0},      {Reason::reset, 0, {}, 0},          {Reason::debug_exit, 1, {}, 1},
    {Reason::debug_exit, 0x21, {}, 0x21}, {Reason::debug_exit, 0x301, {}, 1},  // the host keeps 8 bits
    {Reason::triple_fault, 0, {}, 3},     {Reason::timeout, 0, {}, 124},      {Reason::host_error, 0, {}, 1},
    {Reason::stopped, 0, 0, 0},        // Ctrl-a x
    {Reason::stopped, 0, 143, 143},    // SIGTERM
    {Reason::powered_off, 0, 143, 0},  // the guest was faster
};

TEST_P(ExitCode, SaysHowTheRunEnded) {
  EXPECT_EQ(exit_code({GetParam().reason, GetParam().code, {}}, GetParam().stopped), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(EveryReason, ExitCode, testing::ValuesIn(kRows));

}  // namespace
}  // namespace ringshift::cli
