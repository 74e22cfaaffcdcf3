// Guest RAM: one memfd, mapped once for the runtime and again, page by page, into windows.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "mmu/types.h"

namespace ringshift::mmu {

// Owns the memfd and the runtime's mapping of all of it. Zero-filled; pages are allocated when touched.
class GuestMemory {
 public:
  // `bytes` is a multiple of 4 KiB. The error is one readable line.
  static std::variant<GuestMemory, std::string> create(std::uint64_t bytes);

  GuestMemory(GuestMemory&&) noexcept;
  GuestMemory& operator=(GuestMemory&&) noexcept;
  GuestMemory(const GuestMemory&) = delete;
  GuestMemory& operator=(const GuestMemory&) = delete;
  ~GuestMemory();

  [[nodiscard]] std::uint8_t* data() const { return data_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  GuestMemory() = default;
  std::uint8_t* data_ = nullptr;
  std::uint64_t size_ = 0;
  int fd_ = -1;
};

}  // namespace ringshift::mmu
