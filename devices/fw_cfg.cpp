#include "devices/fw_cfg.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace ringshift::devices {

namespace {

constexpr std::uint16_t kSignature = 0x0000, kId = 0x0001, kDirectory = 0x0019, kFirstFile = 0x0020;
constexpr std::uint16_t kSelector = 0, kData = 1, kDma = 4;  // ports
constexpr std::uint32_t kTraditional = 1, kHasDma = 2;
constexpr std::uint32_t kError = 1, kRead = 2, kSkip = 4, kSelect = 8, kWrite = 16;
constexpr std::size_t kNameBytes = 56;
constexpr std::uint64_t kDmaSignature = 0x51454D5520434647;  // "QEMU CFG"

void put_be(std::vector<std::uint8_t>& out, std::uint64_t value, unsigned bytes) {
  for (unsigned i = bytes; i-- > 0;) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

std::uint64_t get_be(const std::uint8_t* from, unsigned bytes) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value = value << 8 | from[i];
  return value;
}

constexpr std::uint32_t swap(std::uint32_t value) { return __builtin_bswap32(value); }

}  // namespace

FwCfg::FwCfg(mmu::PhysicalMap& memory) : memory_(memory) {
  items_[kSignature] = {'Q', 'E', 'M', 'U'};
  items_[kId] = {kTraditional | kHasDma, 0, 0, 0};
  items_[kDirectory] = directory();
}

void FwCfg::add_file(std::string_view name, std::vector<std::uint8_t> contents) {
  assert(name.size() < kNameBytes);
  const auto key = static_cast<std::uint16_t>(kFirstFile + files_.size());
  files_.push_back({std::string(name), key});
  items_[key] = std::move(contents);
  items_[kDirectory] = directory();
}

std::vector<std::uint8_t> FwCfg::directory() const {
  std::vector<std::uint8_t> out;
  put_be(out, files_.size(), 4);
  for (const File& file : files_) {
    put_be(out, items_.at(file.key).size(), 4);
    put_be(out, file.key, 2);
    put_be(out, 0, 2);
    const std::size_t end = out.size() + kNameBytes;
    out.insert(out.end(), file.name.begin(), file.name.end());
    out.resize(end, 0);
  }
  return out;
}

void FwCfg::select(std::uint16_t key) {
  const auto found = items_.find(key);
  if (found == items_.end()) ++odd_;
  selected_ = found == items_.end() ? nullptr : &found->second;
  position_ = 0;
}

// Beyond the end of an item are zeros.
std::uint8_t FwCfg::next() {
  if (selected_ == nullptr || position_ >= selected_->size()) return 0;
  return (*selected_)[position_++];
}

std::uint32_t FwCfg::port_read(std::uint16_t offset, unsigned size) {
  if (offset == kData && size == 1) return next();
  if (offset >= kDma && offset + size <= kPorts) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i) {
      const unsigned byte = offset - kDma + i;
      value |= static_cast<std::uint32_t>((kDmaSignature >> (8 * (7 - byte))) & 0xFF) << (8 * i);
    }
    return value;
  }
  ++odd_;
  return 0;
}

void FwCfg::port_write(std::uint16_t offset, unsigned size, std::uint32_t value) {
  if (offset == kSelector && size == 2) {
    select(static_cast<std::uint16_t>(value));
  } else if (offset == kDma && size == 4) {
    dma_high_ = swap(value);
  } else if (offset == kDma + 4 && size == 4) {
    const std::uint64_t descriptor = std::uint64_t{dma_high_} << 32 | swap(value);
    dma_high_ = 0;
    transfer(descriptor);
  } else {
    ++odd_;
  }
}

// The descriptor: control, length and address, big-endian. The control word says how it ended.
void FwCfg::transfer(std::uint64_t descriptor) {
  std::array<std::uint8_t, 16> bytes{};
  if (!memory_.copy_out(descriptor, bytes.data(), bytes.size())) {
    ++odd_;
    return;
  }
  const auto control = static_cast<std::uint32_t>(get_be(bytes.data(), 4));
  const auto length = static_cast<std::uint32_t>(get_be(bytes.data() + 4, 4));
  if ((control & kSelect) != 0) select(static_cast<std::uint16_t>(control >> 16));
  const bool done = copy(control, length, get_be(bytes.data() + 8, 8));
  if (!done) ++odd_;
  const std::uint32_t result = done ? 0 : swap(kError);
  memory_.dma_in(descriptor, &result, sizeof result);
}

bool FwCfg::copy(std::uint32_t control, std::uint32_t length, std::uint64_t address) {
  const std::size_t left = selected_ == nullptr ? 0 : selected_->size() - position_;
  const std::size_t count = std::min<std::size_t>(length, left);
  if ((control & kWrite) != 0) return false;  // nothing here is writable
  if ((control & kRead) != 0) {
    constexpr std::array<std::uint8_t, 4096> kZeros{};
    if (address + length < address) return false;
    if (count != 0 && !memory_.dma_in(address, selected_->data() + position_, count)) return false;
    for (std::uint64_t at = count; at < length; at += kZeros.size()) {
      const auto chunk = std::min<std::uint64_t>(kZeros.size(), length - at);
      if (!memory_.dma_in(address + at, kZeros.data(), chunk)) return false;
    }
  }
  if ((control & (kRead | kSkip)) != 0) position_ += count;
  return true;
}

}  // namespace ringshift::devices
