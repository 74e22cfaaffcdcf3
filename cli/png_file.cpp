#include "cli/png_file.h"

#include <fmt/format.h>
#include <png.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace ringshift::cli {
namespace {

std::string failure(const std::string& path, std::string_view why) {
  return fmt::format("picture '{}': {}", path, why);
}

}  // namespace

std::optional<std::string> write_png(const devices::Picture& picture, const std::string& path) {
  if (picture.width == 0 || picture.height == 0) return failure(path, "the screen shows nothing");
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = picture.width;
  image.height = picture.height;
  image.format = PNG_FORMAT_RGB;
  std::vector<std::uint8_t> packed;
  packed.reserve(picture.pixels.size() * 3);
  for (const std::uint32_t pixel : picture.pixels) {
    for (const unsigned shift : {16U, 8U, 0U}) packed.push_back(static_cast<std::uint8_t>(pixel >> shift));
  }
  const std::string fresh = path + ".new";
  errno = 0;
  if (png_image_write_to_file(&image, fresh.c_str(), 0, packed.data(), 0, nullptr) == 0) {
    const std::string why = errno != 0 ? std::strerror(errno) : image.message;
    std::remove(fresh.c_str());
    return failure(path, why);
  }
  if (std::rename(fresh.c_str(), path.c_str()) != 0) return failure(path, std::strerror(errno));
  return std::nullopt;
}

}  // namespace ringshift::cli
