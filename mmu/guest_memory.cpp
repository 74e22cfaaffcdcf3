#include "mmu/guest_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace ringshift::mmu {

std::variant<GuestMemory, std::string> GuestMemory::create(std::uint64_t bytes) {
  if (bytes == 0 || (bytes & kPageMask) != 0) {
    return "guest memory of " + std::to_string(bytes) + " bytes: not a positive multiple of 4096";
  }
  GuestMemory memory;
  memory.fd_ = memfd_create("guest-memory", MFD_CLOEXEC);
  if (memory.fd_ < 0) return std::string("guest memory: memfd_create: ") + std::strerror(errno);
  if (ftruncate(memory.fd_, static_cast<off_t>(bytes)) != 0) {
    return "guest memory of " + std::to_string(bytes) + " bytes: ftruncate: " + std::strerror(errno);
  }
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory.fd_, 0);
  if (data == MAP_FAILED) {
    return "guest memory of " + std::to_string(bytes) + " bytes: mmap: " + std::strerror(errno);
  }
  memory.data_ = static_cast<std::uint8_t*>(data);
  memory.size_ = bytes;
  return memory;
}

GuestMemory::GuestMemory(GuestMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      fd_(std::exchange(other.fd_, -1)) {}

GuestMemory& GuestMemory::operator=(GuestMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(fd_, other.fd_);
  return *this;
}

GuestMemory::~GuestMemory() {
  if (data_ != nullptr) munmap(data_, size_);
  if (fd_ >= 0) close(fd_);
}

}  // namespace ringshift::mmu
