// Which parts of the frame buffer the guest has written since somebody looked: found by the shadow MMU, which lets the
// first write to a block through and takes no notice of the others.
#pragma once

#include <cstdint>
#include <functional>

#include "devices/vga_state.h"
#include "mmu/code_pages.h"

namespace ringshift::machine {

class FrameWatch final : public mmu::FirstWriteListener {
 public:
  // A block is written at the cost of one host fault between two looks; smaller ones would be more exact.
  static constexpr std::uint32_t kBlockBytes = 256 << 10;
  static constexpr unsigned kBlocks = devices::VgaState::kMemoryBytes / kBlockBytes;
  static_assert(kBlocks == 64, "a bit each");

  // `protect` makes a page read-only wherever it is mapped.
  FrameWatch(mmu::CodePages& pages, std::function<void(mmu::PhysAddr)> protect)
      : pages_(pages), protect_(std::move(protect)) {
    pages_.set_first_write_listener(this);
  }
  ~FrameWatch() override { pages_.set_first_write_listener(nullptr); }
  FrameWatch(const FrameWatch&) = delete;
  FrameWatch& operator=(const FrameWatch&) = delete;

  // Where the guest sees the frame buffer; 0: nowhere. All of it counts as written.
  void place(mmu::PhysAddr base);
  // Of `blocks`, a bit each, those written since the last call that named them. From now on writes to them are awaited.
  [[nodiscard]] std::uint64_t take(std::uint64_t blocks);
  // Nobody looks any more: no more cost for the guest.
  void stop();

  void on_first_write(mmu::PhysAddr address) override;

 private:
  void release(unsigned block);

  mmu::CodePages& pages_;
  std::function<void(mmu::PhysAddr)> protect_;
  mmu::PhysAddr base_ = 0;
  std::uint64_t awaited_ = 0;  // blocks that are clean, and read-only
};

}  // namespace ringshift::machine
