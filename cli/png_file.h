// Pictures as PNG files.
#pragma once

#include <optional>
#include <string>

#include "devices/picture.h"

namespace ringshift::cli {

// Replaces the file as a whole. The error is one readable line.
[[nodiscard]] std::optional<std::string> write_png(const devices::Picture& picture, const std::string& path);

}  // namespace ringshift::cli
