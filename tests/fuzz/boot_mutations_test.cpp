// The boot loaders against images with random damage. A failure names its seed.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/fuzz/fuzz_boot.h"
#include "tests/support/boot_images.h"

namespace ringshift {
namespace {

void mutate_and_run(const std::vector<std::uint8_t>& image, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> damaged = image;
  const auto edits = 1 + random() % 6;
  for (std::uint32_t i = 0; i < edits; ++i) {
    // Headers decide, so most of the damage goes to the first KiB.
    const std::size_t reach = random() % 4 == 0 ? damaged.size() : std::min<std::size_t>(damaged.size(), 0x400);
    if (reach == 0) break;
    const std::size_t at = random() % reach;
    switch (random() % 4) {
      case 0:
        damaged[at] = static_cast<std::uint8_t>(random());
        break;
      case 1:
        damaged[at] ^= static_cast<std::uint8_t>(1U << (random() % 8));
        break;
      case 2:
        for (std::size_t j = at; j < std::min(at + 4, damaged.size()); ++j) damaged[j] = random() % 2 == 0 ? 0xFF : 0;
        break;
      default:
        if (random() % 8 == 0) damaged.resize(at);
        break;
    }
  }
  SCOPED_TRACE("seed " + std::to_string(seed));
  EXPECT_EQ(LLVMFuzzerTestOneInput(damaged.data(), damaged.size()), 0);
}

TEST(BootLoaders, SurviveRandomDamage) {
  const std::vector<std::vector<std::uint8_t>> images{test::small_bzimage(), test::small_elf(false),
                                                      test::small_elf(true), test::small_multiboot_addresses()};
  std::uint32_t seed = 1;
  for (const auto& image : images) {
    for (int i = 0; i < 2000; ++i) mutate_and_run(image, seed++);
  }
}

TEST(BootLoaders, SurviveEveryTruncation) {
  for (const auto& image : {test::small_bzimage(), test::small_elf(true), test::small_multiboot_addresses()}) {
    for (std::size_t size = 0; size <= image.size(); size += size < 0x300 ? 1 : 61) {
      EXPECT_EQ(LLVMFuzzerTestOneInput(image.data(), size), 0);
    }
  }
}

}  // namespace
}  // namespace ringshift
