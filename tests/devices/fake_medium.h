// A medium in memory, for drives under test.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "devices/block.h"

namespace ringshift::devices {

class FakeMedium final : public BlockMedium {
 public:
  explicit FakeMedium(std::size_t bytes) : contents(bytes) {}
  [[nodiscard]] std::uint64_t bytes() const override { return contents.size(); }
  [[nodiscard]] bool writable() const override { return is_writable; }
  void submit(BlockRequest request) override {
    if (slow) {
      waiting.push_back(std::move(request));
    } else {
      perform(std::move(request));
    }
  }
  // Performs what a slow medium was asked for.
  void answer() {
    for (auto requests = std::exchange(waiting, {}); !requests.empty(); requests.pop_front()) {
      perform(std::move(requests.front()));
    }
  }

  std::vector<std::uint8_t> contents;
  bool is_writable = true, broken = false, slow = false;
  unsigned flushes = 0;
  std::uint64_t outside = 0;  // requests beyond the end, rounded up to 2 KiB
  std::deque<BlockRequest> waiting;

 private:
  void perform(BlockRequest request) {
    const std::uint64_t size = request.op == BlockRequest::Op::write ? request.data.size() : request.size;
    const std::uint64_t end = (contents.size() + 2047) / 2048 * 2048;
    if (request.op != BlockRequest::Op::flush && (request.offset > end || size > end - request.offset)) ++outside;
    BlockRequest::Result result{!broken};
    if (request.op == BlockRequest::Op::flush) ++flushes;
    if (request.op == BlockRequest::Op::read) result.data.assign(size, 0);
    for (std::uint64_t i = 0; i < size && request.offset + i < contents.size() && !broken; ++i) {
      if (request.op == BlockRequest::Op::read) {
        result.data[i] = contents[request.offset + i];
      } else if (request.op == BlockRequest::Op::write) {
        contents[request.offset + i] = request.data[i];
      }
    }
    if (request.op == BlockRequest::Op::write) result.data = std::move(request.data);
    request.done(std::move(result));
  }
};

}  // namespace ringshift::devices
