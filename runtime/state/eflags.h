// EFLAGS bit masks (SDM vol. 1, 3.4.3).
#pragma once

#include <cstdint>

namespace ringshift::eflags {

inline constexpr std::uint32_t kCf = 1U << 0;
inline constexpr std::uint32_t kFixed = 1U << 1;  // always reads as one
inline constexpr std::uint32_t kPf = 1U << 2;
inline constexpr std::uint32_t kAf = 1U << 4;
inline constexpr std::uint32_t kZf = 1U << 6;
inline constexpr std::uint32_t kSf = 1U << 7;
inline constexpr std::uint32_t kTf = 1U << 8;
inline constexpr std::uint32_t kIf = 1U << 9;
inline constexpr std::uint32_t kDf = 1U << 10;
inline constexpr std::uint32_t kOf = 1U << 11;
inline constexpr std::uint32_t kIopl = 3U << 12;
inline constexpr std::uint32_t kNt = 1U << 14;
inline constexpr std::uint32_t kRf = 1U << 16;
inline constexpr std::uint32_t kVm = 1U << 17;
inline constexpr std::uint32_t kAc = 1U << 18;
inline constexpr std::uint32_t kVif = 1U << 19;
inline constexpr std::uint32_t kVip = 1U << 20;
inline constexpr std::uint32_t kId = 1U << 21;

inline constexpr unsigned kIoplShift = 12;

// The six status flags.
inline constexpr std::uint32_t kStatus = kCf | kPf | kAf | kZf | kSf | kOf;
// The flags that live in the host's own RFLAGS while translated code runs.
inline constexpr std::uint32_t kNative = kStatus | kDf;
// The flags that never reach the host and live in CpuState::system_flags.
inline constexpr std::uint32_t kSystem = kTf | kIopl | kNt | kRf | kVm | kAc | kVif | kVip | kId;
// Every flag that software can see.
inline constexpr std::uint32_t kAll = kNative | kIf | kSystem;

}  // namespace ringshift::eflags
