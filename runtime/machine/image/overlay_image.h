// A temporary file over an image: what is written goes to the file, which ends with the object.
#pragma once

#include <bitset>
#include <memory>
#include <string>
#include <unordered_map>

#include "runtime/machine/image/host_file.h"
#include "runtime/machine/image/image_file.h"

namespace ringshift::machine {

class OverlayImage final : public ImageFile {
 public:
  OverlayImage(std::unique_ptr<ImageFile> base, HostFile file);

  [[nodiscard]] std::uint64_t bytes() const override { return base_->bytes(); }
  [[nodiscard]] int read(std::uint64_t offset, std::span<std::uint8_t> to) override;
  [[nodiscard]] int write(std::uint64_t offset, std::span<const std::uint8_t> from) override;
  // Nothing of it is meant to survive.
  [[nodiscard]] int flush() override { return 0; }
  [[nodiscard]] std::string words() override { return base_->words(); }

 private:
  static constexpr std::uint64_t kCluster = 4096;
  static constexpr std::uint64_t kClustersInMap = 32768;

  [[nodiscard]] bool has(std::uint64_t cluster) const;
  // Within one cluster, not all of it.
  [[nodiscard]] int write_part(std::uint64_t offset, std::span<const std::uint8_t> from);

  std::unique_ptr<ImageFile> base_;
  HostFile file_;
  // Which clusters have been written. A sparse image may be larger than a bitmap in memory could be.
  std::unordered_map<std::uint64_t, std::bitset<kClustersInMap>> maps_;
};

}  // namespace ringshift::machine
