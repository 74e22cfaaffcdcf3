// The host address space of one window, and the few operations that a window performs on it.
#pragma once

#include <cstdint>
#include <optional>

#include "mmu/types.h"

namespace ringshift::mmu {

inline constexpr std::uint64_t kWindowBytes = std::uint64_t{1} << 32;
// Inaccessible on both sides, so that an access that leaves the window by a small offset faults.
inline constexpr std::uint64_t kGuardBytes = std::uint64_t{1} << 16;

// 4 GiB aligned to 4 GiB, between two guards. Pages are counted from linear address 0. The operations
// return false if the host refuses (limit on mappings): then nothing has changed.
//
// What is not mapped is a hole, not an inaccessible mapping: a page then costs the host one mapping instead of
// the two splits of a mapping around it, which halves the time of a fill. The holes stay ours because windows
// lie where the kernel never puts a mapping by its own choice: far below the area that it fills from the top,
// and below the area that it fills from the bottom in the legacy layout.
class Reservation {
 public:
  static std::optional<Reservation> create();
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation();

  [[nodiscard]] std::uint8_t* base() const { return base_; }

  // Maps `pages` pages of `fd` from `offset`.
  bool map(std::uint32_t first, std::uint32_t pages, int fd, std::uint64_t offset, bool writable);
  // The same, writable, and `more` pages behind them without access, with all host page tables set up; `more` becomes
  // 0 if the host refuses those.
  bool map_ahead(std::uint32_t first, std::uint32_t pages, std::uint32_t& more, int fd, std::uint64_t offset);
  // The pages are mapped.
  bool protect(std::uint32_t first, std::uint32_t pages, bool writable);
  // Back to no access, whatever was there. All pages at once: is never refused for the limit.
  bool unmap(std::uint32_t first, std::uint32_t pages);

 private:
  explicit Reservation(std::uint8_t* base) : base_(base) {}
  [[nodiscard]] std::uint8_t* at(std::uint32_t page) const { return base_ + (std::uint64_t{page} << kPageShift); }

  std::uint8_t* base_ = nullptr;
};

}  // namespace ringshift::mmu
