// Every device against random guests. A failure names its seed.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/fuzz/device_rigs.h"
#include "tests/fuzz/fuzz_devices.h"

namespace ringshift::fuzz {
namespace {

using Input = std::vector<std::uint8_t>;

constexpr unsigned kGuests = 300, kSteps = 400;

Input random_guest(unsigned rig, std::mt19937& random) {
  Input input{static_cast<std::uint8_t>(rig)};
  for (unsigned i = 0; i < 4 * kSteps; ++i) input.push_back(static_cast<std::uint8_t>(random()));
  return input;
}

// Repeats a piece of itself, with little changes: drivers do the same thing again and again.
void stutter(Input& input, std::mt19937& random) {
  const std::size_t steps = (input.size() - 1) / 4;
  const std::size_t from = random() % steps, to = random() % steps, count = 1 + random() % 8;
  for (std::size_t i = 0; i < 4 * count; ++i) {
    const std::size_t source = 1 + 4 * from + i, target = 1 + 4 * to + i;
    if (source >= input.size() || target >= input.size()) break;
    input[target] = input[source];
    if (random() % 16 == 0) input[target] ^= static_cast<std::uint8_t>(1U << (random() % 8));
  }
}

class Devices : public testing::TestWithParam<unsigned> {};

TEST_P(Devices, KeepTheirInvariantsUnderRandomGuests) {
  for (std::uint32_t seed = 1; seed <= kGuests; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed * 100 + GetParam());
    Input input = random_guest(GetParam(), random);
    const unsigned edits = random() % 64;
    for (unsigned i = 0; i < edits; ++i) stutter(input, random);
    EXPECT_EQ(LLVMFuzzerTestOneInput(input.data(), input.size()), 0);
  }
}

std::string rig_name(const testing::TestParamInfo<unsigned>& rig) {
  constexpr const char* kNames[kRigs] = {"Pic",   "Pit", "Rtc", "Uart",   "I8042",   "Pci",  "Dma",  "Acpi",    "All",
                                         "FwCfg", "Vga", "Ide", "Floppy", "ChipSet", "Apic", "Hpet", "Parallel"};
  return kNames[rig.param];
}
INSTANTIATE_TEST_SUITE_P(Each, Devices, testing::Range(0U, kRigs), rig_name);

}  // namespace
}  // namespace ringshift::fuzz
