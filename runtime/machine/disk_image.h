// A raw disk image in a file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace ringshift::machine {

// Opened once for a run; it stays as it is when the guest resets. Not thread-safe: one thread at a time.
class DiskImage {
 public:
  struct Options {
    bool read_only = false;
    bool snapshot = false;  // writes go to a temporary file, which ends with the object
  };

  // Locks the file: other programs may read what is only read, and nothing that is written. The error is one readable
  // line.
  static std::variant<std::shared_ptr<DiskImage>, std::string> open(const std::string& path, const Options& options);
  ~DiskImage();
  DiskImage(const DiskImage&) = delete;
  DiskImage& operator=(const DiskImage&) = delete;

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] bool writable() const { return writable_; }

  // False: the host failed. What lies beyond the end of the file reads as zeros. A write may be done in part.
  [[nodiscard]] bool read(std::uint64_t offset, std::span<std::uint8_t> to);
  [[nodiscard]] bool write(std::uint64_t offset, std::span<const std::uint8_t> from);
  [[nodiscard]] bool flush();

 private:
  static constexpr std::uint64_t kCluster = 4096;  // of the overlay

  DiskImage() = default;
  [[nodiscard]] bool write_overlay(std::uint64_t offset, std::span<const std::uint8_t> from);

  int fd_ = -1;
  int overlay_ = -1;
  std::vector<bool> in_overlay_;  // by cluster
  std::uint64_t bytes_ = 0;
  bool writable_ = false;
};

}  // namespace ringshift::machine
