#include "devices/ps2_keyboard.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "devices/key_names.h"

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

// Set 1 code -> set 3 code of the keys without E0; the others are listed.
constexpr std::array<std::uint8_t, 0x59> kSet3 = {
    0x00, 0x08, 0x16, 0x1E, 0x26, 0x25, 0x2E, 0x36, 0x3D, 0x3E, 0x46, 0x45, 0x4E, 0x55, 0x66, 0x0D,  // 00
    0x15, 0x1D, 0x24, 0x2D, 0x2C, 0x35, 0x3C, 0x43, 0x44, 0x4D, 0x54, 0x5B, 0x5A, 0x11, 0x1C, 0x1B,  // 10
    0x23, 0x2B, 0x34, 0x33, 0x3B, 0x42, 0x4B, 0x4C, 0x52, 0x0E, 0x12, 0x5C, 0x1A, 0x22, 0x21, 0x2A,  // 20
    0x32, 0x31, 0x3A, 0x41, 0x49, 0x4A, 0x59, 0x7E, 0x19, 0x29, 0x14, 0x07, 0x0F, 0x17, 0x1F, 0x27,  // 30
    0x2F, 0x37, 0x3F, 0x47, 0x4F, 0x76, 0x5F, 0x6C, 0x75, 0x7D, 0x84, 0x6B, 0x73, 0x74, 0x7C, 0x69,  // 40
    0x72, 0x7A, 0x70, 0x71, 0x57, 0x00, 0x13, 0x56, 0x5E,                                            // 50
};
struct Set3Key {
  std::uint16_t set1;
  std::uint8_t set3;
};
constexpr Set3Key kSet3Extended[] = {{0xE01C, 0x79}, {0xE01D, 0x58}, {0xE035, 0x77}, {0xE037, 0x57},   {0xE038, 0x39},
                                     {0xE047, 0x6E}, {0xE048, 0x63}, {0xE049, 0x6F}, {0xE04B, 0x61},   {0xE04D, 0x6A},
                                     {0xE04F, 0x65}, {0xE050, 0x60}, {0xE051, 0x6D}, {0xE052, 0x67},   {0xE053, 0x64},
                                     {0xE05B, 0x8B}, {0xE05C, 0x8C}, {0xE05D, 0x8D}, {kPauseKey, 0x62}};

// What a key of set 3 sends besides its make code.
constexpr std::uint8_t kSendsBreak = 1, kRepeats = 2;
// Ctrl, Shift, Caps Lock and Alt.
constexpr std::uint8_t kSet3Modifiers[] = {0x11, 0x12, 0x14, 0x19, 0x59};

constexpr std::uint16_t kPrintKey = 0xE037;

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

std::uint8_t set3_code(std::uint16_t set1) {
  if (set1 < kSet3.size()) return kSet3[set1];
  const auto* found = std::ranges::find(kSet3Extended, set1, &Set3Key::set1);
  return found == std::end(kSet3Extended) ? std::uint8_t{0} : found->set3;
}

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
  held_.reset();
  output_.clear();
  set_all_types(kRepeats);
  for (const std::uint8_t code : kSet3Modifiers) key_types_[code] = kSendsBreak;
}

void Ps2Keyboard::set_all_types(std::uint8_t type) { key_types_.fill(type); }

std::uint8_t Ps2Keyboard::take() {
  if (output_.empty()) return last_;
  last_ = output_.front();
  output_.pop_front();
  return last_;
}

void Ps2Keyboard::command(std::uint8_t value) {
  constexpr std::uint8_t kTypes[] = {kRepeats, kSendsBreak, 0, kSendsBreak | kRepeats};
  const bool key_types = waiting_ && *waiting_ >= 0xFB;
  if (key_types && value < 0xED) {  // any number of keys, until a command
    key_types_[value] = kTypes[*waiting_ - 0xFB];
    reply(kAck);
    return;
  }
  if (waiting_ && !key_types && value < 0x80) {
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
    case 0xF7:  // all keys of set 3 typematic, make/break, make only, all three
    case 0xF8:
    case 0xF9:
    case 0xFA:
      set_all_types(kTypes[value - 0xF7]);
      reply(kAck);
      return;
    case 0xFB:  // the same, without the last, for the keys that are named next
    case 0xFC:
    case 0xFD:
      reply(kAck);
      waiting_ = value;
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
      if (value > 3) {
        ++odd_;
        reply(kResend);
        return;
      }
      set_ = value;
      break;
  }
  reply(kAck);
}

std::vector<std::uint8_t> Ps2Keyboard::encode(std::uint16_t code, bool pressed) const {
  const auto base = static_cast<std::uint8_t>(code & 0x7F);
  if (set_ == 3) {
    const std::uint8_t set3 = set3_code(code);
    if (set3 == 0) return {};
    return pressed ? std::vector<std::uint8_t>{set3} : std::vector<std::uint8_t>{0xF0, set3};
  }
  // Pause says all when it is pressed. Print has a shift of its own around it.
  if (code == kPauseKey) {
    if (!pressed) return {};
    if (set_ == 1) return {0xE1, 0x1D, 0x45, 0xE1, 0x9D, 0xC5};
    return {0xE1, 0x14, 0x77, 0xE1, 0xF0, 0x14, 0xF0, 0x77};
  }
  if (code == kPrintKey && set_ == 1) {
    if (pressed) return {0xE0, 0x2A, 0xE0, 0x37};
    return {0xE0, 0xB7, 0xE0, 0xAA};
  }
  if (code == kPrintKey) {
    if (pressed) return {0xE0, 0x12, 0xE0, 0x7C};
    return {0xE0, 0xF0, 0x7C, 0xE0, 0xF0, 0x12};
  }
  std::vector<std::uint8_t> out;
  if ((code >> 8) == 0xE0) out.push_back(0xE0);
  if (set_ == 1) {
    out.push_back(static_cast<std::uint8_t>(base | (pressed ? 0 : 0x80)));
    return out;
  }
  if (set1_to_set2(base) == 0) return {};
  if (!pressed) out.push_back(0xF0);
  out.push_back(set1_to_set2(base));
  return out;
}

bool Ps2Keyboard::type_has(std::uint16_t code, std::uint8_t property) const {
  return set_ != 3 || (key_types_[set3_code(code)] & property) != 0;
}

void Ps2Keyboard::key(std::uint16_t code, bool pressed) {
  if (!pressed && held_ == code) held_.reset();
  const std::vector<std::uint8_t> bytes = encode(code, pressed);
  const bool silent = !pressed && (code == kPauseKey || !type_has(code, kSendsBreak));
  if (silent && scanning_) return;
  if (!scanning_ || bytes.empty() || output_.size() + bytes.size() > kBuffer) {
    ++dropped_;
    return;
  }
  if (pressed && code != kPauseKey && type_has(code, kRepeats)) {
    held_ = code;
  } else if (pressed) {
    held_.reset();
  }
  for (const std::uint8_t byte : bytes) reply(byte);
}

// The rate's bits: a delay in quarters of a second, and a period of (8 + A) * 2^B * 4.17 ms.
std::uint64_t Ps2Keyboard::repeat_delay_ns() const { return ((typematic_ >> 5 & 3U) + 1) * 250'000'000ULL; }
std::uint64_t Ps2Keyboard::repeat_period_ns() const {
  constexpr std::uint64_t kUnitNs = 1'000'000'000 / 240;
  return ((typematic_ & 7U) + 8) * kUnitNs << (typematic_ >> 3 & 3U);
}

void Ps2Keyboard::repeat() {
  if (!held_) return;
  std::vector<std::uint8_t> bytes = encode(*held_, true);
  // The shift before Print is not repeated.
  if (*held_ == kPrintKey && set_ != 3) bytes.erase(bytes.begin(), bytes.begin() + 2);
  if (!scanning_ || output_.size() + bytes.size() > kBuffer) return;
  for (const std::uint8_t byte : bytes) reply(byte);
}

}  // namespace ringshift::devices
