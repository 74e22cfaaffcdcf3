// compare_pictures SHOWN EXPECTED: whether two PNG files are the same picture but for small things, such as a clock or
// the shape of some letters. Prints the share of equal pixels; status 0 if it is at least 99%.
#include <png.h>

#include <cstddef>
#include <cstdio>
#include <vector>

namespace {

constexpr double kAlike = 99;

struct Pixels {
  unsigned width = 0, height = 0;
  std::vector<png_byte> rgb;
};

bool read(const char* path, Pixels& out) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file(&image, path) == 0) {
    std::fprintf(stderr, "%s: %s\n", path, image.message);
    return false;
  }
  image.format = PNG_FORMAT_RGB;
  out = {image.width, image.height, std::vector<png_byte>(PNG_IMAGE_SIZE(image))};
  return png_image_finish_read(&image, nullptr, out.rgb.data(), 0, nullptr) != 0;
}

}  // namespace

int main(int argc, char** argv) {
  Pixels shown, expected;
  if (argc != 3 || !read(argv[1], shown) || !read(argv[2], expected)) return 2;
  if (shown.width != expected.width || shown.height != expected.height) {
    std::printf("%ux%u, not %ux%u\n", shown.width, shown.height, expected.width, expected.height);
    return 1;
  }
  std::size_t equal = 0;
  for (std::size_t i = 0; i < shown.rgb.size(); i += 3) {
    const bool same = shown.rgb[i] == expected.rgb[i] && shown.rgb[i + 1] == expected.rgb[i + 1] &&
                      shown.rgb[i + 2] == expected.rgb[i + 2];
    equal += same ? 1 : 0;
  }
  const double share = 100.0 * 3 * static_cast<double>(equal) / static_cast<double>(shown.rgb.size());
  std::printf("%.2f%% of the pixels\n", share);
  return share >= kAlike ? 0 : 1;
}
