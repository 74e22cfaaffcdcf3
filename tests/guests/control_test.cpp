// What monitors and debuggers do to a machine from outside, and what its resets keep.
#include <gtest/gtest.h>
#include <x86intrin.h>

#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "runtime/machine/machine.h"
#include "tests/support/boot_images.h"

namespace ringshift::machine {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Cause = MachineEvent::Cause;
using Kind = MachineEvent::Kind;

constexpr std::uint32_t kEntry = 0x100040;

class Control : public testing::TestWithParam<EngineKind> {
 protected:
  MachineConfig config(const Bytes& code) {
    auto image = test::small_multiboot_addresses();
    std::copy(code.begin(), code.end(), image.begin() + 64);
    MachineConfig config;
    config.memory_bytes = 16 * kMiB;
    config.engine = GetParam();
    config.kernel = {"kernel", image};
    config.debug_exit = DebugExitPort{};
    config.timeout_ns = 20'000'000'000;
    config.event = [this](const MachineEvent& event) {
      events.push_back(event);
      if (event.kind == Kind::stopped && on_stop) on_stop(event);
    };
    return config;
  }
  RunEnd run(MachineConfig config) {
    auto created = Machine::create(std::move(config));
    EXPECT_TRUE(std::holds_alternative<std::unique_ptr<Machine>>(created)) << std::get<std::string>(created);
    machine = std::move(std::get<std::unique_ptr<Machine>>(created));
    return machine->run();
  }
  [[nodiscard]] std::vector<Kind> kinds() const {
    std::vector<Kind> all;
    for (const MachineEvent& event : events) all.push_back(event.kind);
    return all;
  }
  std::uint32_t eip() { return machine->processor().state.eip; }

  std::unique_ptr<Machine> machine;
  std::vector<MachineEvent> events;
  std::function<void(const MachineEvent&)> on_stop;
};

INSTANTIATE_TEST_SUITE_P(Engines, Control, testing::Values(EngineKind::translate, EngineKind::interpret),
                         [](const auto& kind) {
                           return kind.param == EngineKind::translate ? "translate" : "interpret";
                         });

// 40 inc eax; 41 inc eax; 42 mov [2000h], eax; 47 mov dx, 501h; 4B out dx, al; 4C hlt
const Bytes kShort{0x31, 0xC0, 0x40, 0xA3, 0x00, 0x20, 0x00, 0x00, 0x66, 0xBA, 0x01, 0x05, 0xEE, 0xF4};
const Bytes kSpin{0x40, 0xEB, 0xFD};

TEST_P(Control, AMachineThatStartsStoppedHasRunNothing) {
  auto machine_config = config(kShort);
  machine_config.start_stopped = true;
  on_stop = [this](const MachineEvent& event) {
    EXPECT_EQ(event.cause, Cause::request);
    EXPECT_EQ(eip(), kEntry);
    machine->ask([this] { machine->resume(); });
  };
  EXPECT_EQ(run(std::move(machine_config)).code, 3U);
  EXPECT_EQ(kinds(), (std::vector{Kind::stopped, Kind::resumed, Kind::ended}));
}

TEST_P(Control, BreakpointsWatchpointsAndStepsStopIt) {
  auto machine_config = config(kShort);
  machine_config.start_stopped = true;
  std::vector<std::pair<Cause, std::uint32_t>> stops;
  on_stop = [&](const MachineEvent& event) {
    stops.emplace_back(event.cause, eip());
    machine->ask([this, n = stops.size()] {
      if (n == 1) machine->set_breakpoints({kEntry + 2});
      if (n == 2) machine->set_watchpoints({{0x2000, 4, false, true}});
      if (n == 3) machine->set_watchpoints({});
      n == 3 ? machine->step() : machine->resume();
    });
  };
  EXPECT_EQ(run(std::move(machine_config)).code, 3U);
  EXPECT_EQ(stops, (std::vector<std::pair<Cause, std::uint32_t>>{{Cause::request, kEntry},
                                                                 {Cause::breakpoint, kEntry + 2},
                                                                 {Cause::watchpoint, kEntry + 8},
                                                                 {Cause::step, kEntry + 12}}));
}

TEST_P(Control, AnotherThreadStopsAndEndsAGuestThatComputes) {
  auto machine_config = config(kSpin);
  auto created = Machine::create(std::move(machine_config));
  machine = std::move(std::get<std::unique_ptr<Machine>>(created));
  auto ended = std::async(std::launch::async, [this] { return machine->run(); });
  const auto eax = [this] {
    std::promise<std::uint32_t> value;
    machine->ask([&] { value.set_value(machine->processor().state.gpr[kEax]); });
    return value.get_future().get();
  };
  machine->ask([this] { machine->stop(); });
  const std::uint32_t before = eax();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(eax(), before);
  machine->ask([this] { machine->resume(); });
  while (eax() == before) std::this_thread::yield();
  machine->request_stop();
  EXPECT_EQ(ended.get().reason, RunEnd::Reason::stopped);
}

TEST_P(Control, TheTimeStampCounterStandsStillMeanwhile) {
  // 40 rdtsc; 42 mov esi, eax; 44 mov edi, edx; 46 rdtsc; 48 jmp $
  auto machine_config = config({0x0F, 0x31, 0x89, 0xC6, 0x89, 0xD7, 0x0F, 0x31, 0xEB, 0xFE});
  machine_config.start_stopped = true;
  std::uint64_t slept = 0;
  unsigned stops = 0;
  on_stop = [&](const MachineEvent&) {
    machine->ask([&] {
      switch (++stops) {
        case 1:
          machine->set_breakpoints({kEntry + 6, kEntry + 8});
          break;
        case 2: {
          const std::uint64_t start = __rdtsc();
          std::this_thread::sleep_for(std::chrono::milliseconds(500));
          slept = __rdtsc() - start;
          break;
        }
        default:
          return machine->request_stop();
      }
      machine->resume();
    });
  };
  EXPECT_EQ(run(std::move(machine_config)).reason, RunEnd::Reason::stopped);
  const CpuState& state = machine->cpu();
  const std::uint64_t first = std::uint64_t{state.gpr[kEdi]} << 32 | state.gpr[kEsi];
  const std::uint64_t second = std::uint64_t{state.gpr[kEdx]} << 32 | state.gpr[kEax];
  EXPECT_GT(second, first);
  EXPECT_LT(second - first, slept / 4);
}

TEST(StoppableClock, StandsStillWhileStopped) {
  const HostClock host;
  StoppableClock clock(host);
  clock.stop();
  const std::uint64_t at = clock.now_ns();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_EQ(clock.now_ns(), at);
  clock.go_on();
  EXPECT_LT(clock.now_ns() - at, 30'000'000U);
  EXPECT_GE(clock.host_ns(at), at + 30'000'000U);
  EXPECT_EQ(clock.host_ns(devices::EventQueue::kNever), devices::EventQueue::kNever);
}

// ---- resets -----------------------------------------------------------------------------------

// Firmware that resets the machine once, and then leaves with what it finds: the byte at 500h, which it wrote before,
// and the interrupt mask, which it had set to A5h. CMOS byte 50h says which time it is.
Bytes resetting_firmware(const Bytes& reset) {
  Bytes code{0xB0, 0x50, 0xE6, 0x70, 0xE4, 0x71,        // mov al, 50h; out 70h, al; in al, 71h
             0x3C, 0x01, 0x74, 0x20,                    // cmp al, 1; je second
             0xB0, 0x50, 0xE6, 0x70,                    // mov al, 50h; out 70h, al
             0xB0, 0x01, 0xE6, 0x71,                    // mov al, 1; out 71h, al
             0xC6, 0x06, 0x00, 0x05, 0x77,              // mov byte [500h], 77h
             0xB0, 0xA5, 0xE6, 0x21};                   // mov al, A5h; out 21h, al
  code.insert(code.end(), reset.begin(), reset.end());  // at 1Bh
  code.insert(code.end(), {0xF4, 0xEB, 0xFD});          // hlt; jmp back to it
  code.resize(0x2A, 0x90);
  const Bytes second{0xE4, 0x21, 0x88, 0xC4,   // in al, 21h; mov ah, al
                     0xA0, 0x00, 0x05,         // mov al, [500h]
                     0xBA, 0x01, 0x05, 0xEF};  // mov dx, 501h; out dx, ax
  code.insert(code.end(), second.begin(), second.end());
  code.resize(4096, 0xF4);
  constexpr std::uint8_t kJump[] = {0xE9, 0x0D, 0xF0};  // jmp F000h
  std::copy(std::begin(kJump), std::end(kJump), code.begin() + 0xFF0);
  return code;
}

class Resets : public Control {
 protected:
  // What the firmware leaves with: the interrupt mask and the byte in RAM.
  std::uint32_t leave_after(const Bytes& reset) {
    auto machine_config = config({});
    machine_config.firmware.emplace().bios = resetting_firmware(reset);
    const RunEnd end = run(std::move(machine_config));
    EXPECT_EQ(end.reason, RunEnd::Reason::debug_exit) << end.message;
    return end.code >> 1;
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, Resets, testing::Values(EngineKind::translate, EngineKind::interpret));

TEST_P(Resets, OfEverythingKeepRamAndCmos) {
  // mov dx, CF9h; mov al, 2; out dx, al; mov al, 6; out dx, al
  EXPECT_EQ(leave_after({0xBA, 0xF9, 0x0C, 0xB0, 0x02, 0xEE, 0xB0, 0x06, 0xEE}), 0xFF77U);
  EXPECT_EQ(machine->resets(), 1U);
}

TEST_P(Resets, ThroughTheKeyboardControllerAreOfTheCpuAlone) {
  EXPECT_EQ(leave_after({0xB0, 0xFE, 0xE6, 0x64}), 0xA577U);  // mov al, FEh; out 64h, al
  EXPECT_EQ(machine->resets(), 0U);
}

TEST_P(Resets, ThroughPort92AreOfTheCpuAlone) {
  EXPECT_EQ(leave_after({0xB0, 0x03, 0xE6, 0x92}), 0xA577U);  // mov al, 3; out 92h, al
}

}  // namespace
}  // namespace ringshift::machine
