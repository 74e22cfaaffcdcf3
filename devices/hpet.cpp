#include "devices/hpet.h"

#include <utility>

namespace ringshift::devices {

namespace {

// Registers.
constexpr std::uint64_t kCapabilitiesAt = 0x00, kConfigAt = 0x10, kStatusAt = 0x20, kCounterAt = 0xF0,
                        kTimersAt = 0x100, kTimerBytes = 0x20;
// Of a timer.
constexpr std::uint64_t kLevel = 1U << 1, kInterrupt = 1U << 2, kPeriodic = 1U << 3, kPeriodicCapable = 1U << 4,
                        k64Capable = 1U << 5, kSetValue = 1U << 6, k32Bits = 1U << 8;
constexpr unsigned kRouteShift = 9;
constexpr std::uint64_t kTimerWritable = kLevel | kInterrupt | kPeriodic | kSetValue | k32Bits | 0x1FU << kRouteShift;

constexpr std::uint32_t kPeriodFs = 1'000'000'000'000'000 / Hpet::kHertz;

std::uint64_t with_half(std::uint64_t before, unsigned shift, std::uint32_t value) {
  return (before & ~(std::uint64_t{0xFFFFFFFF} << shift)) | std::uint64_t{value} << shift;
}

}  // namespace

Hpet::Hpet(EventQueue& events, Wiring wiring) : events_(events), wiring_(std::move(wiring)) {
  for (unsigned i = 0; i < kTimers; ++i) {
    timers_[i].event = events.add([this, i](std::uint64_t) { due(i); });
    timers_[i].config = std::uint64_t{kRoutes} << 32 | k64Capable | kPeriodicCapable;
  }
}

std::uint64_t Hpet::counter() const {
  return enabled() ? stopped_ + rate_.ticks_at(events_.clock().now_ns()) : stopped_;
}

std::uint64_t Hpet::mask(const Timer& timer) { return (timer.config & k32Bits) != 0 ? 0xFFFFFFFF : ~0ULL; }

IrqLine* Hpet::line_of(unsigned number) const {
  if (legacy() && number < 2) return wiring_.legacy[number];
  const auto pin = static_cast<unsigned>(timers_[number].config >> kRouteShift & 0x1F);
  return (kRoutes >> pin & 1) != 0 && wiring_.pin ? wiring_.pin(pin) : nullptr;
}

// ---- comparators ------------------------------------------------------------------------------

// For the next match, which is after now.
void Hpet::arm(unsigned number) {
  const Timer& timer = timers_[number];
  if (!enabled()) return events_.disarm(timer.event);
  // Without an interrupt or its status bit nobody could see a match, but for the comparator of a periodic timer.
  const bool seen = (timer.config & (kInterrupt | kLevel)) != 0;
  if (!seen) return events_.disarm(timer.event);
  std::uint64_t distance = (timer.comparator - counter()) & mask(timer);
  if (distance == 0) distance = (timer.config & k32Bits) != 0 ? 1ULL << 32 : ~0ULL;
  const std::uint64_t now = rate_.ticks_at(events_.clock().now_ns());
  constexpr std::uint64_t kFar = 1ULL << 56;  // 22 years
  if (distance > kFar) return events_.disarm(timer.event);
  events_.arm(timer.event, rate_.ns_of(now + distance));
}

void Hpet::arm_all() {
  for (unsigned i = 0; i < kTimers; ++i) arm(i);
}

void Hpet::due(unsigned number) {
  Timer& timer = timers_[number];
  const std::uint64_t bits = mask(timer);
  if ((timer.config & kPeriodic) != 0 && (timer.period & bits) != 0) {
    // The next match after now: a late host drops what it has missed.
    const std::uint64_t period = timer.period & bits;
    const std::uint64_t late = (counter() - timer.comparator) & bits;
    timer.comparator = (timer.comparator + (late / period + 1) * period) & bits;
  }
  if ((timer.config & kLevel) != 0) {
    status_ |= 1U << number;
    update_line(number);
  } else if ((timer.config & kInterrupt) != 0) {
    if (IrqLine* line = line_of(number)) {
      line->set(true);
      line->set(false);
    }
  }
  arm(number);
}

// Holds the line that the timer's status says, and no other.
void Hpet::update_line(unsigned number) {
  Timer& timer = timers_[number];
  constexpr std::uint64_t kWanted = kLevel | kInterrupt;
  const bool asserted = (status_ >> number & 1) != 0 && (timer.config & kWanted) == kWanted;
  IrqLine* wanted = asserted ? line_of(number) : nullptr;
  if (wanted == timer.line) return;
  if (timer.line != nullptr) timer.line->set(false);
  timer.line = wanted;
  if (wanted != nullptr) wanted->set(true);
}

// ---- registers --------------------------------------------------------------------------------

void Hpet::write_config(std::uint32_t value) {
  const std::uint64_t changed = (config_ ^ value) & 3;
  if ((changed & 1) != 0) {
    const std::uint64_t now = rate_.ticks_at(events_.clock().now_ns());
    stopped_ = (value & 1) != 0 ? stopped_ - now : counter();
  }
  config_ = value & 3;
  if ((changed & 2) != 0) {
    for (unsigned i = 0; i < 2; ++i) {
      if (timers_[i].line != nullptr) std::exchange(timers_[i].line, nullptr)->set(false);
    }
    if (wiring_.legacy_changed) wiring_.legacy_changed(legacy());
    for (unsigned i = 0; i < kTimers; ++i) update_line(i);
  }
  arm_all();
}

void Hpet::write_comparator(Timer& timer, unsigned shift, std::uint32_t value) {
  const bool periodic = (timer.config & kPeriodic) != 0;
  if (!periodic || (timer.config & kSetValue) != 0) timer.comparator = with_half(timer.comparator, shift, value);
  if (periodic) timer.period = with_half(timer.period, shift, value);
  // It holds for one write, which is two halves in 64-bit mode.
  if (shift != 0 || (timer.config & k32Bits) != 0) timer.config &= ~kSetValue;
}

void Hpet::write_timer(unsigned number, std::uint64_t offset, std::uint32_t value) {
  Timer& timer = timers_[number];
  switch (offset) {
    case 0x00:
      timer.config = (timer.config & ~kTimerWritable) | (value & kTimerWritable);
      if ((timer.config & k32Bits) != 0) {
        timer.comparator &= 0xFFFFFFFF;
        timer.period &= 0xFFFFFFFF;
      }
      if ((timer.config & kLevel) == 0) status_ &= ~(1ULL << number);
      update_line(number);
      break;
    case 0x08:
    case 0x0C:
      write_comparator(timer, offset == 0x0C ? 32 : 0, value);
      break;
    case 0x04:
      return;  // capabilities
    default:
      ++odd_;  // FSB interrupts
      return;
  }
  arm(number);
}

std::uint32_t Hpet::read(std::uint64_t offset) {
  const auto half = [offset](std::uint64_t value) { return static_cast<std::uint32_t>(value >> (8 * (offset & 4))); };
  if (offset >= kTimersAt && offset < kTimersAt + kTimers * kTimerBytes) {
    const Timer& timer = timers_[(offset - kTimersAt) / kTimerBytes];
    switch (offset & (kTimerBytes - 8)) {
      case 0x00:
        return half(timer.config);
      case 0x08:
        return half(timer.comparator & mask(timer));
      default:
        return 0;
    }
  }
  switch (offset & ~std::uint64_t{7}) {
    case kCapabilitiesAt:
      return half(std::uint64_t{kPeriodFs} << 32 | kCapabilities);
    case kConfigAt:
      return half(config_);
    case kStatusAt:
      return half(status_);
    case kCounterAt: {
      if ((offset & 4) != 0) return high_half_;
      const std::uint64_t now = counter();
      high_half_ = static_cast<std::uint32_t>(now >> 32);
      return static_cast<std::uint32_t>(now);
    }
    default:
      ++odd_;
      return 0;
  }
}

void Hpet::write(std::uint64_t offset, std::uint32_t value) {
  if (offset >= kTimersAt && offset < kTimersAt + kTimers * kTimerBytes) {
    return write_timer(static_cast<unsigned>((offset - kTimersAt) / kTimerBytes), offset & (kTimerBytes - 4), value);
  }
  switch (offset) {
    case kConfigAt:
      return write_config(value);
    case kStatusAt:
      status_ &= ~std::uint64_t{value};
      for (unsigned i = 0; i < kTimers; ++i) update_line(i);
      return;
    case kCounterAt:
    case kCounterAt + 4:
      if (enabled()) {
        ++odd_;  // undefined
        return;
      }
      stopped_ = with_half(stopped_, offset == kCounterAt ? 0 : 32, value);
      return;
    case kCapabilitiesAt:
    case kCapabilitiesAt + 4:
    case kConfigAt + 4:
    case kStatusAt + 4:
      return;
    default:
      ++odd_;
  }
}

std::uint32_t Hpet::mmio_read(std::uint64_t offset, unsigned size) {
  if (size != 4) ++odd_;
  return read(offset & ~std::uint64_t{3}) >> (8 * (offset & 3));
}

void Hpet::mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) {
  if (size != 4) {
    ++odd_;
    return;
  }
  write(offset, value);
}

}  // namespace ringshift::devices
