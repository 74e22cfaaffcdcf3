// The guest's screen, keyboard and mouse for viewers on the network: RFB (RFC 6143), also over websockets.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>

#include "devices/picture.h"
#include "devices/pointer.h"
#include "devices/vga_picture.h"
#include "runtime/machine/machine.h"

namespace ringshift::cli {

struct VncOptions {
  std::string host = "127.0.0.1";  // address to listen on, IPv4
  unsigned display = 0;            // port 5900 and so many; the page's port is 5800 and so many
  std::string password{};          // of up to 8 characters count; empty: none
  std::string web{};               // directory of a browser's viewer (noVNC), served as a page; empty: none
};

class VncServer {
 public:
  // What viewers do; called on the server's thread.
  struct Guest {
    std::function<void(std::span<const machine::Key>)> keys;
    std::function<void(const devices::PointerMove&)> pointer;
    std::function<void(bool)> watch;  // whether anybody looks
  };

  // Listens. The error is one readable line.
  static std::variant<std::unique_ptr<VncServer>, std::string> create(const VncOptions& options);
  virtual ~VncServer() = default;

  // Serves on a thread of its own until stop(), which comes before the guest ends.
  virtual void start(Guest guest) = 0;
  virtual void stop() = 0;
  // These rows of the picture have changed; any thread. Copies them.
  virtual void show(const devices::Picture& picture, devices::Rows rows) = 0;
};

}  // namespace ringshift::cli
