// Little-endian fields of an untrusted image.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace ringshift::machine::boot {

// Reads never leave the image: what lies beyond its end reads as zero.
class ByteView {
 public:
  explicit ByteView(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }
  [[nodiscard]] bool has(std::uint64_t offset, std::uint64_t count) const {
    return offset <= bytes_.size() && count <= bytes_.size() - offset;
  }
  // Cut short at the end of the image.
  [[nodiscard]] std::span<const std::uint8_t> sub(std::uint64_t offset, std::uint64_t count) const {
    if (offset >= bytes_.size()) return {};
    const std::uint64_t rest = bytes_.size() - offset;
    return bytes_.subspan(offset, count < rest ? count : rest);
  }
  [[nodiscard]] std::uint8_t u8(std::uint64_t offset) const { return get<std::uint8_t>(offset); }
  [[nodiscard]] std::uint16_t u16(std::uint64_t offset) const { return get<std::uint16_t>(offset); }
  [[nodiscard]] std::uint32_t u32(std::uint64_t offset) const { return get<std::uint32_t>(offset); }
  [[nodiscard]] std::uint64_t u64(std::uint64_t offset) const { return get<std::uint64_t>(offset); }

 private:
  template <class T>
  [[nodiscard]] T get(std::uint64_t offset) const {
    T value{};
    if (has(offset, sizeof(T))) std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  std::span<const std::uint8_t> bytes_;
};

// Stores a field; the caller knows that it is inside.
template <class T>
void put(std::vector<std::uint8_t>& bytes, std::uint64_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

}  // namespace ringshift::machine::boot
