#include "devices/ata_disk.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace ringshift::devices {

namespace {

constexpr std::uint64_t kChunk = 128;  // sectors for each request to the medium
constexpr unsigned kMostMultiple = 16;
constexpr std::uint8_t kLbaMode = 0x40;
constexpr std::uint64_t kMost28 = 1ULL << 28;

// Strings of IDENTIFY: two characters a word, the first in the high byte.
void put_text(std::array<std::uint16_t, 256>& words, unsigned first, unsigned count, std::string_view text) {
  for (unsigned i = 0; i < count; ++i) {
    const auto at = [&](unsigned n) { return static_cast<unsigned char>(n < text.size() ? text[n] : ' '); };
    words[first + i] = static_cast<std::uint16_t>(at(2 * i) << 8 | at(2 * i + 1));
  }
}

}  // namespace

AtaDisk::AtaDisk(BlockMedium& medium, std::string serial)
    : IdeDrive(&medium), serial_(std::move(serial)), sectors_((medium.bytes() + kSector - 1) / kSector) {}

void AtaDisk::set_signature() {
  now_.count = now_.low = 1;
  now_.mid = now_.high = 0;
  status_ = ide::kReady | ide::kSeekDone;
}

void AtaDisk::execute(std::uint8_t command) {
  switch (command) {
    case 0x20:
    case 0x21:
      begin(false, Way::pio, false);
      return;
    case 0x24:
      begin(true, Way::pio, false);
      return;
    case 0x25:
      begin(true, Way::dma, false);
      return;
    case 0x27:
      native_max(true);
      return;
    case 0x29:
      begin(true, Way::multiple, false);
      return;
    case 0x30:
    case 0x31:
      begin(false, Way::pio, true);
      return;
    case 0x34:
      begin(true, Way::pio, true);
      return;
    case 0x35:
      begin(true, Way::dma, true);
      return;
    case 0x39:
      begin(true, Way::multiple, true);
      return;
    case 0x40:
    case 0x41:
      verify(false);
      return;
    case 0x42:
      verify(true);
      return;
    case 0x90:  // diagnostics
      set_signature();
      finish(0);
      error_ = 0x01;
      return;
    case 0x91:  // initialize parameters
      if (now_.count == 0) {
        finish(ide::kAborted);
        return;
      }
      heads_ = (device_ & 15U) + 1;
      track_ = now_.count;
      finish();
      return;
    case 0xC4:
      begin(false, Way::multiple, false);
      return;
    case 0xC5:
      begin(false, Way::multiple, true);
      return;
    case 0xC6:
      set_multiple();
      return;
    case 0xC8:
    case 0xC9:
      begin(false, Way::dma, false);
      return;
    case 0xCA:
    case 0xCB:
      begin(false, Way::dma, true);
      return;
    case 0xE5:  // power mode: active
      now_.count = 0xFF;
      finish();
      return;
    case 0xE1:  // idle: nothing turns
    case 0xE3:
      finish();
      return;
    case 0xE0:  // standby and sleep, at which a drive writes what is in its cache
    case 0xE2:
    case 0xE6:
    case 0xE7:
    case 0xEA:
      flush();
      return;
    case 0xEC:
      identify();
      return;
    case 0xEF:
      set_features();
      return;
    case 0xF8:
      native_max(false);
      return;
    default:
      if ((command & 0xF0) == 0x10 || (command & 0xF0) == 0x70) {  // recalibrate, seek
        finish();
      } else {
        finish(ide::kAborted);
      }
      return;
  }
}

// ---- addresses --------------------------------------------------------------------------------

// Sets lba_ and left_ from the registers.
bool AtaDisk::locate(bool extended) {
  extended_ = extended;
  const auto dword = [](const Registers& r) {
    return static_cast<std::uint64_t>(r.low) | static_cast<std::uint64_t>(r.mid) << 8 |
           static_cast<std::uint64_t>(r.high) << 16;
  };
  if (extended) {
    lba_ = dword(now_) | dword(before_) << 24;
    left_ = static_cast<std::uint64_t>(now_.count) | static_cast<std::uint64_t>(before_.count) << 8;
    if (left_ == 0) left_ = 0x10000;
    if ((device_ & kLbaMode) == 0) return false;
  } else {
    left_ = now_.count == 0 ? 256 : now_.count;
    if ((device_ & kLbaMode) != 0) {
      lba_ = dword(now_) | static_cast<std::uint64_t>(device_ & 15) << 24;
    } else {
      const unsigned cylinder = now_.mid | now_.high << 8, head = device_ & 15U, sector = now_.low;
      if (sector == 0 || sector > track_ || head >= heads_) return false;
      lba_ = (std::uint64_t{cylinder} * heads_ + head) * track_ + sector - 1;
    }
  }
  return lba_ < sectors_ && left_ <= sectors_ - lba_;
}

// Where the command stopped.
void AtaDisk::show_address() {
  if ((device_ & kLbaMode) == 0) return;
  now_.low = static_cast<std::uint8_t>(lba_);
  now_.mid = static_cast<std::uint8_t>(lba_ >> 8);
  now_.high = static_cast<std::uint8_t>(lba_ >> 16);
  if (extended_) {
    before_.low = static_cast<std::uint8_t>(lba_ >> 24);
    before_.mid = static_cast<std::uint8_t>(lba_ >> 32);
    before_.high = static_cast<std::uint8_t>(lba_ >> 40);
  } else {
    device_ = static_cast<std::uint8_t>((device_ & 0xF0) | (lba_ >> 24 & 15));
  }
}

void AtaDisk::advance(std::uint64_t sectors) {
  left_ -= sectors;
  lba_ += left_ == 0 ? sectors - 1 : sectors;  // at the end it is the last sector's
}

// ---- reading and writing ----------------------------------------------------------------------

bool AtaDisk::begin(bool extended, Way way, bool writing) {
  if (!locate(extended)) {
    finish(ide::kIdNotFound);
    return false;
  }
  if ((way == Way::multiple && multiple_ == 0) || (writing && !medium_->writable())) {
    finish(ide::kAborted);
    return false;
  }
  way_ = way;
  block_ = way == Way::multiple ? multiple_ : 1;
  if (writing) {
    begin_write_chunk(false);
  } else {
    read_chunk();
  }
  return true;
}

void AtaDisk::read_chunk() {
  const std::uint64_t count = std::min(left_, kChunk);
  submit({BlockRequest::Op::read, lba_ * kSector, count * kSector}, [this](BlockRequest::Result result) {
    if (!result.ok) {
      show_address();
      finish(ide::kUncorrectable);
      return;
    }
    buffer_ = std::move(result.data);
    at_ = 0;
    if (way_ == Way::dma) {
      begin_block(Phase::dma_in, buffer_.size());
    } else {
      offer_block();
    }
  });
}

// The next DRQ block of the buffer.
void AtaDisk::offer_block() {
  begin_block(Phase::data_in, std::min(buffer_.size(), at_ + std::size_t{block_} * kSector));
  raise_interrupt(false);
}

void AtaDisk::block_sent() {
  if (at_ < buffer_.size()) {
    offer_block();
    return;
  }
  if (left_ == 0) {  // identification
    finish(0, false);
    return;
  }
  advance(buffer_.size() / kSector);
  if (left_ != 0) {
    read_chunk();
    return;
  }
  show_address();
  now_.count = 0;
  finish(0, way_ == Way::dma);
}

void AtaDisk::begin_write_chunk(bool interrupt) {
  buffer_.assign(std::min(left_, kChunk) * kSector, 0);
  at_ = 0;
  if (way_ == Way::dma) {
    begin_block(Phase::dma_out, buffer_.size());
    return;
  }
  begin_block(Phase::data_out, std::min(buffer_.size(), std::size_t{block_} * kSector));
  if (interrupt) raise_interrupt(false);
}

void AtaDisk::block_received() {
  if (at_ < buffer_.size()) {
    begin_block(Phase::data_out, std::min(buffer_.size(), at_ + std::size_t{block_} * kSector));
    raise_interrupt(false);
    return;
  }
  write_chunk();
}

void AtaDisk::write_chunk() {
  const std::uint64_t count = buffer_.size() / kSector;
  BlockRequest request{BlockRequest::Op::write, lba_ * kSector};
  request.data = std::move(buffer_);
  submit(std::move(request), [this, count](const BlockRequest::Result& result) {
    if (!result.ok) {
      show_address();
      finish(ide::kAborted);
      return;
    }
    advance(count);
    if (left_ != 0) {
      begin_write_chunk(true);
      return;
    }
    show_address();
    now_.count = 0;
    if (write_cache_) {
      finish();
    } else {
      flush();
    }
  });
}

void AtaDisk::verify(bool extended) {
  if (!locate(extended)) {
    finish(ide::kIdNotFound);
    return;
  }
  verify_chunk();
}

// Reads, so that it finds what cannot be read.
void AtaDisk::verify_chunk() {
  const std::uint64_t count = std::min(left_, kChunk);
  submit({BlockRequest::Op::read, lba_ * kSector, count * kSector}, [this, count](const BlockRequest::Result& result) {
    if (result.ok) advance(count);
    if (result.ok && left_ != 0) {
      verify_chunk();
      return;
    }
    show_address();
    finish(result.ok ? std::uint8_t{0} : ide::kUncorrectable);
  });
}

void AtaDisk::flush() {
  submit({BlockRequest::Op::flush},
         [this](const BlockRequest::Result& result) { finish(result.ok ? std::uint8_t{0} : ide::kAborted); });
}

// ---- what the drive is ------------------------------------------------------------------------

void AtaDisk::set_multiple() {
  const unsigned count = now_.count;
  if (count > kMostMultiple || (count & (count - 1)) != 0) {
    finish(ide::kAborted);
    return;
  }
  multiple_ = count;
  finish();
}

void AtaDisk::set_features() {
  switch (now_.feature) {
    case 0x02:
      write_cache_ = true;
      break;
    case 0x82:
      write_cache_ = false;
      break;
    case 0x03:  // transfer mode
      if ((now_.count & 0xE0) == 0x20 || (now_.count & 0xE0) == 0x40) dma_mode_ = now_.count;
      break;
    case 0x55:  // look-ahead, power-on defaults, APM, and their opposites: nothing to change
    case 0xAA:
    case 0x66:
    case 0xCC:
    case 0x05:
    case 0x85:
      break;
    default:
      finish(ide::kAborted);
      return;
  }
  finish();
}

void AtaDisk::native_max(bool extended) {
  extended_ = extended;
  lba_ = (extended ? sectors_ : std::min(sectors_, kMost28)) - 1;
  device_ |= kLbaMode;
  show_address();
  finish();
}

void AtaDisk::identify() {
  std::array<std::uint16_t, 256> w{};
  const auto cylinders = static_cast<std::uint16_t>(std::min<std::uint64_t>(sectors_ / (16 * 63), 16383));
  const auto lba28 = static_cast<std::uint32_t>(std::min(sectors_, kMost28 - 1));
  const std::uint32_t chs = std::uint32_t{cylinders} * heads_ * track_;
  w[0] = 0x0040;  // fixed
  w[1] = cylinders;
  w[3] = 16;
  w[6] = 63;
  put_text(w, 10, 10, serial_);
  put_text(w, 23, 4, "1.0");
  put_text(w, 27, 20, "RINGSHIFT HARDDISK");
  w[47] = 0x8000 | kMostMultiple;
  w[48] = 1;       // 32-bit data port
  w[49] = 0x0F00;  // LBA, DMA, IORDY
  w[50] = 0x4000;
  w[51] = w[52] = 0x0200;
  w[53] = 0x0007;
  w[54] = cylinders;
  w[55] = static_cast<std::uint16_t>(heads_);
  w[56] = static_cast<std::uint16_t>(track_);
  w[57] = static_cast<std::uint16_t>(chs);
  w[58] = static_cast<std::uint16_t>(chs >> 16);
  w[59] = static_cast<std::uint16_t>(multiple_ != 0 ? 0x0100 | multiple_ : 0);
  w[60] = static_cast<std::uint16_t>(lba28);
  w[61] = static_cast<std::uint16_t>(lba28 >> 16);
  w[63] = static_cast<std::uint16_t>(0x07 | ((dma_mode_ & 0x60) == 0x20 ? 0x100U << (dma_mode_ & 7) : 0));
  w[64] = 0x0003;
  w[65] = w[66] = w[67] = w[68] = 120;
  w[80] = 0x007E;  // ATA-1 to ATA-6
  w[81] = 0x0016;
  w[82] = 0x4020;  // NOP, write cache
  w[83] = 0x7400;  // FLUSH CACHE and its EXT, 48 bits
  w[84] = 0x4000;
  w[85] = static_cast<std::uint16_t>(0x4000 | (write_cache_ ? 0x20 : 0));
  w[86] = 0x3400;
  w[87] = 0x4000;
  w[88] = static_cast<std::uint16_t>(0x3F | ((dma_mode_ & 0x60) == 0x40 ? 0x100U << (dma_mode_ & 7) : 0));
  w[93] = 0x600B | 0x0001;
  for (unsigned i = 0; i < 4; ++i) w[100 + i] = static_cast<std::uint16_t>(sectors_ >> (16 * i));
  buffer_.clear();
  for (const std::uint16_t word : w) {
    buffer_.push_back(static_cast<std::uint8_t>(word));
    buffer_.push_back(static_cast<std::uint8_t>(word >> 8));
  }
  at_ = 0;
  left_ = 0;
  begin_block(Phase::data_in, buffer_.size());
  raise_interrupt(false);
}

}  // namespace ringshift::devices
