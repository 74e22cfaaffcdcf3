// A disk image: a file of the host in some format, and how it is used.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/machine/image/image_chain.h"
#include "runtime/machine/image/image_file.h"

namespace ringshift::machine {

// Opened once for a run; it stays as it is when the guest resets. Not thread-safe: one thread at a time, but for what
// is said about single functions.
class DiskImage {
 public:
  struct Options {
    bool read_only = false;
    bool snapshot = false;                // writes go to a temporary file, which ends with the object
    std::optional<ImageFormat> format{};  // none: by the file's name (image/image_chain.h)
  };
  // One of the files that it is made of.
  struct File {
    std::string path;
    ImageFormat format = ImageFormat::raw;
    std::string backing_name{}, backing_format{};  // as they stand in it; empty: none
    std::uint64_t bytes = 0;                       // of the medium
    std::uint64_t allocated = 0;                   // on the host's disk, when it was opened
    std::uint64_t cluster_bytes = 0;               // of qcow2
  };

  // Locks the file: other programs may read what is only read, and nothing that is written. The error is one readable
  // line.
  static std::variant<std::shared_ptr<DiskImage>, std::string> open(const std::string& path, const Options& options);

  // These may be called from any thread.
  [[nodiscard]] std::uint64_t bytes() const { return file_->bytes(); }
  [[nodiscard]] bool writable() const { return writable_; }
  // The first is the image, and each other one the backing file of that before it.
  [[nodiscard]] const std::vector<File>& files() const { return files_; }
  // Of what has failed last, as errno has it; 0: nothing ever has.
  [[nodiscard]] int error() const { return error_.load(std::memory_order_relaxed); }

  // False: the host failed. What lies beyond the end reads as zeros. A write may be done in part.
  [[nodiscard]] bool read(std::uint64_t offset, std::span<std::uint8_t> to);
  [[nodiscard]] bool write(std::uint64_t offset, std::span<const std::uint8_t> from);
  [[nodiscard]] bool flush();
  // More about what has failed; at most one line.
  [[nodiscard]] std::string words() { return file_->words(); }

 private:
  DiskImage() = default;
  [[nodiscard]] bool done(int error);

  std::unique_ptr<ImageFile> file_;
  std::vector<File> files_;
  bool writable_ = false;
  std::atomic<int> error_ = 0;
};

}  // namespace ringshift::machine
