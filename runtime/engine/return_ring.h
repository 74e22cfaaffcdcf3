// The host stack of translated code: it holds nothing but the host return addresses of guest calls, so that
// guest returns are predicted. It may be emptied whenever translated code is not running, and on overflow.
#pragma once

#include <cstdint>
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
  [[nodiscard]] std::uint64_t reset(std::uint64_t return_miss) const;
  // The page below, that an overflow touches.
  [[nodiscard]] bool in_guard(std::uint64_t address) const;

 private:
  ReturnRing() = default;
  std::uint8_t* memory_ = nullptr;
};

}  // namespace ringshift::engine
