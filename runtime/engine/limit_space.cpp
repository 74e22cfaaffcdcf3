#include "runtime/engine/limit_space.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace ringshift::engine {

std::unique_ptr<LimitSpace> LimitSpace::create(std::string& error) {
  void* memory = mmap(nullptr, kReadable + kGuard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory != MAP_FAILED && mprotect(memory, kReadable, PROT_READ) == 0) {
    return std::unique_ptr<LimitSpace>(new LimitSpace(static_cast<std::uint8_t*>(memory)));
  }
  error = std::string("limit space: ") + std::strerror(errno);
  if (memory != MAP_FAILED) munmap(memory, kReadable + kGuard);
  return nullptr;
}

LimitSpace::~LimitSpace() { munmap(memory_, kReadable + kGuard); }

}  // namespace ringshift::engine
