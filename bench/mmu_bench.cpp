// What a window costs: fills, switches between address spaces, invalidations. The Host_ rows are the primitives of the
// host that they are to be compared with; figures are only meaningful as ratios within one run.
#include <benchmark/benchmark.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "mmu/mmu.h"
#include "mmu/paging_bits.h"

namespace {

using namespace ringshift::mmu;

constexpr std::uint32_t kP = 1, kW = 2, kU = 4, kA = 0x20, kD = 0x40, kPs = 0x80, kG = 0x100;
constexpr std::uint32_t kUserPage = kP | kW | kU | kA | kD;
constexpr std::uint64_t kRam = 256U << 20;
constexpr Linear kUserAt = 0x08000000;
constexpr Linear kKernelAt = 0xC0000000;
constexpr PhysAddr kTables = 0x1000000;  // page tables grow from here
constexpr PhysAddr kFrames = 0x4000000;  // frames for user pages
constexpr std::uint32_t kFrameCount = (kRam - kFrames) / kPageSize;

// Guest RAM, a pool of windows, and page tables made as a guest's kernel would.
class Guest {
 public:
  explicit Guest(const WindowLimits& limits = {})
      : memory_(std::get<GuestMemory>(GuestMemory::create(kRam))), physical_(memory_), code_(kRam) {
    physical_.add_ram(0, kRam, 0);
    std::memset(memory_.data() + kFrames, 1, kRam - kFrames);  // the host has allocated it
    pool_ = std::get<std::unique_ptr<WindowPool>>(WindowPool::create(physical_, code_, limits));
  }
  WindowPool& pool() { return *pool_; }
  PhysicalMap& physical() { return physical_; }
  std::uint32_t* word(PhysAddr address) { return reinterpret_cast<std::uint32_t*>(memory_.data() + address); }

  // A page directory with a kernel of 64 MiB in large global pages.
  std::uint32_t new_space() {
    const auto root = new_table();
    for (std::uint32_t i = 0; i < 16; ++i) *word(root + (768 + i) * 4) = i << 22 | kP | kW | kA | kD | kPs | kG;
    return root;
  }
  std::uint32_t* pte(std::uint32_t root, Linear linear) {
    std::uint32_t* pde = word(root + (linear >> 22) * 4);
    if (*pde == 0) *pde = new_table() | kUserPage;
    return word((*pde & ~kPageMask) + (linear >> 12 & 0x3FF) * 4);
  }
  void map(std::uint32_t root, Linear linear, std::uint32_t frame, std::uint32_t bits = kUserPage) {
    *pte(root, linear) = static_cast<std::uint32_t>(kFrames + std::uint64_t{frame % kFrameCount} * kPageSize) | bits;
  }
  void load(std::uint32_t root, View view) {
    pool_->cr3_loaded();
    activate(root, view);
  }
  void activate(std::uint32_t root, View view) { pool_->activate(paging(root), view); }
  static PagingState paging(std::uint32_t root) {
    PagingState state;
    state.enabled = state.write_protect = state.pse = state.global = true;
    state.cr3 = root;
    return state;
  }

 private:
  std::uint32_t new_table() {
    const PhysAddr table = next_table_;
    next_table_ += kPageSize;
    return static_cast<std::uint32_t>(table);
  }
  GuestMemory memory_;
  PhysicalMap physical_;
  CodePages code_;
  std::unique_ptr<WindowPool> pool_;
  PhysAddr next_table_ = kTables;
};

std::uint8_t touch(WindowPool& pool, Linear linear) {
  return *static_cast<volatile std::uint8_t*>(pool.base() + linear);
}

// ---- the host's primitives -----------------------------------------------------------------------------

// First touch of anonymous memory: what a native program pays for a page.
void Host_FirstTouch(benchmark::State& state) {
  constexpr std::size_t kPages = 4096;
  for (auto _ : state) {
    auto* area = static_cast<volatile char*>(
        mmap(nullptr, kPages * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (std::size_t i = 0; i < kPages; ++i) area[i * kPageSize] = 1;
    munmap(const_cast<char*>(area), kPages * kPageSize);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kPages));
}
BENCHMARK(Host_FirstTouch);

// One mmap of `range` pages of a memfd into a reservation, entered into the page tables, and its removal.
void Host_MapRun(benchmark::State& state) {
  const auto pages = static_cast<std::size_t>(state.range(0));
  auto created = GuestMemory::create(kRam);
  const auto& memory = std::get<GuestMemory>(created);
  std::memset(memory.data(), 1, 1U << 24);
  constexpr std::size_t kArea = 1U << 30;
  constexpr int kReserve = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  auto* area = static_cast<std::uint8_t*>(mmap(nullptr, kArea, PROT_NONE, kReserve, -1, 0));
  constexpr std::size_t kRuns = 256;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kRuns; ++i) {
      const auto offset = static_cast<off_t>(i * 7919 % 3000 * kPageSize);
      mmap(area + i * (pages + 1) * kPageSize, pages * kPageSize, PROT_READ | PROT_WRITE,
           MAP_SHARED | MAP_FIXED | MAP_POPULATE | MAP_NORESERVE, memory.fd(), offset);
    }
    mmap(area, kArea, PROT_NONE, kReserve | MAP_FIXED, -1, 0);
  }
  munmap(area, kArea);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRuns * pages));
}
BENCHMARK(Host_MapRun)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(16)->Arg(64);

// ---- fills -------------------------------------------------------------------------------------------

// Where the page of a pattern stands in physical memory.
enum Pattern : std::int64_t {
  contiguous,
  backwards,
  scattered
};

std::uint32_t frame_for(Pattern pattern, std::uint32_t page) {
  switch (pattern) {
    case contiguous:
      return page;
    case backwards:
      return kFrameCount - 1 - page;
    case scattered:
      break;
  }
  return static_cast<std::uint32_t>(std::uint64_t{page} * 2654435761U % kFrameCount);
}

constexpr std::uint32_t kFillPages = 1024;

void map_pattern(Guest& guest, std::uint32_t root, Pattern pattern, std::uint32_t pages) {
  for (std::uint32_t i = 0; i < pages; ++i) guest.map(root, kUserAt + i * kPageSize, frame_for(pattern, i));
}

// Pages that are there and contiguous, all touched: a fill brings neighbours. Includes the drop of all.
void FillRuns(benchmark::State& state) {
  Guest guest;
  const std::uint32_t root = guest.new_space();
  map_pattern(guest, root, contiguous, kFillPages);
  guest.load(root, View::user);
  std::vector<std::uint32_t> table(1024);
  std::uint32_t* ptes = guest.pte(root, kUserAt);
  std::memcpy(table.data(), ptes, 4096);
  const std::uint64_t before = guest.pool().stats().fills;
  for (auto _ : state) {
    for (std::uint32_t i = 0; i < kFillPages; ++i) {
      if (i % 64 == 0) guest.pool().fill(kUserAt + i * kPageSize, Access::write);
      benchmark::DoNotOptimize(touch(guest.pool(), kUserAt + i * kPageSize));
    }
    std::memset(ptes, 0, 4096);
    guest.load(root, View::user);
    std::memcpy(ptes, table.data(), 4096);
  }
  state.SetItemsProcessed(state.iterations() * std::int64_t{kFillPages});
  state.counters["fills"] = static_cast<double>(guest.pool().stats().fills - before) / double(state.iterations());
}
BENCHMARK(FillRuns);

// Pages that come to be one after the other, each filled alone: first touches of a growing heap.
void FillOneByOne(benchmark::State& state) {
  Guest guest;
  const std::uint32_t root = guest.new_space();
  const auto pattern = static_cast<Pattern>(state.range(0));
  std::uint32_t* ptes = guest.pte(root, kUserAt);
  guest.load(root, View::user);
  for (auto _ : state) {
    for (std::uint32_t i = 0; i < kFillPages; ++i) {
      guest.map(root, kUserAt + i * kPageSize, frame_for(pattern, i));
      guest.pool().fill(kUserAt + i * kPageSize, Access::write);
      benchmark::DoNotOptimize(touch(guest.pool(), kUserAt + i * kPageSize));
    }
    std::memset(ptes, 0, 4096);
    guest.load(root, View::user);
  }
  state.SetItemsProcessed(state.iterations() * std::int64_t{kFillPages});
}
BENCHMARK(FillOneByOne)->ArgName("pattern")->Arg(contiguous)->Arg(backwards)->Arg(scattered);

WindowPool* signal_pool = nullptr;
void on_segv(int, siginfo_t* info, void*) {
  const auto linear = static_cast<Linear>(static_cast<std::uint8_t*>(info->si_addr) - signal_pool->base());
  signal_pool->fill(linear, Access::write);
}

sigjmp_buf leave_access;
void on_segv_leave(int, siginfo_t* info, void*) {
  const auto linear = static_cast<Linear>(static_cast<std::uint8_t*>(info->si_addr) - signal_pool->base());
  if (signal_pool->fill(linear, Access::write).kind == Fill::page_fault) siglongjmp(leave_access, 1);
}

// The whole way: access, SIGSEGV, fill, access again.
void FaultAndFillOneByOne(benchmark::State& state) {
  struct sigaction action = {};
  action.sa_sigaction = on_segv;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  struct sigaction old = {};
  sigaction(SIGSEGV, &action, &old);
  Guest guest;
  signal_pool = &guest.pool();
  const std::uint32_t root = guest.new_space();
  std::uint32_t* ptes = guest.pte(root, kUserAt);
  guest.load(root, View::user);
  for (auto _ : state) {
    for (std::uint32_t i = 0; i < kFillPages; ++i) {
      guest.map(root, kUserAt + i * kPageSize, frame_for(scattered, i));
      benchmark::DoNotOptimize(touch(guest.pool(), kUserAt + i * kPageSize));
    }
    std::memset(ptes, 0, 4096);
    guest.load(root, View::user);
  }
  sigaction(SIGSEGV, &old, nullptr);
  state.SetItemsProcessed(state.iterations() * std::int64_t{kFillPages});
}
BENCHMARK(FaultAndFillOneByOne);

// First touch of a page by a guest, without the guest's own work: the access faults, the walk refuses, the guest's
// kernel maps the page, and it is there when the kernel returns.
void FirstTouch(benchmark::State& state) {
  struct sigaction action = {};
  action.sa_sigaction = on_segv_leave;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  struct sigaction old = {};
  sigaction(SIGSEGV, &action, &old);
  Guest guest;
  signal_pool = &guest.pool();
  const std::uint32_t root = guest.new_space();
  const auto pattern = static_cast<Pattern>(state.range(0));
  std::uint32_t* ptes = guest.pte(root, kUserAt);
  guest.load(root, View::user);
  for (auto _ : state) {
    for (std::uint32_t i = 0; i < kFillPages; ++i) {
      const Linear at = kUserAt + i * kPageSize;
      guest.activate(root, View::user);
      if (sigsetjmp(leave_access, 0) == 0) touch(guest.pool(), at);
      guest.pool().page_faulted(at, Access::write, true);
      guest.activate(root, View::supervisor);
      guest.map(root, at, frame_for(pattern, i));
      guest.activate(root, View::user);
      benchmark::DoNotOptimize(touch(guest.pool(), at));
    }
    std::memset(ptes, 0, 4096);
    guest.load(root, View::user);
  }
  sigaction(SIGSEGV, &old, nullptr);
  state.SetItemsProcessed(state.iterations() * std::int64_t{kFillPages});
}
BENCHMARK(FirstTouch)->ArgName("pattern")->Arg(contiguous)->Arg(scattered);

// A large page: its fill, and then the host's own minor faults, one for each touched page.
void FillLargePage(benchmark::State& state) {
  Guest guest;
  const std::uint32_t root = guest.new_space();
  std::uint32_t* pde = guest.word(root + (kKernelAt >> 22) * 4) + 15;
  const std::uint32_t value = *pde;
  const Linear at = kKernelAt + (15U << 22);
  const auto touched = static_cast<std::uint32_t>(state.range(0));
  for (std::uint32_t i = 0; i < 1024; ++i) *guest.word((value & 0xFFC00000U) + i * kPageSize) = 1;
  guest.load(root, View::supervisor);
  for (auto _ : state) {
    guest.pool().fill(at, Access::write);
    for (std::uint32_t i = 0; i < touched; ++i) {
      static_cast<volatile std::uint8_t*>(guest.pool().base())[at + i * 1021 % 1024 * kPageSize] = 1;
    }
    *pde = 0;
    guest.pool().invlpg(at);
    guest.activate(root, View::supervisor);
    *pde = value;
  }
}
BENCHMARK(FillLargePage)->ArgName("touched")->Arg(0)->Arg(1)->Arg(64)->Arg(1024);

// ---- switches ----------------------------------------------------------------------------------------

// Two processes of `range` pages each take turns.
void SwitchProcess(benchmark::State& state) {
  Guest guest;
  const auto pages = static_cast<std::uint32_t>(state.range(0));
  std::uint32_t roots[2];
  for (std::uint32_t& root : roots) {
    root = guest.new_space();
    map_pattern(guest, root, contiguous, pages);
    guest.load(root, View::supervisor);
    for (std::uint32_t i = 0; i < 16; ++i) guest.pool().fill(kKernelAt + (i << 22), Access::write);
    guest.activate(root, View::user);
    for (std::uint32_t i = 0; i < pages; i += 8) guest.pool().fill(kUserAt + i * kPageSize, Access::write);
  }
  unsigned turn = 0;
  for (auto _ : state) {
    guest.load(roots[turn], View::supervisor);
    guest.activate(roots[turn], View::user);
    turn ^= 1;
  }
}
BENCHMARK(SwitchProcess)->ArgName("pages")->Arg(0)->Arg(128)->Arg(1024)->Arg(8192);

// A reload of CR3 after `range` of 1,024 entries changed: a fork that takes write rights away, and their return.
void ReloadAfterFork(benchmark::State& state) {
  Guest guest;
  const auto changed = static_cast<std::uint32_t>(state.range(0));
  const std::uint32_t root = guest.new_space();
  map_pattern(guest, root, contiguous, 1024);
  guest.load(root, View::user);
  for (std::uint32_t i = 0; i < 1024; i += 8) guest.pool().fill(kUserAt + i * kPageSize, Access::write);
  std::uint32_t* ptes = guest.pte(root, kUserAt);
  for (auto _ : state) {
    for (std::uint32_t i = 0; i < changed; ++i) ptes[i * (1024 / changed)] &= ~kW;
    guest.load(root, View::user);
    for (std::uint32_t i = 0; i < changed; ++i) ptes[i * (1024 / changed)] |= kW;
    for (std::uint32_t i = 0; i < 1024; i += 1024 / changed) guest.pool().fill(kUserAt + i * kPageSize, Access::write);
  }
  state.SetItemsProcessed(state.iterations() * std::int64_t{changed});
}
BENCHMARK(ReloadAfterFork)->ArgName("changed")->Arg(1)->Arg(16)->Arg(128)->Arg(1024);

void ChangeView(benchmark::State& state) {
  Guest guest;
  const std::uint32_t root = guest.new_space();
  guest.load(root, View::user);
  guest.activate(root, View::supervisor);
  for (auto _ : state) {
    guest.activate(root, View::user);
    guest.activate(root, View::supervisor);
  }
}
BENCHMARK(ChangeView);

// A process that comes and goes: new tables, `range` scattered pages filled, in a recycled window.
void NewProcess(benchmark::State& state) {
  Guest guest({.windows = 4, .mappings = 24000});
  const auto pages = static_cast<std::uint32_t>(state.range(0));
  std::vector<std::uint32_t> roots;
  for (std::uint32_t i = 0; i < 8; ++i) {
    roots.push_back(guest.new_space());
    for (std::uint32_t j = 0; j < pages; ++j) {
      guest.map(roots[i], kUserAt + j * kPageSize, frame_for(scattered, i * pages + j));
    }
  }
  std::size_t next = 0;
  for (auto _ : state) {
    const std::uint32_t root = roots[next++ % roots.size()];
    guest.load(root, View::user);
    for (std::uint32_t j = 0; j < pages; ++j) guest.pool().fill(kUserAt + j * kPageSize, Access::write);
  }
  state.SetItemsProcessed(state.iterations() * std::int64_t{pages});
}
BENCHMARK(NewProcess)->ArgName("pages")->Arg(16)->Arg(150)->Arg(1000);

// ---- invalidations -----------------------------------------------------------------------------------

void Invlpg(benchmark::State& state) {
  Guest guest;
  const std::uint32_t root = guest.new_space();
  for (std::uint32_t i = 0; i < 24; ++i) guest.load(guest.new_space(), View::user);
  map_pattern(guest, root, scattered, 8);
  guest.load(root, View::user);
  if (state.range(0) != 0) guest.pool().fill(kUserAt, Access::write);
  for (auto _ : state) {
    guest.pool().invlpg(kUserAt);
    guest.activate(root, View::user);
  }
}
BENCHMARK(Invlpg)->ArgName("mapped")->Arg(0)->Arg(1);

// An entry that changes, INVLPG, and the fill of the new page: copy on write.
void InvlpgAndFill(benchmark::State& state) {
  Guest guest;
  const std::uint32_t root = guest.new_space();
  map_pattern(guest, root, scattered, 64);
  guest.load(root, View::user);
  std::uint32_t turn = 0;
  for (auto _ : state) {
    guest.map(root, kUserAt, turn++ & 0xFF);
    guest.pool().invlpg(kUserAt);
    guest.activate(root, View::user);
    guest.pool().fill(kUserAt, Access::write);
    benchmark::DoNotOptimize(touch(guest.pool(), kUserAt));
  }
}
BENCHMARK(InvlpgAndFill);

// ---- walks -------------------------------------------------------------------------------------------

void Walk4K(benchmark::State& state) {
  Guest guest;
  const std::uint32_t root = guest.new_space();
  map_pattern(guest, root, scattered, 1024);
  const PagingState paging = Guest::paging(root);
  std::uint32_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        walk(guest.physical(), paging, kUserAt + (i++ & 0x3FF) * kPageSize, Access::write, true).address);
  }
}
BENCHMARK(Walk4K);

}  // namespace

BENCHMARK_MAIN();
