#include "devices/ide_drive.h"

#include <utility>

namespace ringshift::devices {

void IdeDrive::connect(BusMaster& dma, std::function<void()> interrupt_changed) {
  dma_ = &dma;
  interrupt_changed_ = std::move(interrupt_changed);
  reset();
}

void IdeDrive::reset() {
  ++generation_;
  phase_ = Phase::none;
  buffer_.clear();
  at_ = end_ = 0;
  now_ = before_ = {};
  device_ = 0;
  error_ = 0x01;  // diagnostics: no error
  set_signature();
  take_interrupt_back();
}

std::uint8_t IdeDrive::read(unsigned reg, bool hob) const {
  const Registers& r = hob ? before_ : now_;
  switch (reg) {
    case ide::kError:
      return error_;
    case ide::kCount:
      return r.count;
    case ide::kLow:
      return r.low;
    case ide::kMid:
      return r.mid;
    case ide::kHigh:
      return r.high;
    case ide::kDevice:
      return device_ | 0xA0;
    default:
      return status_;
  }
}

void IdeDrive::write(unsigned reg, std::uint8_t value) {
  const auto shift_in = [value](std::uint8_t& now, std::uint8_t& before) { before = std::exchange(now, value); };
  switch (reg) {
    case ide::kFeature:
      shift_in(now_.feature, before_.feature);
      break;
    case ide::kCount:
      shift_in(now_.count, before_.count);
      break;
    case ide::kLow:
      shift_in(now_.low, before_.low);
      break;
    case ide::kMid:
      shift_in(now_.mid, before_.mid);
      break;
    case ide::kHigh:
      shift_in(now_.high, before_.high);
      break;
    case ide::kDevice:
      device_ = value;
      break;
    default:
      break;
  }
}

void IdeDrive::write_command(std::uint8_t command) {
  constexpr std::uint8_t kDeviceReset = 0x08;
  take_interrupt_back();
  if ((status_ & (ide::kBusy | ide::kDrq)) != 0 && command != kDeviceReset) return;
  ++generation_;
  phase_ = Phase::none;
  error_ = 0;
  execute(command);
}

std::uint8_t IdeDrive::read_status() {
  take_interrupt_back();
  return status_;
}

void IdeDrive::raise_interrupt(bool finished) {
  interrupt_ = true;
  dma_->interrupt(finished);
  interrupt_changed_();
}

void IdeDrive::take_interrupt_back() {
  if (!std::exchange(interrupt_, false)) return;
  interrupt_changed_();
}

void IdeDrive::finish(std::uint8_t error, bool interrupt) {
  phase_ = Phase::none;
  error_ = error;
  status_ = ide::kReady | ide::kSeekDone | (error != 0 ? ide::kErr : std::uint8_t{0});
  if (interrupt) raise_interrupt(true);
}

void IdeDrive::submit(BlockRequest request, std::function<void(BlockRequest::Result)> done) {
  phase_ = Phase::none;
  status_ = ide::kBusy;
  request.done = [this, generation = generation_, done = std::move(done)](BlockRequest::Result result) {
    if (generation == generation_) done(std::move(result));
  };
  medium_->submit(std::move(request));
}

// ---- data -------------------------------------------------------------------------------------

void IdeDrive::begin_block(Phase phase, std::size_t end) {
  phase_ = phase;
  end_ = end;
  status_ = ide::kReady | ide::kSeekDone | ide::kDrq;
  pump();
}

std::uint16_t IdeDrive::read_data() {
  if (phase_ != Phase::data_in) return 0;
  std::uint16_t value = buffer_[at_++];
  if (at_ < end_) value = static_cast<std::uint16_t>(value | buffer_[at_++] << 8);
  if (at_ >= end_) {
    phase_ = Phase::none;
    block_sent();
  }
  return value;
}

void IdeDrive::write_data(std::uint16_t value) {
  if (phase_ != Phase::data_out) return;
  buffer_[at_++] = static_cast<std::uint8_t>(value);
  if (at_ < end_) buffer_[at_++] = static_cast<std::uint8_t>(value >> 8);
  if (at_ >= end_) {
    phase_ = Phase::none;
    block_received();
  }
}

void IdeDrive::pump() {
  const bool in = phase_ == Phase::dma_in;
  if ((!in && phase_ != Phase::dma_out) || !dma_->active() || dma_->to_memory() != in) return;
  const std::span<std::uint8_t> rest(buffer_.data() + at_, end_ - at_);
  at_ += in ? dma_->give(rest) : dma_->take(rest);
  if (at_ < end_) return;  // the table was too short: the drive waits for another
  phase_ = Phase::none;
  if (in) {
    block_sent();
  } else {
    block_received();
  }
}

}  // namespace ringshift::devices
