// For tests of host code that breaks a promise by construction.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

#include "tests/verify/lab.h"

namespace ringshift::testing {

using Code = std::vector<std::uint8_t>;

class RefusalTest : public ::testing::Test {
 protected:
  std::string of(const Code& code) { return verdict(verifier_, none_.request(code)); }
  void expect_refused(const Code& instruction, std::string_view what) {
    ++count_;
    EXPECT_NE(of(with_exit(instruction)), "") << what << fmt::format(" {:02x}", fmt::join(instruction, " "));
  }
  void expect_accepted(const Code& instruction, std::string_view what) {
    EXPECT_EQ(of(with_exit(instruction)), "") << what << fmt::format(" {:02x}", fmt::join(instruction, " "));
  }

  verify::Verifier verifier_;
  const translator::Fragment empty_{};
  const Subject none_{empty_};
  unsigned count_ = 0;
};

}  // namespace ringshift::testing
