#include "mmu/reservation.h"

#include <sys/mman.h>

#include <array>
#include <cstdlib>
#include <utility>

namespace ringshift::mmu {
namespace {

// Where windows are looked for, and how many lie in an area. The first is free in any ordinary process, and under
// AddressSanitizer; ThreadSanitizer leaves only the second.
struct Area {
  std::uint64_t first;
  unsigned windows;
};
constexpr std::array kAreas{Area{0x2000'0000'0000, 512}, Area{0x10'0000'0000, 48}};
constexpr std::uint64_t kStride = 2 * kWindowBytes;

// The guards mark a window as taken, for other pools of this process too.
bool take(std::uint64_t base) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  constexpr std::uint64_t kTotal = kWindowBytes + 2 * kGuardBytes;
  auto* wanted = reinterpret_cast<std::uint8_t*>(base - kGuardBytes);
  void* got = mmap(wanted, kTotal, PROT_NONE, kFlags, -1, 0);
  if (got == MAP_FAILED) return false;
  if (got == wanted && munmap(wanted + kGuardBytes, kWindowBytes) == 0) return true;
  munmap(got, kTotal);
  return false;
}

}  // namespace

std::optional<Reservation> Reservation::create() {
  for (const Area& area : kAreas) {
    for (unsigned i = 0; i < area.windows; ++i) {
      const std::uint64_t base = area.first + i * kStride;
      if (take(base)) return Reservation(reinterpret_cast<std::uint8_t*>(base));
    }
  }
  return std::nullopt;
}

Reservation::Reservation(Reservation&& other) noexcept : base_(std::exchange(other.base_, nullptr)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  std::swap(base_, other.base_);
  return *this;
}

Reservation::~Reservation() {
  if (base_ != nullptr) munmap(base_ - kGuardBytes, kWindowBytes + 2 * kGuardBytes);
}

bool Reservation::map(std::uint32_t first, std::uint32_t pages, int fd, std::uint64_t offset, bool writable) {
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  constexpr int kFlags = MAP_FIXED | MAP_SHARED | MAP_NORESERVE;
  return mmap(at(first), std::uint64_t{pages} << kPageShift, protection, kFlags, fd, static_cast<off_t>(offset)) !=
         MAP_FAILED;
}

bool Reservation::map_ahead(std::uint32_t first, std::uint32_t pages, std::uint32_t& more, int fd,
                            std::uint64_t offset) {
  constexpr int kFlags = MAP_FIXED | MAP_SHARED | MAP_NORESERVE | MAP_POPULATE;
  const std::uint64_t bytes = std::uint64_t{pages} << kPageShift;
  const std::uint64_t rest = std::uint64_t{more} << kPageShift;
  if (mmap(at(first), bytes + rest, PROT_READ | PROT_WRITE, kFlags, fd, static_cast<off_t>(offset)) == MAP_FAILED) {
    return false;
  }
  if (mprotect(at(first) + bytes, rest, PROT_NONE) == 0) return true;
  if (munmap(at(first) + bytes, rest) != 0) std::abort();  // it must not stay accessible
  more = 0;
  return true;
}

bool Reservation::protect(std::uint32_t first, std::uint32_t pages, bool writable) {
  return mprotect(at(first), std::uint64_t{pages} << kPageShift, writable ? PROT_READ | PROT_WRITE : PROT_READ) == 0;
}

bool Reservation::unmap(std::uint32_t first, std::uint32_t pages) {
  return munmap(at(first), std::uint64_t{pages} << kPageShift) == 0;
}

}  // namespace ringshift::mmu
