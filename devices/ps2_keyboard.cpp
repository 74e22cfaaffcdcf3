#include "devices/ps2_keyboard.h"

#include <array>

namespace ringshift::devices {

namespace {

constexpr std::uint8_t kAck = 0xFA, kResend = 0xFE, kSelfTestPassed = 0xAA;
constexpr std::size_t kBuffer = 16;   // bytes of keystrokes kept
constexpr std::size_t kReplies = 16;  // room for replies behind them: more than a driver leaves unread

// Set 2 code -> set 1 code, as in the ROM of the 8042; from 80h on all but 83h and 84h stand for themselves.
constexpr std::array<std::uint8_t, 0x85> kTranslation = {
    0xFF, 0x43, 0x41, 0x3F, 0x3D, 0x3B, 0x3C, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3E, 0x0F, 0x29, 0x59,  // 00
    0x65, 0x38, 0x2A, 0x70, 0x1D, 0x10, 0x02, 0x5A, 0x66, 0x71, 0x2C, 0x1F, 0x1E, 0x11, 0x03, 0x5B,  // 10
    0x67, 0x2E, 0x2D, 0x20, 0x12, 0x05, 0x04, 0x5C, 0x68, 0x39, 0x2F, 0x21, 0x14, 0x13, 0x06, 0x5D,  // 20
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5E, 0x6A, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5F,  // 30
    0x6B, 0x33, 0x25, 0x17, 0x18, 0x0B, 0x0A, 0x60, 0x6C, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0C, 0x61,  // 40
    0x6D, 0x73, 0x28, 0x74, 0x1A, 0x0D, 0x62, 0x6E, 0x3A, 0x36, 0x1C, 0x1B, 0x75, 0x2B, 0x63, 0x76,  // 50
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7A, 0x0E, 0x7B, 0x7C, 0x4F, 0x7D, 0x4B, 0x47, 0x7E, 0x7F, 0x6F,  // 60
    0x52, 0x53, 0x50, 0x4C, 0x4D, 0x48, 0x01, 0x45, 0x57, 0x4E, 0x51, 0x4A, 0x37, 0x49, 0x46, 0x54,  // 70
    0x80, 0x81, 0x82, 0x41, 0x54,                                                                    // 80
};

constexpr std::array<std::uint8_t, 0x80> invert() {
  std::array<std::uint8_t, 0x80> inverse{};
  // From the top: of the two codes for one key the lower is the common one, except that F7 is 83h.
  for (std::size_t code = kTranslation.size(); code-- > 0;) {
    const std::uint8_t set1 = kTranslation[code];
    if (set1 < 0x80) inverse[set1] = static_cast<std::uint8_t>(code);
  }
  inverse[0x41] = 0x83;
  inverse[0x54] = 0x84;
  return inverse;
}
constexpr std::array<std::uint8_t, 0x80> kInverse = invert();

}  // namespace

std::uint8_t set2_to_set1(std::uint8_t code) { return code < kTranslation.size() ? kTranslation[code] : code; }
std::uint8_t set1_to_set2(std::uint8_t code) { return kInverse[code & 0x7F]; }

void Ps2Keyboard::reply(std::uint8_t byte) {
  if (output_.size() >= kBuffer + kReplies) {
    ++odd_;
    return;
  }
  output_.push_back(byte);
}

void Ps2Keyboard::defaults() {
  set_ = 2;
  typematic_ = 0x2B;
  scanning_ = true;
  output_.clear();
}

std::uint8_t Ps2Keyboard::take() {
  if (output_.empty()) return last_;
  last_ = output_.front();
  output_.pop_front();
  return last_;
}

void Ps2Keyboard::command(std::uint8_t value) {
  if (waiting_ && value < 0x80) {
    const std::uint8_t command = *waiting_;
    waiting_.reset();
    parameter(command, value);
    return;
  }
  waiting_.reset();  // a command in place of a parameter ends the one before
  switch (value) {
    case 0xED:  // set LEDs
    case 0xF0:  // select scan code set
    case 0xF3:  // set typematic rate
      reply(kAck);
      waiting_ = value;
      return;
    case 0xEE:  // echo
      reply(0xEE);
      return;
    case 0xF2:  // identify: MF2 keyboard
      reply(kAck);
      reply(0xAB);
      reply(0x83);
      return;
    case 0xF4:  // enable
      output_.clear();
      scanning_ = true;
      reply(kAck);
      return;
    case 0xF5:  // default and disable
      defaults();
      scanning_ = false;
      reply(kAck);
      return;
    case 0xF6:  // default
      defaults();
      reply(kAck);
      return;
    case 0xF7:  // all keys typematic, make/break, make only, all three: these matter to set 3 only
    case 0xF8:
    case 0xF9:
    case 0xFA:
      reply(kAck);
      return;
    case 0xFE:  // resend
      reply(last_);
      return;
    case 0xFF:  // reset and self-test
      defaults();
      leds_ = 0;
      reply(kAck);
      reply(kSelfTestPassed);
      return;
    default:
      ++odd_;
      reply(kResend);
      return;
  }
}

void Ps2Keyboard::parameter(std::uint8_t command, std::uint8_t value) {
  switch (command) {
    case 0xED:
      leds_ = value & 7;
      break;
    case 0xF3:
      typematic_ = value;
      break;
    default:  // F0
      if (value == 0) {
        reply(kAck);
        reply(set_);
        return;
      }
      if (value > 2) {  // set 3 is not there
        ++odd_;
        reply(kResend);
        return;
      }
      set_ = value;
      break;
  }
  reply(kAck);
}

void Ps2Keyboard::key(std::uint16_t code, bool pressed) {
  const auto base = static_cast<std::uint8_t>(code & 0x7F);
  const bool extended = (code >> 8) == 0xE0;
  if (!scanning_ || output_.size() + 3 > kBuffer || (set_ == 2 && set1_to_set2(base) == 0)) {
    ++dropped_;
    return;
  }
  if (extended) reply(0xE0);
  if (set_ == 1) {
    reply(static_cast<std::uint8_t>(base | (pressed ? 0 : 0x80)));
    return;
  }
  if (!pressed) reply(0xF0);
  reply(set1_to_set2(base));
}

}  // namespace ringshift::devices
