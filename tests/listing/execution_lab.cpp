#include "tests/listing/execution_lab.h"

#include <asmjit/x86.h>
#include <fmt/format.h>
#include <immintrin.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <new>

namespace ringshift::testing {
namespace {

namespace x86 = asmjit::x86;

constexpr std::size_t kPageBytes = 4096;

x86::Mem at(std::size_t offset, unsigned size) { return x86::ptr(std::uint64_t{kShared + offset}, size); }
constexpr std::size_t kIn = offsetof(SharedPage, in), kOut = offsetof(SharedPage, out);

void load_registers(x86::Assembler& a) {
  for (const x86::Gp& r : {x86::rbx, x86::rbp, x86::r12, x86::r13, x86::r14, x86::r15}) a.push(r);
  a.mov(at(offsetof(SharedPage, host_rsp), 8), x86::rsp);
  a.fxrstor(at(kIn + offsetof(Registers, fx), 512));
  a.push(at(kIn + offsetof(Registers, flags), 8));
  a.popfq();
  for (unsigned i = 0; i < kGprCount; ++i) {
    if (i != kEsp) a.mov(x86::gpd(i), at(kIn + i * 4, 4));
  }
}

void save_registers(x86::Assembler& a, const x86::Gp& esp) {
  for (unsigned i = 0; i < kGprCount; ++i) a.mov(at(kOut + i * 4, 4), i == kEsp ? esp : x86::gpd(i));
  a.mov(x86::rsp, at(offsetof(SharedPage, host_rsp), 8));
  a.pushfq();
  a.pop(at(kOut + offsetof(Registers, flags), 8));
  a.push(0x202);
  a.popfq();
  a.fxsave(at(kOut + offsetof(Registers, fx), 512));
  a.fninit();
  for (const x86::Gp& r : {x86::r15, x86::r14, x86::r13, x86::r12, x86::rbp, x86::rbx}) a.pop(r);
  a.ret();
}

std::jmp_buf g_recover;
void on_fault(int) { std::longjmp(g_recover, 1); }

}  // namespace

std::unique_ptr<Lab> Lab::create() {
  auto lab = std::unique_ptr<Lab>(new Lab);
  return lab->ok_ ? std::move(lab) : nullptr;
}

Lab::~Lab() {
  _writegsbase_u64(0);
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &old_actions_[i], nullptr);
  for (const auto& [address, size] : mappings_) munmap(address, size);
  if (file_ >= 0) close(file_);
}

bool Lab::run_native(const isa::Insn& insn) {
  std::array<std::uint8_t, 32> code{};
  std::copy_n(insn.bytes.begin(), insn.length, code.begin());
  const std::array<std::uint8_t, 7> leave{0xEA,
                                          static_cast<std::uint8_t>(native_exit_),
                                          static_cast<std::uint8_t>(native_exit_ >> 8),
                                          static_cast<std::uint8_t>(native_exit_ >> 16),
                                          static_cast<std::uint8_t>(native_exit_ >> 24),
                                          kCode64Selector,
                                          0};
  std::ranges::copy(leave, code.begin() + insn.length);
  std::memcpy(reinterpret_cast<void*>(std::uint64_t{kNativeCode}), code.data(), code.size());
  return enter(native_entry_);
}

translator::Fragment Lab::load(const Source& source) {
  translator::Fragment f = translate(source, kFragment, stubs_);
  std::memcpy(reinterpret_cast<void*>(std::uint64_t{kFragment}), f.code.data(), f.code.size());
  return f;
}

bool Lab::run(std::uint32_t offset, std::uint32_t r8) {
  page().entry = kFragment + offset;
  page().entry_r8 = r8;
  page().told = 0;
  return enter(translated_entry_);
}

void Lab::set_place(std::uint32_t linear) {
  const std::array<std::uint32_t, 2> place{linear, 0U - linear};
  std::memcpy(reinterpret_cast<std::uint8_t*>(jump_directory_) + kPlace, place.data(), sizeof place);
}

void Lab::set_target(std::uint32_t linear) {
  constexpr unsigned kPageShift = 12;
  auto* directory = reinterpret_cast<std::uint64_t*>(jump_directory_ - abi::kDirectoryBias);
  std::fill_n(directory, abi::kDirectoryBytes / sizeof *directory, std::uint64_t{0});
  entries_.assign(kPageBytes, 0);
  entries_[linear % kPageBytes] = found_;
  const std::uint32_t first = linear & ~static_cast<std::uint32_t>(kPageBytes - 1);
  directory[linear >> kPageShift] = reinterpret_cast<std::uint64_t>(entries_.data()) - 4ULL * first;
}

void Lab::clear_memory() {
  if (ftruncate(file_, 0) != 0 || ftruncate(file_, kWindowSize) != 0) std::abort();
}

Lab::Lab() {
  if (!map_memory() || !map_directory()) return;
  build_stubs();
  prepare_state();
  catch_signals();
  _writegsbase_u64(reinterpret_cast<std::uint64_t>(window_));
  ok_ = true;
}

bool Lab::map_memory() {
  file_ = memfd_create("guest", 0);
  if (file_ < 0 || ftruncate(file_, kWindowSize) != 0) return false;
  const auto map = [this](std::uint64_t address, std::uint64_t size) {
    void* p = mmap(reinterpret_cast<void*>(address), size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, file_, static_cast<off_t>(address));
    if (p == MAP_FAILED) return false;
    mappings_.emplace_back(p, size);
    return p == reinterpret_cast<void*>(address);
  };
  constexpr std::uint32_t kAfter = kShared + kSharedSize;
  if (!map(kLowest, kShared - kLowest)) return false;
  if (!map(kAfter, kWindowSize - kPageBytes - kAfter)) return false;
  void* shared = mmap(reinterpret_cast<void*>(std::uint64_t{kShared}), kSharedSize, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (shared == MAP_FAILED) return false;
  mappings_.emplace_back(shared, kSharedSize);
  new (shared) SharedPage;
  void* space = mmap(nullptr, 3 * kWindowSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (space == MAP_FAILED) return false;
  mappings_.emplace_back(space, 3 * kWindowSize);
  window_ =
      reinterpret_cast<std::uint8_t*>((reinterpret_cast<std::uint64_t>(space) + kWindowSize) & ~(kWindowSize - 1));
  return mmap(window_ + kLowest, kWindowSize - kPageBytes - kLowest, PROT_READ | PROT_WRITE,
              MAP_SHARED | MAP_NORESERVE | MAP_FIXED, file_, kLowest) != MAP_FAILED;
}

// The places, the directory and the offset space.
bool Lab::map_directory() {
  constexpr std::size_t kReadable = abi::kPlaceBytes + abi::kDirectoryBytes + kWindowSize;
  constexpr std::size_t kReserved = 2 * kWindowSize;
  void* places = mmap(nullptr, kReserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (places == MAP_FAILED) return false;
  mappings_.emplace_back(places, kReserved);
  jump_directory_ = reinterpret_cast<std::uint64_t>(places) + abi::kPlaceBytes + abi::kDirectoryBias;
  return mprotect(places, kReadable, PROT_READ) == 0 &&
         mprotect(places, abi::kPlaceBytes + abi::kDirectoryBytes, PROT_READ | PROT_WRITE) == 0;
}

void Lab::build_stubs() {
  asmjit::CodeHolder code;
  code.init(asmjit::Environment(asmjit::Arch::kX64), kStubCode);
  x86::Assembler a(&code);
  const auto here = [&a] { return kStubCode + static_cast<std::uint32_t>(a.offset()); };
  native_entry_ = here();
  load_registers(a);
  a.mov(x86::r8d, kDataSelector);
  a.mov(x86::ds, x86::r8d);
  a.mov(x86::es, x86::r8d);
  a.mov(x86::esp, at(kIn + kEsp * 4, 4));
  // jmp far m16:32
  const std::array<std::uint8_t, 3> jump{0xFF, 0x2C, 0x25};
  const std::uint32_t pointer = kShared + static_cast<std::uint32_t>(offsetof(SharedPage, far_offset));
  a.embed(jump.data(), jump.size());
  a.embedUInt32(pointer);
  native_exit_ = here();
  save_registers(a, x86::esp);
  translated_entry_ = here();
  load_registers(a);
  a.mov(x86::r12d, at(kIn + kEsp * 4, 4));
  a.mov(x86::r13, jump_directory_);
  a.mov(x86::r15, reinterpret_cast<std::uint64_t>(&state));
  a.mov(x86::r14d, 0);
  a.mov(x86::r9d, at(offsetof(SharedPage, entry), 4));
  a.mov(x86::r8d, at(offsetof(SharedPage, entry_r8), 4));
  a.jmp(x86::r9);
  const auto leave = [&](Left by) {
    const std::uint32_t stub = here();
    a.mov(at(offsetof(SharedPage, left_by), 4), static_cast<std::uint32_t>(by));
    if (by != Left::direct) a.mov(at(offsetof(SharedPage, told), 4), x86::r8d);
    if (by == Left::mismatch) a.mov(x86::rcx, x86::r10);
    save_registers(a, x86::r12d);
    return stub;
  };
  stubs_.exit_direct = leave(Left::direct);
  stubs_.exit_interpret = leave(Left::interpret);
  stubs_.exit_interrupt = leave(Left::interrupt);
  stubs_.lookup = found_ = leave(Left::lookup);
  stubs_.return_mismatch = leave(Left::mismatch);
  std::memcpy(reinterpret_cast<void*>(std::uint64_t{kStubCode}), code.textSection()->data(), a.offset());
}

void Lab::prepare_state() {
  const std::array<std::uint16_t, kSegCount> selectors{
      kDataSelector, kCode32Selector, kDataSelector, kDataSelector, 0, 0};
  for (unsigned i = 0; i < kSegCount; ++i) {
    const bool code = static_cast<Seg>(i) == Seg::cs;
    state.set_segment(static_cast<Seg>(i), {.selector = selectors[i],
                                            .attributes = static_cast<std::uint16_t>(code ? 0xC0FB : 0xC0F3),
                                            .base = 0,
                                            .limit = 0xFFFFFFFF});
  }
  state.interrupt_flag = 1;
  state.host.window_base = reinterpret_cast<std::uint64_t>(window_);
}

void Lab::catch_signals() {
  stack_ = std::make_unique<std::array<std::uint8_t, 65536>>();
  const stack_t alternate{.ss_sp = stack_->data(), .ss_flags = 0, .ss_size = stack_->size()};
  sigaltstack(&alternate, nullptr);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction action {};
    action.sa_handler = on_fault;
    action.sa_flags = SA_ONSTACK | SA_NODEFER;
    sigaction(kSignals[i], &action, &old_actions_[i]);
  }
}

bool Lab::enter(std::uint32_t entry) {
  if (setjmp(g_recover) != 0) {
    const stack_t alternate{.ss_sp = stack_->data(), .ss_flags = 0, .ss_size = stack_->size()};
    sigaltstack(&alternate, nullptr);
    asm volatile("push $0x202; popfq; fninit" ::: "memory", "cc");
    return false;
  }
  reinterpret_cast<void (*)()>(std::uint64_t{entry})();
  return true;
}

std::string differences(const Registers& expected, const Registers& found) {
  std::string text;
  for (unsigned i = 0; i < kGprCount; ++i) {
    if (expected.gpr[i] != found.gpr[i]) {
      text += fmt::format(" r{}: {:08x} not {:08x}", i, found.gpr[i], expected.gpr[i]);
    }
  }
  if (((expected.flags ^ found.flags) & eflags::kNative) != 0) {
    text += fmt::format(" flags: {:x} not {:x}", found.flags & eflags::kNative, expected.flags & eflags::kNative);
  }
  // Between them are the last opcode and the instruction and data pointers: they must differ.
  constexpr std::size_t kControlWords = 6, kMxcsr = 24, kEnd = 416;
  const bool same_fx = std::memcmp(expected.fx.data(), found.fx.data(), kControlWords) == 0 &&
                       std::memcmp(expected.fx.data() + kMxcsr, found.fx.data() + kMxcsr, kEnd - kMxcsr) == 0;
  if (!same_fx) text += " fx";
  return text;
}

}  // namespace ringshift::testing
