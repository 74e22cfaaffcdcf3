#include "cli/message.h"

#include <unistd.h>

#include <string>

namespace ringshift::cli {

void say(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  std::string line = "ringshift: ";
  line += text;
  line += '\n';
  // One write, so that lines of several processes or threads do not mix.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace ringshift::cli
