// Headers of qcow2 images with random damage. A failure names its seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string_view>
#include <vector>

#include "tests/fuzz/fuzz_qcow2.h"

namespace ringshift {
namespace {

using Bytes = std::vector<std::uint8_t>;

void put(Bytes& image, std::size_t at, std::uint64_t value, unsigned count) {
  for (unsigned i = 0; i < count; ++i) image[at + i] = static_cast<std::uint8_t>(value >> (8 * (count - 1 - i)));
}

// Clusters of 512 bytes; the L1 table is the second, and has one L2 table, the fourth.
Bytes small_qcow2(unsigned version, std::string_view backing_file) {
  Bytes image(2048);
  put(image, 0, 0x514649FB, 4);
  put(image, 4, version, 4);
  put(image, 20, 9, 4);
  put(image, 24, 32768, 8);
  put(image, 36, 1, 4);
  put(image, 40, 512, 8);
  put(image, 48, 1024, 8);
  put(image, 56, 1, 4);
  put(image, 512, 1ULL << 63 | 1536, 8);
  std::size_t at = 72;
  if (version == 3) {
    put(image, 96, 4, 4);
    put(image, 100, 104, 4);
    at = 104;
  }
  put(image, at, 0xE2792ACA, 4);
  put(image, at + 4, 3, 4);
  std::ranges::copy(std::string_view("raw"), image.begin() + static_cast<std::ptrdiff_t>(at) + 8);
  put(image, at + 16, 0, 8);
  if (!backing_file.empty()) {
    put(image, 8, 300, 8);
    put(image, 16, backing_file.size(), 4);
    std::ranges::copy(backing_file, image.begin() + 300);
  }
  return image;
}

void mutate_and_run(Bytes image, std::uint32_t seed) {
  std::mt19937 random(seed);
  constexpr std::uint8_t kEdges[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
  const auto edits = random() % 6;  // or none
  for (std::uint32_t i = 0; i < edits && !image.empty(); ++i) {
    const std::size_t reach = random() % 8 == 0 ? image.size() : std::min<std::size_t>(image.size(), 128);
    const std::size_t at = random() % reach;
    switch (random() % 4) {
      case 0:
        image[at] = static_cast<std::uint8_t>(random());
        break;
      case 1:
        image[at] ^= static_cast<std::uint8_t>(1U << (random() % 8));
        break;
      case 2:
        image[at] = kEdges[random() % std::size(kEdges)];
        break;
      default:
        if (random() % 8 == 0) image.resize(at);
        break;
    }
  }
  SCOPED_TRACE("seed " + std::to_string(seed));
  EXPECT_EQ(LLVMFuzzerTestOneInput(image.data(), image.size()), 0);
}

TEST(Qcow2Headers, SurviveRandomDamage) {
  const std::vector<Bytes> images{small_qcow2(2, ""), small_qcow2(3, ""), small_qcow2(3, "/nowhere/base.img"),
                                  small_qcow2(2, "/dev/null"), small_qcow2(3, "nbd:host:1")};
  std::uint32_t seed = 1;
  for (const Bytes& image : images) {
    for (int i = 0; i < 4000; ++i) mutate_and_run(image, seed++);
  }
}

TEST(Qcow2Headers, SurviveEveryTruncation) {
  for (const unsigned version : {2U, 3U}) {
    const Bytes image = small_qcow2(version, "base.img");
    for (std::size_t size = 0; size <= image.size(); ++size) {
      EXPECT_EQ(LLVMFuzzerTestOneInput(image.data(), size), 0);
    }
  }
}

}  // namespace
}  // namespace ringshift
