#include "cli/socket_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace ringshift::cli {
namespace {

constexpr int kPatienceMs = 2000;
constexpr std::size_t kMostUnprocessed = 1 << 20;

std::string failure(std::string_view where) { return fmt::format("{}: {}", where, std::strerror(errno)); }

bool bind_tcp(int fd, std::uint16_t& port) {
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t size = sizeof address;
  auto* general = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd, general, size) != 0 || getsockname(fd, general, &size) != 0) return false;
  port = ntohs(address.sin_port);
  return true;
}

bool bind_unix(int fd, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return false;
  }
  path.copy(address.sun_path, path.size());
  const auto* general = reinterpret_cast<const sockaddr*>(&address);
  if (bind(fd, general, sizeof address) == 0) return true;
  if (errno != EADDRINUSE) return false;
  // Left over, or in use? Anything but a socket stays.
  struct stat what {};
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool alive = connect(probe, general, sizeof address) == 0;
  close(probe);
  errno = EADDRINUSE;
  if (alive || stat(path.c_str(), &what) != 0 || !S_ISSOCK(what.st_mode)) return false;
  return unlink(path.c_str()) == 0 && bind(fd, general, sizeof address) == 0;
}

}  // namespace

std::variant<std::unique_ptr<SocketServer>, std::string> SocketServer::listen(const SocketAddress& address) {
  std::unique_ptr<SocketServer> server(new SocketServer);
  const bool tcp = address.unix_path.empty();
  const std::string where = tcp ? fmt::format("port {}", address.port) : address.unix_path;
  server->epoll_ = epoll_create1(EPOLL_CLOEXEC);
  server->listener_ = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (server->epoll_ < 0 || server->listener_ < 0) return failure(where);
  server->port_ = address.port;
  if (tcp ? !bind_tcp(server->listener_, server->port_) : !bind_unix(server->listener_, address.unix_path)) {
    return failure(where);
  }
  if (!tcp) server->path_ = address.unix_path;
  if (::listen(server->listener_, 1) != 0) return failure(where);
  server->watch_fd(server->listener_, true);
  return server;
}

SocketServer::~SocketServer() {
  if (peer_ >= 0) close(peer_);
  if (listener_ >= 0) close(listener_);
  if (epoll_ >= 0) close(epoll_);
  if (!path_.empty()) unlink(path_.c_str());
}

void SocketServer::watch_fd(int fd, bool on) const {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  epoll_ctl(epoll_, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
}

machine::IoThread::Watch SocketServer::watch(Events events) {
  events_ = std::move(events);
  return {epoll_, [this] { return on_readable(); },
          [this] { return unprocessed_.load(std::memory_order_relaxed) < kMostUnprocessed; }};
}

bool SocketServer::on_readable() {
  epoll_event event{};
  if (epoll_wait(epoll_, &event, 1, 0) <= 0) return true;
  if (event.data.fd == listener_) {
    accept_peer();
  } else {
    read_peer();
  }
  return true;
}

// Others wait until this one has gone.
void SocketServer::accept_peer() {
  const int peer = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (peer < 0) return;
  const int on = 1;
  if (path_.empty()) setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  watch_fd(listener_, false);
  watch_fd(peer, true);
  {
    const std::lock_guard lock(mutex_);
    peer_ = peer;
  }
  events_.opened();
}

void SocketServer::read_peer() {
  std::array<char, 65536> buffer{};
  const ssize_t got = recv(peer_, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) {
    const auto bytes = static_cast<std::size_t>(got);
    unprocessed_.fetch_add(bytes, std::memory_order_relaxed);
    events_.received(std::string(buffer.data(), bytes));
    return;
  }
  watch_fd(peer_, false);
  watch_fd(listener_, true);
  {
    const std::lock_guard lock(mutex_);
    close(std::exchange(peer_, -1));
  }
  events_.closed();
}

void SocketServer::send(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  while (peer_ >= 0 && !bytes.empty()) {
    const ssize_t sent = ::send(peer_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    pollfd writable{peer_, POLLOUT, 0};
    if (errno == EAGAIN && poll(&writable, 1, kPatienceMs) > 0) continue;
    shutdown(peer_, SHUT_RDWR);
    return;
  }
}

void SocketServer::disconnect() {
  const std::lock_guard lock(mutex_);
  if (peer_ >= 0) shutdown(peer_, SHUT_RDWR);
}

}  // namespace ringshift::cli
