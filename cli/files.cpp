#include "cli/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ringshift::cli {
namespace {

constexpr std::size_t kLargest = machine::kGiB;
constexpr std::size_t kChunk = machine::kMiB;

class File {
 public:
  explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

std::variant<machine::boot::Image, std::string> read_image(std::string_view kind, const std::string& path) {
  const auto fail = [&](std::string_view reason) { return fmt::format("{} '{}': {}", kind, path, reason); };
  const File file(path);
  struct stat info {};
  if (file.fd() < 0 || ::fstat(file.fd(), &info) != 0) return fail(std::strerror(errno));
  if (S_ISDIR(info.st_mode)) return fail("is a directory");
  if (!S_ISREG(info.st_mode) && !S_ISFIFO(info.st_mode)) return fail("is neither a file nor a pipe");

  machine::boot::Image image{path, {}};
  std::size_t size = 0;
  while (true) {
    image.bytes.resize(size + kChunk);
    const ssize_t got = ::read(file.fd(), image.bytes.data() + size, kChunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(std::strerror(errno));
    size += static_cast<std::size_t>(got);
    if (got == 0) break;
    if (size > kLargest) return fail("larger than 1 GiB");
  }
  image.bytes.resize(size);
  image.bytes.shrink_to_fit();
  return image;
}

}  // namespace ringshift::cli
