// A medium as a drive sees it: bytes that are read and written somewhere else, while the guest runs on.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace ringshift::devices {

struct BlockRequest {
  enum class Op : std::uint8_t {
    read,
    write,
    flush  // everything written before survives the host
  };
  struct Result {
    bool ok = false;
    std::vector<std::uint8_t> data{};  // of a read, as long as asked; of a write, what was given
  };
  Op op = Op::read;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;            // read
  std::vector<std::uint8_t> data{};  // write
  // Called on the virtual CPU's thread, possibly before submit() returns.
  std::function<void(Result)> done{};
};

class BlockMedium {
 public:
  virtual ~BlockMedium() = default;
  [[nodiscard]] virtual std::uint64_t bytes() const = 0;
  [[nodiscard]] virtual bool writable() const = 0;
  // In order. The range lies within bytes(), rounded up to a sector of the drive.
  virtual void submit(BlockRequest request) = 0;
};

}  // namespace ringshift::devices
