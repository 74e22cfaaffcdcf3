#include "tests/isa/values.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace ringshift::test {
namespace {

// Offsets in the FXSAVE image (SDM vol. 1, table 10-2).
constexpr unsigned kFcw = 0, kFsw = 2, kTags = 4, kMxcsr = 24, kStack = 32, kXmm = 160;

std::uint64_t interesting_double(Rng& rng) {
  constexpr std::array<std::uint64_t, 16> kValues{0,
                                                  0x8000000000000000,
                                                  0x3FF0000000000000,
                                                  0xBFF8000000000000,
                                                  0x7FF0000000000000,
                                                  0xFFF0000000000000,
                                                  0x7FF8000000000001,
                                                  0x7FF0000000000001,
                                                  1,
                                                  0x800FFFFFFFFFFFFF,
                                                  0x0010000000000000,
                                                  0x7FEFFFFFFFFFFFFF,
                                                  0x41DFFFFFFFC00000,
                                                  0xC1E0000000000000,
                                                  0x43E0000000000000,
                                                  0x400921FB54442D18};
  switch (rng() % 4) {
    case 0:
      return kValues[rng() % kValues.size()];
    case 1:
      return rng();
    default:
      return (rng() & 0x800FFFFFFFFFFFFFU) | (std::uint64_t{1003 + rng() % 40} << 52);  // near 1
  }
}

std::uint32_t interesting_float(Rng& rng) {
  constexpr std::array<std::uint32_t, 12> kValues{0,          0x80000000, 0x3F800000, 0x7F800000,
                                                  0xFF800000, 0x7FC00001, 0x7F800001, 1,
                                                  0x00800000, 0x7F7FFFFF, 0x4F000000, 0xBF000000};
  switch (rng() % 4) {
    case 0:
      return kValues[rng() % kValues.size()];
    case 1:
      return static_cast<std::uint32_t>(rng());
    default:
      return static_cast<std::uint32_t>((rng() & 0x807FFFFFU) | ((117 + rng() % 20) << 23));
  }
}

void fill_x87(Rng& rng, std::uint8_t* slot) {
  std::uint64_t significand = rng() | (std::uint64_t{1} << 63);
  std::uint16_t exponent = 0;
  switch (rng() % 8) {
    case 0:
      exponent = static_cast<std::uint16_t>(rng());
      significand = one_in(rng, 2) ? rng() : significand;
      break;
    case 1:
      exponent = static_cast<std::uint16_t>(0x7FFF | (rng() << 15));
      break;
    case 2:
      exponent = static_cast<std::uint16_t>(rng() << 15);
      significand = one_in(rng, 2) ? 0 : rng() >> 1;
      break;
    default:
      exponent = static_cast<std::uint16_t>((16383 - 20 + rng() % 60) | (rng() << 15));
      if (one_in(rng, 2)) significand &= ~std::uint64_t{0} << 40;
      break;
  }
  std::memcpy(slot, &significand, 8);
  std::memcpy(slot + 8, &exponent, 2);
}

}  // namespace

std::uint32_t interesting(Rng& rng) {
  constexpr std::array<std::uint32_t, 24> kValues{
      0,      1,       2,          3,          7,          8,          15,         16,
      31,     32,      33,         0x7F,       0x80,       0xFF,       0x7FFF,     0x8000,
      0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFF80, 0xFFFF8000, 0xFFFFFFFF};
  switch (rng() % 4) {
    case 0:
      return kValues[rng() % kValues.size()];
    case 1:
      return static_cast<std::uint32_t>(rng() % 256);
    default:
      return static_cast<std::uint32_t>(rng());
  }
}

std::uint8_t interesting_byte(Rng& rng) {
  constexpr std::array<std::uint8_t, 10> kValues{0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x1F, 0x20, 0x10, 0x08};
  return one_in(rng, 3) ? kValues[rng() % kValues.size()] : static_cast<std::uint8_t>(rng());
}

void fill_operand(Rng& rng, std::uint8_t* to, std::size_t bytes) {
  const bool floats = one_in(rng, 2);
  for (std::size_t i = 0; i < bytes; i += 8) {
    std::uint64_t v = interesting_double(rng);
    if (floats) v = interesting_float(rng) | (std::uint64_t{interesting_float(rng)} << 32);
    std::memcpy(to + i, &v, std::min<std::size_t>(8, bytes - i));
  }
}

void randomise_fx(Rng& rng, FxImage& fx) {
  fx.fill(0);
  auto fcw = static_cast<std::uint16_t>(0x7F | (rng() & 0xF00));
  if ((fcw & 0x300) == 0x100) fcw |= 0x300;  // precision control 01 is reserved
  const bool unmasked = one_in(rng, 4);
  if (unmasked) fcw = static_cast<std::uint16_t>(fcw & ~(rng() & 0x3F));
  auto fsw = static_cast<std::uint16_t>(rng() & 0x7F7F & ~0x80U);
  if (!one_in(rng, 8)) fsw = static_cast<std::uint16_t>(fsw & ~(~unsigned{fcw} & 0x3FU));  // nothing pending
  if ((fsw & ~fcw & 0x3F) != 0) fsw |= 0x8080;
  const auto tags = static_cast<std::uint8_t>(one_in(rng, 2) ? 0xFF : rng());
  std::uint32_t mxcsr = 0x1F80 | (static_cast<std::uint32_t>(rng()) & 0x603F);
  if (one_in(rng, 4)) mxcsr |= static_cast<std::uint32_t>(rng()) & 0x8040;
  if (one_in(rng, 4)) mxcsr &= ~(static_cast<std::uint32_t>(rng()) & 0x1F80);
  std::memcpy(fx.data() + kFcw, &fcw, 2);
  std::memcpy(fx.data() + kFsw, &fsw, 2);
  std::memcpy(fx.data() + kTags, &tags, 1);
  std::memcpy(fx.data() + kMxcsr, &mxcsr, 4);
  for (unsigned i = 0; i < 8; ++i) fill_x87(rng, fx.data() + kStack + 16 * i);
  fill_operand(rng, fx.data() + kXmm, 128);
}

}  // namespace ringshift::test
