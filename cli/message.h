// What the command itself says: on standard error, so that standard output is the guest's alone.
#pragma once

#include <string_view>

namespace ringshift::cli {

// "ringshift: " and the text on standard error, with a newline. Errors of the write are ignored.
void say(std::string_view text);

// The same for a text that quotes the user: one line, whatever is in it. Returns the exit status of bad usage and
// of images that cannot be used.
int bad_usage(std::string_view text);

}  // namespace ringshift::cli
