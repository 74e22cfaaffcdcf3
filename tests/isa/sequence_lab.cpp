#include "tests/isa/sequence_lab.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <random>
#include <utility>

#include "runtime/semantics/fault.h"
#include "tests/isa/compare.h"
#include "tests/isa/shrink.h"

namespace ringshift::test {
namespace {

constexpr std::uint64_t kMemorySeed = 20;
constexpr std::uint64_t kMostInstructions = 20'000;
constexpr const char* kLinked = "translator, linked";
constexpr const char* kChecked = "translator, checking its code";
constexpr const char* kAnywhere = "translator, of code that may stand anywhere";

engine::TranslateOptions linked(bool verify) {
  engine::TranslateOptions options;
  options.verify = verify;
  options.cache_bytes = 8ULL << 20;
  return options;
}

engine::TranslateOptions checking(bool verify) {
  engine::TranslateOptions options = linked(verify);
  options.protect_code = false;
  return options;
}

engine::TranslateOptions anywhere(bool verify) {
  engine::TranslateOptions options = linked(verify);
  options.anywhere_at_once = true;
  return options;
}

engine::TranslateOptions stepping(bool verify) {
  engine::TranslateOptions options = linked(verify);
  options.deterministic = options.count_retired = true;
  return options;
}

template <class T>
void compare(std::string& text, std::string_view what, const T& expected, const T& actual) {
  if (expected != actual) text += fmt::format("  {}: interpreted {:x}, translated {:x}\n", what, expected, actual);
}

// How exactly floating-point state is compared.
enum class Fx : std::uint8_t {
  all,
  // In the middle: the translator meets a fault in the host's own instruction, which has left its marks in MXCSR and in
  // the x87 stack's TOP, before the runtime executes it again.
  without_marks,
};

void compare_fx(const FxImage& a, const FxImage& b, Fx how, std::string& text) {
  FxImage x = a;
  FxImage y = b;
  if (how == Fx::without_marks) {
    for (FxImage* image : {&x, &y}) {
      (*image)[24] &= 0xC0;
      std::fill(image->begin() + 2, image->begin() + 5, std::uint8_t{0});
      std::fill(image->begin() + 32, image->begin() + 160, std::uint8_t{0});
    }
  }
  const auto [p, q] = std::mismatch(x.begin(), x.end(), y.begin());
  if (p != x.end()) text += fmt::format("  fx at {}: interpreted {:02x}, translated {:02x}\n", p - x.begin(), *p, *q);
}

std::string compare_states(const CpuState& a, const CpuState& b, Fx how) {
  constexpr std::array kNames{"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
  constexpr std::array kSegments{"es", "cs", "ss", "ds", "fs", "gs"};
  std::string text;
  compare(text, "eip", a.eip, b.eip);
  compare(text, "eflags", a.eflags(), b.eflags());
  for (unsigned i = 0; i < kGprCount; ++i) compare(text, kNames[i], a.gpr[i], b.gpr[i]);
  for (unsigned i = 0; i < kSegCount; ++i) {
    compare(text, kSegments[i], a.seg[i].selector, b.seg[i].selector);
    compare(text, fmt::format("base of {}", kSegments[i]), a.seg[i].base, b.seg[i].base);
    compare(text, fmt::format("limit of {}", kSegments[i]), a.seg[i].limit, b.seg[i].limit);
    compare(text, fmt::format("attributes of {}", kSegments[i]), a.seg[i].attributes, b.seg[i].attributes);
  }
  compare(text, "cr0", a.cr0, b.cr0);
  compare(text, "cr2", a.cr2, b.cr2);
  compare(text, "cr3", a.cr3, b.cr3);
  compare(text, "cr4", a.cr4, b.cr4);
  for (unsigned i = 0; i < 8; ++i) compare(text, fmt::format("dr{}", i), a.dr[i], b.dr[i]);
  compare(text, "halted", static_cast<unsigned>(a.halted), static_cast<unsigned>(b.halted));
  compare_fx(a.fx, b.fx, how, text);
  return text;
}

// Translated code clears RF at once where no breakpoint is armed, so that it is not in the next image of EFLAGS that is
// pushed (docs/ARCHITECTURE.md, "Known limits").
bool only_rf(const std::vector<Change>& a, const std::vector<Change>& b) {
  std::vector<Change> one;  // those that are not in both
  std::ranges::set_symmetric_difference(a, b, std::back_inserter(one), [](const Change& x, const Change& y) {
    return std::pair(x.address, x.value) < std::pair(y.address, y.value);
  });
  constexpr unsigned kRfInByte2 = 1;
  for (std::size_t i = 0; i < one.size(); ++i) {
    const bool in_both = i + 1 < one.size() && one[i + 1].address == one[i].address;
    const unsigned other = in_both ? one[i + 1].value : 0;  // a stack begins with zeros
    if ((one[i].value ^ other) != kRfInByte2) return false;
    if (in_both) ++i;
  }
  return true;
}

// The code as a run has left it.
std::vector<std::uint8_t> code_after(const Case& c, const std::vector<Change>& changes) {
  std::vector<std::uint8_t> code = c.bytes;
  for (const Change& change : changes) {
    const std::uint32_t at = (change.address - kCode - c.offset) % kCodeBytes;
    if (change.address - kCode < kCodeBytes && at < code.size()) code[at] = change.value;
  }
  return code;
}

// Code that has changed itself may have become RDTSC: of a counter that runs on.
bool may_read_time(const Case& c, const std::vector<Change>& changes) {
  constexpr std::array<std::uint8_t, 2> kRdtsc{0x0F, 0x31};
  const auto code = code_after(c, changes);
  return std::search(code.begin(), code.end(), kRdtsc.begin(), kRdtsc.end()) != code.end();
}

// What the host cannot be asked: INT1, which hypervisors report with an address of their own; IRET with NT, which is
// #GP(0) in long mode; and the segment in which Linux keeps the processor's number.
bool beyond_the_host(const Case& c, const Outcome& outcome) {
  constexpr std::uint8_t kInt1 = 0xF1, kIret = 0xCF;
  constexpr std::uint16_t kProcessorNumber = 0x78;
  for (const std::uint16_t selector : outcome.after.sel) {
    if ((selector & ~3U) == kProcessorNumber) return true;
  }
  const auto code = code_after(c, outcome.changes);
  const bool local = outcome.after.sel[static_cast<unsigned>(Seg::cs)] != kUserCode;
  const std::uint32_t at = (local ? kCode : 0) + outcome.after.eip - c.before.eip;
  if (at >= code.size()) return false;
  return (outcome.vector == vector::kDb && code[at] == kInt1) || (outcome.vector == vector::kGp && code[at] == kIret);
}

std::string compare_outcomes(const GuestMachine::SystemOutcome& a, const GuestMachine::SystemOutcome& b) {
  // Whether a conversion to MMX registers that raises #XM has turned the x87 stack into them is left open. On a bad
  // stack #XM ends otherwise.
  const bool open = a.state.eip == GuestMachine::after_handler(vector::kXm) ||
                    a.state.eip == GuestMachine::after_handler(vector::kDf) || a.reason == engine::StopReason::shutdown;
  std::string text = compare_states(a.state, b.state, open ? Fx::without_marks : Fx::all);
  compare(text, "reason of the stop", static_cast<unsigned>(a.reason), static_cast<unsigned>(b.reason));
  if (only_rf(a.changes, b.changes)) return text;
  const auto [x, y] = std::mismatch(a.changes.begin(), a.changes.end(), b.changes.begin(), b.changes.end());
  const auto tell = [&](const char* who, auto at, auto end) {
    if (at != end) text += fmt::format("  memory, {}: [{:08x}]={:02x}\n", who, at->address, at->value);
  };
  tell("interpreted", x, a.changes.end());
  tell("translated", y, b.changes.end());
  return text;
}

}  // namespace

Watchdog::Watchdog() {
  // The signals of the native side are for the thread that runs it.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] {
    constexpr std::chrono::milliseconds kPatience(500);
    std::unique_lock lock(mutex_);
    while (!stop_) {
      const std::uint64_t seen = armed_;
      const bool was_armed = machine_ != nullptr;
      changed_.wait_for(lock, kPatience, [this] { return stop_; });
      if (was_armed && machine_ != nullptr && armed_ == seen) machine_->kick();
    }
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::arm(GuestMachine& machine) {
  const std::lock_guard lock(mutex_);
  machine_ = &machine;
  ++armed_;
}

void Watchdog::disarm() {
  const std::lock_guard lock(mutex_);
  machine_ = nullptr;
}

Engines::Engines(const MemoryTemplate& memory, bool low_pages, bool verify)
    : interpreter_(EngineKind::interpret, memory, low_pages, {}, CodeAccess::writable),
      linked_(EngineKind::translate, memory, low_pages, linked(verify), CodeAccess::writable),
      checked_(EngineKind::translate, memory, low_pages, checking(verify), CodeAccess::writable),
      anywhere_(EngineKind::translate, memory, low_pages, anywhere(verify), CodeAccess::writable),
      stepped_(EngineKind::translate, memory, low_pages, stepping(verify), CodeAccess::writable) {}

void Engines::load(const CodeImage& code) {
  for (GuestMachine* machine : {&interpreter_, &linked_, &checked_, &anywhere_, &stepped_}) machine->load(code);
}

std::string Engines::run_native(const Case& c, const Outcome& expected) {
  Outcome actual;
  for (const auto& [name, machine] : {std::pair{"interpreter", &interpreter_}, std::pair{kLinked, &linked_},
                                      std::pair{kChecked, &checked_}, std::pair{kAnywhere, &anywhere_}}) {
    machine->run(c, actual);
    // The pages of the native side alone are not there in the guest.
    if (actual.vector == vector::kPf && actual.cr2 - kNativeContext < 2 * kPage) return {};
    std::string text = sequence_difference(c, expected, actual);
    if (!text.empty()) return fmt::format("{}:\n{}", name, text);
  }
  return {};
}

std::optional<std::string> Engines::run_system(const Case& c) {
  GuestMachine::SystemOutcome expected, actual;
  interpreter_.run_system(c, kMostInstructions, expected);
  if (expected.reason == engine::StopReason::budget || may_read_time(c, expected.changes)) return std::nullopt;
  std::string text;
  for (const auto& [name, machine] :
       {std::pair{kLinked, &linked_}, std::pair{kChecked, &checked_}, std::pair{kAnywhere, &anywhere_}}) {
    watchdog_.arm(*machine);
    machine->run_system(c, kMostInstructions, actual);
    watchdog_.disarm();
    if (!text.empty()) continue;
    text = compare_outcomes(expected, actual);
    if (!text.empty()) text = fmt::format("{}:\n{}", name, text);
  }
  interpreter_.load_again();
  std::string steps = run_lockstep(c);
  return steps.empty() ? text : steps;
}

// After every fragment, or single instruction, of the translator.
std::string Engines::run_lockstep(const Case& c) {
  interpreter_.begin_system(c);
  stepped_.begin_system(c);
  std::string text;
  engine::RunOutcome left, right;
  std::uint64_t steps = 0;
  while (text.empty() && right.reason == engine::StopReason::budget) {
    if (++steps > 2 * kMostInstructions) return "translator, stepping: does not end\n";
    const std::uint32_t eip = stepped_.state().eip;
    right = stepped_.step(1);
    left = interpreter_.step(std::max<std::uint64_t>(right.retired, 1));
    text = compare_states(interpreter_.state(), stepped_.state(), Fx::without_marks);
    if (!text.empty()) text = fmt::format("translator, stepping from {:08x}:\n{}", eip, text);
  }
  GuestMachine::SystemOutcome expected, actual;
  interpreter_.finish_system(right.reason, expected);
  stepped_.finish_system(right.reason, actual);
  if (text.empty()) {
    text = compare_outcomes(expected, actual);
    if (!text.empty()) text = "translator, stepping, at the end:\n" + text;
  }
  return text;
}

SequenceLab::SequenceLab(SequenceOptions options) : options_(options), memory_(kMemorySeed) {
#ifdef __SANITIZE_ADDRESS__
  why_ = "AddressSanitizer's shadow memory is where programs expect nothing";
#else
  native_ = NativeCpu::create(memory_, why_, CodeAccess::writable);
#endif
  engines_ = std::make_unique<Engines>(memory_, native_ == nullptr || native_->has_low_pages(), options_.verify);
}

Program SequenceLab::program(std::uint64_t number) const {
  std::seed_seq seed{options_.seed, options_.seed >> 32, number, number >> 32};
  Rng rng(seed);
  return generator_.generate(number % 3 == 0 ? Territory::native : Territory::system, rng);
}

std::string SequenceLab::check(const Program& program) {
  const auto c = assemble(program);
  if (!c) return {};
  CodeImage code;
  code.place_program(*c);
  engines_->load(code);
  if (program.territory == Territory::system) {
    const auto text = engines_->run_system(*c);
    if (!text) ++endless_;
    return text.value_or("");
  }
  if (native_ == nullptr) return {};
  Outcome expected;
  native_->load(code);
  native_->begin();
  native_->run(*c, expected);
  native_->end();
  if (expected.vector == kHung || expected.vector == kSystemCall || beyond_the_host(*c, expected)) {
    ++endless_;
    return {};
  }
  ++with_host_;
  return engines_->run_native(*c, expected);
}

void SequenceLab::run(std::uint64_t first, std::uint64_t count) {
  for (std::uint64_t number = first; number < first + count; ++number) {
    const Program whole = program(number);
    ++programs_;
    if (check(whole).empty()) continue;
    // A repetition that overwrites itself on the host depends on when the host's interrupts come.
    if (whole.territory == Territory::native && check(whole).empty()) continue;
    ++failed_;
    if (failures_.size() >= options_.keep) continue;
    const Program least = shrink(whole, [this](const Program& p) { return !check(p).empty(); });
    failures_.push_back(fmt::format("program {} of seed {}, shrunk from {} to {} instructions:\n{}{}", number,
                                    options_.seed, whole.code.size(), least.code.size(), listing(least), check(least)));
  }
}

}  // namespace ringshift::test
