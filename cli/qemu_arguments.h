// QEMU's spellings of our options, because people's fingers and scripts know them.
#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

namespace ringshift::cli {

// The arguments behind `ringshift run` with QEMU's options replaced by ours, and the values of options always as
// arguments of their own ("--memory=1G" becomes "--memory" "1G"). What is unknown is kept for the parser to
// refuse. The error, for options of QEMU that we do not have, is one readable line.
[[nodiscard]] std::variant<std::vector<std::string>, std::string> rewrite_arguments(
    std::span<const std::string> arguments);

}  // namespace ringshift::cli
