#include "cli/screen.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <string_view>

namespace ringshift::cli {
namespace {

// ANSI numbers of the VGA's colours: red and blue change places.
constexpr std::array<int, 8> kColors = {0, 4, 2, 6, 1, 5, 3, 7};

std::string colors(std::uint8_t attribute) {
  const int foreground = kColors[attribute & 7] + ((attribute & 8) != 0 ? 90 : 30);
  return fmt::format("\x1B[0;{};{}m", foreground, kColors[attribute >> 4 & 7] + 40);
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(fd, text.data(), text.size());
    if (done < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (done < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(done));
  }
  return true;
}

}  // namespace

std::string draw(const devices::TextScreen* before, const devices::TextScreen& after) {
  std::string out = "\x1B[?25l";
  const bool anew = before == nullptr || before->graphics != after.graphics || before->columns != after.columns ||
                    before->rows != after.rows;
  if (anew) out += "\x1B[0m\x1B[2J";
  if (after.graphics) return anew ? out + "\x1B[H(the guest's screen is in a graphics mode)" : out;
  int attribute = -1;
  for (unsigned row = 0; row < after.rows; ++row) {
    bool in_place = false;  // the terminal's cursor is where the next cell goes
    for (unsigned column = 0; column < after.columns; ++column) {
      const auto& cell = after.cells[row * after.columns + column];
      if (!anew && before->cells[row * after.columns + column] == cell) {
        in_place = false;
        continue;
      }
      if (!in_place) out += fmt::format("\x1B[{};{}H", row + 1, column + 1);
      if (cell.attribute != attribute) out += colors(cell.attribute);
      attribute = cell.attribute;
      devices::append_utf8(out, devices::code_page_437(cell.character));
      in_place = true;
    }
  }
  if (after.cursor) out += fmt::format("\x1B[{};{}H\x1B[?25h", after.cursor->row + 1, after.cursor->column + 1);
  return out;
}

std::string undraw(const devices::TextScreen& last) {
  return fmt::format("\x1B[0m\x1B[{};1H\x1B[?25h\r\n", last.graphics ? 2 : last.rows);
}

std::optional<std::string> Screen::show(const devices::TextScreen& screen) {
  if (shown_ && *shown_ == screen) return std::nullopt;
  if (terminal_) write_all(STDOUT_FILENO, draw(shown_ ? &*shown_ : nullptr, screen));
  shown_ = screen;
  if (text_file_.empty() || failed_) return std::nullopt;
  std::string text = devices::to_text(screen);
  if (text == last_text_) return std::nullopt;
  auto error = write_text(text);
  failed_ = error.has_value();
  last_text_ = std::move(text);
  return error;
}

std::optional<std::string> Screen::write_text(const std::string& text) {
  const std::string fresh = text_file_ + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  const bool written = fd >= 0 && write_all(fd, text);
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (written && std::rename(fresh.c_str(), text_file_.c_str()) == 0) return std::nullopt;
  return fmt::format("screen text '{}': {}", text_file_, std::strerror(written ? errno : error));
}

void Screen::close() {
  if (terminal_ && shown_) write_all(STDOUT_FILENO, undraw(*shown_));
  shown_.reset();
}

}  // namespace ringshift::cli
