// Guests learn the frequency of their TSC from CPUID (SDM vol. 2, CPUID, leaf 15h) and need not measure it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "runtime/machine/machine.h"
#include "runtime/machine/tsc_meter.h"
#include "tests/support/boot_images.h"

namespace ringshift::machine {
namespace {

// What leaf 15h says of the TSC, in kHz, to the exit port: the crystal's 25,000 times EBX / EAX.
constexpr std::uint8_t kCode[] = {
    0xB8, 0x15, 0x00, 0x00, 0x00,  // mov eax, 15h
    0x0F, 0xA2,                    // cpuid
    0x89, 0xC1,                    // mov ecx, eax
    0xB8, 0xA8, 0x61, 0x00, 0x00,  // mov eax, 25000
    0xF7, 0xE3,                    // mul ebx
    0xF7, 0xF1,                    // div ecx
    0x66, 0xBA, 0x01, 0x05,        // mov dx, 501h
    0xEF,                          // out dx, eax
    0xF4,                          // hlt
};

std::uint32_t kilohertz_seen(bool virtual_time) {
  auto image = test::small_multiboot_addresses();
  std::copy(std::begin(kCode), std::end(kCode), image.begin() + 64);
  MachineConfig config;
  config.memory_bytes = 16 * kMiB;
  config.engine = EngineKind::interpret;
  config.virtual_time = virtual_time;
  config.kernel = {"kernel", image};
  config.debug_exit = DebugExitPort{};
  auto created = Machine::create(std::move(config));
  return std::get<std::unique_ptr<Machine>>(created)->run().code >> 1;
}

TEST(TscFrequency, IsOneGigahertzInVirtualTime) { EXPECT_EQ(kilohertz_seen(true), 1'000'000U); }

TEST(TscFrequency, IsThatOfTheHostElsewhere) {
  const HostClock clock;
  const TscMeter meter(clock);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const double expected = meter.kilohertz();
  EXPECT_NEAR(kilohertz_seen(false), expected, expected / 1000);
}

}  // namespace
}  // namespace ringshift::machine
