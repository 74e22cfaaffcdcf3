// No fragment that the translator makes is refused.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/listing/corpus.h"
#include "tests/verify/lab.h"

namespace ringshift::testing {
namespace {

class Accepts : public ::testing::Test {
 protected:
  void expect_accepted(const Source& source) {
    const std::string reason = verdict(verifier_, translate(source));
    if (reason.empty()) return;
    ADD_FAILURE() << fmt::format("{:02X} mode {}: {}", fmt::join(source.bytes, ""), source.mode.packed(), reason);
  }
  Visit visit() {
    return [this](const Source& source) { expect_accepted(source); };
  }

 private:
  verify::Verifier verifier_;
};

TEST_F(Accepts, OneByteOpcodes) { visit_one_byte_opcodes(visit()); }
TEST_F(Accepts, TwoByteOpcodes) { visit_two_byte_opcodes(visit()); }
TEST_F(Accepts, ThreeByteOpcodes) { visit_three_byte_opcodes(visit()); }
TEST_F(Accepts, RandomBytesInRandomModes) { visit_random_bytes(20260102, 200'000, visit()); }

TEST_F(Accepts, EveryTemplate) {
  for (const Source& source : template_sources()) expect_accepted(source);
}

TEST_F(Accepts, CodeThatMayBeExecutedAnywhere) {
  unsigned count = 0;
  visit_random_bytes(20261121, 100'000, [&](const Source& source) {
    if (!source.mode.plain()) return;
    ++count;
    expect_accepted(movable(source));
  });
  EXPECT_GT(count, 10'000U);
}

TEST_F(Accepts, EveryPlace) {
  for (std::uint32_t page = 0; page < abi::kMostPlaces; ++page) {
    Source source = movable({.bytes = hex("E8 10000000")});
    source.place = abi::place_offset(page);
    expect_accepted(source);
  }
}

TEST_F(Accepts, ABranchToALiveFragment) {
  const translator::Fragment fragment = translate({.bytes = hex("75 0E")});
  constexpr std::uint64_t kOther = kHostAddress + 0x1000;
  std::vector<std::uint8_t> code = fragment.code;
  const std::uint32_t at = fragment.exits[0].patch_offset;
  const auto relative = static_cast<std::uint32_t>(kOther - (kHostAddress + at + 4));
  for (unsigned i = 0; i < 4; ++i) code[at + i] = static_cast<std::uint8_t>(relative >> (8 * i));
  verify::VerifyRequest request = Subject(translator::Fragment{}).request(code);
  verify::Verifier verifier;
  EXPECT_THAT(verdict(verifier, request), ::testing::HasSubstr("neither a stub nor a fragment's entry"));
  request.is_entry = [](std::uint64_t address) { return address == kOther; };
  EXPECT_EQ(verdict(verifier, request), "");
}

}  // namespace
}  // namespace ringshift::testing
