#include "cli/line_editor.h"

#include <utility>

namespace ringshift::cli {

LineEditor::Result LineEditor::feed(std::span<const std::uint8_t> typed) {
  constexpr std::uint8_t kCtrlH = 'h' & 0x1F, kCtrlU = 'u' & 0x1F, kDelete = 0x7F;
  Result result;
  const auto erase = [&] {
    if (line_.empty()) return;
    line_.pop_back();
    result.echo += "\b \b";
  };
  for (const std::uint8_t key : typed) {
    if (key == '\r' || key == '\n') {
      result.echo += "\r\n";
      result.lines.push_back(std::exchange(line_, {}));
    } else if (key == kCtrlH || key == kDelete) {
      erase();
    } else if (key == kCtrlU) {
      while (!line_.empty()) erase();
    } else if (key >= 0x20 && line_.size() < kMost) {
      line_.push_back(static_cast<char>(key));
      result.echo.push_back(static_cast<char>(key));
    }
  }
  return result;
}

}  // namespace ringshift::cli
