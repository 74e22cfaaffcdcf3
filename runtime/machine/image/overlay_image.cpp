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
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(kCluster - offset % kCluster, from.size()));
    if (const int error = write_cluster(offset, from.first(count))) return error;
    from = from.subspan(count);
    offset += count;
  }
  return 0;
}

// Within one cluster.
int OverlayImage::write_cluster(std::uint64_t offset, std::span<const std::uint8_t> from) {
  const std::uint64_t cluster = offset / kCluster, inside = offset % kCluster;
  int error = 0;
  if (from.size() != kCluster && !has(cluster)) {
    std::array<std::uint8_t, kCluster> whole{};
    // The base ends where its medium does.
    const std::uint64_t there = std::min(kCluster, bytes() - std::min(bytes(), cluster * kCluster));
    error = base_->read(cluster * kCluster, std::span(whole).first(there));
    if (error != 0) return error;
    std::copy(from.begin(), from.end(), whole.begin() + static_cast<std::ptrdiff_t>(inside));
    error = file_.write(cluster * kCluster, whole);
  } else {
    error = file_.write(offset, from);
  }
  if (error == 0) maps_[cluster / kClustersInMap].set(cluster % kClustersInMap);
  return error;
}

}  // namespace ringshift::machine
