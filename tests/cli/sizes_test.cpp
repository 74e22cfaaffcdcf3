// Memory sizes as people write them.
#include "cli/sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/machine/memory_layout.h"

namespace ringshift::cli {
namespace {

using machine::kGiB;
using machine::kKiB;
using machine::kMiB;

std::uint64_t size_of(std::string_view text) {
  const auto result = parse_memory_size(text);
  const auto* bytes = std::get_if<std::uint64_t>(&result);
  return bytes == nullptr ? 0 : *bytes;
}

std::string error_of(std::string_view text) {
  const auto result = parse_memory_size(text);
  const auto* error = std::get_if<std::string>(&result);
  return error == nullptr ? "no error" : *error;
}

TEST(MemorySize, HasUnits) {
  EXPECT_EQ(size_of("4096K"), 4 * kMiB);
  EXPECT_EQ(size_of("256M"), 256 * kMiB);
  EXPECT_EQ(size_of("256m"), 256 * kMiB);
  EXPECT_EQ(size_of("3G"), 3 * kGiB);
}

TEST(MemorySize, CountsMebibytesWithoutOne) { EXPECT_EQ(size_of("64"), 64 * kMiB); }

TEST(MemorySize, ReachesFromTwoMebibytesTo32Gibibytes) {
  EXPECT_EQ(size_of("2M"), 2 * kMiB);
  EXPECT_EQ(error_of("2047K"), "memory size '2047K': the least is 2M");
  EXPECT_EQ(error_of("0"), "memory size '0': the least is 2M");
  EXPECT_EQ(size_of("32G"), 32 * kGiB);
  EXPECT_EQ(error_of("33G"), "memory size '33G': the most is 32G");
  EXPECT_EQ(error_of("18446744073709551615G"), "memory size '18446744073709551615G': the most is 32G");
}

TEST(MemorySize, IsWholePages) { EXPECT_EQ(error_of("4097K"), "memory size '4097K': not a multiple of 4K"); }

TEST(MemorySize, IsANumber) {
  for (const char* text : {"", "M", "abc", "-1", "+1", " 1", "1 M", "1.5G", "1GB", "0x100", "99999999999999999999"}) {
    EXPECT_THAT(error_of(text), testing::HasSubstr("not a number")) << text;
  }
}

TEST(Number, IsDecimalOrHexadecimal) {
  EXPECT_EQ(parse_number("1281"), 1281U);
  EXPECT_EQ(parse_number("0x501"), 0x501U);
  EXPECT_EQ(parse_number("0Xff"), 255U);
  for (const char* text : {"", "0x", "12z", "0x12z", "-1", "ff", "99999999999999999999"}) {
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace ringshift::cli
