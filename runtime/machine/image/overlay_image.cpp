#include "runtime/machine/image/overlay_image.h"

#include <algorithm>
#include <array>
#include <utility>

namespace ringshift::machine {

OverlayImage::OverlayImage(std::unique_ptr<ImageFile> base, HostFile file)
    : base_(std::move(base)), file_(std::move(file)) {}

bool OverlayImage::has(std::uint64_t cluster) const {
  const auto found = maps_.find(cluster / kClustersInMap);
  return found != maps_.end() && found->second[cluster % kClustersInMap];
}

int OverlayImage::read(std::uint64_t offset, std::span<std::uint8_t> to) {
  while (!to.empty()) {
    // As many clusters as come from the same file.
    const bool over = has(offset / kCluster);
    std::uint64_t end = (offset / kCluster + 1) * kCluster;
    while (end < offset + to.size() && has(end / kCluster) == over) end += kCluster;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(end - offset, to.size()));
    if (const int error = over ? file_.read(offset, to.first(count)) : base_->read(offset, to.first(count)))
      return error;
    to = to.subspan(count);
    offset += count;
  }
  return 0;
}

int OverlayImage::write(std::uint64_t offset, std::span<const std::uint8_t> from) {
  while (!from.empty()) {
    // Whole clusters together, and parts of one by themselves.
    const std::uint64_t inside = offset % kCluster;
    const std::size_t count = inside == 0 && from.size() >= kCluster
                                  ? from.size() / kCluster * kCluster
                                  : std::min<std::size_t>(kCluster - inside, from.size());
    const auto part = from.first(count);
    if (const int error = count % kCluster == 0 ? file_.write(offset, part) : write_part(offset, part)) return error;
    for (std::uint64_t at = offset; at < offset + count; at += kCluster) {
      maps_[at / kCluster / kClustersInMap].set(at / kCluster % kClustersInMap);
    }
    from = from.subspan(count);
    offset += count;
  }
  return 0;
}

int OverlayImage::write_part(std::uint64_t offset, std::span<const std::uint8_t> from) {
  const std::uint64_t inside = offset % kCluster, begin = offset - inside;
  if (has(offset / kCluster)) return file_.write(offset, from);
  std::array<std::uint8_t, kCluster> whole{};
  // The base ends where its medium does.
  const std::uint64_t there = std::min(kCluster, bytes() - std::min(bytes(), begin));
  if (const int error = base_->read(begin, std::span(whole).first(there))) return error;
  std::copy(from.begin(), from.end(), whole.begin() + static_cast<std::ptrdiff_t>(inside));
  return file_.write(begin, whole);
}

}  // namespace ringshift::machine
