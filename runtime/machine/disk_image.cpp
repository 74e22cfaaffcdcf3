#include "runtime/machine/disk_image.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace ringshift::machine {
namespace {

// All of it, or false.
bool read_all(int fd, std::uint64_t offset, std::span<std::uint8_t> to) {
  while (!to.empty()) {
    const ssize_t got = ::pread(fd, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) {
      std::fill(to.begin(), to.end(), std::uint8_t{0});
      return true;
    }
    to = to.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

bool write_all(int fd, std::uint64_t offset, std::span<const std::uint8_t> from) {
  while (!from.empty()) {
    const ssize_t done = ::pwrite(fd, from.data(), from.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    from = from.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
  return true;
}

int open_temporary() {
  const char* folder = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nothing changes the environment
  std::string name = fmt::format("{}/ringshift-XXXXXX", folder != nullptr && *folder != 0 ? folder : "/tmp");
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd >= 0) ::unlink(name.c_str());
  return fd;
}

// Locks of open files, which end with the descriptor and know nothing of processes.
bool lock(int fd, bool exclusive) {
  struct flock whole {};
  whole.l_type = static_cast<short>(exclusive ? F_WRLCK : F_RDLCK);
  whole.l_whence = SEEK_SET;
  return ::fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

}  // namespace

std::variant<std::shared_ptr<DiskImage>, std::string> DiskImage::open(const std::string& path, const Options& options) {
  const auto fail = [&](std::string_view reason) { return fmt::format("disk '{}': {}", path, reason); };
  const bool writes_file = !options.read_only && !options.snapshot;
  std::shared_ptr<DiskImage> image(new DiskImage);
  image->fd_ = ::open(path.c_str(), (writes_file ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  struct stat info {};
  if (image->fd_ < 0 || ::fstat(image->fd_, &info) != 0) return fail(std::strerror(errno));
  if (S_ISBLK(info.st_mode)) {
    if (::ioctl(image->fd_, BLKGETSIZE64, &image->bytes_) != 0) return fail(std::strerror(errno));
  } else if (S_ISREG(info.st_mode)) {
    image->bytes_ = static_cast<std::uint64_t>(info.st_size);
  } else {
    return fail(S_ISDIR(info.st_mode) ? "is a directory" : "is neither a file nor a block device");
  }
  if (image->bytes_ == 0) return fail("is empty");
  if (!lock(image->fd_, writes_file)) return fail("is in use by another program");
  image->writable_ = !options.read_only;
  if (options.snapshot) {
    image->overlay_ = open_temporary();
    if (image->overlay_ < 0) return fail(fmt::format("no temporary file for its snapshot: {}", std::strerror(errno)));
    image->in_overlay_.resize((image->bytes_ + kCluster - 1) / kCluster + 1, false);
  }
  return image;
}

DiskImage::~DiskImage() {
  if (fd_ >= 0) ::close(fd_);
  if (overlay_ >= 0) ::close(overlay_);
}

bool DiskImage::read(std::uint64_t offset, std::span<std::uint8_t> to) {
  if (overlay_ < 0) return read_all(fd_, offset, to);
  while (!to.empty()) {
    // As many clusters as come from the same file.
    const bool over = in_overlay_[offset / kCluster];
    std::uint64_t end = (offset / kCluster + 1) * kCluster;
    while (end < offset + to.size() && in_overlay_[end / kCluster] == over) end += kCluster;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(end - offset, to.size()));
    if (!read_all(over ? overlay_ : fd_, offset, to.first(count))) return false;
    to = to.subspan(count);
    offset += count;
  }
  return true;
}

bool DiskImage::write_overlay(std::uint64_t offset, std::span<const std::uint8_t> from) {
  while (!from.empty()) {
    const std::uint64_t cluster = offset / kCluster;
    const std::uint64_t inside = offset % kCluster;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kCluster - inside, from.size()));
    if (count != kCluster && !in_overlay_[cluster]) {
      std::array<std::uint8_t, kCluster> whole{};
      if (!read_all(fd_, cluster * kCluster, whole)) return false;
      std::copy_n(from.begin(), count, whole.begin() + static_cast<std::ptrdiff_t>(inside));
      if (!write_all(overlay_, cluster * kCluster, whole)) return false;
    } else if (!write_all(overlay_, offset, from.first(count))) {
      return false;
    }
    in_overlay_[cluster] = true;
    from = from.subspan(count);
    offset += count;
  }
  return true;
}

bool DiskImage::write(std::uint64_t offset, std::span<const std::uint8_t> from) {
  if (!writable_) return false;
  return overlay_ >= 0 ? write_overlay(offset, from) : write_all(fd_, offset, from);
}

bool DiskImage::flush() { return !writable_ || overlay_ >= 0 || ::fdatasync(fd_) == 0; }

}  // namespace ringshift::machine
