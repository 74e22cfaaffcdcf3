// qemu-nbd as a child process: it reads and writes image formats for us.
#pragma once

#include <sys/types.h>

#include <string>
#include <variant>
#include <vector>

#include "runtime/machine/image/host_file.h"

namespace ringshift::machine {

// It serves one connection, and ends with that.
class NbdServer {
 public:
  // `arguments`: after the program's name and those for the socket. The error is part of a line.
  [[nodiscard]] static std::variant<NbdServer, std::string> start(const std::vector<std::string>& arguments);
  // Waits until it has ended; the connection must have been closed.
  ~NbdServer();
  NbdServer(NbdServer&& other) noexcept;
  NbdServer& operator=(NbdServer&& other) noexcept;
  NbdServer(const NbdServer&) = delete;
  NbdServer& operator=(const NbdServer&) = delete;

  // The connection's socket, which the caller then owns. It can be used before the server is there.
  [[nodiscard]] int take_socket();
  // The first line that it has said since the last call.
  [[nodiscard]] std::string words();
  // Waits until it has ended, and tells why, as words() does. The connection must have been closed.
  [[nodiscard]] std::string last_words();
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  NbdServer() = default;
  void wait();

  pid_t pid_ = -1;
  int socket_ = -1, messages_ = -1;
  off_t heard_ = 0;  // bytes of its messages
};

}  // namespace ringshift::machine
