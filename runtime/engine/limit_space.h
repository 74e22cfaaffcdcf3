// Host memory by which translated code checks the limits of segments (translator/abi.h): 4 GiB that can be read, all
// the same page of zeros, and 4 GiB that cannot.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace ringshift::engine {

class LimitSpace {
 public:
  // Null, with one readable line in `error`, if the host refuses.
  static std::unique_ptr<LimitSpace> create(std::string& error);
  ~LimitSpace();
  LimitSpace(const LimitSpace&) = delete;
  LimitSpace& operator=(const LimitSpace&) = delete;

  // Where the guard begins.
  [[nodiscard]] std::uint64_t end() const { return reinterpret_cast<std::uint64_t>(memory_) + kReadable; }

 private:
  static constexpr std::uint64_t kReadable = 1ULL << 32;
  // An offset of 32 bits, and the bytes of an operand.
  static constexpr std::uint64_t kGuard = (1ULL << 32) + 4096;

  explicit LimitSpace(std::uint8_t* memory) : memory_(memory) {}
  std::uint8_t* memory_;
};

}  // namespace ringshift::engine
