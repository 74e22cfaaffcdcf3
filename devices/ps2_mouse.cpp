#include "devices/ps2_mouse.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace ringshift::devices {

namespace {

constexpr std::uint8_t kAck = 0xFA, kResend = 0xFE, kSelfTestPassed = 0xAA;
constexpr std::size_t kReplies = 16;  // bytes kept: more than a driver leaves unread
constexpr std::uint8_t kWheelId = 3, kFiveButtonsId = 4;
constexpr std::array<std::uint8_t, 3> kWheelKnock = {200, 100, 80}, kFiveButtonsKnock = {200, 200, 80};
// What a mouse counts at most while nobody asks.
constexpr int kMostCounts = 4096, kMostDetents = 64;

// Scaling 2:1 of what a stream reports.
int scaled_2_to_1(int counts) {
  constexpr std::array<int, 6> kSmall = {0, 1, 1, 3, 6, 9};
  const int size = std::abs(counts);
  const int out = size < 6 ? kSmall[static_cast<std::size_t>(size)] : 2 * size;
  return counts < 0 ? -out : out;
}

// Takes from `counts` what fits into [-most - 1, most].
int part(int& counts, int most) {
  const int out = std::clamp(counts, -most - 1, most);
  counts -= out;
  return out;
}

}  // namespace

void Ps2Mouse::reply(std::initializer_list<std::uint8_t> bytes) {
  last_ = bytes;
  for (const std::uint8_t byte : bytes) {
    if (output_.size() >= kReplies) {
      ++odd_;
      return;
    }
    output_.push_back(byte);
  }
}

void Ps2Mouse::defaults() {
  mode_ = Mode::stream;
  reporting_ = scaling_ = false;
  resolution_ = 2;
  rate_ = 100;
  dx_ = dy_ = wheel_ = 0;
  output_.clear();
}

std::uint8_t Ps2Mouse::take() {
  if (output_.empty()) return 0;
  const std::uint8_t value = output_.front();
  output_.pop_front();
  report();
  return value;
}

void Ps2Mouse::move(const PointerMove& move) {
  dx_ = std::clamp(dx_ + std::clamp(move.dx, -kMostCounts, kMostCounts), -kMostCounts, kMostCounts);
  dy_ = std::clamp(dy_ + std::clamp(move.dy, -kMostCounts, kMostCounts), -kMostCounts, kMostCounts);
  wheel_ = std::clamp(wheel_ + std::clamp(move.wheel, -kMostDetents, kMostDetents), -kMostDetents, kMostDetents);
  buttons_ = move.buttons;
  // Nobody is told of what happens while it does not report.
  if (mode_ == Mode::stream && !reporting_) dx_ = dy_ = wheel_ = 0;
  report();
}

bool Ps2Mouse::news() const {
  return dx_ != 0 || dy_ != 0 || (id_ != 0 && wheel_ != 0) || buttons_ != reported_buttons_;
}

void Ps2Mouse::report() {
  if (reporting() && output_.empty() && news()) packet(scaling_);
}

void Ps2Mouse::packet(bool scaled) {
  int x = scaled ? scaled_2_to_1(std::exchange(dx_, 0)) : dx_;
  int y = -(scaled ? scaled_2_to_1(std::exchange(dy_, 0)) : dy_);
  const int right = part(x, 255), up = part(y, 255);
  dx_ = x;
  dy_ = -y;
  const auto low = [](int v) { return static_cast<std::uint8_t>(v & 0xFF); };
  const auto first = static_cast<std::uint8_t>((buttons_ & 7) | 0x08 | (right < 0 ? 0x10 : 0) | (up < 0 ? 0x20 : 0));
  reported_buttons_ = buttons_;
  if (id_ == kWheelId) {
    reply({first, low(right), low(up), low(part(wheel_, 127))});
  } else if (id_ == kFiveButtonsId) {
    reply({first, low(right), low(up), static_cast<std::uint8_t>((part(wheel_, 7) & 0x0F) | (buttons_ & 0x18) << 1)});
  } else {
    wheel_ = 0;
    reply({first, low(right), low(up)});
  }
}

void Ps2Mouse::status() {
  const auto flags = static_cast<std::uint8_t>((mode_ == Mode::remote ? 0x40 : 0) | (reporting_ ? 0x20 : 0) |
                                               (scaling_ ? 0x10 : 0) | (buttons_ & pointer::kLeft) << 2 |
                                               (buttons_ & pointer::kMiddle) >> 1 | (buttons_ & pointer::kRight) >> 1);
  reply({kAck, flags, resolution_, rate_});
}

void Ps2Mouse::parameter(std::uint8_t command, std::uint8_t value) {
  if (command == 0xE8) {
    resolution_ = value & 3;
  } else {
    rate_ = value;
    rates_ = {rates_[1], rates_[2], value};
    if (rates_ == kWheelKnock) id_ = std::max(id_, kWheelId);
    if (rates_ == kFiveButtonsKnock) id_ = kFiveButtonsId;
  }
  reply({kAck});
}

void Ps2Mouse::command(std::uint8_t value) {
  if (mode_ == Mode::wrap && value != 0xEC && value != 0xFF) return reply({value});
  // A command in place of what has not been read yet makes that void.
  if (value != 0xFE) output_.clear();
  if (const auto command = std::exchange(waiting_, std::nullopt)) return parameter(*command, value);
  switch (value) {
    case 0xE6:
    case 0xE7:
      scaling_ = value == 0xE7;
      break;
    case 0xE8:  // resolution
    case 0xF3:  // sample rate
      waiting_ = value;
      break;
    case 0xE9:
      return status();
    case 0xEA:
      mode_ = Mode::stream;
      break;
    case 0xEB:  // read data
      reply({kAck});
      return packet(false);
    case 0xEC:  // end of wrap mode
      if (mode_ == Mode::wrap) mode_ = before_wrap_;
      break;
    case 0xEE:
      before_wrap_ = mode_;
      mode_ = Mode::wrap;
      break;
    case 0xF0:
      mode_ = Mode::remote;
      break;
    case 0xF2:
      return reply({kAck, id_});
    case 0xF4:
      reporting_ = true;
      break;
    case 0xF5:
      reporting_ = false;
      break;
    case 0xF6:
      defaults();
      break;
    case 0xFE:
      for (const std::uint8_t byte : last_) {
        if (output_.size() < kReplies) output_.push_back(byte);
      }
      return;
    case 0xFF:
      defaults();
      id_ = 0;
      rates_ = {};
      return reply({kAck, kSelfTestPassed, id_});
    default:
      ++odd_;
      return reply({kResend});
  }
  reply({kAck});
}

}  // namespace ringshift::devices
