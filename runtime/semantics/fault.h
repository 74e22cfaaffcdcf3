// Architectural faults as values.
#pragma once

#include <cstdint>
#include <utility>

namespace ringshift {

// Exception vectors (SDM vol. 3, table 6-1).
namespace vector {
inline constexpr std::uint8_t kDe = 0, kDb = 1, kNmi = 2, kBp = 3, kOf = 4, kBr = 5, kUd = 6, kNm = 7, kDf = 8,
                              kTs = 10, kNp = 11, kSs = 12, kGp = 13, kPf = 14, kMf = 16, kAc = 17, kMc = 18, kXm = 19;
}

// An exception that an instruction raised. Nothing has been delivered yet; the guest's state is as
// before the instruction (faults) or after it (traps: `trap` is true).
struct GuestFault {
  std::uint8_t vector = 0;
  bool has_error = false;
  bool trap = false;
  std::uint32_t error = 0;
  std::uint32_t cr2 = 0;  // page faults only: the linear address; CR2 is loaded at delivery
};

// A value, or nothing because a fault was raised (it is in Cpu::fault).
template <class T>
struct [[nodiscard]] MemResult {
  T value{};
  bool ok = false;
  explicit operator bool() const { return ok; }
  const T& operator*() const { return value; }
};

}  // namespace ringshift
