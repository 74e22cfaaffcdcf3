// A viewer: the client's side of RFB 3.8 (RFC 6143) with raw pixels of 00RRGGBBh.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringshift::test {

class RfbClient {
 public:
  // Connects to the port of this host. Empty password: none is asked for.
  explicit RfbClient(int port, const std::string& password = {});
  ~RfbClient();
  RfbClient(const RfbClient&) = delete;
  RfbClient& operator=(const RfbClient&) = delete;

  [[nodiscard]] bool accepted() const { return accepted_; }
  [[nodiscard]] unsigned width() const { return width_; }
  [[nodiscard]] unsigned height() const { return height_; }
  [[nodiscard]] std::uint32_t pixel(unsigned x, unsigned y) const;
  // Pixels received so far.
  [[nodiscard]] std::uint64_t received() const { return received_; }

  // Asks for what has changed, or for all, and takes one answer. False: none came in some seconds.
  bool update(bool all = false);
  // Until the pixel has that colour, or some seconds have passed.
  bool wait_for(unsigned x, unsigned y, std::uint32_t color);
  void key(std::uint32_t symbol, bool down);
  void pointer(unsigned x, unsigned y, unsigned buttons);

 private:
  bool read(void* to, std::size_t size);
  void write(const std::vector<std::uint8_t>& bytes);
  std::uint32_t number(unsigned bytes);
  void resize(unsigned width, unsigned height);

  int fd_ = -1;
  bool accepted_ = false, failed_ = false;
  unsigned width_ = 0, height_ = 0;
  std::vector<std::uint32_t> pixels_;
  std::uint64_t received_ = 0;
};

// Sends the text to the port and returns all that comes back until the other side ends or is silent for a while.
std::string ask(int port, std::string_view text);

}  // namespace ringshift::test
