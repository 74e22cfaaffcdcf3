// An image file and the files behind it, found out before anything is read from them by their formats.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/machine/image/host_file.h"
#include "runtime/machine/image/qcow2_header.h"

namespace ringshift::machine {

enum class ImageFormat : std::uint8_t {
  raw,
  qcow2
};

[[nodiscard]] std::string_view format_name(ImageFormat format);
[[nodiscard]] std::optional<ImageFormat> format_named(std::string_view name);

struct ImageLink {
  std::string path;  // absolute
  ImageFormat format = ImageFormat::raw;
  Qcow2Header header{};  // of qcow2
  HostFile file;         // open, and locked against writers
};

// The image and its backing files, each behind the one before it. Without a format the file's name decides: .qcow2 or
// .qcow is qcow2 and all others are raw; if the contents say otherwise, that is an error. So the bytes that a guest
// writes to its raw disk never make it an image of which the guest has chosen the backing file. `writes`: to the first
// of them. The error is one line, without its newline.
[[nodiscard]] std::variant<std::vector<ImageLink>, std::string> find_image_chain(const std::string& path,
                                                                                 std::optional<ImageFormat> format,
                                                                                 bool writes);

}  // namespace ringshift::machine
