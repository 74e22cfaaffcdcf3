// The host address space of one window, and the few operations that a window performs on it.
#pragma once

#include <cstdint>
#include <optional>

#include "mmu/types.h"

namespace ringshift::mmu {

inline constexpr std::uint64_t kWindowBytes = std::uint64_t{1} << 32;
// Inaccessible on both sides, so that an access that leaves the window by a small offset faults.
inline constexpr std::uint64_t kGuardBytes = std::uint64_t{1} << 16;

// 4 GiB aligned to 4 GiB, reserved without access. Pages are counted from linear address 0. The
// operations return false if the host refuses (limit on mappings): then nothing has changed.
class Reservation {
 public:
  static std::optional<Reservation> create();
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation();

  [[nodiscard]] std::uint8_t* base() const { return base_; }

  // Maps `pages` pages of `fd` from `offset`. `populate`: enter them into the host's page tables now.
  bool map(std::uint32_t first, std::uint32_t pages, int fd, std::uint64_t offset, bool writable, bool populate);
  // The pages are mapped.
  bool protect(std::uint32_t first, std::uint32_t pages, bool writable);
  // Back to no access, whatever was there.
  bool unmap(std::uint32_t first, std::uint32_t pages);

 private:
  explicit Reservation(std::uint8_t* base) : base_(base) {}
  [[nodiscard]] std::uint8_t* at(std::uint32_t page) const { return base_ + (std::uint64_t{page} << kPageShift); }

  std::uint8_t* base_ = nullptr;
};

// Host mappings held back for the moment when the process has as many as it may: the kernel then refuses
// even the call that would unmap a window, until something else is unmapped.
class Ballast {
 public:
  Ballast() { hold(); }
  Ballast(const Ballast&) = delete;
  Ballast& operator=(const Ballast&) = delete;
  ~Ballast() { release(); }
  void hold();
  void release();

 private:
  void* area_ = nullptr;
};

}  // namespace ringshift::mmu
