// A small machine for tests of the memory system: RAM, page tables built by hand, and accesses to windows
// that fault as hardware would, without signals.
#pragma once

#include <gtest/gtest.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "mmu/mmu.h"
#include "mmu/paging_bits.h"

namespace ringshift::mmu {

// Entry bits by their short names.
inline constexpr std::uint32_t P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100;
inline constexpr std::uint64_t NX = bits::kNoExecute;

inline constexpr std::uint64_t kRam = 64U << 20;
inline constexpr PhysAddr kRomAt = 0xFFF00000;   // 64 KiB, the last of the memfd
inline constexpr PhysAddr kMmioAt = 0xE0000000;  // 64 KiB
inline constexpr std::uint64_t kSmall = 64U << 10;

// Remembers what was asked of it.
class TestDevice : public MmioHandler {
 public:
  struct Call {
    std::uint64_t offset;
    unsigned size;
    bool write;
    std::uint32_t value;
    bool operator==(const Call&) const = default;
  };
  std::uint32_t mmio_read(std::uint64_t offset, unsigned size) override {
    calls.push_back({offset, size, false, 0});
    return 0x44332211;
  }
  void mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) override {
    calls.push_back({offset, size, true, value});
  }
  std::vector<Call> calls;
};

// The physical side.
class TestMemory {
 public:
  TestMemory() : memory_(std::get<GuestMemory>(GuestMemory::create(kRam + kSmall))), physical(memory_), code(kRam) {
    physical.add_ram(0, kRam, 0);
    physical.add_rom(kRomAt, kSmall, kRam);
    physical.add_mmio(kMmioAt, kSmall, device);
  }

  template <class T>
  [[nodiscard]] T get(PhysAddr address) {
    T value;
    std::memcpy(&value, memory_.data() + address, sizeof(T));
    return value;
  }
  template <class T>
  void put(PhysAddr address, T value) {
    std::memcpy(memory_.data() + address, &value, sizeof(T));
  }

 private:
  GuestMemory memory_;

 public:
  PhysicalMap physical;
  CodePages code;
  TestDevice device;
};

// Two-level page tables: the directory at `root`, the tables behind it.
class TwoLevel {
 public:
  explicit TwoLevel(TestMemory& memory, PhysAddr root = 0x100000)
      : memory_(memory), root_(root), next_(root + 0x1000) {}

  [[nodiscard]] PhysAddr pde_at(Linear linear) const { return root_ + (linear >> 22) * 4; }
  [[nodiscard]] PhysAddr pte_at(Linear linear) const {
    return (memory_.get<std::uint32_t>(pde_at(linear)) & 0xFFFFF000U) + (linear >> 12 & 0x3FF) * 4;
  }
  [[nodiscard]] std::uint32_t pde(Linear linear) const { return memory_.get<std::uint32_t>(pde_at(linear)); }
  [[nodiscard]] std::uint32_t pte(Linear linear) const { return memory_.get<std::uint32_t>(pte_at(linear)); }
  void set_pde(Linear linear, std::uint32_t value) { memory_.put(pde_at(linear), value); }
  void set_pte(Linear linear, std::uint32_t value) { memory_.put(pte_at(linear), value); }
  // Maps a 4 KiB page; a missing table is added with all rights.
  void map(Linear linear, std::uint32_t frame_and_bits, std::uint32_t pde_bits = P | W | U) {
    if (pde(linear) == 0) {
      set_pde(linear, static_cast<std::uint32_t>(next_) | pde_bits);
      next_ += 0x1000;
    }
    set_pte(linear, frame_and_bits);
  }
  [[nodiscard]] PagingState paging() const {
    PagingState state;
    state.enabled = state.write_protect = state.pse = state.global = true;
    state.cr3 = static_cast<std::uint32_t>(root_);
    return state;
  }

 private:
  TestMemory& memory_;
  PhysAddr root_;
  PhysAddr next_;
};

// PAE: four directories behind PDPTEs that stand in the paging state.
class Pae {
 public:
  explicit Pae(TestMemory& memory, PhysAddr root = 0x200000) : memory_(memory), root_(root), next_(root + 0x4000) {}

  [[nodiscard]] PhysAddr pde_at(Linear linear) const {
    return root_ + (linear >> 30) * 0x1000 + (linear >> 21 & 0x1FF) * 8;
  }
  [[nodiscard]] PhysAddr pte_at(Linear linear) const {
    return (memory_.get<std::uint64_t>(pde_at(linear)) & bits::kFrameMask) + (linear >> 12 & 0x1FF) * 8;
  }
  [[nodiscard]] std::uint64_t pde(Linear linear) const { return memory_.get<std::uint64_t>(pde_at(linear)); }
  [[nodiscard]] std::uint64_t pte(Linear linear) const { return memory_.get<std::uint64_t>(pte_at(linear)); }
  void set_pde(Linear linear, std::uint64_t value) { memory_.put(pde_at(linear), value); }
  void set_pte(Linear linear, std::uint64_t value) { memory_.put(pte_at(linear), value); }
  void map(Linear linear, std::uint64_t frame_and_bits, std::uint64_t pde_bits = P | W | U) {
    if (pde(linear) == 0) {
      set_pde(linear, next_ | pde_bits);
      next_ += 0x1000;
    }
    set_pte(linear, frame_and_bits);
  }
  [[nodiscard]] PagingState paging() const {
    PagingState state;
    state.enabled = state.write_protect = state.pae = state.nxe = state.global = true;
    for (unsigned i = 0; i < 4; ++i) state.pdpte[i] = (root_ + i * 0x1000) | P;
    state.cr3 = static_cast<std::uint32_t>(root_) + 0x3FE0;
    return state;
  }

 private:
  TestMemory& memory_;
  PhysAddr root_;
  PhysAddr next_;
};

// What a page of a window allows, as the host sees it. Nothing is written: a write probe stores what
// is there.
struct HostRights {
  bool read = false;
  bool write = false;
  bool operator==(const HostRights&) const = default;
};
inline constexpr HostRights kNone{false, false}, kReadOnly{true, false}, kReadWrite{true, true};

inline HostRights host_rights(std::uint8_t* base, Linear linear) {
  std::uint8_t byte = 0;
  iovec local{&byte, 1};
  iovec remote{base + linear, 1};
  HostRights rights;
  rights.read = process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 1;
  if (rights.read) rights.write = process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 1;
  return rights;
}

inline std::ostream& operator<<(std::ostream& out, const HostRights& rights) {
  return out << (rights.read ? "r" : "-") << (rights.write ? "w" : "-");
}

// Remembers what the pool dropped.
class TestObserver : public WindowObserver {
 public:
  struct Drop {
    std::uint32_t window;
    Linear first;
    std::uint32_t pages;
    bool operator==(const Drop&) const = default;
  };
  void on_drop(std::uint32_t window, Linear first, std::uint32_t pages) override {
    drops.push_back({window, first, pages});
  }
  void on_drop_all(std::uint32_t window) override { wiped.push_back(window); }
  std::vector<Drop> drops;
  std::vector<std::uint32_t> wiped;
};

// A pool over a TestMemory.
class WindowLab : public TestMemory {
 public:
  explicit WindowLab(const WindowLimits& limits = {})
      : pool_(std::get<std::unique_ptr<WindowPool>>(WindowPool::create(physical, code, limits))) {
    pool_->set_observer(&observer);
  }
  WindowPool& pool() { return *pool_; }
  // As after MOV to CR3.
  void load(const PagingState& paging, View view) {
    pool_->cr3_loaded();
    activate(paging, view);
  }
  void activate(const PagingState& paging, View view) {
    paging_ = paging;
    view_ = view;
    pool_->activate(paging, view);
  }
  // The instruction, and the return to translated code.
  void invlpg(Linear linear) {
    pool_->invlpg(linear);
    pool_->activate(paging_, view_);
  }
  HostRights rights(Linear linear) { return host_rights(pool_->base(), linear); }
  Fill fill(Linear linear, Access access) { return pool_->fill(linear, access).kind; }
  // What a translated store does, for a page that is mapped writable.
  void store(Linear linear, std::uint32_t value) { std::memcpy(pool_->base() + linear, &value, 4); }
  std::uint32_t load32(Linear linear) {
    std::uint32_t value = 0;
    std::memcpy(&value, pool_->base() + linear, 4);
    return value;
  }
  TestObserver observer;

 private:
  std::unique_ptr<WindowPool> pool_;
  PagingState paging_;
  View view_ = View::supervisor;
};

inline std::ostream& operator<<(std::ostream& out, Fill fill) {
  constexpr const char* kNames[] = {"mapped", "page_fault", "emulate"};
  return out << kNames[static_cast<unsigned>(fill)];
}

}  // namespace ringshift::mmu
