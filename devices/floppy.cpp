#include "devices/floppy.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace ringshift::devices {

namespace {

// Offsets from 3F0h.
constexpr std::uint16_t kStatusA = 0, kStatusB = 1, kOutput = 2, kTape = 3, kMainStatus = 4, kFifo = 5;
// Digital output.
constexpr std::uint8_t kNotReset = 0x04, kInterruptsOn = 0x08;
// Main status.
constexpr std::uint8_t kReady = 0x80, kToHost = 0x40, kBusy = 0x10;
// ST0, ST1, ST2, ST3.
constexpr std::uint8_t kSeekEnd = 0x20, kAbnormal = 0x40, kInvalid = 0x80, kReadyChanged = 0xC0, kNoTrack0 = 0x10;
constexpr std::uint8_t kEndOfCylinder = 0x80, kNoData = 0x04, kNotWritable = 0x02, kNoAddressMark = 0x01;
constexpr std::uint8_t kDataError = 0x20, kWrongCylinder = 0x10;
constexpr std::uint8_t kMultitrack = 0x80, kImpliedSeek = 0x40;
constexpr std::uint8_t kSizeCode512 = 2;

struct Command {
  std::uint8_t mask, code;
  unsigned bytes;  // with parameters
};
constexpr std::array<Command, 19> kCommands = {{{0x1F, 0x06, 9},
                                                {0x1F, 0x05, 9},
                                                {0x1F, 0x0C, 9},
                                                {0x1F, 0x09, 9},
                                                {0x1F, 0x02, 9},
                                                {0x1F, 0x16, 9},
                                                {0xBF, 0x0A, 2},
                                                {0xBF, 0x0D, 6},
                                                {0xFF, 0x03, 3},
                                                {0xFF, 0x04, 2},
                                                {0xFF, 0x07, 2},
                                                {0xFF, 0x08, 1},
                                                {0xFF, 0x0F, 3},
                                                {0xFF, 0x0E, 1},
                                                {0xFF, 0x10, 1},
                                                {0xFF, 0x12, 2},
                                                {0xFF, 0x13, 4},
                                                {0x7F, 0x14, 1},
                                                {0xFF, 0x18, 1}}};

std::size_t length_of(std::uint8_t command) {
  for (const Command& known : kCommands) {
    if ((command & known.mask) == known.code) return known.bytes;
  }
  return 1;
}

}  // namespace

FloppyGeometry floppy_geometry(std::uint64_t bytes) {
  constexpr FloppyGeometry kFormats[] = {{40, 1, 8, 1}, {40, 1, 9, 1},  {40, 2, 8, 1},  {40, 2, 9, 1},
                                         {80, 2, 9, 4}, {80, 2, 15, 2}, {80, 2, 18, 4}, {80, 2, 36, 5}};
  for (const FloppyGeometry& format : kFormats) {
    if (std::uint64_t{format.cylinders} * format.heads * format.sectors * Floppy::kSector >= bytes) return format;
  }
  return std::end(kFormats)[-1];
}

Floppy::Floppy(mmu::PhysicalMap& memory, Dma8237& dma, IrqLine& irq6) : memory_(memory), dma_(dma), irq_(irq6) {}

void Floppy::insert(unsigned drive, BlockMedium* medium) {
  assert(drive < kDrives);
  drives_[drive].medium = medium;
  drives_[drive].changed = true;
  if (medium != nullptr) drives_[drive].geometry = floppy_geometry(medium->bytes());
}

// ---- registers --------------------------------------------------------------------------------

void Floppy::set_interrupt(bool asserted) {
  interrupt_ = asserted;
  irq_.set(asserted && (output_ & kInterruptsOn) != 0);
}

std::uint8_t Floppy::main_status() const {
  switch (phase_) {
    case Phase::command:
      return (output_ & kNotReset) == 0 ? std::uint8_t{0}
                                        : static_cast<std::uint8_t>(kReady | (command_.empty() ? 0 : kBusy));
    case Phase::execution:
      return kBusy;
    case Phase::result:
      break;
  }
  return kReady | kToHost | kBusy;
}

std::uint8_t Floppy::read(std::uint16_t offset) {
  switch (offset) {
    case kStatusA:
      return interrupt_ ? 0x80 : 0x00;
    case kStatusB:
      return static_cast<std::uint8_t>(0xC0 | (output_ & 0x30) >> 4);
    case kOutput:
      return output_;
    case kTape:
      return tape_;
    case kMainStatus:
      return main_status();
    default:
      return read_fifo();
  }
}

void Floppy::write(std::uint16_t offset, std::uint8_t value) {
  switch (offset) {
    case kOutput:
      write_output(value);
      break;
    case kTape:
      tape_ = value & 0x03;
      break;
    case kMainStatus:  // data rate select: a software reset clears itself
      if ((value & 0x80) != 0) reset();
      break;
    case kFifo:
      write_fifo(value);
      break;
    default:
      ++odd_;
      break;
  }
}

std::uint8_t Floppy::read_change(std::uint16_t) {
  const Drive& drive = drives_[output_ & 3];
  const bool motor = (output_ >> (4 + (output_ & 3)) & 1) != 0;
  return motor && (drive.changed || drive.medium == nullptr) ? 0x80 : 0x00;
}

void Floppy::write_output(std::uint8_t value) {
  const std::uint8_t before = std::exchange(output_, value);
  if ((value & kNotReset) != 0 && (before & kNotReset) == 0) reset();
  if ((value & kNotReset) == 0) {
    ++generation_;
    interrupt_ = false;
  }
  set_interrupt(interrupt_);
}

void Floppy::reset() {
  ++generation_;
  phase_ = Phase::command;
  command_.clear();
  result_.clear();
  if (!locked_) configure_ = {};
  // The chip polls its drives and finds each of them changed.
  after_reset_ = true;
  pending_senses_ = static_cast<unsigned>(drives_.size());
  set_interrupt(true);
}

// ---- commands ---------------------------------------------------------------------------------

void Floppy::write_fifo(std::uint8_t value) {
  if (phase_ != Phase::command || (output_ & kNotReset) == 0) {
    ++odd_;
    return;
  }
  if (command_.empty()) expected_ = length_of(value);
  command_.push_back(value);
  if (command_.size() < expected_) return;
  phase_ = Phase::execution;
  execute();
  if (phase_ == Phase::command) command_.clear();
}

std::uint8_t Floppy::read_fifo() {
  if (phase_ != Phase::result) {
    ++odd_;
    return 0;
  }
  set_interrupt(false);
  const std::uint8_t value = result_.front();
  result_.erase(result_.begin());
  if (result_.empty()) {
    phase_ = Phase::command;
    command_.clear();
  }
  return value;
}

void Floppy::result(std::initializer_list<std::uint8_t> bytes, bool interrupt) {
  result_ = bytes;
  phase_ = Phase::result;
  if (interrupt) set_interrupt(true);
}

void Floppy::execute() {
  const std::uint8_t code = command_[0];
  switch (code & 0x1F) {
    case 0x06:
    case 0x0C:  // deleted data: there is none
      transfer(false);
      return;
    case 0x05:
    case 0x09:
      transfer(true);
      return;
    default:
      break;
  }
  const unsigned drive = command_.size() > 1 ? command_[1] & 3U : 0;
  switch (code) {
    case 0x03:  // specify
      specify_ = {command_[1], command_[2]};
      no_dma_ = (command_[2] & 1) != 0;
      phase_ = Phase::command;
      return;
    case 0x04: {  // drive status
      const Drive& d = drives_[drive];
      const bool guarded = d.medium == nullptr || !d.medium->writable();
      result(
          {static_cast<std::uint8_t>(0x28 | (guarded ? 0x40 : 0) | (d.cylinder == 0 ? 0x10 : 0) | (command_[1] & 7))},
          false);
      return;
    }
    case 0x07:
      seek(drive, 0);
      return;
    case 0x08:
      sense_interrupt();
      return;
    case 0x0A:
    case 0x4A:
      read_id();
      return;
    case 0x0D:
    case 0x4D:
      format();
      return;
    case 0x0E: {  // registers
      const auto at = [this](unsigned n) { return static_cast<std::uint8_t>(drives_[n].cylinder); };
      result({at(0), at(1), at(2), at(3), specify_[0], specify_[1],
              drives_[0].medium == nullptr ? std::uint8_t{0} : static_cast<std::uint8_t>(drives_[0].geometry.sectors),
              static_cast<std::uint8_t>(locked_ ? 0x80 : 0), configure_[0], configure_[1]},
             false);
      return;
    }
    case 0x0F:
      seek(drive, command_[2]);
      return;
    case 0x10:  // version: enhanced
      result({0x90}, false);
      return;
    case 0x12:  // perpendicular mode
      phase_ = Phase::command;
      return;
    case 0x13:
      configure_ = {command_[2], command_[3]};
      phase_ = Phase::command;
      return;
    case 0x14:
    case 0x94:
      locked_ = (code & 0x80) != 0;
      result({static_cast<std::uint8_t>(locked_ ? 0x10 : 0)}, false);
      return;
    case 0x18:  // part: 82077
      result({kInvalid}, false);
      return;
    default:  // among them READ TRACK and VERIFY, which nobody was seen to use
      ++odd_;
      result({kInvalid}, false);
      return;
  }
}

void Floppy::seek(unsigned drive, unsigned cylinder) {
  Drive& d = drives_[drive];
  phase_ = Phase::command;
  after_reset_ = false;
  pending_senses_ = 1;
  if (drive >= kDrives) {
    pending_st0_ = static_cast<std::uint8_t>(kSeekEnd | kAbnormal | kNoTrack0 | drive);
  } else {
    d.cylinder = cylinder;
    if (d.medium != nullptr) d.changed = false;
    pending_st0_ = static_cast<std::uint8_t>(kSeekEnd | drive | (command_[1] & 4));
  }
  set_interrupt(true);
}

void Floppy::sense_interrupt() {
  set_interrupt(false);
  if (pending_senses_ == 0) {
    result({kInvalid}, false);
    return;
  }
  unsigned drive = pending_st0_ & 3U;
  std::uint8_t st0 = pending_st0_;
  if (after_reset_) {
    drive = static_cast<unsigned>(drives_.size()) - pending_senses_;
    st0 = static_cast<std::uint8_t>(kReadyChanged | drive);
  }
  --pending_senses_;
  result({st0, static_cast<std::uint8_t>(drives_[drive].cylinder)}, false);
}

void Floppy::read_id() {
  Transfer t;
  t.drive = command_[1] & 3U;
  t.head = command_[1] >> 2 & 1U;
  t.cylinder = drives_[t.drive].cylinder;
  const Drive& d = drives_[t.drive];
  if (d.medium == nullptr || t.cylinder >= d.geometry.cylinders || t.head >= d.geometry.heads) {
    fail(t, kNoAddressMark, 0);
    return;
  }
  result({static_cast<std::uint8_t>(command_[1] & 7), 0, 0, static_cast<std::uint8_t>(t.cylinder),
          static_cast<std::uint8_t>(t.head), 1, kSizeCode512},
         true);
}

// ---- transfers --------------------------------------------------------------------------------

std::uint64_t Floppy::offset_of(const Transfer& t) const {
  const FloppyGeometry& g = drives_[t.drive].geometry;
  return ((std::uint64_t{t.cylinder} * g.heads + t.head) * g.sectors + t.sector - 1) * kSector;
}

void Floppy::fail(const Transfer& t, std::uint8_t st1, std::uint8_t st2) {
  result({static_cast<std::uint8_t>(kAbnormal | t.head << 2 | t.drive), st1, st2, static_cast<std::uint8_t>(t.cylinder),
          static_cast<std::uint8_t>(t.head), static_cast<std::uint8_t>(t.sector), kSizeCode512},
         true);
}

void Floppy::submit(BlockMedium& medium, BlockRequest request, std::function<void(BlockRequest::Result)> done) {
  request.done = [this, generation = generation_, done = std::move(done)](BlockRequest::Result answer) {
    if (generation == generation_) done(std::move(answer));
  };
  medium.submit(std::move(request));
}

void Floppy::transfer(bool writing) {
  Transfer t;
  t.drive = command_[1] & 3U;
  t.cylinder = command_[2];
  t.head = command_[3] & 1U;
  t.sector = command_[4];
  t.multitrack = (command_[0] & kMultitrack) != 0;
  Drive& d = drives_[t.drive];
  const FloppyGeometry& g = d.geometry;
  t.last = std::min<unsigned>(command_[6], g.sectors);
  if (d.medium == nullptr) {
    fail(t, kNoAddressMark, 0);
    return;
  }
  if ((configure_[0] & kImpliedSeek) != 0) d.cylinder = t.cylinder;
  if (t.cylinder != d.cylinder || t.cylinder >= g.cylinders || t.head >= g.heads) {
    fail(t, kNoData, kWrongCylinder);
    return;
  }
  if (t.sector == 0 || t.sector > t.last || command_[5] != kSizeCode512) {
    fail(t, kNoData, 0);
    return;
  }
  if (writing && !d.medium->writable()) {
    fail(t, kNotWritable, 0);
    return;
  }
  const Dma8237::Channel channel = dma_.channel(kDmaChannel);
  const auto direction = writing ? Dma8237::Direction::from_memory : Dma8237::Direction::to_memory;
  const bool verify = !writing && channel.direction == Dma8237::Direction::verify;
  if (no_dma_ || !channel.ready || (channel.direction != direction && !verify)) {
    ++odd_;
    fail(t, 0x10, 0);  // overrun: nobody takes the data
    return;
  }
  // Up to the end of the track, or with MT of the second track of the cylinder.
  std::uint32_t sectors = t.last - t.sector + 1;
  if (t.multitrack && t.head == 0 && g.heads == 2) sectors += g.sectors;
  const std::uint32_t bytes = std::min(sectors * kSector, channel.remaining);
  if (writing) {
    transfer_out(t, bytes);
  } else {
    transfer_in(t, bytes);
  }
}

void Floppy::transfer_in(const Transfer& t, std::uint32_t bytes) {
  const std::uint32_t whole = (bytes + kSector - 1) / kSector * kSector;
  submit(*drives_[t.drive].medium, {BlockRequest::Op::read, offset_of(t), whole},
         [this, t, bytes](const BlockRequest::Result& answer) {
           if (!answer.ok) {
             fail(t, kDataError, kDataError);
             return;
           }
           const Dma8237::Channel channel = dma_.channel(kDmaChannel);
           if (channel.direction == Dma8237::Direction::to_memory) {
             memory_.dma_in(channel.address, answer.data.data(), bytes);
           }
           end_transfer(t, bytes);
         });
}

void Floppy::transfer_out(const Transfer& t, std::uint32_t bytes) {
  BlockRequest request{BlockRequest::Op::write, offset_of(t)};
  request.data.assign((bytes + kSector - 1) / kSector * kSector, 0);
  if (!memory_.copy_out(dma_.channel(kDmaChannel).address, request.data.data(), bytes)) {
    ++odd_;
    fail(t, 0x10, 0);
    return;
  }
  submit(*drives_[t.drive].medium, std::move(request), [this, t, bytes](const BlockRequest::Result& answer) {
    if (answer.ok) {
      end_transfer(t, bytes);
    } else {
      fail(t, kDataError, kDataError);
    }
  });
}

// The result shows the sector behind the last one; without a terminal count the track was too short.
void Floppy::end_transfer(const Transfer& t, std::uint32_t bytes) {
  const bool terminal = dma_.advance(kDmaChannel, bytes);
  Transfer end = t;
  end.sector += (bytes + kSector - 1) / kSector;
  const unsigned last = t.last;
  while (end.sector > last) {
    end.sector -= last;
    if (end.multitrack && end.head == 0) {
      end.head = 1;
    } else {
      if (end.multitrack) end.head = 0;
      ++end.cylinder;
    }
  }
  if (!terminal) {
    fail(end, kEndOfCylinder, 0);
    return;
  }
  result({static_cast<std::uint8_t>(end.head << 2 | t.drive), 0, 0, static_cast<std::uint8_t>(end.cylinder),
          static_cast<std::uint8_t>(end.head), static_cast<std::uint8_t>(end.sector), kSizeCode512},
         true);
}

// Fills the sectors whose addresses come through DMA.
void Floppy::format() {
  Transfer t;
  t.drive = command_[1] & 3U;
  t.head = command_[1] >> 2 & 1U;
  t.cylinder = drives_[t.drive].cylinder;
  Drive& d = drives_[t.drive];
  if (d.medium == nullptr || t.cylinder >= d.geometry.cylinders || t.head >= d.geometry.heads) {
    fail(t, kNoAddressMark, 0);
    return;
  }
  const unsigned count = command_[3];
  const Dma8237::Channel channel = dma_.channel(kDmaChannel);
  if (!d.medium->writable() || command_[2] != kSizeCode512 || count != d.geometry.sectors) {
    fail(t, d.medium->writable() ? kNoData : kNotWritable, 0);
    return;
  }
  if (no_dma_ || !channel.ready || channel.remaining < count * 4) {
    ++odd_;
    fail(t, 0x10, 0);
    return;
  }
  BlockRequest request{BlockRequest::Op::write, offset_of(t)};
  request.data.assign(std::size_t{count} * kSector, command_[5]);
  submit(*d.medium, std::move(request), [this, t, count](const BlockRequest::Result& answer) {
    if (!answer.ok) {
      fail(t, kDataError, kDataError);
      return;
    }
    dma_.advance(kDmaChannel, count * 4);
    result({static_cast<std::uint8_t>(t.head << 2 | t.drive), 0, 0, static_cast<std::uint8_t>(t.cylinder),
            static_cast<std::uint8_t>(t.head), 1, kSizeCode512},
           true);
  });
}

}  // namespace ringshift::devices
