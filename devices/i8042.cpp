#include "devices/i8042.h"

#include <utility>

namespace ringshift::devices {

namespace {

// Status.
constexpr std::uint8_t kObf = 0x01, kSys = 0x04, kA2 = 0x08, kAuxData = 0x20, kTimeout = 0x40;
// Command byte.
constexpr std::uint8_t kKeyboardIrq = 0x01, kAuxIrq = 0x02, kSystemFlag = 0x04, kKeyboardOff = 0x10, kAuxOff = 0x20;
constexpr std::uint8_t kTranslate = 0x40;
// Output port.
constexpr std::uint8_t kNotReset = 0x01, kA20 = 0x02, kAuxBufferFull = 0x20, kBufferFull = 0x10;

constexpr std::uint8_t kNoResponse = 0xFE;
constexpr std::size_t kReplies = 16;  // more than any driver leaves unread

}  // namespace

I8042::I8042(IrqLine& irq1, IrqLine& irq12, A20Gate& a20, PowerCallback on_power, AuxPort aux, EventQueue* events)
    : irq1_(irq1), irq12_(irq12), a20_(a20), on_power_(std::move(on_power)), aux_(aux), events_(events) {
  if (events_ != nullptr) repeat_timer_ = events_->add([this](std::uint64_t) { repeat(); });
  // As firmware leaves it: keyboard on, interrupt on, translated; no mouse.
  ram_[0] = kKeyboardIrq | kSystemFlag | kAuxOff | kTranslate;
  status_ |= kSys;
}

void I8042::key(std::uint16_t code, bool pressed) {
  keyboard_.key(code, pressed);
  wait_to_repeat();
  fill();
}

void I8042::move_pointer(const PointerMove& move) {
  if (aux_ != AuxPort::mouse) return;
  mouse_.move(move);
  fill();
}

// The delay counts from when the key has been read: a guest that was away does not find it repeated.
void I8042::wait_to_repeat() {
  repeating_ = false;
  if (events_ == nullptr) return;
  if (keyboard_.repeats()) {
    events_->arm(repeat_timer_, events_->clock().now_ns() + keyboard_.repeat_delay_ns());
  } else {
    events_->disarm(repeat_timer_);
  }
}

void I8042::repeat() {
  if (!keyboard_.repeats()) return;
  const bool read = !full_ && !keyboard_.has_output();
  if (!read && !repeating_) return wait_to_repeat();
  repeating_ = true;
  if (read) keyboard_.repeat();
  events_->arm(repeat_timer_, events_->clock().now_ns() + keyboard_.repeat_period_ns());
  fill();
}

void I8042::reply(std::uint8_t value, From from, bool timeout) {
  if (replies_.size() >= kReplies) {
    ++odd_;
    return;
  }
  replies_.push_back({value, from, timeout});
  fill();
}

// Moves the next byte into the output buffer.
void I8042::fill() {
  while (!full_) {
    if (!replies_.empty()) {
      buffer_ = replies_.front();
      replies_.pop_front();
      full_ = true;
    } else if (keyboard_.has_output() && (ram_[0] & kKeyboardOff) == 0) {
      std::uint8_t value = keyboard_.take();
      if ((ram_[0] & kTranslate) != 0) {
        if (value == 0xF0) {
          translated_break_ = true;
          continue;
        }
        value = static_cast<std::uint8_t>(set2_to_set1(value) | (translated_break_ ? 0x80 : 0));
        translated_break_ = false;
      }
      buffer_ = {value, From::keyboard};
      full_ = true;
    } else if (aux_ == AuxPort::mouse && mouse_.has_output() && (ram_[0] & kAuxOff) == 0) {
      buffer_ = {mouse_.take(), From::aux};
      full_ = true;
    } else {
      break;
    }
  }
  update_irqs();
}

void I8042::update_irqs() {
  const bool aux = buffer_.from == From::aux;
  irq1_.set(full_ && !aux && (ram_[0] & kKeyboardIrq) != 0);
  irq12_.set(full_ && aux && (ram_[0] & kAuxIrq) != 0);
}

std::uint8_t I8042::read_data(std::uint16_t) {
  const std::uint8_t value = buffer_.value;
  if (full_) {
    full_ = false;
    if (buffer_.from == From::keyboard && keyboard_.repeats() && !repeating_) wait_to_repeat();
    update_irqs();  // the line falls even when another byte follows at once: an edge for each byte
    fill();
  }
  return value;
}

std::uint8_t I8042::read_status(std::uint16_t) {
  std::uint8_t value = status_;
  if (full_) {
    value |= kObf;
    if (buffer_.from == From::aux) value |= kAuxData;
    if (buffer_.timeout) value |= kTimeout;
  }
  return value;
}

std::uint8_t I8042::output_port() const {
  const bool aux = full_ && buffer_.from == From::aux;
  return static_cast<std::uint8_t>(0xCC | kNotReset | (a20_.enabled() ? kA20 : 0) | (aux ? kAuxBufferFull : 0) |
                                   (full_ && !aux ? kBufferFull : 0));
}

void I8042::write_output_port(std::uint8_t value) {
  a20_.set((value & kA20) != 0);
  if ((value & kNotReset) == 0 && on_power_) on_power_(PowerRequest::reset_cpu);
}

void I8042::write_command(std::uint16_t, std::uint8_t value) {
  status_ |= kA2;
  awaiting_ = 0;
  if (value >= 0x20 && value <= 0x3F) {
    reply(ram_[value & 0x1F]);
    return;
  }
  if (value >= 0x60 && value <= 0x7F) {
    awaiting_ = value;
    return;
  }
  if (value >= 0xF0) {
    // Pulses output port bits 3-0 that are 0; only the reset line is connected to anything.
    if ((value & kNotReset) == 0 && on_power_) on_power_(PowerRequest::reset_cpu);
    return;
  }
  switch (value) {
    case 0xA7:  // disable the auxiliary port
      if (aux_ != AuxPort::absent) ram_[0] |= kAuxOff;
      break;
    case 0xA8:  // enable it; without one the bit cannot be cleared
      if (aux_ != AuxPort::absent) ram_[0] = static_cast<std::uint8_t>(ram_[0] & ~kAuxOff);
      fill();
      break;
    case 0xA9:  // test it: 0 passed, 1 clock line stuck low
      reply(aux_ != AuxPort::absent ? 0x00 : 0x01);
      break;
    case 0xAA:  // self-test
      status_ |= kSys;
      ram_[0] |= kSystemFlag;
      reply(0x55);
      break;
    case 0xAB:  // test the keyboard port
      reply(0x00);
      break;
    case 0xAD:
      ram_[0] |= kKeyboardOff;
      break;
    case 0xAE:
      ram_[0] = static_cast<std::uint8_t>(ram_[0] & ~kKeyboardOff);
      fill();
      break;
    case 0xC0:  // input port: keyboard not locked, colour display
      reply(0x80);
      break;
    case 0xD0:
      reply(output_port());
      break;
    case 0xD1:  // output port
    case 0xD2:  // as if the keyboard had sent it
    case 0xD3:  // as if the mouse had sent it
    case 0xD4:  // to the mouse
      awaiting_ = value;
      break;
    case 0xDD:  // A20 off and on without a parameter
    case 0xDF:
      a20_.set(value == 0xDF);
      break;
    default:
      ++odd_;
      break;
  }
}

void I8042::write_data(std::uint16_t, std::uint8_t value) {
  status_ = static_cast<std::uint8_t>(status_ & ~kA2);
  if (awaiting_ != 0) {
    parameter(std::exchange(awaiting_, std::uint8_t{0}), value);
    return;
  }
  ram_[0] = static_cast<std::uint8_t>(ram_[0] & ~kKeyboardOff);  // sending needs the clock line
  keyboard_.command(value);
  fill();
}

void I8042::parameter(std::uint8_t command, std::uint8_t value) {
  switch (command) {
    case 0xD1:
      write_output_port(value);
      return;
    case 0xD2:
      reply(value, From::keyboard);
      return;
    case 0xD3:
      reply(value, aux_ != AuxPort::absent ? From::aux : From::controller);
      return;
    case 0xD4:
      if (aux_ == AuxPort::mouse) {
        ram_[0] = static_cast<std::uint8_t>(ram_[0] & ~kAuxOff);  // sending needs the clock line
        mouse_.command(value);
        fill();
      } else if (aux_ == AuxPort::empty) {
        reply(kNoResponse, From::aux, true);
      } else {
        ++odd_;
      }
      return;
    default:  // 60-7F
      break;
  }
  if (command != 0x60) {
    ram_[command & 0x1F] = value;
    return;
  }
  ram_[0] = value & 0x7F;
  if (aux_ == AuxPort::absent) ram_[0] |= kAuxOff;
  status_ = static_cast<std::uint8_t>((status_ & ~kSys) | ((value & kSystemFlag) != 0 ? kSys : 0));
  fill();
}

}  // namespace ringshift::devices
