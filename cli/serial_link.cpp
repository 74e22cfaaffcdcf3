#include "cli/serial_link.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ringshift::cli {
namespace {

using Opened = std::variant<int, std::string>;

Opened open_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return fmt::format("serial port file '{}': {}", path, std::strerror(errno));
  return fd;
}

Opened connect_socket(const std::string& path) {
  const auto fail = [&](std::string_view why) { return fmt::format("serial port socket '{}': {}", path, why); };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail("the path is too long");
  path.copy(address.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail(std::strerror(errno));
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    ::close(fd);
    return fail(std::strerror(error));
  }
  return fd;
}

}  // namespace

std::variant<SerialLink, std::string> SerialLink::open(const SerialTarget& target) {
  using Kind = SerialTarget::Kind;
  switch (target.kind) {
    case Kind::stdio:
      return SerialLink("standard output", STDIN_FILENO, STDOUT_FILENO, false);
    case Kind::none:
      return SerialLink("nothing", -1, -1, false);
    case Kind::file:
    case Kind::unix_socket:
      break;
  }
  const bool is_file = target.kind == Kind::file;
  const Opened opened = is_file ? open_file(target.path) : connect_socket(target.path);
  if (const auto* error = std::get_if<std::string>(&opened)) return *error;
  const int fd = std::get<int>(opened);
  return SerialLink(fmt::format("'{}'", target.path), is_file ? -1 : fd, fd, true);
}

SerialLink::SerialLink(SerialLink&& other) noexcept
    : name_(std::move(other.name_)),
      input_(std::exchange(other.input_, -1)),
      output_(std::exchange(other.output_, -1)),
      owned_(std::exchange(other.owned_, false)),
      failed_(other.failed_) {}

SerialLink::~SerialLink() {
  if (owned_) ::close(output_);
}

std::optional<std::string> SerialLink::write(std::span<const std::uint8_t> bytes, int stop_fd) {
  // A pipe that poll() calls writable takes so much without blocking.
  constexpr std::size_t kChunk = 4096;
  if (output_ < 0) return std::nullopt;
  while (!bytes.empty() && !failed_) {
    std::array<pollfd, 2> fds{{{output_, POLLOUT, 0}, {stop_fd, POLLIN, 0}}};
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno == EINTR) continue;
    if (fds[0].revents == 0 && fds[1].revents != 0) return std::nullopt;
    const ssize_t written = ::write(output_, bytes.data(), std::min(bytes.size(), kChunk));
    if (written < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      failed_ = true;
      return fmt::format("cannot write to {}: {}", name_, std::strerror(errno));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return std::nullopt;
}

}  // namespace ringshift::cli
