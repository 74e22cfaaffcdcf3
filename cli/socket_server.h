// A listening socket that serves one peer at a time: for the debugger and for QMP.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "runtime/machine/io_thread.h"

namespace ringshift::cli {

// Where to listen.
struct SocketAddress {
  std::string unix_path{};  // empty: a TCP port of the loopback interface
  std::uint16_t port = 0;   // 0: any that is free
};

class SocketServer {
 public:
  // Called on the I/O thread.
  struct Events {
    std::function<void()> opened;
    std::function<void(std::string)> received;
    std::function<void()> closed;
  };

  // A socket file that nobody listens on is replaced. The error is one readable line.
  static std::variant<std::unique_ptr<SocketServer>, std::string> listen(const SocketAddress& address);
  ~SocketServer();
  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;

  // For the I/O thread. The watch refers to this object.
  [[nodiscard]] machine::IoThread::Watch watch(Events events);

  // Any thread. To nobody, or to a peer that does not read for seconds, it is lost, and such a peer is disconnected.
  void send(std::string_view bytes);
  // Any thread. `closed` follows.
  void disconnect();
  // Of bytes given to Events::received: they have been dealt with. Too many that have not hold the peer back.
  void processed(std::size_t bytes) { unprocessed_.fetch_sub(bytes, std::memory_order_relaxed); }

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  SocketServer() = default;
  void watch_fd(int fd, bool on) const;
  bool on_readable();
  void accept_peer();
  void read_peer();

  Events events_;
  std::string path_;  // to be removed
  std::uint16_t port_ = 0;
  int epoll_ = -1, listener_ = -1;
  std::mutex mutex_;
  int peer_ = -1;  // changed by the I/O thread under the mutex
  std::atomic<std::size_t> unprocessed_{0};
};

}  // namespace ringshift::cli
