// Which of the prefixes 66, F3 and F2 select an instruction of the MMX, SSE and bit-count opcodes (SDM vol. 2,
// appendix A). Other combinations are undefined today, so may be anything tomorrow; Capstone ignores the prefix there.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "translator/verify/encoding.h"

namespace ringshift::verify {

namespace detail {

inline constexpr std::uint8_t kNone = 1, k66 = 2, kF3 = 4, kF2 = 8, kBoth = kNone | k66, kAll = kBoth | kF3 | kF2;

using PrefixTable = std::array<std::uint8_t, 256>;

constexpr void define(PrefixTable& t, unsigned first, unsigned last, std::uint8_t prefixes) {
  for (unsigned i = first; i <= last; ++i) t[i] = prefixes;
}

constexpr PrefixTable two_byte_prefixes() {
  PrefixTable t{};
  define(t, 0x10, 0x12, kAll);
  define(t, 0x13, 0x15, kBoth);
  t[0x16] = kBoth | kF3;
  t[0x17] = kBoth;
  define(t, 0x28, 0x29, kBoth);
  t[0x2A] = kAll;
  t[0x2B] = kBoth;
  define(t, 0x2C, 0x2D, kAll);
  define(t, 0x2E, 0x2F, kBoth);
  t[0x50] = kBoth;
  t[0x51] = kAll;
  define(t, 0x52, 0x53, kNone | kF3);
  define(t, 0x54, 0x57, kBoth);
  define(t, 0x58, 0x5A, kAll);
  t[0x5B] = kBoth | kF3;
  define(t, 0x5C, 0x5F, kAll);
  define(t, 0x60, 0x6B, kBoth);
  define(t, 0x6C, 0x6D, k66);
  t[0x6E] = kBoth;
  t[0x6F] = kBoth | kF3;
  t[0x70] = kAll;
  define(t, 0x71, 0x76, kBoth);
  t[0x77] = kNone;
  define(t, 0x7C, 0x7D, k66 | kF2);
  define(t, 0x7E, 0x7F, kBoth | kF3);
  t[0xAE] = kNone;
  t[0xB8] = kF3;
  define(t, 0xBC, 0xBD, kBoth | kF3);
  t[0xC2] = kAll;
  t[0xC3] = kNone;
  define(t, 0xC4, 0xC6, kBoth);
  t[0xD0] = k66 | kF2;
  define(t, 0xD1, 0xD5, kBoth);
  t[0xD6] = k66 | kF3 | kF2;
  define(t, 0xD7, 0xE5, kBoth);
  t[0xE6] = k66 | kF3 | kF2;
  define(t, 0xE7, 0xEF, kBoth);
  t[0xF0] = kF2;
  define(t, 0xF1, 0xFE, kBoth);
  return t;
}

constexpr PrefixTable prefixes_0f38() {
  PrefixTable t{};
  define(t, 0x00, 0x0B, kBoth);
  t[0x10] = k66;
  define(t, 0x14, 0x15, k66);
  t[0x17] = k66;
  define(t, 0x1C, 0x1E, kBoth);
  define(t, 0x20, 0x25, k66);
  define(t, 0x28, 0x2B, k66);
  define(t, 0x30, 0x35, k66);
  define(t, 0x37, 0x41, k66);
  define(t, 0xC8, 0xCD, kNone);
  define(t, 0xDB, 0xDF, k66);
  define(t, 0xF0, 0xF1, kBoth | kF2);
  t[0xF6] = k66 | kF3;
  return t;
}

constexpr PrefixTable prefixes_0f3a() {
  PrefixTable t{};
  define(t, 0x08, 0x0E, k66);
  t[0x0F] = kBoth;
  define(t, 0x14, 0x17, k66);
  define(t, 0x20, 0x22, k66);
  define(t, 0x40, 0x42, k66);
  t[0x44] = k66;
  define(t, 0x60, 0x63, k66);
  t[0xCC] = kNone;
  t[0xDF] = k66;
  return t;
}

inline constexpr std::array<PrefixTable, 3> kPrefixTables{two_byte_prefixes(), prefixes_0f38(), prefixes_0f3a()};

}  // namespace detail

// F2 and F3 count before 66.
[[nodiscard]] constexpr bool mandatory_prefix_defined(const Encoding& e) {
  if (e.map == 0) return true;
  if (e.rep && e.repne) return false;
  const std::uint8_t present = e.repne ? detail::kF2 : e.rep ? detail::kF3 : e.operand16 ? detail::k66 : detail::kNone;
  return (detail::kPrefixTables[e.map - 1U][e.opcode] & present) != 0;
}

}  // namespace ringshift::verify
