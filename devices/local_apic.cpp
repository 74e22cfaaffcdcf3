#include "devices/local_apic.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace ringshift::devices {

namespace {

// Registers by their offset / 16 (SDM vol. 3, table 11-1).
constexpr unsigned kId = 0x02, kVersion = 0x03, kTpr = 0x08, kApr = 0x09, kPpr = 0x0A, kEoi = 0x0B, kRrd = 0x0C,
                   kLdr = 0x0D, kDfr = 0x0E, kSvr = 0x0F, kIsr = 0x10, kTmr = 0x18, kIrr = 0x20, kEsr = 0x28,
                   kIcrLow = 0x30, kIcrHigh = 0x31, kLvt = 0x32, kInitialCount = 0x38, kCurrentCount = 0x39,
                   kDivide = 0x3E;

constexpr std::uint32_t kVersionValue = 0x00050014;  // six LVT entries
constexpr std::uint32_t kMasked = 1U << 16, kLevel = 1U << 15, kRemoteIrr = 1U << 14, kStatus = 1U << 12;
constexpr std::uint32_t kSendIllegalVector = 1U << 5, kReceiveIllegalVector = 1U << 6, kIllegalRegister = 1U << 7;
constexpr std::uint8_t kFirstVector = 16;

// What software may change of each LVT entry.
constexpr std::array<std::uint32_t, 6> kLvtWritable{0x300FF, 0x107FF, 0x107FF, 0x1A7FF, 0x1A7FF, 0x100FF};

}  // namespace

void LocalApic::Vectors::set(std::uint8_t vector, bool value) {
  const std::uint32_t bit = 1U << (vector % 32);
  std::uint32_t& word = words_[vector / 32];
  word = value ? word | bit : word & ~bit;
}

int LocalApic::Vectors::highest() const {
  for (unsigned i = 8; i-- != 0;) {
    if (words_[i] != 0) return static_cast<int>(i * 32 + 31) - std::countl_zero(words_[i]);
  }
  return -1;
}

LocalApic::LocalApic(EventQueue& events, Wiring wiring)
    : events_(events), wiring_(std::move(wiring)), timer_(events.add([this](std::uint64_t) { timer_due(); })) {}

void LocalApic::reset() {
  const std::uint32_t id = r_.id;
  r_ = {};
  r_.id = id;
  arm_timer();
  wiring_.changed();
}

void LocalApic::set_enabled(bool enabled) {
  if (enabled == enabled_) return;
  enabled_ = enabled;
  reset();
}

// ---- interrupts -------------------------------------------------------------------------------

std::uint8_t LocalApic::priority() const {
  const int serving = r_.isr.highest();
  const std::uint32_t task = r_.tpr & 0xFF;
  if (serving < 0 || (task >> 4) >= (static_cast<std::uint32_t>(serving) >> 4)) return static_cast<std::uint8_t>(task);
  return static_cast<std::uint8_t>(serving & 0xF0);
}

bool LocalApic::own_pending() const {
  if (!enabled_ || !software_enabled()) return false;
  const int request = r_.irr.highest();
  return request >= 0 && (request >> 4) > (priority() >> 4);
}

bool LocalApic::external_pending() const {
  if (!lint_[0]) return false;
  const std::uint32_t entry = r_.lvt[kLint0];
  return !enabled_ || ((entry & kMasked) == 0 && delivery_of(entry) == ApicDelivery::ext_int);
}

std::optional<std::uint8_t> LocalApic::acknowledge() {
  if (own_pending()) {
    const auto vector = static_cast<std::uint8_t>(r_.irr.highest());
    r_.irr.set(vector, false);
    r_.isr.set(vector, true);
    wiring_.changed();
    return vector;
  }
  if (external_pending() || !enabled_) return std::nullopt;
  return static_cast<std::uint8_t>(r_.svr);  // the request has gone: the spurious vector
}

void LocalApic::end_of_interrupt() {
  const int serving = r_.isr.highest();
  if (serving < 0) return;
  const auto vector = static_cast<std::uint8_t>(serving);
  r_.isr.set(vector, false);
  if (r_.tmr.test(vector)) {
    for (const unsigned pin : {kLint0, kLint1}) {
      std::uint32_t& entry = r_.lvt[pin];
      if ((entry & kRemoteIrr) == 0 || (entry & 0xFF) != vector) continue;
      entry &= ~kRemoteIrr;
      if (lint_[pin - kLint0]) raise_lvt(pin);
    }
    wiring_.broadcast(vector);
  }
  wiring_.changed();
}

bool LocalApic::accept(std::uint8_t vector, bool level) {
  if (!enabled_ || !software_enabled()) return false;
  if (vector < kFirstVector) {
    raise_error(kReceiveIllegalVector);
    return false;
  }
  r_.irr.set(vector, true);
  r_.tmr.set(vector, level);
  wiring_.changed();
  return true;
}

void LocalApic::raise_error(std::uint32_t bit) {
  const bool news = (r_.errors & bit) == 0;
  r_.errors |= bit;
  // An error interrupt with an illegal vector is an error that is known already.
  if (news) raise_lvt(kError);
}

// The source of an entry asks for its interrupt.
void LocalApic::raise_lvt(unsigned index) {
  std::uint32_t& entry = r_.lvt[index];
  if ((entry & kMasked) != 0) return;
  const auto vector = static_cast<std::uint8_t>(entry);
  switch (index == kTimer || index == kError ? ApicDelivery::fixed : delivery_of(entry)) {
    case ApicDelivery::fixed: {
      const bool level = (index == kLint0 || index == kLint1) && (entry & kLevel) != 0;
      if (level && (entry & kRemoteIrr) != 0) return;
      if (accept(vector, level) && level) entry |= kRemoteIrr;
      return;
    }
    case ApicDelivery::nmi:
      wiring_.nmi();
      return;
    case ApicDelivery::ext_int:  // follows the pin
      return;
    default:
      ++odd_;
      return;
  }
}

void LocalApic::set_lint(unsigned pin, bool asserted) {
  const bool rises = asserted && !lint_[pin];
  lint_[pin] = asserted;
  if (!enabled_) {
    if (rises && pin == 1) wiring_.nmi();
  } else if (rises) {
    raise_lvt(kLint0 + pin);
  }
  if (pin == 0) wiring_.changed();
}

// ---- messages ---------------------------------------------------------------------------------

bool LocalApic::addressed(const ApicMessage& message) const {
  if (!message.logical) return message.destination == 0xFF || message.destination == r_.id >> 24;
  const std::uint32_t logical = r_.ldr >> 24;
  if ((r_.dfr >> 28) == 0xF) return (message.destination & logical) != 0;  // flat
  const unsigned cluster = message.destination >> 4;
  return (cluster == 0xF || cluster == logical >> 4) && (message.destination & logical & 0xF) != 0;
}

bool LocalApic::receive(const ApicMessage& message) {
  if (!enabled_ || !addressed(message)) return false;
  switch (message.delivery) {
    case ApicDelivery::fixed:
    case ApicDelivery::lowest:
      return accept(message.vector, message.level);
    case ApicDelivery::nmi:
      wiring_.nmi();
      return true;
    default:  // there is no SMM, the only processor does not restart itself, and the 8259s are on LINT0
      ++odd_;
      return false;
  }
}

void LocalApic::send_ipi() {
  ApicMessage message;
  message.destination = static_cast<std::uint8_t>(r_.icr_high >> 24);
  message.logical = (r_.icr_low & 0x800) != 0;
  message.delivery = delivery_of(r_.icr_low);
  message.vector = static_cast<std::uint8_t>(r_.icr_low);
  const unsigned shorthand = r_.icr_low >> 18 & 3;
  if (shorthand == 3) return;  // all but this one: nobody
  if (shorthand != 0) {        // self; all
    message.logical = false;
    message.destination = 0xFF;
  }
  if (has_vector(message.delivery) && message.vector < kFirstVector) return raise_error(kSendIllegalVector);
  receive(message);
}

// ---- the timer --------------------------------------------------------------------------------

// The divide configuration's bits 3, 1 and 0: 0 is 2, 1 is 4, ... 6 is 128, 7 is 1.
std::uint64_t LocalApic::divisor() const {
  const unsigned value = (r_.divide & 3) | (r_.divide >> 1 & 4);
  return value == 7 ? 1 : std::uint64_t{2} << value;
}

std::uint32_t LocalApic::current_count() const {
  if (r_.initial_count == 0 || (r_.counted && !periodic())) return 0;
  std::uint64_t elapsed = (ticks() - r_.started) / divisor();
  if (periodic()) {
    elapsed %= r_.initial_count;
  } else if (elapsed >= r_.initial_count) {
    return 0;
  }
  return static_cast<std::uint32_t>(r_.initial_count - elapsed);
}

// Masked, it counts without a deadline.
void LocalApic::arm_timer() {
  const bool counts = r_.initial_count != 0 && (periodic() || !r_.counted);
  if (!counts || (r_.lvt[kTimer] & kMasked) != 0) return events_.disarm(timer_);
  const std::uint64_t period = r_.initial_count * divisor();
  const std::uint64_t elapsed = ticks() - r_.started;
  events_.arm(timer_, rate_.ns_of(r_.started + (elapsed / period + 1) * period));
}

// A count that has ended, although its event is late or it was masked, has ended as it was programmed then.
void LocalApic::settle_timer() {
  if (periodic() || r_.counted || r_.initial_count == 0 || current_count() != 0) return;
  r_.counted = true;
  raise_lvt(kTimer);
}

void LocalApic::timer_due() {
  r_.counted = !periodic();
  raise_lvt(kTimer);
  arm_timer();  // of a periodic timer, what a late host has missed is dropped: the IRR would hold one only
}

// ---- registers --------------------------------------------------------------------------------

std::uint32_t LocalApic::read(unsigned reg) {
  if (reg >= kIsr && reg < kIsr + 8) return r_.isr.word(reg - kIsr);
  if (reg >= kTmr && reg < kTmr + 8) return r_.tmr.word(reg - kTmr);
  if (reg >= kIrr && reg < kIrr + 8) return r_.irr.word(reg - kIrr);
  if (reg >= kLvt && reg < kLvt + kLvts) return r_.lvt[reg - kLvt];
  switch (reg) {
    case kId:
      return r_.id;
    case kVersion:
      return kVersionValue;
    case kTpr:
      return r_.tpr;
    case kApr:
    case kPpr:
      return priority();
    case kEoi:
    case kRrd:
      return 0;
    case kLdr:
      return r_.ldr;
    case kDfr:
      return r_.dfr;
    case kSvr:
      return r_.svr;
    case kEsr:
      return r_.esr;
    case kIcrLow:
      return r_.icr_low;
    case kIcrHigh:
      return r_.icr_high;
    case kInitialCount:
      return r_.initial_count;
    case kCurrentCount:
      return current_count();
    case kDivide:
      return r_.divide;
    default:
      ++odd_;
      raise_error(kIllegalRegister);
      return 0;
  }
}

void LocalApic::write_lvt(unsigned index, std::uint32_t value) {
  std::uint32_t& entry = r_.lvt[index];
  const std::uint32_t kept = entry & (kRemoteIrr | kStatus);
  if (!software_enabled()) value |= kMasked;
  if (index == kTimer) settle_timer();
  entry = (value & kLvtWritable[index]) | kept;
  if (index == kTimer) {
    arm_timer();
  } else if (index == kLint0 || index == kLint1) {
    if ((entry & kLevel) == 0) entry &= ~kRemoteIrr;
    // A level is there, an edge was.
    if (lint_[index - kLint0] && (entry & kLevel) != 0 && delivery_of(entry) == ApicDelivery::fixed) raise_lvt(index);
  }
  wiring_.changed();
}

void LocalApic::write(unsigned reg, std::uint32_t value) {
  if (reg >= kLvt && reg < kLvt + kLvts) return write_lvt(reg - kLvt, value);
  switch (reg) {
    case kId:
      r_.id = value & 0xFF000000;
      return;
    case kTpr:
      r_.tpr = value & 0xFF;
      return wiring_.changed();
    case kEoi:
      return end_of_interrupt();
    case kLdr:
      r_.ldr = value & 0xFF000000;
      return;
    case kDfr:
      r_.dfr = value | 0x0FFFFFFF;
      return;
    case kSvr:
      r_.svr = value & 0x3FF;
      if (!software_enabled()) {
        for (std::uint32_t& entry : r_.lvt) entry |= kMasked;
        arm_timer();
      }
      return wiring_.changed();
    case kEsr:
      r_.esr = std::exchange(r_.errors, 0);
      return;
    case kIcrLow:
      r_.icr_low = value & 0x000CCFFF;  // without the delivery status: a message arrives at once
      return send_ipi();
    case kIcrHigh:
      r_.icr_high = value & 0xFF000000;
      return;
    case kInitialCount:
      settle_timer();
      r_.initial_count = value;
      r_.counted = false;
      r_.started = ticks();
      return arm_timer();
    case kDivide: {
      settle_timer();
      // What is left to count stays, and goes at the new rate from now on.
      const std::uint32_t left = current_count();
      r_.divide = value & 0xB;
      if (left != 0) r_.started = ticks() - (r_.initial_count - left) * divisor();
      return arm_timer();
    }
    default:
      if (reg == kVersion || reg == kApr || reg == kPpr || reg == kRrd || reg == kCurrentCount ||
          (reg >= kIsr && reg < kIrr + 8)) {
        return;  // to be read only
      }
      ++odd_;
      raise_error(kIllegalRegister);
  }
}

std::uint32_t LocalApic::mmio_read(std::uint64_t offset, unsigned size) {
  if (!enabled_) return 0xFFFFFFFF;
  if (size != 4) ++odd_;
  if ((offset & 0xC) != 0) {  // undefined, between two registers
    ++odd_;
    return 0;
  }
  return read(static_cast<unsigned>(offset >> 4)) >> (8 * (offset & 3));
}

void LocalApic::mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) {
  if (!enabled_) return;
  if (size != 4 || (offset & 0xF) != 0) {
    ++odd_;
    return;
  }
  write(static_cast<unsigned>(offset >> 4), value);
}

}  // namespace ringshift::devices
