// The local APIC of the one processor: interrupts of the I/O APIC, of the pins LINT0 and LINT1 and of its own timer,
// and virtual wire mode, in which the 8259s interrupt through LINT0.
// Source: Intel SDM vol. 3, chapter 11 (xAPIC; no x2APIC, no TSC deadline).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "devices/clock.h"
#include "devices/tick_rate.h"
#include "mmu/physical_map.h"

namespace ringshift::devices {

// What travels on the APICs' bus.
enum class ApicDelivery : std::uint8_t {
  fixed = 0,
  lowest = 1,
  smi = 2,
  nmi = 4,
  init = 5,
  startup = 6,
  ext_int = 7
};
// Of a redirection or local vector table entry, or an interrupt command.
constexpr ApicDelivery delivery_of(std::uint32_t entry) { return static_cast<ApicDelivery>(entry >> 8 & 7); }
// The others are not told apart by a vector, nor by edge and level.
constexpr bool has_vector(ApicDelivery delivery) {
  return delivery == ApicDelivery::fixed || delivery == ApicDelivery::lowest;
}
struct ApicMessage {
  std::uint8_t destination = 0;
  bool logical = false;
  ApicDelivery delivery = ApicDelivery::fixed;
  std::uint8_t vector = 0;
  bool level = false;
};

class LocalApic final : public mmu::MmioHandler {
 public:
  static constexpr std::uint32_t kBase = 0xFEE00000, kBytes = 4096;
  // Of the timer's clock before it is divided: what CPUID leaf 15h calls the core crystal clock.
  static constexpr std::uint64_t kTimerHertz = 25'000'000;

  struct Wiring {
    std::function<void()> changed;                       // pending() may have
    std::function<void()> nmi;                           // an NMI for the processor
    std::function<void(std::uint8_t vector)> broadcast;  // EOI of a level-triggered interrupt
  };
  LocalApic(EventQueue& events, Wiring wiring);
  LocalApic(const LocalApic&) = delete;
  LocalApic& operator=(const LocalApic&) = delete;

  std::uint32_t mmio_read(std::uint64_t offset, unsigned size) override;
  void mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) override;

  // The EN bit of IA32_APIC_BASE. Off, the pins are INTR and NMI; it comes back as after a reset.
  void set_enabled(bool enabled);
  [[nodiscard]] bool enabled() const { return enabled_; }
  // As after RESET and INIT. LINT0 takes the 8259s' interrupts then, as the MultiProcessor Specification (3.6.2) wants
  // it of whoever starts the system.
  void reset();

  // An interrupt that waits to be taken; the processor's IF does not count.
  [[nodiscard]] bool pending() const { return own_pending() || external_pending(); }
  // The vector, which is in service now; nothing: it is the 8259s' to say.
  std::optional<std::uint8_t> acknowledge();

  // The pins. LINT0 is the 8259s' INTR.
  void set_lint0(bool asserted) { set_lint(0, asserted); }
  void set_lint1(bool asserted) { set_lint(1, asserted); }
  // From the I/O APIC. False: it is not for this processor, or not accepted.
  bool receive(const ApicMessage& message);

  // Reserved registers and message types without a meaning here.
  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }

 private:
  // Index of a local vector table entry.
  enum Lvt : unsigned {
    kTimer,
    kThermal,
    kPerformance,
    kLint0,
    kLint1,
    kError,
    kLvts
  };
  // A bit for each vector.
  class Vectors {
   public:
    [[nodiscard]] bool test(std::uint8_t vector) const { return (words_[vector / 32] >> (vector % 32) & 1) != 0; }
    void set(std::uint8_t vector, bool value);
    [[nodiscard]] std::uint32_t word(unsigned index) const { return words_[index]; }
    [[nodiscard]] int highest() const;  // -1: none
   private:
    std::array<std::uint32_t, 8> words_{};
  };
  struct Registers {
    std::uint32_t id = 0, tpr = 0, ldr = 0, dfr = 0xFFFFFFFF, svr = 0xFF;
    Vectors isr, tmr, irr;
    std::uint32_t errors = 0, esr = 0;  // since the last write to ESR; as read
    std::uint32_t icr_low = 0, icr_high = 0;
    std::array<std::uint32_t, kLvts> lvt{0x10000, 0x10000, 0x10000, 0x00700, 0x10000, 0x10000};
    std::uint32_t initial_count = 0, divide = 0;
    std::uint64_t started = 0;  // the timer, in ticks of its undivided clock
    bool counted = false;       // the one-shot count has reached zero
  };

  [[nodiscard]] bool software_enabled() const { return (r_.svr & 0x100) != 0; }
  [[nodiscard]] std::uint8_t priority() const;  // PPR
  [[nodiscard]] bool own_pending() const;
  [[nodiscard]] bool external_pending() const;
  [[nodiscard]] bool addressed(const ApicMessage& message) const;
  std::uint32_t read(unsigned reg);
  void write(unsigned reg, std::uint32_t value);
  void write_lvt(unsigned index, std::uint32_t value);
  void send_ipi();
  bool accept(std::uint8_t vector, bool level);
  void raise_lvt(unsigned index);
  void set_lint(unsigned pin, bool asserted);
  void raise_error(std::uint32_t bit);
  void end_of_interrupt();

  [[nodiscard]] std::uint64_t divisor() const;
  [[nodiscard]] std::uint64_t ticks() const { return rate_.ticks_at(events_.clock().now_ns()); }
  [[nodiscard]] bool periodic() const { return (r_.lvt[kTimer] & 0x20000) != 0; }
  [[nodiscard]] std::uint32_t current_count() const;
  void arm_timer();
  void settle_timer();
  void timer_due();

  EventQueue& events_;
  Wiring wiring_;
  EventQueue::TimerId timer_;
  TickRate rate_{kTimerHertz};
  bool enabled_ = true;
  std::array<bool, 2> lint_{};
  Registers r_;
  std::uint64_t odd_ = 0;
};

}  // namespace ringshift::devices
