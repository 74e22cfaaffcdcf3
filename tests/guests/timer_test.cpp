// A guest that computes without end still gets the timer that it armed itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "runtime/machine/machine.h"
#include "tests/support/boot_images.h"

namespace ringshift::machine {
namespace {

// At 100040h, 32-bit, flat.
constexpr std::uint8_t kCode[] = {
    0xBC, 0x00, 0x30, 0x00, 0x00,              // mov esp, 3000h
    0xBA, 0x8B, 0x00, 0x10, 0x00,              // mov edx, handler
    0x8C, 0xC8,                                // mov eax, cs
    0xC1, 0xE0, 0x10,                          // shl eax, 16
    0x66, 0x89, 0xD0,                          // mov ax, dx
    0xA3, 0x00, 0x21, 0x00, 0x00,              // mov [2100h], eax     IDT at 2000h, vector 20h: an interrupt gate
    0x66, 0xBA, 0x00, 0x8E,                    // mov dx, 8E00h
    0x89, 0x15, 0x04, 0x21, 0x00, 0x00,        // mov [2104h], edx
    0x0F, 0x01, 0x1D, 0x93, 0x00, 0x10, 0x00,  // lidt [idtr]
    0xB0, 0x11, 0xE6, 0x20,                    // ICW1-4 of the master, all but IRQ 0 masked
    0xB0, 0x20, 0xE6, 0x21,                    //
    0xB0, 0x04, 0xE6, 0x21,                    //
    0xB0, 0x01, 0xE6, 0x21,                    //
    0xB0, 0xFE, 0xE6, 0x21,                    //
    0xB0, 0x30, 0xE6, 0x43,                    // PIT channel 0 once, after 11,932 clocks: 10 ms
    0xB0, 0x9C, 0xE6, 0x40,                    //
    0xB0, 0x2E, 0xE6, 0x40,                    //
    0xFB,                                      // sti
    0xEB, 0xFE,                                // jmp $
    0x66, 0xBA, 0x01, 0x05,                    // handler: mov dx, 501h
    0xB0, 0x2A, 0xEE,                          // mov al, 2Ah; out dx, al
    0xF4,                                      // hlt
    0x07, 0x01, 0x00, 0x20, 0x00, 0x00,        // idtr: 107h, 2000h
};

class BusyGuest : public testing::TestWithParam<EngineKind> {};

TEST_P(BusyGuest, GetsTheTimerThatItArms) {
  auto image = test::small_multiboot_addresses();
  std::copy(std::begin(kCode), std::end(kCode), image.begin() + 64);
  MachineConfig config;
  config.memory_bytes = 16 * kMiB;
  config.engine = GetParam();
  config.kernel = {"kernel", image};
  config.debug_exit = DebugExitPort{};
  config.timeout_ns = 10'000'000'000;
  auto created = Machine::create(std::move(config));
  ASSERT_TRUE(std::holds_alternative<std::unique_ptr<Machine>>(created)) << std::get<std::string>(created);

  const auto start = std::chrono::steady_clock::now();
  const RunEnd end = std::get<std::unique_ptr<Machine>>(created)->run();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(end.reason, RunEnd::Reason::debug_exit) << end.message;
  EXPECT_EQ(end.code, 2 * 0x2A + 1U);
  EXPECT_GE(took.count(), 0.009);
  EXPECT_LT(took.count(), 5.0) << "on a busy host";
}
INSTANTIATE_TEST_SUITE_P(Engines, BusyGuest, testing::Values(EngineKind::translate, EngineKind::interpret));

}  // namespace
}  // namespace ringshift::machine
