#include "runtime/engine/code_cache.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ringshift::engine {

std::unique_ptr<CodeCache> CodeCache::create(std::uint64_t bytes, std::string& error) {
  const auto fail = [&error](const char* what) {
    error = std::string("translation cache: ") + what + ": " + std::strerror(errno);
    return std::unique_ptr<CodeCache>{};
  };
  std::unique_ptr<CodeCache> cache(new CodeCache);
  const int fd = memfd_create("ringshift-code", MFD_CLOEXEC);
  if (fd < 0) return fail("memfd_create");
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    close(fd);
    return fail("ftruncate");
  }
  void* writable = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void* executable = mmap(nullptr, bytes, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  close(fd);
  cache->size_ = bytes;
  if (writable != MAP_FAILED) cache->writable_ = static_cast<std::uint8_t*>(writable);
  if (executable != MAP_FAILED) cache->executable_ = static_cast<std::uint8_t*>(executable);
  if (cache->writable_ == nullptr || cache->executable_ == nullptr) return fail("mmap");
  return cache;
}

CodeCache::~CodeCache() {
  if (writable_ != nullptr) munmap(writable_, size_);
  if (executable_ != nullptr) munmap(executable_, size_);
}

std::uint32_t CodeCache::peek(std::uint32_t header, std::uint32_t size) const {
  constexpr std::uint64_t kAlign = 16;
  const std::uint64_t offset = (std::uint64_t{next_} + header + kAlign - 1) & ~(kAlign - 1);
  return offset + size <= size_ ? static_cast<std::uint32_t>(offset) : 0;
}

void CodeCache::write(std::uint32_t offset, std::span<const std::uint8_t> bytes) {
  std::memcpy(writable_ + offset, bytes.data(), bytes.size());
}

void CodeCache::write32(std::uint32_t offset, std::uint32_t value) {
  std::memcpy(writable_ + offset, &value, sizeof value);
}

std::uint32_t CodeCache::read32(std::uint32_t offset) const {
  std::uint32_t value = 0;
  std::memcpy(&value, writable_ + offset, sizeof value);
  return value;
}

}  // namespace ringshift::engine
