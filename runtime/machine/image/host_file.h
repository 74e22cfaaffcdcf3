// A file or block device of the host, as images use it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>

namespace ringshift::machine {

class HostFile {
 public:
  HostFile() = default;
  // Opens and locks it (image_lock.h). The error is part of a line: "is a directory".
  [[nodiscard]] static std::variant<HostFile, std::string> open(const std::string& path, bool writes);
  // A new file without a name, in TMPDIR or /tmp. Check valid(); errno says why not.
  [[nodiscard]] static HostFile temporary();
  ~HostFile();
  HostFile(HostFile&& other) noexcept;
  HostFile& operator=(HostFile&& other) noexcept;
  HostFile(const HostFile&) = delete;
  HostFile& operator=(const HostFile&) = delete;

  [[nodiscard]] bool valid() const { return fd_ >= 0; }
  // When it was opened.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] bool is_device() const { return device_; }
  // Whether the path leads to this file too.
  [[nodiscard]] bool is_at(const std::string& path) const;

  // 0 or errno, and EIO where the file has become shorter than it was; what always was beyond the end reads as zeros.
  [[nodiscard]] int read(std::uint64_t offset, std::span<std::uint8_t> to) const;
  [[nodiscard]] int write(std::uint64_t offset, std::span<const std::uint8_t> from);
  // Once it has failed it fails for ever: the host forgets what it could not write, and would say the next time that
  // all is well.
  [[nodiscard]] int flush();
  // Bytes that the host's disk spends on it.
  [[nodiscard]] std::uint64_t allocated() const;
  void close();

 private:
  int fd_ = -1;
  bool device_ = false;
  bool grows_ = false;  // a temporary file has no size that it could fall short of
  int flush_error_ = 0;
  std::uint64_t bytes_ = 0, volume_ = 0, inode_ = 0;
};

// The folder of temporary files.
[[nodiscard]] std::string temporary_folder();

}  // namespace ringshift::machine
