#include "devices/rtc.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace ringshift::devices {

namespace {

enum Register : std::uint8_t {
  kSeconds = 0x00,
  kSecondsAlarm = 0x01,
  kMinutes = 0x02,
  kMinutesAlarm = 0x03,
  kHours = 0x04,
  kHoursAlarm = 0x05,
  kWeekday = 0x06,
  kDay = 0x07,
  kMonth = 0x08,
  kYear = 0x09,
  kA = 0x0A,
  kB = 0x0B,
  kC = 0x0C,
  kD = 0x0D,
  kCentury = 0x32,
};

// Register B.
constexpr std::uint8_t kSet = 0x80, kPie = 0x40, kAie = 0x20, kUie = 0x10, kSqwe = 0x08, kBinary = 0x04,
                       k24Hours = 0x02;
constexpr std::uint8_t kDaylight = 0x01;
// Register C: the flags stand where B has their enable bits.
constexpr std::uint8_t kIrqf = 0x80, kFlags = kPie | kAie | kUie;
constexpr std::uint8_t kUip = 0x80;

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
// UIP rises 244 us before an update, which takes 1,984 us with a 32,768 Hz crystal.
constexpr std::int64_t kUpdateNs = (244 + 1984) * 1000;

constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

constexpr bool is_time(std::uint8_t index) {
  return index == kSeconds || index == kMinutes || index == kHours || (index >= kWeekday && index <= kYear) ||
         index == kCentury;
}

// Periods of the 32,768 Hz oscillator between periodic interrupts; 0: off.
constexpr std::int64_t periodic_divider(std::uint8_t a) {
  const unsigned rate = a & 15;
  if (rate == 0) return 0;
  return std::int64_t{1} << (rate <= 2 ? rate + 6 : rate - 1);
}

}  // namespace

Rtc::Rtc(EventQueue& events, IrqLine& irq8, std::int64_t epoch_seconds)
    : events_(events), irq_(irq8), timer_(events.add([this](std::uint64_t) {
        sync();
        update_irq();
        schedule();
      })) {
  origin_ = {0, epoch_seconds};
  synced_ = now();
  ram_[kA] = 0x26;  // 32,768 Hz crystal, 1,024 Hz periodic rate, as a BIOS leaves it
  ram_[kB] = k24Hours;
  ram_[kD] = 0x80;  // the battery is good
  ram_[kDay] = ram_[kMonth] = 1;
  store_time(epoch_seconds);
}

Rtc::Contents Rtc::contents() const { return {origin_, weekday_shift_, ram_, extended_ram_}; }

void Rtc::restore(const Contents& contents) {
  origin_ = contents.origin;
  weekday_shift_ = contents.weekday_shift;
  ram_ = contents.ram;
  extended_ram_ = contents.extended_ram;
  reset();
}

void Rtc::reset() {
  sync();
  ram_[kB] = static_cast<std::uint8_t>(ram_[kB] & ~(kPie | kAie | kUie | kSqwe));
  ram_[kC] = 0;
  update_irq();
  schedule();
}

bool Rtc::running() const { return (ram_[kB] & kSet) == 0 && (ram_[kA] & 0x60) != 0x60; }

std::int64_t Rtc::seconds_at(std::int64_t ns) const {
  return origin_.seconds + floor_div(ns - origin_.ns, kNsPerSecond);
}

std::int64_t Rtc::periodic_at(std::int64_t ns) const {
  const std::int64_t divider = periodic_divider(ram_[kA]);
  if (divider == 0 || (ram_[kA] & 0x60) == 0x60) return 0;
  return static_cast<std::int64_t>(static_cast<__int128>(ns - origin_.ns) * 32768 / kNsPerSecond) / divider;
}

bool Rtc::update_in_progress() const {
  if (!running()) return false;
  const std::int64_t since = now() - origin_.ns;
  return since - floor_div(since, kNsPerSecond) * kNsPerSecond >= kNsPerSecond - kUpdateNs;
}

std::uint8_t Rtc::encode(unsigned value) const {
  return static_cast<std::uint8_t>((ram_[kB] & kBinary) != 0 ? value : value / 10 << 4 | value % 10);
}

unsigned Rtc::decode(std::uint8_t value) const {
  return (ram_[kB] & kBinary) != 0 ? value : (value >> 4) * 10U + (value & 15);
}

std::uint8_t Rtc::encode_hour(unsigned hour) const {
  if ((ram_[kB] & k24Hours) != 0) return encode(hour);
  return static_cast<std::uint8_t>(encode(hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? 0x80 : 0));
}

unsigned Rtc::decode_hour(std::uint8_t value) const {
  if ((ram_[kB] & k24Hours) != 0) return decode(value);
  return decode(value & 0x7F) % 12 + ((value & 0x80) != 0 ? 12 : 0);
}

// Fills the time registers.
void Rtc::store_time(std::int64_t seconds) {
  const std::int64_t days = floor_div(seconds, 86400);
  const auto in_day = static_cast<unsigned>(seconds - days * 86400);
  const std::chrono::sys_days date{std::chrono::days{days}};
  const std::chrono::year_month_day ymd{date};
  const auto year = static_cast<unsigned>(static_cast<int>(ymd.year()));
  ram_[kSeconds] = encode(in_day % 60);
  ram_[kMinutes] = encode(in_day / 60 % 60);
  ram_[kHours] = encode_hour(in_day / 3600);
  ram_[kWeekday] = encode((std::chrono::weekday{date}.c_encoding() + weekday_shift_) % 7 + 1);
  ram_[kDay] = encode(static_cast<unsigned>(ymd.day()));
  ram_[kMonth] = encode(static_cast<unsigned>(ymd.month()));
  ram_[kYear] = encode(year % 100);
  ram_[kCentury] = encode(year / 100);
}

// Reads the time registers; a date that does not exist is taken as the days after the month's first.
std::int64_t Rtc::load_time() {
  const int year = static_cast<int>(decode(ram_[kCentury]) * 100 + decode(ram_[kYear]));
  const unsigned month = std::clamp(decode(ram_[kMonth]), 1U, 12U);
  const std::chrono::sys_days first{std::chrono::year{year} / static_cast<int>(month) / 1};
  const std::chrono::sys_days date = first + std::chrono::days{static_cast<int>(decode(ram_[kDay])) - 1};
  const unsigned weekday = decode(ram_[kWeekday]);
  weekday_shift_ = (weekday + 6 + 7 - std::chrono::weekday{date}.c_encoding()) % 7;
  return static_cast<std::int64_t>(date.time_since_epoch().count()) * 86400 + decode_hour(ram_[kHours]) * 3600 +
         decode(ram_[kMinutes]) * 60 + decode(ram_[kSeconds]);
}

void Rtc::start_from(std::int64_t second_began_ns) { origin_ = {second_began_ns, load_time()}; }

bool Rtc::alarm_between(std::int64_t first, std::int64_t last) {
  const auto matches = [](std::uint8_t alarm, unsigned decoded, unsigned value) {
    return (alarm & 0xC0) == 0xC0 || decoded == value;  // C0h-FFh: don't care
  };
  const std::uint8_t s = ram_[kSecondsAlarm], m = ram_[kMinutesAlarm], h = ram_[kHoursAlarm];
  const unsigned ds = decode(s), dm = decode(m), dh = decode_hour(h);
  first = std::max(first, last - 86399);  // a day holds every time of day
  for (std::int64_t t = first; t <= last; ++t) {
    const auto in_day = static_cast<unsigned>(t - floor_div(t, 86400) * 86400);
    if (matches(s, ds, in_day % 60) && matches(m, dm, in_day / 60 % 60) && matches(h, dh, in_day / 3600)) return true;
  }
  return false;
}

// Sets the flags of everything that happened since the last call.
void Rtc::sync() {
  const std::int64_t to = now();
  if (periodic_at(to) != periodic_at(synced_)) ram_[kC] |= kPie;
  if (running()) {
    const std::int64_t from_second = seconds_at(synced_), to_second = seconds_at(to);
    if (to_second > from_second) {
      ram_[kC] |= kUie;
      if ((ram_[kC] & kAie) == 0 && alarm_between(from_second + 1, to_second)) ram_[kC] |= kAie;
    }
  }
  synced_ = to;
}

void Rtc::update_irq() {
  const bool request = (ram_[kB] & ram_[kC] & kFlags) != 0;
  ram_[kC] = static_cast<std::uint8_t>((ram_[kC] & kFlags) | (request ? kIrqf : 0));
  irq_.set(request);
}

void Rtc::schedule() {
  std::int64_t next = std::numeric_limits<std::int64_t>::max();
  const std::int64_t divider = periodic_divider(ram_[kA]);
  if ((ram_[kB] & kPie) != 0 && divider != 0 && (ram_[kA] & 0x60) != 0x60) {
    const auto oscillations = static_cast<__int128>(periodic_at(now()) + 1) * divider;
    next = origin_.ns + static_cast<std::int64_t>((oscillations * kNsPerSecond + 32767) / 32768);
  }
  if ((ram_[kB] & (kUie | kAie)) != 0 && running()) {
    next = std::min(next, origin_.ns + (seconds_at(now()) - origin_.seconds + 1) * kNsPerSecond);
  }
  // A request that is already up needs no timer: only reading register C can make another edge.
  if ((ram_[kC] & kIrqf) != 0 || next == std::numeric_limits<std::int64_t>::max()) {
    events_.disarm(timer_);
  } else {
    events_.arm(timer_, static_cast<std::uint64_t>(next));
  }
}

std::uint8_t Rtc::read_register(std::uint8_t index) {
  if (index == kA) return static_cast<std::uint8_t>(ram_[kA] | (update_in_progress() ? kUip : 0));
  if (index == kC) {
    sync();
    update_irq();
    const std::uint8_t flags = ram_[kC];
    ram_[kC] = 0;
    update_irq();
    schedule();
    return flags;
  }
  if (is_time(index) && running()) store_time(seconds_at(now()));
  return ram_[index];
}

void Rtc::write_register(std::uint8_t index, std::uint8_t value) {
  switch (index) {
    case kA:
      write_a(value);
      return;
    case kB:
      write_b(value);
      return;
    case kC:
    case kD:
      ++odd_;
      return;
    default:
      break;
  }
  if (!is_time(index)) {
    if (index <= kHoursAlarm) sync();
    ram_[index] = value;
    return;
  }
  if (!running()) {
    ram_[index] = value;
    return;
  }
  // Setting one field of a running clock: the others and the fraction of the second stay.
  sync();
  const std::int64_t second = seconds_at(now());
  store_time(second);
  ram_[index] = value;
  start_from(origin_.ns + (second - origin_.seconds) * kNsPerSecond);
  schedule();
}

void Rtc::write_a(std::uint8_t value) {
  sync();
  const bool was_running = running();
  const bool was_held = (ram_[kA] & 0x60) == 0x60;
  if (was_running) store_time(seconds_at(now()));
  ram_[kA] = value & 0x7F;
  if ((ram_[kA] & 0x60) != 0x60 && (ram_[kA] & 0x70) != 0x20) ++odd_;  // another crystal
  // The first update comes half a second after the divider chain is released.
  if (was_held && (ram_[kA] & 0x60) != 0x60) start_from(now() - kNsPerSecond / 2);
  update_irq();
  schedule();
}

void Rtc::write_b(std::uint8_t value) {
  sync();
  const bool was_running = running();
  const std::int64_t second = seconds_at(now());
  if (was_running) store_time(second);
  if ((value & kSet) != 0) value = static_cast<std::uint8_t>(value & ~kUie);  // SET clears UIE
  if ((value & kDaylight) != 0) ++odd_;                                       // no daylight saving
  const std::uint8_t before = ram_[kB];
  ram_[kB] = value;
  // Changing the format does not convert the registers: software initializes them again. A running clock here
  // shows the same time in the new format, which is what such software writes.
  if (was_running && running() && ((before ^ value) & (kBinary | k24Hours)) != 0) store_time(second);
  // The divider chain ran on: the fraction of the second is kept.
  if (!was_running && running()) start_from(origin_.ns + (second - origin_.seconds) * kNsPerSecond);
  update_irq();
  schedule();
}

std::uint8_t Rtc::read_index(std::uint16_t offset) {
  if (offset == 1) return read_register(index_);
  return 0xFF;  // the index register is write-only
}

void Rtc::write_index(std::uint16_t offset, std::uint8_t value) {
  if (offset == 1) {
    write_register(index_, value);
    return;
  }
  index_ = value & 0x7F;
  nmi_masked_ = (value & 0x80) != 0;
}

std::uint8_t Rtc::read_extended(std::uint16_t offset) {
  return offset == 1 ? extended_ram_[extended_index_] : extended_index_;
}

void Rtc::write_extended(std::uint16_t offset, std::uint8_t value) {
  if (offset == 1) {
    extended_ram_[extended_index_] = value;
  } else {
    extended_index_ = value & 0x7F;
  }
}

}  // namespace ringshift::devices
