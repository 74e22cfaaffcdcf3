#include "tests/images/image_lab.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>

namespace ringshift::machine {

ImageLab::ImageLab() : folder_(testing::TempDir() + "ringshift-images-XXXXXX") {
  EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
}

ImageLab::~ImageLab() { std::filesystem::remove_all(folder_); }

std::string ImageLab::run(const std::string& command) const {
  const std::string all = "cd " + folder_ + " && { " + command + "; } 2>&1";
  FILE* pipe = ::popen(all.c_str(), "re");
  if (pipe == nullptr) return "popen failed";
  std::string said;
  std::array<char, 4096> part{};
  while (const std::size_t count = std::fread(part.data(), 1, part.size(), pipe)) said.append(part.data(), count);
  const int status = ::pclose(pipe);
  if (!said.empty() && said.back() == '\n') said.pop_back();
  if (status != 0) said += "\nstatus " + std::to_string(WEXITSTATUS(status));
  return said;
}

void ImageLab::write_file(const std::string& name, const Bytes& contents) const {
  std::ofstream(path(name), std::ios::binary)
      .write(reinterpret_cast<const char*>(contents.data()), static_cast<std::streamsize>(contents.size()));
}

Bytes ImageLab::read_file(const std::string& name) const {
  std::ifstream file(path(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<DiskImage> ImageLab::open(const std::string& name, const DiskImage::Options& options) const {
  auto opened = DiskImage::open(path(name), options);
  if (const auto* error = std::get_if<std::string>(&opened)) {
    ADD_FAILURE() << *error;
    return nullptr;
  }
  return std::get<std::shared_ptr<DiskImage>>(opened);
}

std::string ImageLab::error(const std::string& name, const DiskImage::Options& options) const {
  const auto opened = DiskImage::open(path(name), options);
  const auto* error = std::get_if<std::string>(&opened);
  if (error == nullptr) return "";
  std::string text = *error;
  for (std::size_t at = 0; (at = text.find(folder_ + "/")) != std::string::npos;) text.erase(at, folder_.size() + 1);
  return text;
}

Bytes ImageLab::read(DiskImage& image, std::uint64_t offset, std::size_t size) {
  Bytes out(size, 0xEE);
  EXPECT_TRUE(image.read(offset, out));
  return out;
}

}  // namespace ringshift::machine
