#include "tests/isa/case.h"

#include <algorithm>
#include <cstring>
#include <random>

namespace ringshift::test {

MemoryTemplate::MemoryTemplate(std::uint64_t seed) {
  std::mt19937_64 rng(seed);
  for (auto& b : data_) b = static_cast<std::uint8_t>(rng());
  for (auto& b : low_) b = static_cast<std::uint8_t>(rng());
}

void MemoryPages::add(std::uint32_t linear, std::uint8_t* at, const std::uint8_t* content) {
  pages_.push_back({linear, at, content});
}

void MemoryPages::add_code(std::uint8_t* at, const CodeImage& image) {
  for (std::uint32_t i = 0; i < kCodeBytes; i += kPage) add(kCode + i, at + i, image.bytes().data() + i);
}

void MemoryPages::restore_all() const {
  for (const Page& p : pages_) std::memcpy(p.at, p.content, kPage);
}

void MemoryPages::apply(std::span<const Poke> pokes) const {
  for (const Poke& poke : pokes) {
    std::uint32_t address = poke.address;
    for (const std::uint8_t b : poke.bytes) {
      for (const Page& p : pages_) {
        if (address - p.linear < kPage) p.at[address - p.linear] = b;
      }
      ++address;
    }
  }
}

void MemoryPages::collect(std::vector<Change>& changes) const {
  changes.clear();
  constexpr std::uint32_t kStride = 256;
  for (const Page& p : pages_) {
    for (std::uint32_t i = 0; i < kPage; i += kStride) {
      if (std::memcmp(p.at + i, p.content + i, kStride) == 0) continue;
      for (std::uint32_t j = i; j < i + kStride; ++j) {
        if (p.at[j] != p.content[j]) changes.push_back({p.linear + j, p.at[j]});
      }
      std::memcpy(p.at + i, p.content + i, kStride);
    }
  }
  std::ranges::sort(changes, {}, &Change::address);
}

void CodeImage::place(const Case& c) {
  const std::size_t at = c.slot * kSlotBytes + c.offset;
  // The last slot's instruction may run into the page that is not there.
  std::copy_n(c.bytes.begin(), std::min(c.bytes.size(), bytes_.size() - at), bytes_.begin() + static_cast<long>(at));
}

void CodeImage::place_program(const Case& c) {
  for (std::size_t i = 0; i < c.bytes.size(); ++i) bytes_[(c.offset + i) % bytes_.size()] = c.bytes[i];
}

}  // namespace ringshift::test
