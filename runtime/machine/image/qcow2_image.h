// A qcow2 image, through qemu-nbd.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "runtime/machine/image/image_chain.h"
#include "runtime/machine/image/image_file.h"
#include "runtime/machine/image/nbd_server.h"

struct nbd_handle;

namespace ringshift::machine {

class Qcow2Image final : public ImageFile {
 public:
  // `chain`: as find_image_chain() has found it. The error is part of a line.
  [[nodiscard]] static std::variant<std::unique_ptr<Qcow2Image>, std::string> open(std::vector<ImageLink> chain,
                                                                                   bool writes);
  // Everything that has been written is in the file then.
  ~Qcow2Image() override;

  [[nodiscard]] std::uint64_t bytes() const override { return bytes_; }
  [[nodiscard]] int read(std::uint64_t offset, std::span<std::uint8_t> to) override;
  [[nodiscard]] int write(std::uint64_t offset, std::span<const std::uint8_t> from) override;
  [[nodiscard]] int flush() override;
  [[nodiscard]] std::string words() override;
  // The process that serves it.
  [[nodiscard]] int server() const { return server_.pid(); }

 private:
  Qcow2Image(NbdServer server, std::vector<ImageLink> chain);
  [[nodiscard]] int error() const;

  NbdServer server_;
  std::vector<ImageLink> chain_;  // keeps the backing files locked
  nbd_handle* nbd_ = nullptr;
  std::uint64_t bytes_ = 0;
  bool writes_ = false;
  int flush_error_ = 0;
};

}  // namespace ringshift::machine
