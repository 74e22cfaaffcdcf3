#include "cli/json_stream.h"

#include <utility>

namespace ringshift::cli {

void JsonStream::fail(std::vector<std::optional<std::string>>& out, char byte) {
  out.emplace_back(std::nullopt);
  text_.clear();
  depth_ = 0;
  in_string_ = escaped_ = false;
  skipping_ = byte != '\n';
}

std::vector<std::optional<std::string>> JsonStream::feed(std::string_view bytes) {
  std::vector<std::optional<std::string>> out;
  for (const char c : bytes) {
    if (skipping_) {
      skipping_ = c != '\n';
      continue;
    }
    const bool opens = !in_string_ && (c == '{' || c == '[');
    if (depth_ == 0 && !opens) {
      if (c != ' ' && c != '\t' && c != '\r' && c != '\n') fail(out, c);
      continue;
    }
    text_.push_back(c);
    if (in_string_) {
      const bool was_escaped = std::exchange(escaped_, false);
      if (!was_escaped && c == '\\') escaped_ = true;
      if (!was_escaped && c == '"') in_string_ = false;
    } else if (c == '"') {
      in_string_ = true;
    } else if (opens) {
      ++depth_;
    } else if (c == '}' || c == ']') {
      --depth_;
    }
    if (depth_ == 0) {
      out.emplace_back(std::exchange(text_, {}));
    } else if (depth_ > kDeepest || text_.size() > kMost) {
      fail(out, c);
    }
  }
  return out;
}

}  // namespace ringshift::cli
