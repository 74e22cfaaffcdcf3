// A raw image: the medium's bytes, one after the other.
#pragma once

#include <utility>

#include "runtime/machine/image/host_file.h"
#include "runtime/machine/image/image_file.h"

namespace ringshift::machine {

class RawImage final : public ImageFile {
 public:
  explicit RawImage(HostFile file) : file_(std::move(file)) {}
  [[nodiscard]] std::uint64_t bytes() const override { return file_.bytes(); }
  [[nodiscard]] int read(std::uint64_t offset, std::span<std::uint8_t> to) override { return file_.read(offset, to); }
  // In a last sector that the file has only in part, the file grows to the sector's end.
  [[nodiscard]] int write(std::uint64_t offset, std::span<const std::uint8_t> from) override {
    return file_.write(offset, from);
  }
  [[nodiscard]] int flush() override { return file_.flush(); }

 private:
  HostFile file_;
};

}  // namespace ringshift::machine
