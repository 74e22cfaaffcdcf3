#include "cli/message.h"

#include <unistd.h>

#include <string>

#include "cli/exit_code.h"

namespace ringshift::cli {

void say(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  // A terminal may be raw, and needs the carriage return; if it is not, one more does no harm.
  const std::string_view end = ::isatty(STDERR_FILENO) != 0 ? "\r\n" : "\n";
  std::string line = "ringshift: ";
  for (const char c : text) c == '\n' ? line += end : line += c;
  line += end;
  // One write, so that lines of several processes or threads do not mix.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

int bad_usage(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7F) c = code == '\n' ? ' ' : '?';
  }
  say(line);
  return kExitUsage;
}

}  // namespace ringshift::cli
