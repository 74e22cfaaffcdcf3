#include "devices/bus_master.h"

#include <algorithm>

namespace ringshift::devices {

namespace {
constexpr std::uint8_t kCapable = 0x60;            // status: software notes here which drives can DMA
constexpr std::uint32_t kEndOfTable = 0x80000000;  // descriptor, second dword
}  // namespace

void BusMaster::reset() {
  command_ = status_ = 0;
  table_ = 0;
  left_ = 0;
}

std::uint8_t BusMaster::read(unsigned offset) const {
  switch (offset) {
    case 0:
      return command_;
    case 2:
      return status_;
    case 4:
    case 5:
    case 6:
    case 7:
      return static_cast<std::uint8_t>(table_ >> (8 * (offset - 4)));
    default:
      return 0;
  }
}

void BusMaster::write(unsigned offset, std::uint8_t value) {
  if (offset == 0) {
    const bool starts = (value & kStart) != 0 && (command_ & kStart) == 0;
    command_ = value & (kStart | kToMemory);
    if (starts) {
      status_ |= kActive;
      next_ = table_;
      left_ = 0;
      last_ = false;
      if (start_) start_();
    } else if ((value & kStart) == 0) {
      status_ = static_cast<std::uint8_t>(status_ & ~kActive);
    }
  } else if (offset == 2) {
    // Error and interrupt are cleared by writing ones.
    status_ = static_cast<std::uint8_t>((status_ & kActive) | (value & kCapable) |
                                        (status_ & ~value & (kError | kInterrupt)));
  } else if (offset >= 4 && offset < 8) {
    const unsigned shift = 8 * (offset - 4);
    table_ = (table_ & ~(0xFFU << shift)) | static_cast<std::uint32_t>(value) << shift;
    table_ &= ~3U;
  }
}

// False: the table has ended, or is not in memory.
bool BusMaster::next_region() {
  std::uint32_t descriptor[2] = {0, 0};
  if (last_ || !memory_.copy_out(next_, descriptor, sizeof descriptor)) {
    if (!last_) status_ |= kError;
    status_ = static_cast<std::uint8_t>(status_ & ~kActive);
    return false;
  }
  next_ += 8;
  region_ = descriptor[0] & ~1U;
  left_ = descriptor[1] & 0xFFFE;
  if (left_ == 0) left_ = 0x10000;
  last_ = (descriptor[1] & kEndOfTable) != 0;
  return true;
}

template <class Move>
std::size_t BusMaster::move(std::size_t size, Move move_piece) {
  std::size_t done = 0;
  while (done < size && active()) {
    if (left_ == 0 && !next_region()) break;
    const auto piece = static_cast<std::uint32_t>(std::min<std::size_t>(size - done, left_));
    if (!move_piece(region_, done, piece)) {
      status_ = static_cast<std::uint8_t>((status_ | kError) & ~kActive);
      break;
    }
    region_ += piece;
    left_ -= piece;
    done += piece;
  }
  return done;
}

std::size_t BusMaster::give(std::span<const std::uint8_t> bytes) {
  return move(bytes.size(), [&](std::uint32_t at, std::size_t done, std::uint32_t count) {
    return memory_.dma_in(at, bytes.data() + done, count);
  });
}

std::size_t BusMaster::take(std::span<std::uint8_t> bytes) {
  return move(bytes.size(), [&](std::uint32_t at, std::size_t done, std::uint32_t count) {
    return memory_.copy_out(at, bytes.data() + done, count);
  });
}

void BusMaster::interrupt(bool finished) {
  status_ |= kInterrupt;
  // A table that is longer than the transfer leaves the bus master active.
  if (finished && left_ == 0 && last_) status_ = static_cast<std::uint8_t>(status_ & ~kActive);
}

}  // namespace ringshift::devices
