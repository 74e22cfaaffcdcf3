// A segment register with its hidden descriptor cache (SDM vol. 3, 3.4.3).
#pragma once

#include <cstdint>

namespace ringshift {

// In the encoding order of the sreg field of ModRM.
enum class Seg : std::uint8_t {
  es,
  cs,
  ss,
  ds,
  fs,
  gs
};
inline constexpr unsigned kSegCount = 6;

// Bits of SegmentRegister::attributes: bytes 5 and 6 of a descriptor, without the limit bits,
// and one bit of our own for a register that holds no usable segment.
namespace segment {
inline constexpr std::uint16_t kTypeMask = 0x000F;
inline constexpr std::uint16_t kAccessed = 0x0001;
inline constexpr std::uint16_t kWritable = 0x0002;    // data segments
inline constexpr std::uint16_t kReadable = 0x0002;    // code segments
inline constexpr std::uint16_t kExpandDown = 0x0004;  // data segments
inline constexpr std::uint16_t kConforming = 0x0004;  // code segments
inline constexpr std::uint16_t kCode = 0x0008;
inline constexpr std::uint16_t kNonSystem = 0x0010;  // the S bit
inline constexpr unsigned kDplShift = 5;
inline constexpr std::uint16_t kDplMask = 0x0060;
inline constexpr std::uint16_t kPresent = 0x0080;
inline constexpr std::uint16_t kAvl = 0x1000;
inline constexpr std::uint16_t kBig = 0x4000;  // D/B
inline constexpr std::uint16_t kGranular = 0x8000;
inline constexpr std::uint16_t kUnusable = 0x0800;  // not part of a descriptor: null selector was loaded
}  // namespace segment

struct SegmentRegister {
  std::uint16_t selector = 0;
  std::uint16_t attributes = segment::kUnusable;
  std::uint32_t base = 0;
  std::uint32_t limit = 0;  // in bytes, the last valid offset (granularity applied)

  [[nodiscard]] unsigned dpl() const { return (attributes & segment::kDplMask) >> segment::kDplShift; }
  [[nodiscard]] unsigned rpl() const { return selector & 3U; }
  [[nodiscard]] bool big() const { return (attributes & segment::kBig) != 0; }
  [[nodiscard]] bool usable() const {
    return (attributes & segment::kUnusable) == 0 && (attributes & segment::kPresent) != 0;
  }

  // True if every offset of 32 bits may be read and written through this segment (for CS: read), so
  // that an access needs no limit or type check. The base may be anything.
  [[nodiscard]] bool unlimited(bool as_code) const {
    constexpr auto kNeed = static_cast<std::uint16_t>(segment::kNonSystem | segment::kPresent);
    if ((attributes & (kNeed | segment::kUnusable)) != kNeed || limit != 0xFFFFFFFFU) return false;
    if (as_code) return (attributes & segment::kCode) != 0 && (attributes & segment::kReadable) != 0;
    return (attributes & segment::kCode) == 0 && (attributes & segment::kWritable) != 0 &&
           (attributes & segment::kExpandDown) == 0;
  }

  // True if the offsets up to the limit, and no others, may be read and written (for CS: read, and it may be no code,
  // as real mode leaves it).
  [[nodiscard]] bool expands_up(bool as_code) const {
    constexpr auto kNeed = static_cast<std::uint16_t>(segment::kNonSystem | segment::kPresent);
    if ((attributes & (kNeed | segment::kUnusable)) != kNeed) return false;
    if ((attributes & segment::kCode) != 0) return as_code && (attributes & segment::kReadable) != 0;
    return (attributes & segment::kExpandDown) == 0 && (as_code || (attributes & segment::kWritable) != 0);
  }

  // Unlimited and based at 0: an offset is a linear address.
  [[nodiscard]] bool flat(bool as_code) const { return base == 0 && unlimited(as_code); }

  bool operator==(const SegmentRegister&) const = default;
};

}  // namespace ringshift
