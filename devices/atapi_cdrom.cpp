#include "devices/atapi_cdrom.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace ringshift::devices {

namespace {

constexpr std::uint32_t kChunk = 32;  // sectors for each request to the medium
constexpr std::uint8_t kNoSense = 0, kNotReady = 2, kMediumError = 3, kIllegalRequest = 5, kUnitAttention = 6;
// Interrupt reason, in the count register.
constexpr std::uint8_t kCommandPhase = 0x01, kToHost = 0x02, kDone = 0x03;

std::uint32_t be32(const std::uint8_t* p) {
  return static_cast<std::uint32_t>(p[0]) << 24 | static_cast<std::uint32_t>(p[1]) << 16 |
         static_cast<std::uint32_t>(p[2]) << 8 | p[3];
}
std::uint16_t be16(const std::uint8_t* p) { return static_cast<std::uint16_t>(p[0] << 8 | p[1]); }

void put_be(std::vector<std::uint8_t>& out, std::uint32_t value, unsigned bytes) {
  for (unsigned i = bytes; i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void put_text(std::vector<std::uint8_t>& out, std::string_view text, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::uint8_t>(i < text.size() ? text[i] : ' '));
}

// The address of a sector as minute, second, frame.
void put_address(std::vector<std::uint8_t>& out, std::uint32_t lba, bool msf) {
  if (!msf) {
    put_be(out, lba, 4);
    return;
  }
  const std::uint32_t frames = lba + 150;
  out.insert(out.end(), {0, static_cast<std::uint8_t>(frames / 75 / 60), static_cast<std::uint8_t>(frames / 75 % 60),
                         static_cast<std::uint8_t>(frames % 75)});
}

}  // namespace

AtapiCdrom::AtapiCdrom(BlockMedium* medium) : IdeDrive(medium) {
  change(medium);
  ejected_ = false;
  if (medium == nullptr) event_ = MediaEvent::none;
}

void AtapiCdrom::change(BlockMedium* medium) {
  medium_ = medium;
  sectors_ = medium == nullptr ? 0 : static_cast<std::uint32_t>((medium->bytes() + kSector - 1) / kSector);
  ejected_ = medium == nullptr;
  attention_ = medium != nullptr;
  event_ = medium == nullptr ? MediaEvent::removal : MediaEvent::new_medium;
}

void AtapiCdrom::set_signature() {
  now_.count = now_.low = 1;
  now_.mid = 0x14;
  now_.high = 0xEB;
  status_ = 0;
  in_packet_ = identifying_ = false;
  left_ = 0;
}

void AtapiCdrom::execute(std::uint8_t command) {
  in_packet_ = identifying_ = false;
  switch (command) {
    case 0x08:  // device reset: no interrupt
      set_signature();
      error_ = 0x01;
      return;
    case 0x90:
      set_signature();
      finish(0);
      error_ = 0x01;
      return;
    case 0xA0:
      dma_ = (now_.feature & 1) != 0;
      limit_ = now_.mid | now_.high << 8;
      if (limit_ == 0) limit_ = 0xFFFE;
      in_packet_ = true;
      now_.count = kCommandPhase;
      buffer_.assign(kPacketBytes, 0);
      at_ = 0;
      begin_block(Phase::data_out, kPacketBytes);
      return;
    case 0xA1:
      identify();
      return;
    case 0xE0:
    case 0xE1:
    case 0xE2:
    case 0xE3:
    case 0xE5:
    case 0xE6:
      if (command == 0xE5) now_.count = 0xFF;
      finish();
      return;
    case 0xEF:
      finish(now_.feature == 0x03 ? std::uint8_t{0} : ide::kAborted);
      return;
    case 0xEC:  // the host learns from the signature what this is
      set_signature();
      finish(ide::kAborted);
      return;
    default:
      finish(ide::kAborted);
      return;
  }
}

void AtapiCdrom::identify() {
  std::array<std::uint16_t, 256> w{};
  const auto text = [&w](unsigned first, unsigned count, std::string_view value) {
    std::vector<std::uint8_t> bytes;
    put_text(bytes, value, count * std::size_t{2});
    for (unsigned i = 0; i < count; ++i) w[first + i] = be16(&bytes[i * std::size_t{2}]);
  };
  w[0] = 0x8580;  // ATAPI, CD-ROM, removable, DRQ within 50 us, 12-byte packets
  text(10, 10, "RS00003");
  text(23, 4, "1.0");
  text(27, 20, "RINGSHIFT CD-ROM");
  w[48] = 1;
  w[49] = 0x0F00;
  w[53] = 0x0007;
  w[63] = 0x0007;
  w[64] = 0x0003;
  w[65] = w[66] = w[67] = w[68] = 120;
  w[71] = w[72] = 30;
  w[80] = 0x007E;
  w[82] = 0x4210;  // NOP, DEVICE RESET, PACKET
  w[83] = w[84] = 0x4000;
  w[85] = 0x4210;
  w[87] = 0x4000;
  w[88] = 0x003F;
  buffer_.clear();
  for (const std::uint16_t word : w) {
    buffer_.push_back(static_cast<std::uint8_t>(word));
    buffer_.push_back(static_cast<std::uint8_t>(word >> 8));
  }
  at_ = 0;
  identifying_ = true;
  begin_block(Phase::data_in, buffer_.size());
  raise_interrupt(false);
}

// ---- the data of a packet command -------------------------------------------------------------

void AtapiCdrom::answer(std::vector<std::uint8_t> bytes, std::size_t wanted) {
  bytes.resize(std::min(bytes.size(), wanted));
  left_ = 0;
  buffer_ = std::move(bytes);
  at_ = 0;
  offer();
}

// The next piece of the buffer.
void AtapiCdrom::offer() {
  if (at_ >= buffer_.size()) {
    complete();
    return;
  }
  now_.count = kToHost;
  if (dma_) {
    begin_block(Phase::dma_in, buffer_.size());
    return;
  }
  std::size_t count = buffer_.size() - at_;
  // All pieces but the last are even.
  if (count > limit_) count = std::max<std::size_t>(limit_ & ~std::size_t{1}, 2);
  now_.mid = static_cast<std::uint8_t>(count);
  now_.high = static_cast<std::uint8_t>(count >> 8);
  begin_block(Phase::data_in, at_ + count);
  raise_interrupt(false);
}

void AtapiCdrom::block_sent() {
  if (identifying_) {
    finish(0, false);
  } else if (at_ < buffer_.size()) {
    offer();
  } else if (left_ != 0) {
    read_chunk();
  } else {
    complete();
  }
}

void AtapiCdrom::block_received() {
  std::copy_n(buffer_.begin(), kPacketBytes, packet_.begin());
  in_packet_ = false;
  run_packet();
}

void AtapiCdrom::complete() {
  now_.count = kDone;
  finish();
}

void AtapiCdrom::fail(const Sense& sense) {
  sense_ = sense;
  now_.count = kDone;
  left_ = 0;
  finish(static_cast<std::uint8_t>(sense.key << 4 | ide::kAborted));
}

bool AtapiCdrom::ready() {
  if (absent()) {
    fail({kNotReady, 0x3A, static_cast<std::uint8_t>(ejected_ ? 2 : 1)});  // medium not present, tray open or closed
    return false;
  }
  if (std::exchange(attention_, false)) {
    fail({kUnitAttention, 0x28, 0x00});  // the medium may have changed
    return false;
  }
  return true;
}

void AtapiCdrom::read_sectors(std::uint32_t first, std::uint32_t count) {
  if (first > sectors_ || count > sectors_ - first) {
    fail({kIllegalRequest, 0x21, 0x00});
    return;
  }
  lba_ = first;
  left_ = count;
  if (count == 0) {
    complete();
  } else {
    read_chunk();
  }
}

void AtapiCdrom::read_chunk() {
  if (!ready()) return;  // it has been changed meanwhile
  const std::uint32_t count = std::min(left_, kChunk);
  submit({BlockRequest::Op::read, std::uint64_t{lba_} * kSector, std::uint64_t{count} * kSector},
         [this, count](BlockRequest::Result result) {
           if (!result.ok) {
             fail({kMediumError, 0x11, 0x00});
             return;
           }
           lba_ += count;
           left_ -= count;
           buffer_ = std::move(result.data);
           at_ = 0;
           offer();
         });
}

// ---- commands ---------------------------------------------------------------------------------

void AtapiCdrom::run_packet() {
  const std::uint8_t* p = packet_.data();
  // Commands that answer whatever the medium's state.
  switch (p[0]) {
    case 0x03:
      answer(request_sense(), p[4]);
      return;
    case 0x12:
      answer(inquiry(), p[4]);
      return;
    case 0x46:
      answer(configuration(), be16(p + 7));
      return;
    case 0x4A:
      if ((p[1] & 1) == 0) {
        fail({kIllegalRequest, 0x24, 0x00});  // not polled
        return;
      }
      answer(event_status(), be16(p + 7));
      return;
    case 0x1B:  // start, stop, eject, load
      if ((p[4] & 3) == 2 && locked_) {
        fail({kIllegalRequest, 0x53, 0x02});
        return;
      }
      if ((p[4] & 2) != 0) {
        const bool open = (p[4] & 1) == 0;
        if (medium_ != nullptr && open != ejected_) event_ = open ? MediaEvent::removal : MediaEvent::new_medium;
        attention_ |= ejected_ && !open;
        ejected_ = open;
      }
      complete();
      return;
    case 0x1E:
      locked_ = (p[4] & 1) != 0;
      complete();
      return;
    case 0x5A:
      answer(mode_sense(), be16(p + 7));
      return;
    case 0xBB:  // speed
      complete();
      return;
    case 0xBD:  // mechanism: no changer
      answer({0, static_cast<std::uint8_t>(ejected_ ? 0x10 : 0), 0, 0, 0, 1, 0, 0}, be16(p + 8));
      return;
    default:
      break;
  }
  if (!ready()) return;
  switch (p[0]) {
    case 0x00:
    case 0x2B:  // seek
      complete();
      return;
    case 0x25: {
      std::vector<std::uint8_t> capacity;
      put_be(capacity, sectors_ == 0 ? 0 : sectors_ - 1, 4);
      put_be(capacity, kSector, 4);
      answer(std::move(capacity), 8);
      return;
    }
    case 0x28:
      read_sectors(be32(p + 2), be16(p + 7));
      return;
    case 0xA8:
      read_sectors(be32(p + 2), be32(p + 6));
      return;
    case 0x43:
      answer(toc(), be16(p + 7));
      return;
    case 0x51:
      answer(disc_information(), be16(p + 7));
      return;
    case 0xBE:  // READ CD: user data alone
      if ((p[9] & 0xF8) == 0) {
        complete();
      } else if ((p[9] & 0xF8) == 0x10) {
        read_sectors(be32(p + 2), be32(p + 5) & 0xFFFFFF);
      } else {
        fail({kIllegalRequest, 0x24, 0x00});
      }
      return;
    default:
      fail({kIllegalRequest, 0x20, 0x00});
      return;
  }
}

std::vector<std::uint8_t> AtapiCdrom::request_sense() {
  const Sense sense = std::exchange(sense_, Sense{kNoSense, 0, 0});
  return {0x70, 0, sense.key, 0, 0, 0, 0, 10, 0, 0, 0, 0, sense.code, sense.qualifier, 0, 0, 0, 0};
}

std::vector<std::uint8_t> AtapiCdrom::inquiry() const {
  std::vector<std::uint8_t> out = {0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0};
  put_text(out, "RNGSHIFT", 8);
  put_text(out, "CD-ROM", 16);
  put_text(out, "1.0", 4);
  return out;
}

// One data track and the lead-out; or, for format 1, one session.
std::vector<std::uint8_t> AtapiCdrom::toc() const {
  const bool msf = (packet_[1] & 2) != 0;
  const unsigned format = (packet_[2] & 15U) != 0 ? packet_[2] & 15U : packet_[9] >> 6;
  std::vector<std::uint8_t> out = {0, 0, 1, 1};
  const auto track = [&](std::uint8_t number, std::uint32_t lba) {
    out.insert(out.end(), {0, 0x14, number, 0});
    put_address(out, lba, msf);
  };
  if (format == 2) {  // raw: A0, A1, A2 and the track
    constexpr std::array<std::uint8_t, 4> kPoints = {0xA0, 0xA1, 0xA2, 0x01};
    for (const std::uint8_t point : kPoints) {
      out.insert(out.end(), {1, 0x14, 0, point, 0, 0, 0});
      if (point == 0xA2 || point == 0x01) {
        put_address(out, point == 0xA2 ? sectors_ : 0, true);
      } else {
        out.insert(out.end(), {0, 1, 0, 0});
      }
    }
  } else {
    if (format == 1 || packet_[6] <= 1) track(1, 0);
    if (format == 0) track(0xAA, sectors_);
  }
  const std::size_t length = out.size() - 2;
  out[0] = static_cast<std::uint8_t>(length >> 8);
  out[1] = static_cast<std::uint8_t>(length);
  return out;
}

std::vector<std::uint8_t> AtapiCdrom::mode_sense() const {
  std::vector<std::uint8_t> pages;
  const unsigned page = packet_[2] & 0x3FU;
  if (page == 0x01 || page == 0x3F) pages.insert(pages.end(), {0x01, 6, 0, 5, 0, 0, 0, 0});  // error recovery
  if (page == 0x2A || page == 0x3F) {                                                        // capabilities
    pages.insert(pages.end(), {0x2A, 18,   0x3B, 0x00, 0x70, 0x60, static_cast<std::uint8_t>(0x29 | (locked_ ? 2 : 0)),
                               0,    0x02, 0xC2, 0,    2,    2,    0,
                               0x02, 0xC2, 0,    0,    0,    0});
  }
  std::vector<std::uint8_t> out;
  put_be(out, static_cast<std::uint32_t>(pages.size() + 6), 2);
  out.insert(out.end(), {static_cast<std::uint8_t>(ejected_ ? 0x71 : absent() ? 0x70 : 0x01), 0, 0, 0, 0, 0});
  out.insert(out.end(), pages.begin(), pages.end());
  return out;
}

std::vector<std::uint8_t> AtapiCdrom::configuration() const {
  constexpr std::uint16_t kCdRom = 0x0008;
  std::vector<std::uint8_t> out;
  const std::vector<std::uint8_t> profiles = {0, 0, 0x03, 4, 0, kCdRom, static_cast<std::uint8_t>(absent() ? 0 : 1), 0};
  const std::vector<std::uint8_t> core = {0, 1, 0x0B, 8, 0, 0, 0, 2, 1, 0, 0, 0};  // ATAPI
  const std::vector<std::uint8_t> removable = {0, 3, 0x0B, 4, 0x29, 0, 0, 0};
  put_be(out, static_cast<std::uint32_t>(4 + profiles.size() + core.size() + removable.size()), 4);
  out.insert(out.end(), {0, 0});
  put_be(out, absent() ? 0 : kCdRom, 2);
  for (const auto* feature : {&profiles, &core, &removable}) out.insert(out.end(), feature->begin(), feature->end());
  return out;
}

std::vector<std::uint8_t> AtapiCdrom::event_status() {
  constexpr std::uint8_t kMediaClass = 4;
  if ((packet_[4] & 1 << kMediaClass) == 0) return {0, 0, 0x80, 1 << kMediaClass};
  return {0,
          6,
          kMediaClass,
          1 << kMediaClass,
          static_cast<std::uint8_t>(std::exchange(event_, MediaEvent::none)),
          static_cast<std::uint8_t>((ejected_ ? 1 : 0) | (absent() ? 0 : 2)),
          0,
          0};
}

std::vector<std::uint8_t> AtapiCdrom::disc_information() const {
  std::vector<std::uint8_t> out(34, 0);
  out[1] = 32;
  out[2] = 0x0E;  // complete
  out[3] = out[4] = out[5] = out[6] = 1;
  out[7] = 0x20;
  return out;
}

}  // namespace ringshift::devices
