#include "runtime/engine/return_ring.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace ringshift::engine {
namespace {
constexpr std::uint64_t kGuard = 4096;
constexpr std::uint64_t kBytes = 128ULL << 10;
// Room above the bottom entry for the stubs that push and pop.
constexpr std::uint64_t kHeadroom = 64;
}  // namespace

std::unique_ptr<ReturnRing> ReturnRing::create(std::string& error) {
  std::unique_ptr<ReturnRing> ring(new ReturnRing);
  void* memory = mmap(nullptr, kGuard + kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuard, PROT_NONE) != 0) {
    error = std::string("return ring: ") + std::strerror(errno);
    return nullptr;
  }
  ring->memory_ = static_cast<std::uint8_t*>(memory);
  return ring;
}

ReturnRing::~ReturnRing() {
  if (memory_ != nullptr) munmap(memory_, kGuard + kBytes);
}

std::uint64_t ReturnRing::reset(std::uint64_t return_miss) const {
  std::uint8_t* top = memory_ + kGuard + kBytes - kHeadroom;
  std::memcpy(top, &return_miss, sizeof return_miss);
  return reinterpret_cast<std::uint64_t>(top);
}

bool ReturnRing::in_guard(std::uint64_t address) const {
  return address - reinterpret_cast<std::uint64_t>(memory_) < kGuard;
}

}  // namespace ringshift::engine
