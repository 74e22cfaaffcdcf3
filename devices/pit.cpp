#include "devices/pit.h"

#include <algorithm>

namespace ringshift::devices {

Pit::Pit(EventQueue& events, IrqLine& irq0)
    : events_(events), irq_(irq0), timer_(events.add([this](std::uint64_t) { fire(); })) {}

std::uint8_t Pit::read8(std::uint16_t offset) {
  if (offset < 3) return channels_[offset].read(now());
  ++odd_;  // the control word register cannot be read
  return 0xFF;
}

void Pit::write8(std::uint16_t offset, std::uint8_t value) {
  const std::uint64_t tick = now();
  if (offset < 3) {
    channels_[offset].write_count(value, tick);
    if (offset == 0) reschedule(tick);
    return;
  }
  if (offset > 3) {
    ++odd_;
    return;
  }
  const unsigned select = value >> 6;
  if (select == 3) {
    // Read-back: bits 5 and 4 are active low, one bit a channel above bit 0.
    for (unsigned i = 0; i < 3; ++i) {
      if ((value >> (i + 1) & 1) == 0) continue;
      if ((value & 0x20) == 0) channels_[i].latch_count(tick);
      if ((value & 0x10) == 0) channels_[i].latch_status(tick);
    }
    return;
  }
  if ((value & 0x30) == 0) {
    channels_[select].latch_count(tick);
    return;
  }
  channels_[select].write_control(value, tick);
  if (select == 0) reschedule(tick);
}

void Pit::set_gate2(bool gate) { channels_[2].set_gate(gate, now()); }

void Pit::reschedule(std::uint64_t now_tick) {
  irq_.set(channels_[0].out(now_tick));
  owed_ = 0;
  rise_ = channels_[0].next_rise(now_tick);
  arm(now_tick);
}

void Pit::arm(std::uint64_t now_tick) {
  if (rise_ == PitChannel::kNever) return events_.disarm(timer_);
  const std::uint64_t between = now_tick + channels_[0].period() / 2;
  events_.arm(timer_, rate_.ns_of(owed_ != 0 ? std::min(rise_, between) : rise_));
}

// OUT was low before it rose, however late this runs. Between edges the line stays as it is: the PIC sees edges only,
// and the falling one needs no timer.
void Pit::pulse() {
  irq_.set(false);
  irq_.set(true);
}

void Pit::fire() {
  const std::uint64_t tick = now();
  if (tick < rise_) {
    --owed_;
  } else {
    const PitChannel& channel = channels_[0];
    if (channel.mode() == 2 || channel.mode() == 3) {
      const std::uint64_t period = channel.period(), lost = (tick - rise_) / period;
      coalesced_ += lost;
      if (period > kSlowestLost) owed_ = std::min(owed_ + lost, kMostOwed / period);
    }
    rise_ = channels_[0].next_rise(tick);
  }
  pulse();
  arm(tick);
}

std::uint64_t Pit::odd_accesses() const {
  std::uint64_t sum = odd_;
  for (const PitChannel& channel : channels_) sum += channel.odd_counts();
  return sum;
}

std::uint8_t Port61::read8(std::uint16_t) {
  // A refresh request every 15.085 us (18 clocks of channel 1, as the BIOS programs it) toggles bit 4.
  constexpr std::uint64_t kRefreshNs = 15'085;
  const bool refresh = (clock_.now_ns() / kRefreshNs) % 2 != 0;
  return static_cast<std::uint8_t>(control_ | (refresh ? 0x10 : 0) | (pit_.out(2) ? 0x20 : 0));
}

void Port61::write8(std::uint16_t, std::uint8_t value) {
  control_ = value & 0x0F;  // the rest is read-only
  pit_.set_gate2((value & 1) != 0);
}

}  // namespace ringshift::devices
