// A folder with disk images, and QEMU's tools as a second opinion on them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "runtime/machine/disk_image.h"

namespace ringshift::machine {

using Bytes = std::vector<std::uint8_t>;

class ImageLab : public testing::Test {
 public:
  ImageLab(const ImageLab&) = delete;
  ImageLab& operator=(const ImageLab&) = delete;
  ~ImageLab() override;

 protected:
  ImageLab();

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
  // A shell command in the folder: what it says, without the last newline, and its status if that is not 0.
  [[nodiscard]] std::string run(const std::string& command) const;
  void write_file(const std::string& name, const Bytes& contents) const;
  [[nodiscard]] Bytes read_file(const std::string& name) const;

  [[nodiscard]] std::shared_ptr<DiskImage> open(const std::string& name, const DiskImage::Options& options = {}) const;
  // Without the folder's name. "" if it can be opened.
  [[nodiscard]] std::string error(const std::string& name, const DiskImage::Options& options = {}) const;
  static Bytes read(DiskImage& image, std::uint64_t offset, std::size_t size);

 private:
  std::string folder_;
};

}  // namespace ringshift::machine
