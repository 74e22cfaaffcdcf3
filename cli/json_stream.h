// Takes JSON values out of a stream of bytes, as QMP's peers send them: one behind the other, with or without newlines.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringshift::cli {

class JsonStream {
 public:
  // Longer or deeper values are broken.
  static constexpr std::size_t kMost = 1 << 20, kDeepest = 64;

  // Texts of objects and arrays, complete but unchecked. No text: something that is none of them, or too much; what
  // follows, up to the end of the line, is left out.
  [[nodiscard]] std::vector<std::optional<std::string>> feed(std::string_view bytes);

 private:
  void fail(std::vector<std::optional<std::string>>& out, char byte);

  std::string text_;
  std::size_t depth_ = 0;
  bool in_string_ = false, escaped_ = false, skipping_ = false;
};

}  // namespace ringshift::cli
