#include "runtime/machine/image/nbd_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

namespace ringshift::machine {
namespace {

constexpr const char* kProgram = "qemu-nbd";
// A listening socket is handed over as to services of systemd: descriptor 3, and two variables that say so.
constexpr const char* kScript = R"(LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@")";
constexpr int kListenFd = 3;

std::string system_error(std::string_view what) { return fmt::format("{}: {}", what, std::strerror(errno)); }

// Two ends of a connection in `sockets`: what accepts it, and what is connected already. The name in the file system is
// gone when this returns, and was in a folder of our own.
std::optional<std::string> make_sockets(std::array<int, 2>& sockets) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  constexpr std::string_view kFolder = "/ringshift-XXXXXX", kName = "/nbd";
  std::string folder = temporary_folder();
  if (folder.size() + kFolder.size() + kName.size() >= sizeof address.sun_path) folder = "/tmp";
  folder += kFolder;
  if (::mkdtemp(folder.data()) == nullptr) return system_error("no temporary folder");
  const std::string path = folder + std::string(kName);
  path.copy(address.sun_path, path.size());
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  for (int& one : sockets) one = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool made = ::bind(sockets[0], name, sizeof address) == 0 && ::listen(sockets[0], 1) == 0 &&
                    ::connect(sockets[1], name, sizeof address) == 0;
  std::optional<std::string> error;
  if (!made) error = system_error("no socket");
  ::unlink(path.c_str());
  ::rmdir(folder.c_str());
  return error;
}

// The child has nothing of ours but the listening socket, and its messages' file. It is in a session of its own: a
// terminal's signals are for us, and it ends when we do.
int spawn(pid_t& pid, int listening, int messages, const std::vector<std::string>& arguments) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&files, messages, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&files, listening, kListenFd);
  posix_spawn_file_actions_addclosefrom_np(&files, kListenFd + 1);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);

  const std::array<const char*, 4> shell = {"sh", "-c", kScript, kProgram};
  std::vector<char*> words;
  words.reserve(shell.size() + arguments.size() + 1);
  for (const char* word : shell) words.push_back(const_cast<char*>(word));
  for (const std::string& word : arguments) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const int error = ::posix_spawn(&pid, "/bin/sh", &files, &attributes, words.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

// Moves a descriptor out of the way of those that the child gets.
int moved_up(int fd) {
  const int moved = ::fcntl(fd, F_DUPFD_CLOEXEC, kListenFd + 1);
  ::close(fd);
  return moved;
}

}  // namespace

std::variant<NbdServer, std::string> NbdServer::start(const std::vector<std::string>& arguments) {
  NbdServer server;
  server.messages_ = ::memfd_create("messages of qemu-nbd", MFD_CLOEXEC);
  if (server.messages_ < 0) return system_error("no file for the messages of qemu-nbd");
  server.messages_ = moved_up(server.messages_);
  std::array<int, 2> sockets{-1, -1};
  auto error = make_sockets(sockets);
  server.socket_ = sockets[1];
  if (sockets[0] >= 0) sockets[0] = moved_up(sockets[0]);
  if (!error) {
    const int failed = spawn(server.pid_, sockets[0], server.messages_, arguments);
    if (failed != 0) error = fmt::format("cannot start qemu-nbd: {}", std::strerror(failed));
  }
  // From now on the server's end alone keeps the connection.
  if (sockets[0] >= 0) ::close(sockets[0]);
  if (error) return std::move(*error);
  return server;
}

NbdServer::~NbdServer() {
  if (socket_ >= 0) ::close(socket_);
  wait();
  if (messages_ >= 0) ::close(messages_);
}

NbdServer::NbdServer(NbdServer&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      socket_(std::exchange(other.socket_, -1)),
      messages_(std::exchange(other.messages_, -1)),
      heard_(other.heard_) {}

NbdServer& NbdServer::operator=(NbdServer&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(socket_, other.socket_);
  std::swap(messages_, other.messages_);
  std::swap(heard_, other.heard_);
  return *this;
}

int NbdServer::take_socket() { return std::exchange(socket_, -1); }

void NbdServer::wait() {
  if (pid_ < 0) return;
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

std::string NbdServer::words() {
  std::array<char, 2048> said{};
  const ssize_t count = ::pread(messages_, said.data(), said.size(), heard_);
  if (count <= 0) return {};
  heard_ += count;
  std::string_view line(said.data(), static_cast<std::size_t>(count));
  if (line.find("qemu-nbd: not found") != std::string_view::npos)
    return "needs qemu-nbd, of Debian's package qemu-utils";
  if (line.find("Is another process using the image") != std::string_view::npos) return "is in use by another program";
  line = line.substr(0, line.find('\n'));
  // "qemu-nbd: Failed to blk_new_open 'NAME': " says nothing that is not known.
  constexpr std::string_view kOpening = "Failed to blk_new_open '";
  if (const std::size_t at = line.find(kOpening); at != std::string_view::npos) {
    const std::size_t end = line.find("': ", at + kOpening.size());
    if (end != std::string_view::npos) line.remove_prefix(end + 3);
  }
  return std::string(line);
}

std::string NbdServer::last_words() {
  wait();
  std::string said = words();
  return said.empty() ? "qemu-nbd has ended without a word" : said;
}

}  // namespace ringshift::machine
