#include "runtime/machine/frame_watch.h"

#include <bit>

namespace ringshift::machine {
namespace {

constexpr std::uint64_t bit(unsigned block) { return std::uint64_t{1} << block; }

}  // namespace

void FrameWatch::place(mmu::PhysAddr base) {
  stop();
  base_ = base;
}

std::uint64_t FrameWatch::take(std::uint64_t blocks) {
  const std::uint64_t written = blocks & ~awaited_;
  if (base_ == 0) return written;
  for (std::uint64_t rest = written; rest != 0; rest &= rest - 1) {
    const auto block = static_cast<unsigned>(std::countr_zero(rest));
    const mmu::PhysAddr first = base_ + std::uint64_t{block} * kBlockBytes;
    for (mmu::PhysAddr page = first; page < first + kBlockBytes; page += mmu::kPageSize) {
      if (pages_.set(page, mmu::CodePages::kAwaited)) protect_(page);
    }
  }
  awaited_ |= written;
  return written;
}

void FrameWatch::stop() {
  for (; awaited_ != 0; awaited_ &= awaited_ - 1) release(static_cast<unsigned>(std::countr_zero(awaited_)));
}

void FrameWatch::on_first_write(mmu::PhysAddr address) {
  const auto block = static_cast<unsigned>((address - base_) / kBlockBytes);
  release(block);
  awaited_ &= ~bit(block);
}

// The next write fault of a page maps it writable, and its neighbours with it.
void FrameWatch::release(unsigned block) {
  const mmu::PhysAddr first = base_ + std::uint64_t{block} * kBlockBytes;
  for (mmu::PhysAddr page = first; page < first + kBlockBytes; page += mmu::kPageSize) {
    pages_.clear(page, mmu::CodePages::kAwaited);
  }
}

}  // namespace ringshift::machine
