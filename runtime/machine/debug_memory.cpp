#include "runtime/machine/debug_memory.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace ringshift::machine {
namespace {

// Calls piece(physical address, part) for each page of `bytes` until one says no.
template <class Address, class Bytes, class Where, class Piece>
std::size_t by_page(Address address, Bytes bytes, Where where, Piece piece) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto at = static_cast<Address>(address + done);
    const std::size_t in_page = mmu::kPageSize - static_cast<std::size_t>(at & mmu::kPageMask);
    const auto part = bytes.subspan(done, std::min(in_page, bytes.size() - done));
    const std::optional<mmu::PhysAddr> physical = where(at);
    if (!physical || !piece(*physical, part)) break;
    done += part.size();
  }
  return done;
}

}  // namespace

std::size_t read_physical(const mmu::Mmu& mmu, mmu::PhysAddr address, std::span<std::uint8_t> to) {
  return by_page(
      address, to, [](mmu::PhysAddr at) { return std::optional(at); },
      [&](mmu::PhysAddr at, std::span<std::uint8_t> part) {
        return mmu.physical().copy_out(at, part.data(), part.size());
      });
}

std::size_t write_physical(const mmu::Mmu& mmu, mmu::PhysAddr address, std::span<const std::uint8_t> from) {
  return by_page(
      address, from, [](mmu::PhysAddr at) { return std::optional(at); },
      [&](mmu::PhysAddr at, std::span<const std::uint8_t> part) {
        if (mmu.physical().page(at).kind != mmu::PageKind::ram) return false;
        return mmu.physical().copy_in(at, part.data(), part.size());
      });
}

std::size_t read_linear(const mmu::Mmu& mmu, mmu::Linear address, std::span<std::uint8_t> to) {
  return by_page(
      address, to, [&](mmu::Linear at) { return mmu.phys_of(at); },
      [&](mmu::PhysAddr at, std::span<std::uint8_t> part) { return read_physical(mmu, at, part) == part.size(); });
}

std::size_t write_linear(const mmu::Mmu& mmu, mmu::Linear address, std::span<const std::uint8_t> from) {
  return by_page(
      address, from, [&](mmu::Linear at) { return mmu.phys_of(at); },
      [&](mmu::PhysAddr at, std::span<const std::uint8_t> part) {
        return write_physical(mmu, at, part) == part.size();
      });
}

}  // namespace ringshift::machine
