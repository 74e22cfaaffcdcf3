#include "runtime/engine/return_ring.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace ringshift::engine {
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

}  // namespace ringshift::engine
