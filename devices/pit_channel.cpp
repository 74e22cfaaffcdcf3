#include "devices/pit_channel.h"

namespace ringshift::devices {

namespace {

std::uint32_t from_bcd(std::uint16_t v) {
  return (v & 15U) + 10 * ((v >> 4) & 15U) + 100 * ((v >> 8) & 15U) + 1000 * (v >> 12);
}

std::uint16_t to_bcd(std::uint32_t v) {
  return static_cast<std::uint16_t>(v % 10 | (v / 10 % 10) << 4 | (v / 100 % 10) << 8 | (v / 1000 % 10) << 12);
}

}  // namespace

std::uint32_t PitChannel::clocks_of(std::uint16_t count) {
  const std::uint32_t n = bcd_ ? from_bcd(count) : count;
  if (n == 0) return bcd_ ? 10000 : 65536;
  if (n == 1 && periodic()) {
    ++odd_counts_;
    return 2;
  }
  return n;
}

void PitChannel::write_control(std::uint8_t control, std::uint64_t now) {
  settle(now);
  const unsigned mode = (control >> 1) & 7;
  mode_ = static_cast<std::uint8_t>(mode > 5 ? mode - 4 : mode);  // 6 and 7 are 2 and 3
  bcd_ = (control & 1) != 0;
  bytes_ = static_cast<Bytes>((control >> 4) & 3);
  counting_ = halted_ = false;
  armed_ = next_ = 0;
  carried_ = 0;
  write_high_next_ = read_high_next_ = false;
  count_latched_ = status_latched_ = false;
}

void PitChannel::write_count(std::uint8_t value, std::uint64_t now) {
  settle(now);
  if (bytes_ == Bytes::low) {
    load(value, now);
  } else if (bytes_ == Bytes::high) {
    load(static_cast<std::uint16_t>(value << 8), now);
  } else if (!write_high_next_) {
    write_low_ = value;
    write_high_next_ = true;
    if (mode_ == 0) {
      // The first byte stops the count and takes OUT low at once.
      carried_ = elapsed(now);
      start_ = now;
      halted_ = true;
    }
  } else {
    write_high_next_ = false;
    load(static_cast<std::uint16_t>(write_low_ | value << 8), now);
  }
}

void PitChannel::load(std::uint16_t count, std::uint64_t now) {
  const std::uint32_t clocks = clocks_of(count);
  if (gate_starts()) {
    armed_ = clocks;
    return;
  }
  if (periodic() && counting_ && gate_) {
    // The running period ends first.
    next_ = clocks;
    next_at_ = start_ + (elapsed(now) / period_ + 1) * period_;
    return;
  }
  halted_ = false;
  counting_ = true;
  period_ = clocks;
  carried_ = 0;
  start_ = now + 1;  // the counter loads on the next clock
}

void PitChannel::set_gate(bool gate, std::uint64_t now) {
  settle(now);
  if (gate == gate_) return;
  if (gate_starts()) {
    if (gate && armed_ != 0) {
      counting_ = true;
      period_ = armed_;
      carried_ = 0;
      start_ = now + 1;
    }
  } else if (periodic()) {
    if (next_ != 0) period_ = next_;
    next_ = 0;
    start_ = now + 1;  // a rising gate loads the counter
    carried_ = 0;
  } else {
    if (gate_) carried_ = elapsed(now);
    start_ = now;
  }
  gate_ = gate;
}

void PitChannel::settle(std::uint64_t now) {
  if (next_ == 0 || now < next_at_) return;
  period_ = next_;
  start_ = next_at_;
  next_ = 0;
}

std::uint64_t PitChannel::elapsed(std::uint64_t now) const {
  if (!counting_) return 0;
  const bool paused = halted_ || (!gate_ && !gate_starts());
  return carried_ + (paused || now < start_ ? 0 : now - start_);
}

std::uint16_t PitChannel::count(std::uint64_t now) const {
  if (!counting_) return 0;
  const std::uint64_t e = elapsed(now);
  std::uint64_t value = 0;
  if (mode_ == 2) {
    value = period_ - e % period_;
  } else if (mode_ == 3) {
    // Counts down by two, once through for each half; an odd count gives its extra clock to the high half.
    const std::uint64_t phase = e % period_;
    const std::uint64_t high = (period_ + 1) / 2;
    value = (period_ & ~1U) - 2 * (phase < high ? phase : phase - high);
  } else {
    const std::uint64_t modulus = bcd_ ? 10000 : 65536;
    value = (period_ + modulus - e % modulus) % modulus;
  }
  return bcd_ ? to_bcd(static_cast<std::uint32_t>(value % 10000)) : static_cast<std::uint16_t>(value);
}

bool PitChannel::out(std::uint64_t now) {
  settle(now);
  if (mode_ == 0) return counting_ && !halted_ && elapsed(now) >= period_;
  if (!counting_) return true;
  const std::uint64_t e = elapsed(now);
  switch (mode_) {
    case 1:
      return e >= period_ || now < start_;
    case 2:
      return !gate_ || e % period_ != period_ - 1;
    case 3:
      return !gate_ || e % period_ < (period_ + 1) / 2;
    default:  // 4 and 5: low for one clock
      return e != period_;
  }
}

std::uint64_t PitChannel::next_rise(std::uint64_t now) {
  settle(now);
  if (!counting_ || halted_ || (!gate_ && !gate_starts())) return kNever;
  std::uint64_t rise = 0;
  switch (mode_) {
    case 0:
    case 1:
      rise = start_ - carried_ + period_;
      break;
    case 2:
    case 3:
      if (next_ != 0) return next_at_ > now ? next_at_ : kNever;
      return start_ + (elapsed(now) / period_ + 1) * period_;
    default:
      rise = start_ - carried_ + period_ + 1;
      break;
  }
  return rise > now ? rise : kNever;
}

void PitChannel::latch_count(std::uint64_t now) {
  settle(now);
  if (count_latched_) return;
  count_latched_ = true;
  latched_count_ = count(now);
}

void PitChannel::latch_status(std::uint64_t now) {
  settle(now);
  if (status_latched_) return;
  status_latched_ = true;
  const bool null_count = (gate_starts() ? armed_ == 0 : !counting_ || halted_) || next_ != 0 ||
                          (counting_ && carried_ == 0 && now < start_);
  latched_status_ = static_cast<std::uint8_t>((out(now) ? 0x80 : 0) | (null_count ? 0x40 : 0) |
                                              static_cast<int>(bytes_) << 4 | mode_ << 1 | (bcd_ ? 1 : 0));
}

std::uint8_t PitChannel::read(std::uint64_t now) {
  settle(now);
  if (status_latched_) {
    status_latched_ = false;
    return latched_status_;
  }
  const std::uint16_t value = count_latched_ ? latched_count_ : count(now);
  const bool high = bytes_ == Bytes::high || (bytes_ == Bytes::both && read_high_next_);
  if (bytes_ == Bytes::both) read_high_next_ = !read_high_next_;
  if (bytes_ != Bytes::both || high) count_latched_ = false;
  return static_cast<std::uint8_t>(high ? value >> 8 : value);
}

}  // namespace ringshift::devices
