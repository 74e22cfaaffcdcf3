// Files that the user names.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "runtime/machine/boot/boot_plan.h"

namespace ringshift::cli {

// All of a regular file, or of a pipe up to 1 GiB. The error is one line; `kind` says what the file was to be.
[[nodiscard]] std::variant<machine::boot::Image, std::string> read_image(std::string_view kind,
                                                                         const std::string& path);

}  // namespace ringshift::cli
