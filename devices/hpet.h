// High precision event timers: a counter of 64 bits and three comparators.
// Source: IA-PC HPET specification 1.0a. Interrupts by FSB messages are not offered.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "devices/clock.h"
#include "devices/irq_line.h"
#include "devices/tick_rate.h"
#include "mmu/physical_map.h"

namespace ringshift::devices {

class Hpet final : public mmu::MmioHandler {
 public:
  static constexpr std::uint32_t kBase = 0xFED00000, kBytes = 4096;
  static constexpr std::uint64_t kHertz = 100'000'000;
  static constexpr unsigned kTimers = 3;
  // The low half of the capabilities, which ACPI's table repeats: Intel, legacy routes, a counter of 64 bits.
  static constexpr std::uint32_t kCapabilities = 0x8086'0000 | 1U << 15 | 1U << 13 | (kTimers - 1) << 8 | 0x01;
  // Pins of the I/O APIC that a timer may be routed to: those that nothing else is on.
  static constexpr std::uint32_t kRoutes = 0x00F00000;

  struct Wiring {
    // The lines of timers 0 and 1 while they stand for the 8254 and the real-time clock, and who hears that they do.
    std::array<IrqLine*, 2> legacy{};
    std::function<void(bool on)> legacy_changed;
    // Another interrupt pin; null if there is no I/O APIC.
    std::function<IrqLine*(unsigned pin)> pin;
  };
  Hpet(EventQueue& events, Wiring wiring);
  Hpet(const Hpet&) = delete;
  Hpet& operator=(const Hpet&) = delete;

  // An access of 64 bits comes as two of 32; the counter is read whole if the low half is read first.
  std::uint32_t mmio_read(std::uint64_t offset, unsigned size) override;
  void mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) override;

  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }

 private:
  struct Timer {
    std::uint64_t config = 0;
    std::uint64_t comparator = ~0ULL;
    std::uint64_t period = 0;
    EventQueue::TimerId event = 0;
    IrqLine* line = nullptr;  // that it holds asserted
  };

  [[nodiscard]] bool enabled() const { return (config_ & 1) != 0; }
  [[nodiscard]] bool legacy() const { return (config_ & 2) != 0; }
  [[nodiscard]] std::uint64_t counter() const;
  // Of a timer, as wide as it is.
  [[nodiscard]] static std::uint64_t mask(const Timer& timer);
  [[nodiscard]] IrqLine* line_of(unsigned number) const;
  std::uint32_t read(std::uint64_t offset);
  void write(std::uint64_t offset, std::uint32_t value);
  void write_config(std::uint32_t value);
  void write_timer(unsigned number, std::uint64_t offset, std::uint32_t value);
  void write_comparator(Timer& timer, unsigned shift, std::uint32_t value);
  void arm(unsigned number);
  void arm_all();
  void due(unsigned number);
  void update_line(unsigned number);

  EventQueue& events_;
  Wiring wiring_;
  TickRate rate_{kHertz};
  std::array<Timer, kTimers> timers_;
  std::uint64_t config_ = 0, status_ = 0;
  std::uint64_t stopped_ = 0;  // the counter while it stands; else its value at tick 0 of the clock
  std::uint32_t high_half_ = 0;
  std::uint64_t odd_ = 0;
};

}  // namespace ringshift::devices
