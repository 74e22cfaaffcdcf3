#include "runtime/machine/disk_image.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "runtime/machine/image/overlay_image.h"
#include "runtime/machine/image/qcow2_image.h"
#include "runtime/machine/image/raw_image.h"

namespace ringshift::machine {
namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{512} << 48;  // that a drive can address

std::vector<DiskImage::File> describe(const std::vector<ImageLink>& chain) {
  std::vector<DiskImage::File> files;
  for (const ImageLink& link : chain) {
    const Qcow2Header& header = link.header;
    const std::uint64_t bytes = link.format == ImageFormat::raw ? link.file.bytes() : header.bytes;
    files.push_back({link.path, link.format, header.backing_file, header.backing_format, bytes, link.file.allocated(),
                     header.cluster_bytes});
  }
  return files;
}

}  // namespace

std::variant<std::shared_ptr<DiskImage>, std::string> DiskImage::open(const std::string& path, const Options& options) {
  const auto fail = [&](std::string_view reason) { return fmt::format("disk '{}': {}", path, reason); };
  const bool writes_file = !options.read_only && !options.snapshot;
  auto found = find_image_chain(path, options.format, writes_file);
  if (auto* error = std::get_if<std::string>(&found)) return std::move(*error);
  auto& chain = std::get<std::vector<ImageLink>>(found);
  std::shared_ptr<DiskImage> image(new DiskImage);
  image->files_ = describe(chain);
  image->files_.front().path = path;
  image->writable_ = !options.read_only;
  const std::uint64_t bytes = image->files_.front().bytes;
  if (bytes == 0) return fail("is empty");
  if (bytes > kMostBytes) return fail("is larger than any disk");
  if (chain.front().format == ImageFormat::raw) {
    image->file_ = std::make_unique<RawImage>(std::move(chain.front().file));
  } else {
    auto opened = Qcow2Image::open(std::move(chain), writes_file);
    if (const auto* error = std::get_if<std::string>(&opened)) return fail(*error);
    image->file_ = std::get<std::unique_ptr<Qcow2Image>>(std::move(opened));
  }
  if (options.snapshot && !options.read_only) {
    HostFile temporary = HostFile::temporary();
    if (!temporary.valid()) return fail(fmt::format("no temporary file for its snapshot: {}", std::strerror(errno)));
    image->file_ = std::make_unique<OverlayImage>(std::move(image->file_), std::move(temporary));
  }
  return image;
}

bool DiskImage::done(int error) {
  if (error != 0) error_.store(error, std::memory_order_relaxed);
  return error == 0;
}

bool DiskImage::read(std::uint64_t offset, std::span<std::uint8_t> to) { return done(file_->read(offset, to)); }

bool DiskImage::write(std::uint64_t offset, std::span<const std::uint8_t> from) {
  return done(writable_ ? file_->write(offset, from) : EROFS);
}

bool DiskImage::flush() { return done(writable_ ? file_->flush() : 0); }

}  // namespace ringshift::machine
