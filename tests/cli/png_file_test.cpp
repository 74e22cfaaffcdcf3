// Pictures in files.
#include "cli/png_file.h"

#include <gtest/gtest.h>
#include <png.h>
#include <unistd.h>

#include <filesystem>

#include "cli/picture_file.h"

namespace ringshift::cli {
namespace {

using devices::Picture;

struct PngFile : testing::Test {
  ~PngFile() override { std::filesystem::remove(path); }
  // As a reader sees it: width, height and pixels.
  Picture in_file() const {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    if (png_image_begin_read_from_file(&image, path.c_str()) == 0) return {};
    image.format = PNG_FORMAT_RGB;
    std::vector<std::uint8_t> bytes(PNG_IMAGE_SIZE(image));
    png_image_finish_read(&image, nullptr, bytes.data(), 0, nullptr);
    Picture out{image.width, image.height, {}};
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
      out.pixels.push_back(static_cast<std::uint32_t>(bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2]));
    }
    return out;
  }
  std::string path = testing::TempDir() + "picture-" + std::to_string(getpid()) + ".png";
};

const Picture kPicture{3, 2, {0xFF0000, 0x00FF00, 0x0000FF, 0x123456, 0, 0xFFFFFF}};

TEST_F(PngFile, KeepsEveryPixel) {
  EXPECT_EQ(write_png(kPicture, path), std::nullopt);
  EXPECT_EQ(in_file(), kPicture);
}

TEST_F(PngFile, ErrorsAreOneLine) {
  EXPECT_EQ(write_png(kPicture, "/nonexistent/a.png"), "picture '/nonexistent/a.png': No such file or directory");
  EXPECT_EQ(write_png({}, path), "picture '" + path + "': the screen shows nothing");
}

TEST_F(PngFile, FollowsTheScreenAndEndsWithItsLastPicture) {
  PictureFile file(path);
  Picture picture = kPicture;
  file.show(picture, {0, 2});
  picture.row(1)[2] = 0xABCDEF;
  file.show(picture, {1, 2});
  file.close();
  EXPECT_EQ(in_file(), picture);
}

TEST_F(PngFile, IsNotWrittenWithoutAPicture) {
  PictureFile(path).close();
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace ringshift::cli
