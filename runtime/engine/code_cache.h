// The translation cache's memory: one region, mapped twice, so that no address is ever writable and
// executable (W^X). Offsets from the executable base identify code.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace ringshift::engine {

class CodeCache {
 public:
  // Null, with one readable line in `error`, if the host refuses.
  static std::unique_ptr<CodeCache> create(std::uint64_t bytes, std::string& error);
  ~CodeCache();
  CodeCache(const CodeCache&) = delete;
  CodeCache& operator=(const CodeCache&) = delete;

  [[nodiscard]] std::uint64_t base() const { return reinterpret_cast<std::uint64_t>(executable_); }
  [[nodiscard]] bool contains(std::uint64_t host) const { return host - base() < size_; }
  [[nodiscard]] std::uint32_t used() const { return next_; }

  // The offset where the next allocation of `size` bytes would start, 16-byte aligned behind
  // `header` bytes, or 0 if it does not fit.
  [[nodiscard]] std::uint32_t peek(std::uint32_t header, std::uint32_t size) const;
  // Takes it: everything up to offset + size is now used.
  void commit(std::uint32_t offset, std::uint32_t size) { next_ = offset + size; }
  void write(std::uint32_t offset, std::span<const std::uint8_t> bytes);
  void write32(std::uint32_t offset, std::uint32_t value);
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) const;

  // Forgets everything allocated after `mark`.
  void reset(std::uint32_t mark) { next_ = mark; }

 private:
  CodeCache() = default;
  std::uint8_t* writable_ = nullptr;
  std::uint8_t* executable_ = nullptr;
  std::uint64_t size_ = 0;
  std::uint32_t next_ = 0;
};

}  // namespace ringshift::engine
