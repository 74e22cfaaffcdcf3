#include "mmu/reservation.h"

#include <sys/mman.h>

#include <utility>

namespace ringshift::mmu {
namespace {

constexpr int kReserve = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

}  // namespace

std::optional<Reservation> Reservation::create() {
  // Twice the size always contains an aligned window with its guards; the rest is given back.
  constexpr std::uint64_t kTotal = 2 * kWindowBytes + 2 * kGuardBytes;
  void* area = mmap(nullptr, kTotal, PROT_NONE, kReserve, -1, 0);
  if (area == MAP_FAILED) return std::nullopt;
  auto* start = static_cast<std::uint8_t*>(area);
  const std::uint64_t misfit = (reinterpret_cast<std::uintptr_t>(start) + kGuardBytes) % kWindowBytes;
  std::uint8_t* base = start + kGuardBytes + (misfit == 0 ? 0 : kWindowBytes - misfit);
  std::uint8_t* end = base + kWindowBytes + kGuardBytes;
  if (base - kGuardBytes != start) munmap(start, static_cast<std::size_t>(base - kGuardBytes - start));
  if (end != start + kTotal) munmap(end, static_cast<std::size_t>(start + kTotal - end));
  return Reservation(base);
}

Reservation::Reservation(Reservation&& other) noexcept : base_(std::exchange(other.base_, nullptr)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  std::swap(base_, other.base_);
  return *this;
}

Reservation::~Reservation() {
  if (base_ != nullptr) munmap(base_ - kGuardBytes, kWindowBytes + 2 * kGuardBytes);
}

bool Reservation::map(std::uint32_t first, std::uint32_t pages, int fd, std::uint64_t offset, bool writable,
                      bool populate) {
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  const int flags = MAP_FIXED | MAP_SHARED | MAP_NORESERVE | (populate ? MAP_POPULATE : 0);
  return mmap(at(first), std::uint64_t{pages} << kPageShift, protection, flags, fd, static_cast<off_t>(offset)) !=
         MAP_FAILED;
}

bool Reservation::protect(std::uint32_t first, std::uint32_t pages, bool writable) {
  return mprotect(at(first), std::uint64_t{pages} << kPageShift, writable ? PROT_READ | PROT_WRITE : PROT_READ) == 0;
}

bool Reservation::unmap(std::uint32_t first, std::uint32_t pages) {
  return mmap(at(first), std::uint64_t{pages} << kPageShift, PROT_NONE, kReserve | MAP_FIXED, -1, 0) != MAP_FAILED;
}

namespace {

constexpr std::size_t kBallastPages = 16;

}  // namespace

void Ballast::hold() {
  if (area_ != nullptr) return;
  void* area = mmap(nullptr, kBallastPages * kPageSize, PROT_NONE, kReserve, -1, 0);
  if (area == MAP_FAILED) return;
  area_ = area;
  // Alternating protection keeps the pages in mappings of their own. A failure only makes the ballast smaller.
  for (std::size_t i = 1; i < kBallastPages; i += 2) {
    if (mprotect(static_cast<std::uint8_t*>(area) + i * kPageSize, kPageSize, PROT_READ) != 0) return;
  }
}

void Ballast::release() {
  if (area_ != nullptr) munmap(std::exchange(area_, nullptr), kBallastPages * kPageSize);
}

}  // namespace ringshift::mmu
