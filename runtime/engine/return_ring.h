// The host stack of translated code: it holds nothing but the host return addresses of guest calls, so that
// guest returns are predicted. It may be emptied whenever translated code is not running, and on overflow.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

namespace ringshift::engine {

class ReturnRing {
 public:
  static std::unique_ptr<ReturnRing> create(std::string& error);
  ~ReturnRing();
  ReturnRing(const ReturnRing&) = delete;
  ReturnRing& operator=(const ReturnRing&) = delete;

  // The stack pointer of an empty ring: it holds only the address of the return-miss stub.
  [[nodiscard]] std::uint64_t reset(std::uint64_t return_miss) const {
    std::uint8_t* top = memory_ + kGuard + kBytes - kHeadroom;
    std::memcpy(top, &return_miss, sizeof return_miss);
    return reinterpret_cast<std::uint64_t>(top);
  }
  // The stack pointer after one more entry; 0: there is no room.
  [[nodiscard]] std::uint64_t push(std::uint64_t top, std::uint64_t entry) const {
    top -= sizeof entry;
    if (in_guard(top)) return 0;
    *reinterpret_cast<std::uint64_t*>(top) = entry;
    return top;
  }
  // The page below, that an overflow touches.
  [[nodiscard]] bool in_guard(std::uint64_t address) const {
    return address - reinterpret_cast<std::uint64_t>(memory_) < kGuard;
  }

 private:
  static constexpr std::uint64_t kGuard = 4096;
  static constexpr std::uint64_t kBytes = 128ULL << 10;
  // Room above the bottom entry for the stubs that push and pop.
  static constexpr std::uint64_t kHeadroom = 64;

  ReturnRing() = default;
  std::uint8_t* memory_ = nullptr;
};

}  // namespace ringshift::engine
