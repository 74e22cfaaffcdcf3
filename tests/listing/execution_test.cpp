// Translations of random single instructions, executed, against the same bytes executed by the host in
// 32-bit mode. Both see the same 4 GiB: a memory file that is mapped at the low addresses for the
// native run and as the window for the translation.
#include <asmjit/x86.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <immintrin.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>
#include <random>

#include "runtime/state/cpu_state.h"
#include "tests/listing/host_code.h"
#include "translator/decode/decoder.h"

namespace ringshift::testing {
namespace {

namespace x86 = asmjit::x86;
using isa::Op;

constexpr std::uint64_t kWindowSize = 1ULL << 32;
constexpr std::uint32_t kLowest = 0x10000;     // vm.mmap_min_addr
constexpr std::uint32_t kShared = 0x10000000;  // a page of registers, then code; not guest memory
constexpr std::uint32_t kSharedSize = 0x10000;
constexpr std::uint32_t kStubCode = kShared + 0x2000;
constexpr std::uint32_t kNativeCode = kShared + 0x4000;
constexpr std::uint32_t kFragment = kShared + 0x6000;
constexpr std::uint32_t kData = 0x20000000;
constexpr std::uint16_t kCode32Selector = 0x23, kCode64Selector = 0x33, kDataSelector = 0x2B;

// What both runs start from and leave, at a fixed low address.
struct Registers {
  std::array<std::uint32_t, kGprCount> gpr{};
  std::uint64_t flags = 0;
  alignas(64) std::array<std::uint8_t, 512> fx{};
};
struct SharedPage {
  Registers in;
  Registers out;
  std::uint64_t host_rsp = 0;
  std::uint32_t far_offset = kNativeCode;
  std::uint16_t far_selector = kCode32Selector;
  std::uint32_t left_by_interpret = 0;
};

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

class Lab {
 public:
  static std::unique_ptr<Lab> create() {
    auto lab = std::unique_ptr<Lab>(new Lab);
    return lab->ok_ ? std::move(lab) : nullptr;
  }
  ~Lab() {
    _writegsbase_u64(0);
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &old_actions_[i], nullptr);
    for (const auto& [address, size] : mappings_) munmap(address, size);
    if (file_ >= 0) close(file_);
  }
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  [[nodiscard]] SharedPage& page() { return *reinterpret_cast<SharedPage*>(std::uint64_t{kShared}); }
  [[nodiscard]] std::uint8_t* memory(std::uint32_t linear) { return window_ + linear; }
  CpuState state{};

  // False: the instruction faulted.
  bool run_native(const isa::Insn& insn) {
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

  bool run_translated(const Source& source) {
    const translator::Fragment f = translator::translate({.eip = source.eip,
                                                          .mode = source.mode,
                                                          .bytes = source.bytes,
                                                          .in_page = static_cast<std::uint32_t>(source.bytes.size()),
                                                          .host_address = kFragment,
                                                          .stubs = stubs_,
                                                          .options = {.max_instructions = 1}});
    std::memcpy(reinterpret_cast<void*>(std::uint64_t{kFragment}), f.code.data(), f.code.size());
    page().left_by_interpret = 0;
    return enter(translated_entry_);
  }

  void clear_memory() {
    if (ftruncate(file_, 0) != 0 || ftruncate(file_, kWindowSize) != 0) std::abort();
  }

 private:
  Lab() {
    file_ = memfd_create("guest", 0);
    if (file_ < 0 || ftruncate(file_, kWindowSize) != 0) return;
    const auto map = [this](std::uint64_t address, std::uint64_t size, std::uint64_t offset, bool fixed) {
      void* p = mmap(reinterpret_cast<void*>(address), size, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_NORESERVE | (fixed ? MAP_FIXED_NOREPLACE : 0), file_, static_cast<off_t>(offset));
      if (p == MAP_FAILED) return false;
      mappings_.emplace_back(p, size);
      return !fixed || p == reinterpret_cast<void*>(address);
    };
    constexpr std::uint32_t kAfter = kShared + kSharedSize;
    if (!map(kLowest, kShared - kLowest, kLowest, true)) return;
    if (!map(kAfter, kWindowSize - 4096 - kAfter, kAfter, true)) return;
    void* shared = mmap(reinterpret_cast<void*>(std::uint64_t{kShared}), kSharedSize,
                        PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (shared == MAP_FAILED) return;
    mappings_.emplace_back(shared, kSharedSize);
    void* space = mmap(nullptr, 3 * kWindowSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) return;
    mappings_.emplace_back(space, 3 * kWindowSize);
    window_ =
        reinterpret_cast<std::uint8_t*>((reinterpret_cast<std::uint64_t>(space) + kWindowSize) & ~(kWindowSize - 1));
    if (mmap(window_ + kLowest, kWindowSize - 4096 - kLowest, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_NORESERVE | MAP_FIXED, file_, kLowest) == MAP_FAILED) {
      return;
    }
    // The offset space behind it is all that an instruction alone needs of the directory.
    constexpr std::size_t kReadable = abi::kDirectoryBytes + kWindowSize;
    void* directory = mmap(nullptr, 2 * kWindowSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (directory == MAP_FAILED || mprotect(directory, kReadable, PROT_READ) != 0) return;
    mappings_.emplace_back(directory, 2 * kWindowSize);
    jump_directory_ = reinterpret_cast<std::uint64_t>(directory) + abi::kDirectoryBias;
    new (shared) SharedPage;
    build_stubs();
    prepare_state();
    catch_signals();
    _writegsbase_u64(reinterpret_cast<std::uint64_t>(window_));
    ok_ = true;
  }

  void build_stubs() {
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
    a.mov(x86::r8d, kFragment);
    a.jmp(x86::r8);
    stubs_.exit_direct = here();
    save_registers(a, x86::r12d);
    stubs_.exit_interpret = here();
    a.mov(at(offsetof(SharedPage, left_by_interpret), 4), 1);
    save_registers(a, x86::r12d);
    stubs_.exit_interrupt = stubs_.exit_interpret;
    stubs_.lookup = stubs_.exit_interpret;
    stubs_.return_mismatch = stubs_.exit_interpret;
    std::memcpy(reinterpret_cast<void*>(std::uint64_t{kStubCode}), code.textSection()->data(), a.offset());
  }

  void prepare_state() {
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

  void catch_signals() {
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

  bool enter(std::uint32_t entry) {
    if (setjmp(g_recover) != 0) {
      const stack_t alternate{.ss_sp = stack_->data(), .ss_flags = 0, .ss_size = stack_->size()};
      sigaltstack(&alternate, nullptr);
      asm volatile("push $0x202; popfq; fninit" ::: "memory", "cc");
      return false;
    }
    reinterpret_cast<void (*)()>(std::uint64_t{entry})();
    return true;
  }

  static constexpr std::array kSignals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  std::array<struct sigaction, kSignals.size()> old_actions_{};
  std::unique_ptr<std::array<std::uint8_t, 65536>> stack_;
  std::vector<std::pair<void*, std::size_t>> mappings_;
  int file_ = -1;
  std::uint8_t* window_ = nullptr;
  std::uint64_t jump_directory_ = 0;
  std::uint32_t native_entry_ = 0, native_exit_ = 0, translated_entry_ = 0;
  abi::StubTable stubs_;
  bool ok_ = false;
};

// Instructions whose result depends on more than registers and memory, or that do not go on to the next.
bool comparable(const isa::Insn& insn) {
  switch (insn.op) {
    case Op::invalid:
    case Op::rdtsc:
    case Op::prefetch:
    case Op::call:
    case Op::fp_environment:
    case Op::fxsave:
    case Op::fxrstor:
      return false;
    case Op::nop:
      return insn.map == 0 || insn.opcode != 0x0D;  // of a register: undefined with one vendor
    case Op::bsf:
    case Op::bsr:
      if (insn.has(isa::prefix::kRep)) return false;  // the host has tzcnt and lzcnt
      [[fallthrough]];
    default:
      return insn.segment != Seg::fs && insn.segment != Seg::gs;
  }
}

// Windows of guest memory that an instruction may have touched.
class Touched {
 public:
  Touched(Lab& lab, const isa::Insn& insn, const Registers& in) : lab_(lab) {
    for (const std::uint8_t reg : {kEsp, kEbp, kEsi, kEdi}) add(in.gpr[reg]);
    if (!insn.memory) return;
    std::uint32_t address = static_cast<std::uint32_t>(insn.disp);
    if (insn.base != isa::kNoRegister) address += in.gpr[insn.base];
    if (insn.index != isa::kNoRegister) address += in.gpr[insn.index] * insn.scale;
    if (insn.address_size == 2) address &= 0xFFFFU;
    if (insn.op == Op::pop && insn.base == kEsp) address += insn.stack_operand;
    if (insn.form == isa::Form::rm_reg && insn.op >= Op::bt && insn.op <= Op::btc) {
      const std::uint32_t bits = in.gpr[insn.reg];
      const std::int32_t offset = insn.width == 2 ? static_cast<std::int16_t>(bits) : static_cast<std::int32_t>(bits);
      address += static_cast<std::uint32_t>((offset >> 5) * 4);
    }
    add(address);
  }
  [[nodiscard]] bool possible() const { return possible_; }
  void save() {
    for (Range& r : ranges_) std::memcpy(r.before.data(), lab_.memory(r.address), kSize);
  }
  void take_native() {
    for (Range& r : ranges_) std::memcpy(r.after.data(), lab_.memory(r.address), kSize);
    for (Range& r : ranges_) std::memcpy(lab_.memory(r.address), r.before.data(), kSize);
  }
  [[nodiscard]] bool same_as_native() const {
    return std::ranges::all_of(
        ranges_, [this](const Range& r) { return std::memcmp(lab_.memory(r.address), r.after.data(), kSize) == 0; });
  }

 private:
  static constexpr std::uint32_t kSize = 512;
  struct Range {
    std::uint32_t address = 0;
    std::array<std::uint8_t, kSize> before{}, after{};
  };
  void add(std::uint32_t address) {
    const std::uint32_t first = address - kSize / 2;
    const std::uint32_t last = first + kSize;
    const bool mapped = first >= kLowest && last < 0xFFFFE000 && last > first;
    if (!mapped || (last > kShared && first < kShared + kSharedSize)) {
      possible_ = false;
    } else {
      ranges_.push_back({.address = first});
    }
  }
  Lab& lab_;
  std::vector<Range> ranges_;
  bool possible_ = true;
};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}
  [[nodiscard]] std::uint32_t number(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }

  std::vector<std::uint8_t> instruction() {
    std::vector<std::uint8_t> bytes;
    if (number(8) == 0) bytes.push_back(0x66);
    if (number(20) == 0) bytes.push_back(0x67);
    if (number(12) == 0) bytes.push_back(0xF0);
    if (number(12) == 0) bytes.push_back(number(2) == 0 ? 0xF2 : 0xF3);
    if (number(2) == 0) bytes.push_back(0x0F);
    for (unsigned i = 0; i < 3; ++i) bytes.push_back(static_cast<std::uint8_t>(number(256)));
    // Small displacements, so that most addresses stay in the data area.
    for (unsigned i = 0; i < 11; ++i) bytes.push_back(number(3) != 0 ? 0 : static_cast<std::uint8_t>(number(256)));
    return bytes;
  }

  void fill(Registers& in) {
    for (std::uint32_t& r : in.gpr) {
      switch (number(8)) {
        case 0:
          r = static_cast<std::uint32_t>(random_());
          break;
        case 1:
          r = number(64);
          break;
        case 2:
          r = static_cast<std::uint32_t>(random_()) | 0xFFFFFF00U;
          break;
        default:
          r = kData + 0x1000 + number(0x4000);
          break;
      }
    }
    in.gpr[kEsp] = kData + 0x8000 + number(0x1000) * 4;
    in.flags = (random_() & (eflags::kStatus | (number(4) == 0 ? eflags::kDf : 0U))) | 0x202;
    in.fx.fill(0);
    for (std::size_t i = 32; i < 288; ++i) in.fx[i] = static_cast<std::uint8_t>(random_());
    const std::uint16_t control = 0x37F;
    const std::uint32_t mxcsr = 0x1F80;
    std::memcpy(in.fx.data(), &control, 2);
    in.fx[4] = 0xFF;
    std::memcpy(in.fx.data() + 24, &mxcsr, 4);
  }

 private:
  std::mt19937 random_;
};

std::string differences(const Registers& native, const Registers& translated) {
  std::string text;
  for (unsigned i = 0; i < kGprCount; ++i) {
    if (native.gpr[i] != translated.gpr[i]) {
      text += fmt::format(" r{}: {:08x} not {:08x}", i, translated.gpr[i], native.gpr[i]);
    }
  }
  if (((native.flags ^ translated.flags) & eflags::kNative) != 0) {
    text += fmt::format(" flags: {:x} not {:x}", translated.flags & eflags::kNative, native.flags & eflags::kNative);
  }
  // Between them are the last opcode and the instruction and data pointers: they must differ.
  constexpr std::size_t kControlWords = 6, kMxcsr = 24, kEnd = 416;
  const bool same_fx = std::memcmp(native.fx.data(), translated.fx.data(), kControlWords) == 0 &&
                       std::memcmp(native.fx.data() + kMxcsr, translated.fx.data() + kMxcsr, kEnd - kMxcsr) == 0;
  if (!same_fx) text += " fx";
  return text;
}

TEST(Execution, RandomInstructionsDoWhatTheHostDoes) {
  const auto lab = Lab::create();
  if (!lab) GTEST_SKIP() << "the low 4 GiB of the address space are not free here";
  Generator generator(7);
  unsigned compared = 0;
  unsigned failures = 0;
  std::array<unsigned, isa::kOpCount> seen{};
  for (unsigned i = 0; i < 400'000 && failures < 20; ++i) {
    if (i % 4096 == 0) lab->clear_memory();
    const std::vector<std::uint8_t> bytes = generator.instruction();
    const decode::Decoded decoded = decode::decode(bytes, decode::CodeSize::bits32);
    if (decoded.failure != decode::Failure::none || !comparable(decoded.insn)) continue;
    Source source{.bytes = {bytes.begin(), bytes.begin() + decoded.insn.length}, .mode = user_mode()};
    // A segment that is flat, but not known to be: the path for bases, with the same result.
    source.mode.flat_ds = generator.number(4) != 0;
    const translator::Fragment planned = translate(source);
    if (planned.exits.size() != 1 || planned.exits[0].target != kGuestAddress + decoded.insn.length) continue;
    SharedPage& page = lab->page();
    generator.fill(page.in);
    if (decoded.insn.repeated()) page.in.gpr[kEcx] = generator.number(16);
    Touched touched(*lab, decoded.insn, page.in);
    if (!touched.possible()) continue;
    touched.save();
    lab->state.interrupt_flag = 1;
    const bool native_ok = lab->run_native(decoded.insn);
    const Registers native = page.out;
    touched.take_native();
    const bool translated_ok = lab->run_translated(source);
    if (translated_ok && page.left_by_interpret != 0) continue;
    std::string raw;
    for (unsigned k = 0; k < decoded.insn.length; ++k) raw += fmt::format("{:02X} ", bytes[k]);
    const std::string text = raw + decode::disassemble(bytes, decode::CodeSize::bits32, kGuestAddress) +
                             (source.mode.flat_ds ? "" : " (ds based)");
    if (native_ok != translated_ok) {
      ++failures;
      ADD_FAILURE() << text << (native_ok ? ": only the translation faults" : ": only the host faults");
      continue;
    }
    if (!native_ok) continue;
    ++compared;
    ++seen[static_cast<std::size_t>(decoded.insn.op)];
    const std::string what = differences(native, page.out) + (touched.same_as_native() ? "" : " memory");
    if (!what.empty()) {
      ++failures;
      ADD_FAILURE() << text << ":" << what;
    }
  }
  EXPECT_GT(compared, 80'000U);
  for (const Op op : {Op::add, Op::xchg, Op::cmpxchg, Op::bts, Op::push, Op::pop, Op::pusha, Op::popa, Op::pushf,
                      Op::popf, Op::movs, Op::scas, Op::lea, Op::xlat, Op::leave, Op::mov_from_seg, Op::host_fp}) {
    EXPECT_GT(seen[static_cast<std::size_t>(op)], 20U) << static_cast<unsigned>(op);
  }
}

}  // namespace
}  // namespace ringshift::testing
