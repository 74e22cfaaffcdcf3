#include "runtime/machine/image/host_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "runtime/machine/image/image_lock.h"

namespace ringshift::machine {

std::string temporary_folder() {
  const char* folder = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nothing changes the environment
  return folder != nullptr && *folder != 0 ? folder : "/tmp";
}

std::variant<HostFile, std::string> HostFile::open(const std::string& path, bool writes) {
  HostFile file;
  // A named pipe must not hold us up.
  file.fd_ = ::open(path.c_str(), (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
  struct stat info {};
  if (file.fd_ < 0 || ::fstat(file.fd_, &info) != 0) return std::strerror(errno);
  if (S_ISBLK(info.st_mode)) {
    file.device_ = true;
    if (::ioctl(file.fd_, BLKGETSIZE64, &file.bytes_) != 0) return std::strerror(errno);
  } else if (S_ISREG(info.st_mode)) {
    file.bytes_ = static_cast<std::uint64_t>(info.st_size);
  } else {
    return S_ISDIR(info.st_mode) ? "is a directory" : "is neither a file nor a block device";
  }
  file.volume_ = info.st_dev;
  file.inode_ = info.st_ino;
  if (lock_image(file.fd_, writes) == LockOutcome::in_use) return "is in use by another program";
  return file;
}

HostFile HostFile::temporary() {
  HostFile file;
  std::string name = temporary_folder() + "/ringshift-XXXXXX";
  file.fd_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (file.fd_ >= 0) ::unlink(name.c_str());
  file.grows_ = true;
  return file;
}

HostFile::~HostFile() { close(); }

bool HostFile::is_at(const std::string& path) const {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && info.st_dev == volume_ && info.st_ino == inode_;
}

void HostFile::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

HostFile::HostFile(HostFile&& other) noexcept { *this = std::move(other); }

HostFile& HostFile::operator=(HostFile&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::exchange(other.fd_, -1);
  device_ = other.device_;
  grows_ = other.grows_;
  flush_error_ = other.flush_error_;
  bytes_ = other.bytes_;
  volume_ = other.volume_;
  inode_ = other.inode_;
  return *this;
}

int HostFile::read(std::uint64_t offset, std::span<std::uint8_t> to) const {
  while (!to.empty()) {
    const ssize_t got = ::pread(fd_, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) {
      if (offset < bytes_) return EIO;  // somebody has cut it off
      std::fill(to.begin(), to.end(), std::uint8_t{0});
      return 0;
    }
    to = to.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return 0;
}

int HostFile::write(std::uint64_t offset, std::span<const std::uint8_t> from) {
  if (!device_ && !grows_) {
    // A write behind the end of a file that was cut off would turn what is missing into zeros.
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return errno;
    if (static_cast<std::uint64_t>(info.st_size) < std::min(bytes_, offset + from.size())) return EIO;
  }
  while (!from.empty()) {
    const ssize_t done = ::pwrite(fd_, from.data(), from.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    if (done == 0) return ENOSPC;
    from = from.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
  return 0;
}

int HostFile::flush() {
  if (flush_error_ == 0 && ::fdatasync(fd_) != 0) flush_error_ = errno;
  return flush_error_;
}

std::uint64_t HostFile::allocated() const {
  struct stat info {};
  constexpr std::uint64_t kUnit = 512;  // of st_blocks
  return ::fstat(fd_, &info) == 0 ? static_cast<std::uint64_t>(info.st_blocks) * kUnit : 0;
}

}  // namespace ringshift::machine
