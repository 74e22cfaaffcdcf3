#include "cli/vnc_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <rfb/rfb.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "cli/key_symbols.h"
#include "runtime/machine/quiet_thread.h"

namespace ringshift::cli {
namespace {

using devices::Picture;
using devices::Rows;

constexpr int kRfbPort = 5900, kWebPort = 5800;
constexpr int kFirstWidth = 640, kFirstHeight = 480;
constexpr int kPixelBytes = 4;
// How long the server waits for what viewers say before it looks for a change of the screen.
constexpr long kBusyMicroseconds = 5'000, kIdleMicroseconds = 50'000;
constexpr std::size_t kMostChanges = 256;  // remembered one by one
// A new viewer is told of the screen's size at once if the guest shows it within this time.
constexpr auto kFirstPicture = std::chrono::milliseconds(250);

// RFB's buttons are left, middle, right, and wheel up and down.
unsigned buttons_of(int mask) {
  unsigned out = 0;
  if ((mask & 1) != 0) out |= devices::pointer::kLeft;
  if ((mask & 2) != 0) out |= devices::pointer::kMiddle;
  if ((mask & 4) != 0) out |= devices::pointer::kRight;
  return out;
}
constexpr int kWheelUp = 8, kWheelDown = 16;

// libvncserver's order of bytes is red, green, blue.
constexpr std::uint32_t rfb_pixel(std::uint32_t color) { return color >> 16 | (color & 0xFF00) | (color & 0xFF) << 16; }

class Server final : public VncServer {
 public:
  explicit Server(VncOptions options) : options_(std::move(options)) {}
  ~Server() override {
    stop();
    if (screen_ != nullptr) rfbScreenCleanup(screen_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::optional<std::string> listen();
  void start(Guest guest) override;
  void stop() override;
  void show(const Picture& picture, Rows rows) override;

 private:
  static Server& of(rfbClientPtr client) { return *static_cast<Server*>(client->screen->screenData); }
  static rfbNewClientAction on_client(rfbClientPtr client);
  static void on_client_gone(rfbClientPtr client);
  static void on_key(rfbBool down, rfbKeySym symbol, rfbClientPtr client);
  static void on_pointer(int buttons, int x, int y, rfbClientPtr client);
  static void on_release_keys(rfbClientPtr client);

  void serve();
  void key(bool down, std::uint32_t symbol);
  void release_keys();
  void pointer(int buttons, int x, int y);
  void take_picture();
  void resize(unsigned width, unsigned height);
  void copy(Rows rows);

  VncOptions options_;
  std::array<char*, 2> passwords_{};
  rfbScreenInfoPtr screen_ = nullptr;
  std::vector<std::uint32_t> pixels_;  // what viewers see
  Guest guest_;
  std::thread thread_;
  std::atomic<bool> ending_{false};
  // Of the server's thread.
  unsigned clients_ = 0;
  std::set<std::uint16_t> held_;
  std::optional<std::pair<int, int>> pointer_at_;
  int pointer_mask_ = 0;

  // What the guest's thread has told since.
  std::mutex mutex_;
  std::condition_variable told_;
  Picture picture_;
  std::vector<Rows> changed_;
};

// ---- viewers ----------------------------------------------------------------------------------

rfbNewClientAction Server::on_client(rfbClientPtr client) {
  Server& server = of(client);
  client->clientGoneHook = on_client_gone;
  if (server.clients_++ != 0) return RFB_CLIENT_ACCEPT;
  {
    const std::lock_guard lock(server.mutex_);
    server.changed_.clear();
    // As it was when somebody looked last.
    if (server.picture_.height != 0) server.changed_ = {{0, server.picture_.height}};
  }
  server.guest_.watch(true);
  {
    std::unique_lock lock(server.mutex_);
    server.told_.wait_for(lock, kFirstPicture, [&] { return !server.changed_.empty() || server.ending_; });
  }
  server.take_picture();
  return RFB_CLIENT_ACCEPT;
}

void Server::on_client_gone(rfbClientPtr client) {
  Server& server = of(client);
  // libvncserver 0.9.14 forgets it.
  std::free(client->wsctx);
  client->wsctx = nullptr;
  server.release_keys();
  if (--server.clients_ == 0) server.guest_.watch(false);
}

void Server::on_key(rfbBool down, rfbKeySym symbol, rfbClientPtr client) { of(client).key(down != 0, symbol); }
void Server::on_pointer(int buttons, int x, int y, rfbClientPtr client) { of(client).pointer(buttons, x, y); }
void Server::on_release_keys(rfbClientPtr client) { of(client).release_keys(); }

// The viewer's own repetition is left out: the keyboard repeats by itself.
void Server::key(bool down, std::uint32_t symbol) {
  const auto code = key_of_symbol(symbol);
  if (!code) return;
  const bool was = held_.contains(*code);
  if (down == was) return;
  if (down) {
    held_.insert(*code);
  } else {
    held_.erase(*code);
  }
  const machine::Key key{*code, down};
  guest_.keys({&key, 1});
}

void Server::release_keys() {
  for (const std::uint16_t code : std::exchange(held_, {})) {
    const machine::Key key{code, false};
    guest_.keys({&key, 1});
  }
}

// A mouse moves by differences; the first event only says where the viewer's pointer is.
void Server::pointer(int buttons, int x, int y) {
  devices::PointerMove move;
  if (pointer_at_) {
    move.dx = x - pointer_at_->first;
    move.dy = y - pointer_at_->second;
  }
  const int pressed = buttons & ~pointer_mask_;
  move.wheel = ((pressed & kWheelDown) != 0 ? 1 : 0) - ((pressed & kWheelUp) != 0 ? 1 : 0);
  move.buttons = buttons_of(buttons);
  const bool news = move.dx != 0 || move.dy != 0 || move.wheel != 0 || buttons_of(pointer_mask_) != move.buttons;
  pointer_at_ = {x, y};
  pointer_mask_ = buttons;
  if (news) guest_.pointer(move);
}

// ---- pictures ---------------------------------------------------------------------------------

void Server::show(const Picture& picture, Rows rows) {
  const std::lock_guard lock(mutex_);
  const bool resized = picture_.width != picture.width || picture_.height != picture.height;
  devices::copy_rows(picture, rows, picture_);
  // Nobody may take them for a while.
  if (resized || changed_.size() >= kMostChanges) {
    changed_ = {{0, picture.height}};
  } else {
    changed_.push_back(rows);
  }
  told_.notify_one();
}

void Server::take_picture() {
  const std::lock_guard lock(mutex_);
  if (changed_.empty()) return;
  const auto is = [](int have, unsigned want) { return have == static_cast<int>(want); };
  if (!is(screen_->width, picture_.width) || !is(screen_->height, picture_.height)) {
    resize(picture_.width, picture_.height);
    changed_ = {{0, picture_.height}};
  }
  for (const Rows& rows : changed_) copy(rows);
  changed_.clear();
}

void Server::resize(unsigned width, unsigned height) {
  std::vector<std::uint32_t> fresh(std::size_t{width} * height);
  rfbNewFramebuffer(screen_, reinterpret_cast<char*>(fresh.data()), static_cast<int>(width), static_cast<int>(height),
                    8, 3, kPixelBytes);
  pixels_ = std::move(fresh);
  pointer_at_.reset();
}

// Copies and tells of bands of rows, each as wide as what has changed in it.
void Server::copy(Rows rows) {
  constexpr unsigned kBand = 16;
  const unsigned width = picture_.width;
  for (unsigned first = rows.first; first < rows.end; first += kBand) {
    const unsigned end = std::min(first + kBand, rows.end);
    unsigned left = width, right = 0;
    for (unsigned y = first; y < end; ++y) {
      const auto from = std::as_const(picture_).row(y);
      std::uint32_t* to = pixels_.data() + std::size_t{y} * width;
      for (unsigned x = 0; x < width; ++x) {
        const std::uint32_t pixel = rfb_pixel(from[x]);
        if (to[x] == pixel) continue;
        to[x] = pixel;
        left = std::min(left, x);
        right = std::max(right, x + 1);
      }
    }
    if (left < right) {
      rfbMarkRectAsModified(screen_, static_cast<int>(left), static_cast<int>(first), static_cast<int>(right),
                            static_cast<int>(end));
    }
  }
}

// ---- the thread -------------------------------------------------------------------------------

std::optional<std::string> Server::listen() {
  in_addr address{};
  if (inet_pton(AF_INET, options_.host.c_str(), &address) != 1) {
    return fmt::format("VNC: '{}' is not an IPv4 address", options_.host);
  }
  rfbLogEnable(0);
  screen_ = rfbGetScreen(nullptr, nullptr, kFirstWidth, kFirstHeight, 8, 3, kPixelBytes);
  if (screen_ == nullptr) return "VNC: no memory";
  pixels_.resize(std::size_t{kFirstWidth} * kFirstHeight);
  screen_->frameBuffer = reinterpret_cast<char*>(pixels_.data());
  screen_->screenData = this;
  screen_->desktopName = "Ringshift";
  screen_->alwaysShared = TRUE;
  screen_->cursor = nullptr;
  screen_->listenInterface = address.s_addr;
  screen_->autoPort = FALSE;
  screen_->port = kRfbPort + static_cast<int>(options_.display);
  screen_->ipv6port = screen_->http6Port = 0;
  screen_->newClientHook = on_client;
  screen_->kbdAddEvent = on_key;
  screen_->kbdReleaseAllKeys = on_release_keys;
  screen_->ptrAddEvent = on_pointer;
  if (!options_.password.empty()) {
    passwords_[0] = options_.password.data();
    screen_->authPasswdData = passwords_.data();
    screen_->passwordCheck = rfbCheckPasswordByList;
  }
  if (!options_.web.empty()) {
    screen_->httpDir = options_.web.data();
    screen_->httpPort = kWebPort + static_cast<int>(options_.display);
  }
  errno = 0;
  rfbInitServer(screen_);
  const auto refused = [&](std::string_view what, int port) {
    return fmt::format("VNC: cannot {} on {} port {}: {}", what, options_.host, port, std::strerror(errno));
  };
  if (screen_->listenSock == RFB_INVALID_SOCKET) return refused("listen", screen_->port);
  if (!options_.web.empty() && screen_->httpListenSock == RFB_INVALID_SOCKET) {
    return refused("serve the page", screen_->httpPort);
  }
  // libvncserver 0.9.14 looks at this socket even where there is none, and is then ended by the C library's checks.
  screen_->httpListen6Sock = screen_->httpListenSock;
  return std::nullopt;
}

void Server::start(Guest guest) {
  guest_ = std::move(guest);
  thread_ = machine::start_quiet_thread([this] { serve(); });
}

void Server::serve() {
  while (!ending_) {
    rfbProcessEvents(screen_, clients_ != 0 ? kBusyMicroseconds : kIdleMicroseconds);
    if (clients_ != 0) take_picture();
  }
  screen_->httpListen6Sock = RFB_INVALID_SOCKET;  // it is closed once
  rfbShutdownServer(screen_, TRUE);
}

void Server::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    told_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace

std::variant<std::unique_ptr<VncServer>, std::string> VncServer::create(const VncOptions& options) {
  auto server = std::make_unique<Server>(options);
  if (auto error = server->listen()) return *error;
  return server;
}

}  // namespace ringshift::cli
