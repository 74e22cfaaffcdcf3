#include "tests/cli/rfb_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <rfb/rfb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <chrono>

namespace ringshift::test {
namespace {

int connect_to(int port, int timeout_seconds) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval timeout{timeout_seconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

void append(std::vector<std::uint8_t>& out, std::uint32_t value, unsigned bytes) {
  while (bytes-- > 0) out.push_back(static_cast<std::uint8_t>(value >> (8 * bytes)));
}

constexpr std::int32_t kDesktopSize = -223;

}  // namespace

RfbClient::RfbClient(int port, const std::string& password) : fd_(connect_to(port, 10)) {
  std::array<char, 12> version{};
  if (!read(version.data(), version.size())) return;
  write({'R', 'F', 'B', ' ', '0', '0', '3', '.', '0', '0', '8', '\n'});
  std::vector<std::uint8_t> types(number(1));
  if (!read(types.data(), types.size())) return;
  const bool secret = !password.empty();
  write({static_cast<std::uint8_t>(secret ? 2 : 1)});
  if (secret) {
    std::array<std::uint8_t, 16> challenge{};
    if (!read(challenge.data(), challenge.size())) return;
    std::string key = password;
    rfbEncryptBytes(challenge.data(), key.data());
    write({challenge.begin(), challenge.end()});
  }
  if (number(4) != 0 || failed_) return;
  write({1});  // shared
  const unsigned width = number(2), height = number(2);
  std::array<std::uint8_t, 16> format{};
  read(format.data(), format.size());
  std::string name(number(4), '\0');
  if (!read(name.data(), name.size())) return;
  resize(width, height);
  write({0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0});
  std::vector<std::uint8_t> encodings = {2, 0, 0, 2};
  append(encodings, 0, 4);
  append(encodings, static_cast<std::uint32_t>(kDesktopSize), 4);
  write(encodings);
  accepted_ = !failed_;
}

RfbClient::~RfbClient() { ::close(fd_); }

bool RfbClient::read(void* to, std::size_t size) {
  auto* at = static_cast<std::uint8_t*>(to);
  while (size != 0 && !failed_) {
    const ssize_t got = ::recv(fd_, at, size, 0);
    if (got <= 0) {
      failed_ = true;
      break;
    }
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return !failed_;
}

void RfbClient::write(const std::vector<std::uint8_t>& bytes) {
  if (::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) failed_ = true;
}

std::uint32_t RfbClient::number(unsigned bytes) {
  std::uint32_t out = 0;
  while (bytes-- > 0) {
    std::uint8_t byte = 0;
    read(&byte, 1);
    out = out << 8 | byte;
  }
  return out;
}

void RfbClient::resize(unsigned width, unsigned height) {
  width_ = width;
  height_ = height;
  pixels_.assign(std::size_t{width} * height, 0);
}

std::uint32_t RfbClient::pixel(unsigned x, unsigned y) const {
  return x < width_ && y < height_ ? pixels_[std::size_t{y} * width_ + x] : 0xFFFFFFFF;
}

bool RfbClient::update(bool all) {
  std::vector<std::uint8_t> request = {3, static_cast<std::uint8_t>(all ? 0 : 1), 0, 0, 0, 0};
  append(request, width_, 2);
  append(request, height_, 2);
  write(request);
  while (!failed_) {
    const unsigned type = number(1);
    if (failed_) break;
    if (type == 3) {  // text for the clipboard
      number(3);
      std::string text(number(4), '\0');
      read(text.data(), text.size());
      continue;
    }
    if (type != 0) return false;
    number(1);
    for (unsigned rest = number(2); rest != 0 && !failed_; --rest) {
      const unsigned x = number(2), y = number(2), width = number(2), height = number(2);
      const auto encoding = static_cast<std::int32_t>(number(4));
      if (encoding == kDesktopSize) {
        resize(width, height);
        continue;
      }
      if (encoding != 0 || x + width > width_ || y + height > height_) return false;
      for (unsigned row = 0; row < height; ++row) {
        read(pixels_.data() + std::size_t{y + row} * width_ + x, std::size_t{width} * 4);
      }
      received_ += std::uint64_t{width} * height;
    }
    return !failed_;
  }
  return false;
}

bool RfbClient::wait_for(unsigned x, unsigned y, std::uint32_t color) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (bool all = true; pixel(x, y) != color; all = false) {
    if (std::chrono::steady_clock::now() > end || !update(all)) return false;
  }
  return true;
}

void RfbClient::key(std::uint32_t symbol, bool down) {
  std::vector<std::uint8_t> message = {4, static_cast<std::uint8_t>(down), 0, 0};
  append(message, symbol, 4);
  write(message);
}

void RfbClient::pointer(unsigned x, unsigned y, unsigned buttons) {
  std::vector<std::uint8_t> message = {5, static_cast<std::uint8_t>(buttons)};
  append(message, x, 2);
  append(message, y, 2);
  write(message);
}

std::string ask(int port, std::string_view text) {
  const int fd = connect_to(port, 2);
  std::string out;
  if (::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size())) {
    std::array<char, 4096> buffer{};
    for (ssize_t got = 0; (got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
      out.append(buffer.data(), static_cast<std::size_t>(got));
      if (out.starts_with("HTTP/1.1 101") && out.ends_with("RFB 003.008\n")) break;
    }
  }
  ::close(fd);
  return out;
}

}  // namespace ringshift::test
