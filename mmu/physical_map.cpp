#include "mmu/physical_map.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace ringshift::mmu {
namespace {

// The largest aligned access of at most 4 bytes that starts at `offset` and takes at most `left` bytes.
unsigned piece_size(std::uint64_t offset, unsigned left) {
  unsigned size = 4;
  while (size > left || (offset & (size - 1)) != 0) size >>= 1;
  return size;
}

std::uint64_t ones(unsigned size) { return size >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (size * 8)) - 1; }

}  // namespace

PhysicalMap::PhysicalMap(GuestMemory& memory) : memory_(memory) {}

void PhysicalMap::add_ram(PhysAddr base, std::uint64_t size, std::uint64_t file_offset) {
  assert(file_offset + size <= memory_.size());
  add({base, base + size, PageKind::ram, file_offset, nullptr, 0});
}

void PhysicalMap::add_rom(PhysAddr base, std::uint64_t size, std::uint64_t file_offset, MmioHandler* writes) {
  assert(file_offset + size <= memory_.size());
  add({base, base + size, PageKind::rom, file_offset, writes, base});
}

void PhysicalMap::add_mmio(PhysAddr base, std::uint64_t size, MmioHandler& handler) {
  add({base, base + size, PageKind::mmio, 0, &handler, base});
}

void PhysicalMap::remove_mmio(const MmioHandler& handler) {
  std::erase_if(ranges_, [&](const Range& range) { return range.handler == &handler; });
  flatten();
}

void PhysicalMap::remove_memory(PhysAddr base, std::uint64_t size) {
  std::erase_if(ranges_, [&](const Range& range) {
    return range.kind != PageKind::mmio && range.base == base && range.end == base + size;
  });
  flatten();
}

void PhysicalMap::add(const Range& range) {
  assert(((range.base | range.end | range.file_offset) & kPageMask) == 0);
  if (range.base == range.end) return;
  ranges_.push_back(range);
  flatten();
}

// Lays the ranges over each other in the order in which they were added.
void PhysicalMap::flatten() {
  ++version_;
  flat_.clear();
  for (const Range& top : ranges_) {
    std::vector<Range> next;
    next.reserve(flat_.size() + 2);
    for (const Range& below : flat_) {
      if (below.base < top.base) {
        Range left = below;
        left.end = std::min(below.end, top.base);
        next.push_back(left);
      }
      if (below.end > top.end) {
        Range right = below;
        right.base = std::max(below.base, top.end);
        if (below.kind != PageKind::mmio) right.file_offset += right.base - below.base;
        next.push_back(right);
      }
    }
    next.push_back(top);
    flat_ = std::move(next);
  }
  std::sort(flat_.begin(), flat_.end(), [](const Range& a, const Range& b) { return a.base < b.base; });
}

const PhysicalMap::Range* PhysicalMap::find(PhysAddr address) const {
  const auto above = std::upper_bound(flat_.begin(), flat_.end(), address,
                                      [](PhysAddr value, const Range& range) { return value < range.base; });
  if (above == flat_.begin()) return nullptr;
  const Range& range = *std::prev(above);
  return address < range.end ? &range : nullptr;
}

PhysPage PhysicalMap::page(PhysAddr address) const {
  const Range* range = find(address);
  if (range == nullptr) return {};
  if (range->kind == PageKind::mmio) return {PageKind::mmio, nullptr, 0};
  const std::uint64_t offset = range->file_offset + ((address & ~PhysAddr{kPageMask}) - range->base);
  return {range->kind, memory_.data() + offset, offset};
}

PhysExtent PhysicalMap::extent(PhysAddr address) const {
  const PhysAddr page = address & ~PhysAddr{kPageMask};
  const Range* range = find(address);
  if (range == nullptr) return {PageKind::unmapped, page, page + kPageSize, 0};
  return {range->kind, range->base, range->end, range->file_offset};
}

std::uint32_t PhysicalMap::ram_run(PhysAddr address, std::uint32_t limit) const {
  std::uint32_t pages = 0;
  PhysAddr at = address & ~PhysAddr{kPageMask};
  std::uint64_t offset = 0;
  while (pages < limit) {
    const PhysExtent stretch = extent(at);
    if (stretch.kind != PageKind::ram) break;
    const std::uint64_t here = stretch.file_offset + (at - stretch.first);
    if (pages != 0 && here != offset) break;
    const std::uint64_t count = std::min<std::uint64_t>((stretch.end - at) >> kPageShift, limit - pages);
    pages += static_cast<std::uint32_t>(count);
    at += count << kPageShift;
    offset = here + (count << kPageShift);
  }
  return pages;
}

std::uint64_t PhysicalMap::read(PhysAddr address, unsigned size) {
  const Range* range = find(address);
  if (range == nullptr) {
    ++unmapped_reads_;
    return ones(size);
  }
  if (range->kind != PageKind::mmio) {
    std::uint64_t value = 0;
    std::memcpy(&value, memory_.data() + range->file_offset + (address - range->base), size);
    return value;
  }
  MmioHandler& handler = *range->handler;  // the handler may change the map: `range` is not used after it
  const std::uint64_t offset = address - range->handler_base;
  std::uint64_t value = 0;
  for (unsigned done = 0; done < size;) {
    const unsigned piece = piece_size(offset + done, size - done);
    value |= (handler.mmio_read(offset + done, piece) & ones(piece)) << (done * 8);
    done += piece;
  }
  return value;
}

void PhysicalMap::write(PhysAddr address, unsigned size, std::uint64_t value) {
  const Range* range = find(address);
  if (range == nullptr) {
    ++unmapped_writes_;
    return;
  }
  if (range->kind == PageKind::rom && range->handler == nullptr) return;
  if (range->kind == PageKind::ram) {
    std::uint8_t* host = memory_.data() + range->file_offset + (address - range->base);
    about_to_write(address, size);
    std::memcpy(host, &value, size);
    return;
  }
  MmioHandler& handler = *range->handler;
  const std::uint64_t offset = address - range->handler_base;
  for (unsigned done = 0; done < size;) {
    const unsigned piece = piece_size(offset + done, size - done);
    handler.mmio_write(offset + done, piece, static_cast<std::uint32_t>((value >> (done * 8)) & ones(piece)));
    done += piece;
  }
}

bool PhysicalMap::all_memory(PhysAddr address, std::uint64_t size) const {
  const PhysAddr end = address + size;
  if (end < address) return false;
  while (address < end) {
    const Range* range = find(address);
    if (range == nullptr || range->kind == PageKind::mmio) return false;
    address = range->end;
  }
  return true;
}

bool PhysicalMap::copy_out(PhysAddr address, void* to, std::uint64_t size) const {
  if (!all_memory(address, size)) return false;
  auto* out = static_cast<std::uint8_t*>(to);
  while (size != 0) {
    const Range& range = *find(address);
    const std::uint64_t count = std::min(size, range.end - address);
    std::memcpy(out, memory_.data() + range.file_offset + (address - range.base), count);
    address += count;
    out += count;
    size -= count;
  }
  return true;
}

bool PhysicalMap::copy_in(PhysAddr address, const void* from, std::uint64_t size) {
  if (!all_memory(address, size)) return false;
  const auto* in = static_cast<const std::uint8_t*>(from);
  while (size != 0) {
    const Range& range = *find(address);
    const std::uint64_t in_page = kPageSize - (address & kPageMask);
    const std::uint64_t count = std::min(size, in_page);
    std::uint8_t* host = memory_.data() + range.file_offset + (address - range.base);
    about_to_write(address, static_cast<std::uint32_t>(count));
    std::memcpy(host, in, count);
    address += count;
    in += count;
    size -= count;
  }
  return true;
}

bool PhysicalMap::dma_in(PhysAddr address, const void* from, std::uint64_t size) {
  const auto* in = static_cast<const std::uint8_t*>(from);
  bool all = true;
  while (size != 0) {
    const std::uint64_t count = std::min(size, kPageSize - (address & kPageMask));
    const PhysPage target = page(address);
    if (target.kind == PageKind::ram) {
      about_to_write(address, static_cast<std::uint32_t>(count));
      std::memcpy(target.host + (address & kPageMask), in, count);
    }
    all &= target.kind == PageKind::ram || target.kind == PageKind::rom;
    address += count;
    in += count;
    size -= count;
  }
  return all;
}

}  // namespace ringshift::mmu
