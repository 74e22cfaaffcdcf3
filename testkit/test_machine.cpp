#include "testkit/test_machine.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>

namespace ringshift::testkit {

namespace {

constexpr std::uint8_t kHlt = 0xF4;
constexpr std::uint32_t kTableBytes = 0x3000;  // GDT, IDT, TSS: zeros, not HLTs
constexpr std::uint32_t kZeroedData = 0x1000;
constexpr std::uint16_t kAccessedData = attr::kData | segment::kAccessed;
constexpr std::uint32_t kDr6Bs = 1U << 14;

engine::TranslateOptions translate_options(EngineKind kind) {
  engine::TranslateOptions options;
  options.verify = true;
  options.deterministic = kind != EngineKind::linked_blocks;
  if (kind == EngineKind::one_instruction) options.max_block = 1;
  options.protect_code = kind != EngineKind::checked_blocks;
  return options;
}

}  // namespace

std::string_view name(EngineKind kind) {
  switch (kind) {
    case EngineKind::interpreter:
      return "Interpreter";
    case EngineKind::one_instruction:
      return "OneInstruction";
    case EngineKind::whole_blocks:
      return "WholeBlocks";
    case EngineKind::checked_blocks:
      return "CheckedBlocks";
    case EngineKind::linked_blocks:
      return "LinkedBlocks";
  }
  return "?";
}

TestMachine::TestMachine(EngineKind config, unsigned cpl)
    : config_(config),
      platform_(machine_.state, config == EngineKind::linked_blocks),
      machine_(config == EngineKind::interpreter ? Execution::interpret : Execution::translate, kRam, platform_,
               translate_options(config)) {
  reset(cpl);
}

void TestMachine::reset(unsigned cpl) {
  machine_.reset_cpu();
  machine_.state.cr0 |= cr0::kPe | cr0::kNe;
  machine_.state.cr0 &= ~(cr0::kCd | cr0::kNw);
  machine_.state.cr4 |= cr4::kOsfxsr | cr4::kOsxmmexcpt;
  machine_.state.gpr = {0x0A0A0A0A, 0x1B1B1B1B, 0x2C2C2C2C, 0x3D3D3D3D, 0, 0x4E4E4E4E, 0x5F5F5F5F, 0x60606060};
  machine_.state.fx = {};
  machine_.state.fx[0] = 0x7F;  // FCW and MXCSR as after FNINIT and reset: every exception masked
  machine_.state.fx[1] = 0x03;
  machine_.state.fx[24] = 0x80;
  machine_.state.fx[25] = 0x1F;
  machine_.before_write(0, kRam);
  std::fill_n(machine_.memory.data(), kRam, kHlt);
  std::fill_n(machine_.memory.data() + kGdt, kTableBytes, std::uint8_t{0});
  std::fill_n(machine_.memory.data() + kData, kZeroedData, std::uint8_t{0});
  build_tables();
  machine_.state.gdtr = {kGdt, kGdtEntries * 8 - 1};
  machine_.state.idtr = {kIdt, 256 * 8 - 1};
  machine_.state.tr = SegmentRegister{kTssSelector, attr::kTss32Busy, kTss, 0x67};
  machine_.state.ldtr = SegmentRegister{};
  machine_.state.set_eflags(eflags::kFixed);
  set_cpl(cpl);
  platform_.interrupt.reset();
  update_paging(*machine_.cpu);
}

void TestMachine::build_tables() {
  for (unsigned ring = 0; ring < 4; ++ring) {
    constexpr std::uint16_t kFlatAccessed = attr::kFlat | segment::kAccessed;
    set_descriptor(code(ring), 0, 0xFFFFF, attr::kCode | kFlatAccessed | attr::dpl(ring));
    set_descriptor(data(ring), 0, 0xFFFFF, attr::kData | kFlatAccessed | attr::dpl(ring));
    if (ring == 3) continue;
    poke<std::uint32_t>(kTss + 4 + ring * 8, stack_top(ring));
    poke<std::uint16_t>(kTss + 8 + ring * 8, data(ring));
  }
  set_descriptor(kTssSelector, kTss, 0x67, attr::kTss32Busy);
  set_descriptor(kCode16, 0, 0xFFFF, attr::kCode | segment::kAccessed);
  set_descriptor(kData16, 0, 0xFFFF, kAccessedData);
  for (unsigned v = 0; v < 256; ++v) set_idt_gate(v, gate(code(0), handler(v), gate_type::kInterrupt32, 3));
  poke<std::uint16_t>(kTss + 0x66, 0x68);  // I/O map beyond the limit: no port permitted
}

Registers TestMachine::registers() const {
  return {machine_.state.gpr,  machine_.state.eip, machine_.state.eflags(), machine_.state.seg,
          machine_.state.ldtr, machine_.state.tr,  machine_.state.cr0,      machine_.state.cr2,
          machine_.state.cr3,  machine_.state.cr4, machine_.state.dr,       machine_.state.interrupt_shadow};
}

void TestMachine::restore(const Registers& r) {
  machine_.state.gpr = r.gpr;
  machine_.state.eip = r.eip;
  machine_.state.set_eflags(r.eflags);
  for (unsigned i = 0; i < kSegCount; ++i) machine_.state.set_segment(static_cast<Seg>(i), r.seg[i]);
  machine_.state.ldtr = r.ldtr;
  machine_.state.tr = r.tr;
  machine_.state.cr0 = r.cr0;
  machine_.state.cr2 = r.cr2;
  machine_.state.cr3 = r.cr3;
  machine_.state.cr4 = r.cr4;
  machine_.state.dr = r.dr;
  machine_.state.interrupt_shadow = r.interrupt_shadow;
  machine_.state.halted = 0;
  update_paging(*machine_.cpu);
}

// ---- memory --------------------------------------------------------------------------------------

void TestMachine::place(std::uint32_t address, const Bytes& bytes) {
  machine_.before_write(address, static_cast<std::uint32_t>(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), machine_.memory.data() + address);
}

void TestMachine::set_descriptor(std::uint16_t selector, std::uint32_t base, std::uint32_t limit,
                                 std::uint16_t attributes) {
  const std::uint64_t low = (limit & 0xFFFFU) | (static_cast<std::uint64_t>(base & 0xFFFFFFU) << 16);
  const std::uint64_t high = (static_cast<std::uint64_t>(attributes) & 0xF0FFU) | ((limit >> 8) & 0xF00U) |
                             (static_cast<std::uint64_t>(base >> 24) << 16);
  poke<std::uint64_t>(kGdt + (selector & 0xFFF8U), low | (high << 40));
}

std::uint64_t TestMachine::gate(std::uint16_t selector, std::uint32_t offset, unsigned type, unsigned dpl,
                                unsigned parameters) {
  return (offset & 0xFFFFU) | (static_cast<std::uint64_t>(selector) << 16) |
         (static_cast<std::uint64_t>(parameters) << 32) | (static_cast<std::uint64_t>((dpl << 5) | type) << 40) |
         kGatePresent | (static_cast<std::uint64_t>(offset >> 16) << 48);
}

void TestMachine::identity_paging() {
  poke<std::uint32_t>(kPageDirectory, kPageTable | 7U);
  for (std::uint32_t i = 1; i < 1024; ++i) poke<std::uint32_t>(kPageDirectory + i * 4, 0);
  for (std::uint32_t i = 0; i < 1024; ++i) poke<std::uint32_t>(kPageTable + i * 4, i << 12 | 7U);
  machine_.state.cr3 = kPageDirectory;
  machine_.state.cr0 |= cr0::kPg | cr0::kWp;
  update_paging(*machine_.cpu);
}

void TestMachine::set_page(std::uint32_t linear, std::uint32_t entry) {
  poke<std::uint32_t>(kPageTable + (linear >> 12) * 4, entry);
  machine_.mmu->invlpg(linear);
}

// ---- mode ----------------------------------------------------------------------------------------

void TestMachine::set_cpl(unsigned cpl) {
  for (const Seg seg : {Seg::es, Seg::ss, Seg::ds, Seg::fs, Seg::gs}) {
    machine_.state.set_segment(seg, segment_of(data(cpl), false));
  }
  machine_.state.set_segment(Seg::cs, segment_of(code(cpl), false));
  machine_.state.gpr[kEsp] = stack_top(cpl);
  machine_.state.eip = kCode;
}

void TestMachine::real_mode() {
  machine_.reset_cpu();
  machine_.state.cr0 &= ~(cr0::kCd | cr0::kNw);
  for (unsigned v = 0; v < 256; ++v) poke<std::uint32_t>(v * 4, handler(v));
  machine_.state.idtr = {0, 0x3FF};
  const auto at = [&](Seg seg, std::uint32_t base) {
    SegmentRegister r = machine_.state.segment(seg);
    r.selector = static_cast<std::uint16_t>(base >> 4);
    r.base = base;
    machine_.state.set_segment(seg, r);
  };
  for (const Seg seg : {Seg::es, Seg::ds, Seg::fs, Seg::gs}) at(seg, kData);
  at(Seg::cs, kCode);
  at(Seg::ss, stack_top(0) - 0x1000);
  machine_.state.gpr[kEsp] = 0x1000;
  machine_.state.eip = 0;
  update_paging(*machine_.cpu);
}

void TestMachine::enter_v86(unsigned iopl) {
  machine_.state.set_eflags((flags() & ~eflags::kIopl) | eflags::kVm | (iopl << eflags::kIoplShift));
  for (const Seg seg : {Seg::es, Seg::cs, Seg::ss, Seg::ds, Seg::fs, Seg::gs}) {
    machine_.state.set_segment(seg, v86_register(static_cast<std::uint16_t>(v86_base(seg) >> 4)));
  }
  machine_.state.gpr[kEsp] = 0x800;
  machine_.state.eip = 0x100;
}

void TestMachine::push32(std::uint32_t value) {
  machine_.state.gpr[kEsp] -= 4;
  poke<std::uint32_t>(machine_.state.segment(Seg::ss).base + machine_.state.gpr[kEsp], value);
}

void TestMachine::push16(std::uint16_t value) {
  machine_.state.gpr[kEsp] -= 2;
  poke<std::uint16_t>(machine_.state.segment(Seg::ss).base + machine_.state.gpr[kEsp], value);
}

void TestMachine::interrupt(std::uint8_t vec) {
  platform_.interrupt = vec;
  __atomic_fetch_or(&machine_.state.pending, kInterruptWaiting, __ATOMIC_SEQ_CST);
}

// ---- running -------------------------------------------------------------------------------------

SegmentRegister TestMachine::segment_of(std::uint16_t selector, bool v86) const {
  if (v86) return v86_register(selector);
  const std::uint32_t table = selector::in_ldt(selector) ? machine_.state.ldtr.base : machine_.state.gdtr.base;
  const auto entry = peek<std::uint64_t>(table + (selector & 0xFFF8U));
  return Descriptor{static_cast<std::uint32_t>(entry), static_cast<std::uint32_t>(entry >> 32), 0}.to_register(
      selector);
}

std::uint8_t TestMachine::byte_at(std::uint16_t cs, std::uint32_t eip, bool v86) const {
  return peek<std::uint8_t>(segment_of(cs, v86).base + eip);
}

std::optional<unsigned> TestMachine::vector() const {
  const std::uint32_t at = machine_.state.segment(Seg::cs).base + machine_.state.eip;
  if (at < kHandlers || at >= kHandlers + 256 * 16) return std::nullopt;
  return (at - kHandlers) / 16;
}

TestMachine::Outcome TestMachine::outcome_here() const {
  Outcome outcome;
  outcome.handler = vector();
  return outcome;
}

TestMachine::Outcome TestMachine::execute(const Bytes& bytes) {
  const std::uint32_t at = machine_.state.segment(Seg::cs).base + machine_.state.eip;
  const Bytes filler(16, kHlt);
  place(at + static_cast<std::uint32_t>(bytes.size()), filler);
  place(at, bytes);
  return step();
}

TestMachine::Outcome TestMachine::step() {
  const SegmentRegister& cs = machine_.state.segment(Seg::cs);
  const std::uint32_t linear = cs.base + machine_.state.eip;
  const bool is_halt = linear < kRam && peek<std::uint8_t>(linear) == kHlt;
  if (config_ == EngineKind::linked_blocks) return run_to_filler(is_halt);
  const auto reason = machine_.engine->run(1).reason;
  Outcome outcome = outcome_here();
  outcome.shutdown = reason == engine::StopReason::shutdown;
  outcome.halted = !outcome.shutdown && machine_.state.halted != 0;
  return outcome;
}

// The chained translator cannot be stopped after one instruction: it runs on to the first HLT, which is then taken
// back.
TestMachine::Outcome TestMachine::run_to_filler(bool is_halt) {
  const std::uint32_t eip = machine_.state.eip;
  const auto reason = machine_.engine->run(1'000'000).reason;
  if (reason == engine::StopReason::shutdown) return {.shutdown = true, .halted = false, .handler = std::nullopt};
  if (is_halt && machine_.state.eip == eip + 1) return {.shutdown = false, .halted = true, .handler = std::nullopt};
  machine_.state.halted = 0;
  machine_.state.eip -= 1;
  if (!is_halt) undo_filler_fault();
  return outcome_here();
}

// A filler HLT in rings 1 to 3 has raised #GP(0); with TF set in ring 0 it has completed and trapped.
bool TestMachine::undo_filler_fault() {
  const auto vec = vector();
  const bool trapped = vec == unsigned{vector::kDb};
  if (!trapped && vec != unsigned{vector::kGp}) return false;
  Frame f = frame(!trapped);
  if (f.error != 0) return false;
  if (trapped && ((f.eflags & eflags::kTf) == 0 || (machine_.state.dr[6] & kDr6Bs) == 0)) return false;
  if (trapped) f.eip -= 1;
  if (byte_at(f.cs, f.eip, f.v86()) != kHlt) return false;
  filler_frame_ = {machine_.state.segment(Seg::ss).base + machine_.state.gpr[kEsp], f.bytes};
  return_from(f);
  if (trapped) machine_.state.dr[6] &= ~kDr6Bs;
  return true;
}

// An INT n pushes no error code, whatever its vector: then what would be eflags is none.
bool TestMachine::has_error_code(unsigned vec) const {
  constexpr std::uint32_t kNeverSet = 0xFFC08028;
  return pushes_error(vec) && machine_.state.protected_mode() &&
         (stack(3) & (kNeverSet | eflags::kFixed)) == eflags::kFixed;
}

TestMachine::Frame TestMachine::frame(bool has_error) const {
  Frame f;
  if (!machine_.state.protected_mode()) {
    f.eip = stack16(0);
    f.cs = stack16(1);
    f.eflags = (flags() & 0xFFFF0000U) | stack16(2);
    f.bytes = 6;
    return f;
  }
  unsigned slot = 0;
  f.has_error = has_error;
  if (f.has_error) f.error = stack(slot++);
  f.eip = stack(slot++);
  f.cs = static_cast<std::uint16_t>(stack(slot++));
  f.eflags = stack(slot++);
  f.outer = f.v86() || selector::rpl(f.cs) != 0;
  if (f.outer) {
    f.esp = stack(slot++);
    f.ss = static_cast<std::uint16_t>(stack(slot++));
  }
  for (unsigned i = 0; f.v86() && i < f.v86_segments.size(); ++i) {
    f.v86_segments[i] = static_cast<std::uint16_t>(stack(slot++));
  }
  f.bytes = slot * 4;
  return f;
}

void TestMachine::return_from(const Frame& f) {
  if (!machine_.state.protected_mode()) {
    SegmentRegister cs = machine_.state.segment(Seg::cs);
    cs.selector = f.cs;
    cs.base = std::uint32_t{f.cs} << 4;
    machine_.state.set_segment(Seg::cs, cs);
    machine_.state.gpr[kEsp] += f.bytes;
  } else {
    constexpr std::array kV86Order{Seg::es, Seg::ds, Seg::fs, Seg::gs};
    for (unsigned i = 0; f.v86() && i < kV86Order.size(); ++i) {
      machine_.state.set_segment(kV86Order[i], v86_register(f.v86_segments[i]));
    }
    machine_.state.set_segment(Seg::cs, segment_of(f.cs, f.v86()));
    if (f.outer) {
      machine_.state.set_segment(Seg::ss, segment_of(f.ss, f.v86()));
      machine_.state.gpr[kEsp] = f.esp;
    } else {
      machine_.state.gpr[kEsp] += f.bytes;
    }
  }
  machine_.state.eip = f.eip;
  machine_.state.set_eflags(f.eflags & ~eflags::kRf);
}

std::optional<std::uint32_t> TestMachine::physical(std::uint32_t linear) const {
  if (!machine_.state.paging()) return linear < kRam ? std::optional(linear) : std::nullopt;
  constexpr std::uint32_t kFrame = ~mmu::kPageMask, kPresent = 1;
  std::uint32_t table = machine_.state.cr3 & kFrame;
  for (const unsigned shift : {22U, 12U}) {
    if (table >= kRam) return std::nullopt;
    const auto entry = peek<std::uint32_t>(table + (linear >> shift & 0x3FF) * 4);
    if ((entry & kPresent) == 0) return std::nullopt;
    table = entry & kFrame;
  }
  return table < kRam ? std::optional(table | (linear & mmu::kPageMask)) : std::nullopt;
}

std::uint64_t TestMachine::counter(std::string_view counter_name) const {
  for (const engine::Counter& c : machine_.engine->stats()) {
    if (c.name == counter_name) return c.value;
  }
  return 0;
}

std::uint32_t TestMachine::linear(const Frame& f) const { return segment_of(f.cs, f.v86()).base + f.eip; }

bool TestMachine::at_filler(std::uint32_t code, std::uint32_t bytes) const {
  const std::uint32_t linear = machine_.state.segment(Seg::cs).base + machine_.state.eip;
  if (linear - code < bytes) return false;
  const auto at = physical(linear);
  return at && peek<std::uint8_t>(*at) == kHlt;
}

// The chained translator runs until something stops it: after ten seconds, that is us.
engine::StopReason TestMachine::run_watched() {
  constexpr auto kLong = std::chrono::seconds(10);
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::thread watchdog([&] {
    std::unique_lock lock(mutex);
    if (!changed.wait_for(lock, kLong, [&] { return done; })) machine_.engine->kick();
  });
  const auto reason = machine_.engine->run(1'000'000).reason;
  {
    const std::lock_guard lock(mutex);
    done = true;
  }
  changed.notify_one();
  watchdog.join();
  if (reason == engine::StopReason::service) throw LabError("the code did not stop within 10 seconds");
  return reason;
}

TestMachine::Stop TestMachine::run_code(std::uint32_t code, std::uint32_t bytes) {
  constexpr unsigned kManySteps = 10'000'000;
  const auto in_code = [&] { return machine_.state.segment(Seg::cs).base + machine_.state.eip - 1 - code < bytes; };
  filler_frame_ = {};
  if (config_ == EngineKind::linked_blocks) {
    if (run_watched() == engine::StopReason::shutdown) return Stop::shutdown;
    if (machine_.state.cpl() == 0 && !vector() && in_code()) return Stop::halted;
    machine_.state.halted = 0;
    machine_.state.eip -= 1;
    // A HLT of the code itself faults for good.
    const auto vec = vector();
    if (!vec) return Stop::filler;
    if (!machine_.state.protected_mode()) return Stop::handler;
    const bool by_code = *vec == vector::kGp && linear(frame(true)) - code < bytes;
    return !by_code && undo_filler_fault() ? Stop::filler : Stop::handler;
  }
  for (unsigned steps = 0; steps < kManySteps; ++steps) {
    if (vector()) return Stop::handler;
    if (at_filler(code, bytes) && machine_.state.pending == 0) return Stop::filler;
    if (machine_.engine->run(1).reason == engine::StopReason::shutdown) return Stop::shutdown;
    if (machine_.state.halted == 0) continue;
    if (in_code()) return Stop::halted;
    // An interrupt came before the instruction, which was the HLT of its handler.
    machine_.state.halted = 0;
    machine_.state.eip -= 1;
  }
  throw LabError("the code did not stop within ten million steps");
}

engine::StopReason TestMachine::run() {
  for (;;) {
    const auto reason = machine_.engine->run(1'000'000).reason;
    if (reason == engine::StopReason::shutdown) return reason;
    if (reason != engine::StopReason::halted) continue;
    const bool wakes = machine_.state.pending != 0 && interruptible(machine_.state);
    if (!wakes) return reason;
  }
}

}  // namespace ringshift::testkit
