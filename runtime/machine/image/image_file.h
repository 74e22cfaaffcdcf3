// What a disk image is made of: a file in some format, or an overlay on one.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace ringshift::machine {

// Not thread-safe: one thread at a time. An error is a value of errno, and 0 none.
class ImageFile {
 public:
  ImageFile() = default;
  virtual ~ImageFile() = default;
  ImageFile(const ImageFile&) = delete;
  ImageFile& operator=(const ImageFile&) = delete;

  // Of the medium.
  [[nodiscard]] virtual std::uint64_t bytes() const = 0;
  // A range that ends at most in the medium's last sector, of 2 KiB: what lies beyond the end reads as zeros. After an
  // error, any part of it may have been written.
  [[nodiscard]] virtual int read(std::uint64_t offset, std::span<std::uint8_t> to) = 0;
  [[nodiscard]] virtual int write(std::uint64_t offset, std::span<const std::uint8_t> from) = 0;
  // What has been written survives the host.
  [[nodiscard]] virtual int flush() = 0;
  // What is known of errors since the last call, besides their numbers: at most one line.
  [[nodiscard]] virtual std::string words() { return {}; }
};

}  // namespace ringshift::machine
