// Where the guest's screen is shown: the terminal, a file, both or neither.
#pragma once

#include <optional>
#include <string>

#include "devices/text_screen.h"

namespace ringshift::cli {

// What turns the terminal from `before` into `after`, as UTF-8 with ANSI (ECMA-48) control sequences. Without
// `before` the terminal is cleared first.
[[nodiscard]] std::string draw(const devices::TextScreen* before, const devices::TextScreen& after);
// Leaves the terminal as programs expect it: plain colours, the cursor below the screen.
[[nodiscard]] std::string undraw(const devices::TextScreen& last);

class Screen {
 public:
  // `text_file`: gets the characters of the screen whenever they change; replaced as a whole, so that a reader never
  // sees half of them. Empty: none. The error is one readable line.
  Screen(bool terminal, std::string text_file) : terminal_(terminal), text_file_(std::move(text_file)) {}
  ~Screen() { close(); }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // An error is returned once.
  std::optional<std::string> show(const devices::TextScreen& screen);
  // Gives the terminal back.
  void close();

 private:
  std::optional<std::string> write_text(const std::string& text);

  bool terminal_;
  std::string text_file_, last_text_;
  std::optional<devices::TextScreen> shown_;
  bool failed_ = false;
};

}  // namespace ringshift::cli
