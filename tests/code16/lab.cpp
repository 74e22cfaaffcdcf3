#include "tests/code16/lab.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "runtime/semantics/descriptor.h"
#include "runtime/semantics/events.h"
#include "testkit/bare_machine.h"
#include "tests/code16/generator.h"
#include "translator/decode/decoder.h"

namespace ringshift::test {
namespace {

using testkit::BareMachine;
using testkit::Execution;
using testkit::QuietPlatform;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t kRam = 0x120000;
// Physical addresses. The handler of all vectors but one halts; that of kReturning returns.
constexpr std::uint32_t kHalt = 0x600, kReturn = 0x610, kIdt = 0x800, kGdt = 0x1000, kTss = 0x1800,
                        kRing0Stack = 0x3000, kCodeBase = 0x20000, kData = 0x30000;
constexpr unsigned kReturning = 0x81;
constexpr std::uint32_t kAlias = 0x230;  // bytes between the code segment and its alias
constexpr std::uint64_t kMost = 4000;    // instructions of one program

constexpr std::uint16_t kRing0Code = 0x08, kRing0Data = 0x10, kTask = 0x18, kFirst = 0x20;
// From kFirst on: code, its alias, and data, of DPL 0 and RPL 0.

std::uint64_t descriptor(std::uint32_t base, std::uint32_t limit, unsigned access, bool big, bool granular) {
  const unsigned flags = (granular ? 8U : 0U) | (big ? 4U : 0U);
  return (limit & 0xFFFFU) | std::uint64_t{base & 0xFFFFFFU} << 16 | std::uint64_t{access} << 40 |
         std::uint64_t{limit >> 16 & 0xFU} << 48 | std::uint64_t{flags} << 52 | std::uint64_t{base >> 24} << 56;
}

struct Machine {
  Machine(Execution execution, const engine::TranslateOptions& options) : bare(execution, kRam, platform, options) {}
  template <class T>
  void poke(std::uint32_t at, T value) {
    std::memcpy(bare.memory.data() + at, &value, sizeof value);
  }
  void gate(unsigned vec, std::uint32_t at) {
    poke<std::uint64_t>(kIdt + 8 * vec, (at & 0xFFFFU) | std::uint64_t{kRing0Code} << 16 | std::uint64_t{0xEE00} << 32 |
                                            std::uint64_t{at >> 16} << 48);
  }

  QuietPlatform platform;
  BareMachine bare;
};

// All that a program is run with.
struct Setup {
  Bytes memory;
  CpuState state;
  Bytes code;
  std::uint32_t at = 0;  // linear address of the code
};

class Builder {
 public:
  Builder(Code16Mode mode, std::uint32_t number)
      : mode_(mode), random_(number * 8 + static_cast<std::uint32_t>(mode)) {}

  Setup build() {
    paragraphs_ = mode_ <= Code16Mode::v86_iopl0;
    setup_.memory.resize(kRam);
    for (std::size_t i = 0; i < kRam; i += 4)
      poke(static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(random_()));
    tables();
    registers();
    Code16Shape shape;
    shape.code32 = mode_ == Code16Mode::based32;
    shape.paragraphs = paragraphs_;
    shape.begin = setup_.state.eip;
    shape.code = setup_.state.segment(Seg::cs).selector;
    shape.alias = paragraphs_ ? static_cast<std::uint16_t>(shape.code + (kAlias >> 4)) : std::uint16_t{kFirst + 8};
    shape.alias_base = kAlias;
    shape.selectors = selectors_;
    shape.length = 1 + below(60);
    setup_.code = code16_program(shape, random_);
    setup_.at = setup_.state.segment(Seg::cs).base + setup_.state.eip;
    // A program may run over the end of its segment.
    for (std::size_t i = 0; i < setup_.code.size(); ++i) setup_.memory[setup_.at + i] = setup_.code[i];
    for (std::size_t i = 0; i < 16; ++i) setup_.memory[setup_.at + setup_.code.size() + i] = 0xF4;
    return std::move(setup_);
  }

 private:
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  template <class T>
  void poke(std::uint32_t at, T value) {
    std::memcpy(setup_.memory.data() + at, &value, sizeof value);
  }
  [[nodiscard]] bool real() const { return mode_ <= Code16Mode::big_real; }

  std::uint32_t any_limit() {
    switch (below(4)) {
      case 0:
        return 0xFFFF;
      case 1:
        return 0x7FF + below(0x9000);
      case 2:
        return 0xFFF0 + below(0x20);
      default:
        return 0xF000 + below(0x2000);
    }
  }

  void tables() {
    for (unsigned v = 0; v < 256; ++v) {
      const std::uint32_t at = v == kReturning ? kReturn : kHalt;
      if (real()) poke<std::uint32_t>(4 * v, at << 12);  // at 0:at as at >> 4:0
      poke<std::uint64_t>(kIdt + 8 * v, (at & 0xFFFFU) | std::uint64_t{kRing0Code} << 16 | std::uint64_t{0xEE00} << 32);
    }
    for (std::uint32_t at = kHalt; at < kIdt; ++at) poke<std::uint8_t>(at, 0xF4);
    poke<std::uint16_t>(kReturn, 0xCF41);  // inc cx, iret
    if (!real()) poke<std::uint16_t>(kReturn, 0xCF41);
    constexpr unsigned kCode = 0x9B, kWritable = 0x93, kReadOnly = 0x91, kExpandDown = 0x97;
    const bool limited = mode_ == Code16Mode::limited16 || mode_ == Code16Mode::based32;
    const bool based = mode_ == Code16Mode::based32;
    poke<std::uint64_t>(kGdt, 0);
    poke<std::uint64_t>(kGdt + kRing0Code, descriptor(0, 0xFFFFF, kCode, true, true));
    poke<std::uint64_t>(kGdt + kRing0Data, descriptor(0, 0xFFFFF, kWritable, true, true));
    poke<std::uint64_t>(kGdt + kTask, descriptor(kTss, 0x67, 0x8B, false, false));
    poke<std::uint32_t>(kTss + 4, kRing0Stack);
    poke<std::uint32_t>(kTss + 8, kRing0Data);
    const std::uint32_t code_limit = limited ? any_limit() : 0xFFFF;
    poke<std::uint64_t>(kGdt + kFirst, descriptor(kCodeBase, code_limit, kCode, based, false));
    poke<std::uint64_t>(kGdt + kFirst + 8, descriptor(kCodeBase + kAlias, code_limit, kCode, based, false));
    for (unsigned i = 2; i < 12; ++i) {
      const std::uint32_t base = kData + 0x1000 * i + (below(3) == 0 ? below(0x1000) : 0);
      const std::uint32_t limit = limited ? any_limit() : 0xFFFF;
      unsigned access = kWritable;
      if (limited && i == 10) access = kReadOnly;
      if (limited && i == 11) access = kExpandDown;
      const bool flat = i == 9;
      poke<std::uint64_t>(kGdt + kFirst + 8 * i, flat
                                                     ? descriptor(below(2) == 0 ? 0 : base, 0xFFFFF, access, true, true)
                                                     : descriptor(base, limit, access, based && below(2) == 0, false));
    }
  }

  SegmentRegister of_gdt(std::uint16_t selector) const {
    std::uint64_t entry = 0;
    std::memcpy(&entry, setup_.memory.data() + kGdt + selector, 8);
    return Descriptor{static_cast<std::uint32_t>(entry), static_cast<std::uint32_t>(entry >> 32), 0}.to_register(
        selector);
  }

  void registers() {
    CpuState& s = setup_.state;
    reset(s);
    s.cr0 = cr0::kEt | cr0::kNe | (real() ? 0U : cr0::kPe);
    s.cr4 = cr4::kOsfxsr | cr4::kOsxmmexcpt;
    s.gdtr = {kGdt, 0xFF};
    s.idtr = real() ? TableRegister{0, 0x3FF} : TableRegister{kIdt, 0x7FF};
    s.tr = of_gdt(kTask);
    for (auto& r : s.gpr) r = below(3) == 0 ? static_cast<std::uint32_t>(random_()) : below(0x10000);
    s.gpr[kEcx] = (s.gpr[kEcx] & 0xFFFF0000U) | below(64);
    std::uint32_t flags = static_cast<std::uint32_t>(random_()) & eflags::kNative;
    if (mode_ == Code16Mode::v86) flags |= eflags::kVm | eflags::kIopl;
    if (mode_ == Code16Mode::v86_iopl0) flags |= eflags::kVm;
    s.set_eflags(flags);
    s.fx = {};
    s.fx[0] = 0x7F;
    s.fx[1] = 0x03;
    s.fx[24] = 0x80;
    s.fx[25] = 0x1F;
    for (unsigned i = 0; i < kSegCount; ++i) segment(static_cast<Seg>(i));
    if (paragraphs_) {
      for (unsigned i = 0; i < 12; ++i) selectors_.push_back(static_cast<std::uint16_t>((kData >> 4) + below(0x6000)));
      selectors_.push_back(0xFFFF);
      selectors_.push_back(static_cast<std::uint16_t>(kCodeBase >> 4));
    } else {
      for (std::uint16_t i = 2; i < 12; ++i) selectors_.push_back(static_cast<std::uint16_t>(kFirst + 8 * i));
      selectors_.push_back(kFirst);
      selectors_.push_back(0);
    }
    s.gpr[kEsp] = (s.gpr[kEsp] & 0xFFFF0000U) | (0x400 + (below(0x6000) & ~1U));
    if (mode_ == Code16Mode::based32 || s.segment(Seg::ss).big()) s.gpr[kEsp] &= 0xFFFFU;
    // Also at the end of the segment, over which some programs run, and across pages.
    const std::uint32_t limit = s.segment(Seg::cs).limit;
    s.eip = below(4) == 0 && limit <= 0xFFFF ? limit - below(120) : kAlias + 0x100 + below(0x400);
  }

  void segment(Seg seg) {
    CpuState& s = setup_.state;
    if (!paragraphs_) {
      std::uint16_t selector = kFirst;
      if (seg == Seg::ss) selector = static_cast<std::uint16_t>(kFirst + 8 * (2 + below(7)));
      if (seg != Seg::ss && seg != Seg::cs) selector = static_cast<std::uint16_t>(kFirst + 8 * (2 + below(10)));
      s.set_segment(seg, of_gdt(selector));
      return;
    }
    const std::uint32_t base = seg == Seg::cs ? kCodeBase : kData + 16 * below(0x5000);
    SegmentRegister r = v86_register(static_cast<std::uint16_t>(base >> 4));
    if (real()) r.attributes = static_cast<std::uint16_t>(r.attributes & ~segment::kDplMask);
    if (mode_ == Code16Mode::big_real && seg != Seg::cs && below(2) == 0) {
      r.limit = 0xFFFFFFFF;
      if (below(2) == 0) r.attributes |= segment::kBig | segment::kGranular;
    }
    s.set_segment(seg, r);
  }

  Code16Mode mode_;
  std::mt19937 random_;
  bool paragraphs_ = false;
  std::vector<std::uint16_t> selectors_;
  Setup setup_;
};

std::string describe(const CpuState& s) {
  std::string text = fmt::format("{:04x}:{:08x} flags {:08x}", s.segment(Seg::cs).selector, s.eip, s.eflags());
  for (const auto r : s.gpr) text += fmt::format(" {:08x}", r);
  for (const auto& r : s.seg) text += fmt::format(" {:04x}/{:x}/{:x}/{:x}", r.selector, r.base, r.limit, r.attributes);
  return text + fmt::format(" halted {} shadow {}", s.halted, s.interrupt_shadow);
}

bool same(const CpuState& a, const CpuState& b) {
  return a.gpr == b.gpr && a.eip == b.eip && a.eflags() == b.eflags() && a.halted == b.halted && a.seg == b.seg &&
         a.fx == b.fx && a.cr2 == b.cr2;
}

std::string listing(const Setup& setup) {
  const auto size = setup.state.segment(Seg::cs).big() ? decode::CodeSize::bits32 : decode::CodeSize::bits16;
  std::string text;
  for (std::size_t at = 0; at < setup.code.size();) {
    const auto rest = std::span(setup.code).subspan(at);
    const auto decoded = decode::decode(rest, size);
    const std::size_t length = decoded.failure == decode::Failure::none ? decoded.insn.length : 1U;
    const std::uint32_t eip = setup.state.eip + static_cast<std::uint32_t>(at);
    text += fmt::format("{:06x}: {:02x}  {}\n", eip, fmt::join(rest.first(length), " "),
                        decode::disassemble(rest, size, eip));
    at += length;
  }
  return text;
}

engine::TranslateOptions options(bool deterministic, unsigned max_block, bool protect) {
  engine::TranslateOptions o;
  o.verify = true;
  o.deterministic = deterministic;
  o.max_block = max_block;
  o.protect_code = protect;
  o.cache_bytes = 4ULL << 20;
  return o;
}

// A linked program that does not end is stopped.
class Watch {
 public:
  explicit Watch(engine::Engine& engine)
      : thread_([this, &engine] {
          for (int i = 0; i < 2000 && !done_; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
          if (!done_) engine.kick();
        }) {}
  ~Watch() {
    done_ = true;
    thread_.join();
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace

std::string_view name(Code16Mode mode) {
  constexpr std::array<std::string_view, 7> kNames{"real",        "big_real",  "v86",    "v86_iopl0",
                                                   "protected16", "limited16", "based32"};
  return kNames[static_cast<std::size_t>(mode)];
}

struct Code16Lab::Machines {
  Machine interpreter{Execution::interpret, {}};
  Machine single{Execution::translate, options(true, 1, true)};
  Machine blocks{Execution::translate, options(true, 64, true)};
  Machine checked{Execution::translate, options(true, 64, false)};
  Machine linked{Execution::translate, options(false, 64, true)};
  std::uint64_t retired = 0;

  static void load(Machine& m, const Setup& setup) {
    m.bare.before_write(0, kRam);
    std::memcpy(m.bare.memory.data(), setup.memory.data(), kRam);
    const HostContext host = m.bare.state.host;
    m.bare.state = setup.state;
    m.bare.state.host = host;
    m.bare.state.refresh_pointers();
    update_paging(*m.bare.cpu);
  }

  std::string compare_memory(const Machine& m) const {
    const std::uint8_t* a = interpreter.bare.memory.data();
    const std::uint8_t* b = m.bare.memory.data();
    if (std::memcmp(a, b, kRam) == 0) return {};
    const auto at = std::mismatch(a, a + kRam, b).first - a;
    return fmt::format("memory differs at {:#x}", at);
  }

  // In steps of the translator; `ended`: whether the program ends before it has run for long.
  std::string compare_steps(Machine& m, const Setup& setup, bool& ended) {
    load(interpreter, setup);
    load(m, setup);
    ended = false;
    for (std::uint64_t done = 0; done < kMost && !ended;) {
      const CpuState before = m.bare.state;
      const auto a = m.bare.engine->run(1);
      const auto b = interpreter.bare.engine->run(std::max<std::uint64_t>(a.retired, 1));
      done += std::max<std::uint64_t>(a.retired, 1);
      if (&m == &blocks) retired += a.retired;
      ended = a.reason == engine::StopReason::shutdown || m.bare.state.halted != 0;
      const bool both = (b.reason == engine::StopReason::shutdown) == (a.reason == engine::StopReason::shutdown);
      if (!both || !same(m.bare.state, interpreter.bare.state)) {
        return fmt::format("from        {}\ntranslated  {}\ninterpreted {}\n", describe(before), describe(m.bare.state),
                           describe(interpreter.bare.state));
      }
    }
    return compare_memory(m);
  }

  std::string compare_linked(const Setup& setup) {
    load(interpreter, setup);
    load(linked, setup);
    engine::RunOutcome a, b;
    while (b.reason == engine::StopReason::budget) b = interpreter.bare.engine->run(1000);
    a = linked.bare.engine->run(1);
    if (a.reason != b.reason && a.reason == engine::StopReason::budget) {
      const Watch watch(*linked.bare.engine);
      while (a.reason == engine::StopReason::budget) a = linked.bare.engine->run(1000);
    }
    if (a.reason != b.reason || !same(linked.bare.state, interpreter.bare.state)) {
      return fmt::format("begins      {}\nlinked      {}\ninterpreted {}\n", describe(setup.state),
                         describe(linked.bare.state), describe(interpreter.bare.state));
    }
    return compare_memory(linked);
  }
};

Code16Lab::Code16Lab() : machines_(std::make_unique<Machines>()) {}
Code16Lab::~Code16Lab() = default;

std::string Code16Lab::run(Code16Mode mode, std::uint32_t number) {
  const Setup setup = Builder(mode, number).build();
  bool ended = false;
  const auto told = [&](std::string_view engine, const std::string& difference) {
    return fmt::format("{} program {}, {}:\n{}{}\n", name(mode), number, engine, listing(setup), difference);
  };
  const std::array<std::pair<std::string_view, Machine*>, 3> engines{
      {{"one instruction", &machines_->single}, {"blocks", &machines_->blocks}, {"checked", &machines_->checked}}};
  for (const auto& [engine, machine] : engines) {
    const std::string difference = machines_->compare_steps(*machine, setup, ended);
    if (!difference.empty()) return told(engine, difference);
  }
  if (!ended) return {};
  const std::string difference = machines_->compare_linked(setup);
  return difference.empty() ? difference : told("linked", difference);
}

std::uint64_t Code16Lab::translated() const { return machines_->retired - interpreted(); }

std::uint64_t Code16Lab::interpreted() const {
  for (const auto& counter : machines_->blocks.bare.engine->stats()) {
    if (counter.name == "instructions retired by callouts") return counter.value;
  }
  return 0;
}

}  // namespace ringshift::test
