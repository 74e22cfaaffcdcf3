// 8254 programmable interval timer: channel 0 drives IRQ 0, channel 2 the speaker; and port 61h, which gates it.
#pragma once

#include <array>
#include <cstdint>

#include "devices/byte_device.h"
#include "devices/clock.h"
#include "devices/irq_line.h"
#include "devices/pit_channel.h"
#include "devices/tick_rate.h"

namespace ringshift::devices {

// Channel 0's rising edges are timers at absolute deadlines, so they do not drift. When the host is late, the edges
// missed in between are counted and left out: at most one request is pending, as with the real chip and a PIC in edge
// mode, and a late host cannot make an interrupt storm.
class Pit final : public ByteDevice {
 public:
  static constexpr std::uint64_t kHertz = 1'193'182;
  // Shorter periods, in ticks, are lost where they are late, and so is what is more than 10 s late.
  static constexpr std::uint64_t kSlowestLost = kHertz * 9 / 10'000, kMostOwed = 10 * kHertz;

  Pit(EventQueue& events, IrqLine& irq0);

  std::uint8_t read8(std::uint16_t offset) override;  // four ports at 40h
  void write8(std::uint16_t offset, std::uint8_t value) override;

  void set_gate2(bool gate);
  [[nodiscard]] bool gate2() const { return channels_[2].gate(); }
  [[nodiscard]] bool out(unsigned channel) { return channels_[channel].out(now()); }
  [[nodiscard]] const PitChannel& channel(unsigned n) const { return channels_[n]; }

  // Interrupts of channel 0 that came too late to be seen by themselves. If they are slow (kSlowestLost), others follow
  // for them, between the regular ones: guests that count them keep their clock on a busy host.
  [[nodiscard]] std::uint64_t coalesced_ticks() const { return coalesced_; }
  [[nodiscard]] std::uint64_t odd_accesses() const;

 private:
  [[nodiscard]] std::uint64_t now() const { return rate_.ticks_at(events_.clock().now_ns()); }
  void fire();
  void arm(std::uint64_t now_tick);
  void pulse();
  void reschedule(std::uint64_t now_tick);

  EventQueue& events_;
  IrqLine& irq_;
  EventQueue::TimerId timer_;
  TickRate rate_{kHertz};
  std::array<PitChannel, 3> channels_;
  std::uint64_t rise_ = PitChannel::kNever;  // the tick the timer is armed for
  std::uint64_t coalesced_ = 0;
  std::uint64_t owed_ = 0;  // of them, those that are still to follow
  std::uint64_t odd_ = 0;
};

// System control port B (61h): gate and output of channel 2, speaker enable, refresh toggle, and the parity and
// channel check bits, which never report an error here.
class Port61 final : public ByteDevice {
 public:
  Port61(Pit& pit, const Clock& clock) : pit_(pit), clock_(clock) { pit_.set_gate2(false); }

  std::uint8_t read8(std::uint16_t offset) override;
  void write8(std::uint16_t offset, std::uint8_t value) override;

  // Whether channel 2's output reaches the speaker.
  [[nodiscard]] bool speaker_enabled() const { return (control_ & 3) == 3; }
  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }

 private:
  Pit& pit_;
  const Clock& clock_;
  std::uint8_t control_ = 0;
  std::uint64_t odd_ = 0;
};

}  // namespace ringshift::devices
