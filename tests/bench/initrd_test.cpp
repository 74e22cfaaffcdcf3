#include "cli/bench/initrd.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace ringshift::cli {
namespace {

constexpr std::array<std::uint8_t, 5> kContents{'h', 'e', 'l', 'l', 'o'};

std::string archive_of(std::span<const InitrdEntry> entries) {
  const auto bytes = make_initrd(entries);
  return {bytes.begin(), bytes.end()};
}

TEST(Initrd, IsACpioArchiveInTheNewFormat) {
  const std::array entries{InitrdEntry{"init", 0100755, kContents}};
  const std::string archive = archive_of(entries);
  EXPECT_EQ(archive.substr(0, 6), "070701");
  EXPECT_EQ(archive.substr(14, 8), "000081ED") << "mode";
  EXPECT_EQ(archive.substr(54, 8), "00000005") << "size of the contents";
  EXPECT_EQ(archive.substr(94, 8), "00000005") << "size of the name with its zero";
  EXPECT_EQ(archive.substr(110, 5), std::string("init\0", 5));
}

TEST(Initrd, ContentsAndHeadersStartAtMultiplesOfFour) {
  const std::array entries{InitrdEntry{"init", 0100755, kContents}, InitrdEntry{"folder", 040755}};
  const std::string archive = archive_of(entries);
  EXPECT_EQ(archive.find("hello") % 4, 0U);
  EXPECT_EQ(archive.find("070701", 1) % 4, 0U);
}

TEST(Initrd, EndsWithATrailer) {
  const std::string archive = archive_of({});
  EXPECT_NE(archive.find("TRAILER!!!"), std::string::npos);
  EXPECT_EQ(archive.size() % 4, 0U);
}

}  // namespace
}  // namespace ringshift::cli
