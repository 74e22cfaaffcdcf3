#include "tests/engine/system_lab.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <variant>

namespace ringshift::test {

namespace {

constexpr std::uint8_t kHlt = 0xF4;
constexpr std::uint32_t kTableBytes = 0x3000;  // GDT, IDT, TSS: zeros, not HLTs
constexpr std::uint32_t kZeroedData = 0x1000;
constexpr std::uint16_t kAccessedData = attr::kData | segment::kAccessed;
constexpr std::uint32_t kDr6Bs = 1U << 14;

template <class T>
T take(std::variant<T, std::string> result) {
  if (auto* error = std::get_if<std::string>(&result)) throw std::runtime_error(*error);
  return std::move(std::get<T>(result));
}

bool pushes_error(unsigned vec) { return vec == 8 || (vec >= 10 && vec <= 14) || vec == 17; }

testing::AssertionResult no(const std::string& what, std::uint32_t is, std::uint32_t expected) {
  return testing::AssertionFailure() << fmt::format("{} is {:#x}, expected {:#x}", what, is, expected);
}

std::string describe(const SystemLab::Outcome& outcome) {
  if (outcome.shutdown) return "shutdown";
  if (outcome.halted) return "halt";
  return outcome.handler ? "vector " + std::to_string(*outcome.handler) : "no exception";
}

}  // namespace

std::string engine_name(const testing::TestParamInfo<EngineConfig>& info) {
  switch (info.param) {
    case EngineConfig::interpreter:
      return "Interpreter";
    case EngineConfig::deterministic:
      return "Deterministic";
    default:
      return "Translator";
  }
}

SystemLab::SystemLab(EngineConfig config, unsigned cpl)
    : config_(config), memory_(take(mmu::GuestMemory::create(kRam))), physical_(memory_), code_(kRam) {
  physical_.add_ram(0, kRam, 0);
  std::unique_ptr<mmu::WindowPool> windows;
  if (config != EngineConfig::interpreter) windows = take(mmu::WindowPool::create(physical_, code_));
  mmu_ = std::make_unique<mmu::Mmu>(physical_, code_, std::move(windows));
  cpu_ = std::make_unique<Cpu>(state_, *mmu_, platform_);
  reset(cpl);
  if (config == EngineConfig::interpreter) {
    engine_ = engine::make_interpreter(*cpu_);
    return;
  }
  engine::TranslateOptions options;
  options.verify = true;
  options.deterministic = config == EngineConfig::deterministic;
  std::string error;
  engine_ = engine::make_translator(*cpu_, options, error);
  if (!engine_) throw std::runtime_error(error);
}

SystemLab::~SystemLab() {
  for (const engine::Counter& counter : engine_->stats()) {
    if (counter.name == "fragments refused by the verifier") {
      EXPECT_EQ(counter.value, 0u);
    }
  }
}

void SystemLab::reset(unsigned cpl) {
  const HostContext host = state_.host;
  ringshift::reset(state_);
  state_.host = host;
  state_.cr0 |= cr0::kPe | cr0::kNe;
  state_.cr0 &= ~(cr0::kCd | cr0::kNw);
  state_.cr4 |= cr4::kOsfxsr | cr4::kOsxmmexcpt;
  state_.gpr = {0x0A0A0A0A, 0x1B1B1B1B, 0x2C2C2C2C, 0x3D3D3D3D, 0, 0x4E4E4E4E, 0x5F5F5F5F, 0x60606060};
  state_.fx = {};
  state_.fx[0] = 0x7F;  // FCW and MXCSR as after FNINIT and reset: every exception masked
  state_.fx[1] = 0x03;
  state_.fx[24] = 0x80;
  state_.fx[25] = 0x1F;
  wrote(0, kRam);
  std::fill_n(memory_.data(), kRam, kHlt);
  std::fill_n(memory_.data() + kGdt, kTableBytes, std::uint8_t{0});
  std::fill_n(memory_.data() + kData, kZeroedData, std::uint8_t{0});
  build_tables();
  state_.gdtr = {kGdt, kGdtEntries * 8 - 1};
  state_.idtr = {kIdt, 256 * 8 - 1};
  state_.tr = SegmentRegister{kTssSelector, attr::kTss32Busy, kTss, 0x67};
  state_.ldtr = SegmentRegister{};
  state_.set_eflags(eflags::kFixed);
  set_cpl(cpl);
  platform_.interrupt.reset();
  update_paging(*cpu_);
}

void SystemLab::build_tables() {
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

Registers SystemLab::registers() const {
  return {state_.gpr, state_.eip, state_.eflags(), state_.seg, state_.ldtr, state_.tr,
          state_.cr0, state_.cr2, state_.cr3,      state_.cr4, state_.dr,   state_.interrupt_shadow};
}

void SystemLab::restore(const Registers& r) {
  state_.gpr = r.gpr;
  state_.eip = r.eip;
  state_.set_eflags(r.eflags);
  for (unsigned i = 0; i < kSegCount; ++i) state_.set_segment(static_cast<Seg>(i), r.seg[i]);
  state_.ldtr = r.ldtr;
  state_.tr = r.tr;
  state_.cr0 = r.cr0;
  state_.cr2 = r.cr2;
  state_.cr3 = r.cr3;
  state_.cr4 = r.cr4;
  state_.dr = r.dr;
  state_.interrupt_shadow = r.interrupt_shadow;
  state_.halted = 0;
  update_paging(*cpu_);
}

// ---- memory --------------------------------------------------------------------------------------

void SystemLab::wrote(std::uint32_t address, std::uint32_t size) {
  for (std::uint32_t at = address; at < address + size;) {
    const std::uint32_t here = std::min(address + size - at, mmu::kPageSize - (at & mmu::kPageMask));
    if (code_.contains(at)) code_.notify_write(at, here);
    at += here;
  }
}

void SystemLab::place(std::uint32_t address, const Bytes& bytes) {
  wrote(address, static_cast<std::uint32_t>(bytes.size()));
  std::copy(bytes.begin(), bytes.end(), memory_.data() + address);
}

void SystemLab::set_descriptor(std::uint16_t selector, std::uint32_t base, std::uint32_t limit,
                               std::uint16_t attributes) {
  const std::uint64_t low = (limit & 0xFFFFU) | (static_cast<std::uint64_t>(base & 0xFFFFFFU) << 16);
  const std::uint64_t high = (static_cast<std::uint64_t>(attributes) & 0xF0FFU) | ((limit >> 8) & 0xF00U) |
                             (static_cast<std::uint64_t>(base >> 24) << 16);
  poke<std::uint64_t>(kGdt + (selector & 0xFFF8U), low | (high << 40));
}

std::uint64_t SystemLab::gate(std::uint16_t selector, std::uint32_t offset, unsigned type, unsigned dpl,
                              unsigned parameters) {
  return (offset & 0xFFFFU) | (static_cast<std::uint64_t>(selector) << 16) |
         (static_cast<std::uint64_t>(parameters) << 32) | (static_cast<std::uint64_t>((dpl << 5) | type) << 40) |
         kGatePresent | (static_cast<std::uint64_t>(offset >> 16) << 48);
}

void SystemLab::identity_paging() {
  poke<std::uint32_t>(kPageDirectory, kPageTable | 7U);
  for (std::uint32_t i = 1; i < 1024; ++i) poke<std::uint32_t>(kPageDirectory + i * 4, 0);
  for (std::uint32_t i = 0; i < 1024; ++i) poke<std::uint32_t>(kPageTable + i * 4, i << 12 | 7U);
  state_.cr3 = kPageDirectory;
  state_.cr0 |= cr0::kPg | cr0::kWp;
  update_paging(*cpu_);
}

void SystemLab::set_page(std::uint32_t linear, std::uint32_t entry) {
  poke<std::uint32_t>(kPageTable + (linear >> 12) * 4, entry);
  mmu_->invlpg(linear);
}

// ---- mode ----------------------------------------------------------------------------------------

void SystemLab::set_cpl(unsigned cpl) {
  for (const Seg seg : {Seg::es, Seg::ss, Seg::ds, Seg::fs, Seg::gs}) {
    state_.set_segment(seg, segment_of(data(cpl), false));
  }
  state_.set_segment(Seg::cs, segment_of(code(cpl), false));
  state_.gpr[kEsp] = stack_top(cpl);
  state_.eip = kCode;
}

void SystemLab::real_mode() {
  const HostContext host = state_.host;
  ringshift::reset(state_);
  state_.host = host;
  state_.cr0 &= ~(cr0::kCd | cr0::kNw);
  for (unsigned v = 0; v < 256; ++v) poke<std::uint32_t>(v * 4, handler(v));
  state_.idtr = {0, 0x3FF};
  const auto at = [&](Seg seg, std::uint32_t base) {
    SegmentRegister r = state_.segment(seg);
    r.selector = static_cast<std::uint16_t>(base >> 4);
    r.base = base;
    state_.set_segment(seg, r);
  };
  for (const Seg seg : {Seg::es, Seg::ds, Seg::fs, Seg::gs}) at(seg, kData);
  at(Seg::cs, kCode);
  at(Seg::ss, stack_top(0) - 0x1000);
  state_.gpr[kEsp] = 0x1000;
  state_.eip = 0;
  update_paging(*cpu_);
}

void SystemLab::enter_v86(unsigned iopl) {
  state_.set_eflags((flags() & ~eflags::kIopl) | eflags::kVm | (iopl << eflags::kIoplShift));
  for (const Seg seg : {Seg::es, Seg::cs, Seg::ss, Seg::ds, Seg::fs, Seg::gs}) {
    state_.set_segment(seg, v86_register(static_cast<std::uint16_t>(v86_base(seg) >> 4)));
  }
  state_.gpr[kEsp] = 0x800;
  state_.eip = 0x100;
}

void SystemLab::push32(std::uint32_t value) {
  state_.gpr[kEsp] -= 4;
  poke<std::uint32_t>(state_.segment(Seg::ss).base + state_.gpr[kEsp], value);
}

void SystemLab::push16(std::uint16_t value) {
  state_.gpr[kEsp] -= 2;
  poke<std::uint16_t>(state_.segment(Seg::ss).base + state_.gpr[kEsp], value);
}

void SystemLab::interrupt(std::uint8_t vec) {
  platform_.interrupt = vec;
  __atomic_fetch_or(&state_.pending, kInterruptWaiting, __ATOMIC_SEQ_CST);
}

// ---- running -------------------------------------------------------------------------------------

SegmentRegister SystemLab::segment_of(std::uint16_t selector, bool v86) const {
  if (v86) return v86_register(selector);
  const std::uint32_t table = selector::in_ldt(selector) ? state_.ldtr.base : state_.gdtr.base;
  const auto entry = peek<std::uint64_t>(table + (selector & 0xFFF8U));
  return Descriptor{static_cast<std::uint32_t>(entry), static_cast<std::uint32_t>(entry >> 32), 0}.to_register(
      selector);
}

std::uint8_t SystemLab::byte_at(std::uint16_t cs, std::uint32_t eip, bool v86) const {
  return peek<std::uint8_t>(segment_of(cs, v86).base + eip);
}

std::optional<unsigned> SystemLab::vector() const {
  const std::uint32_t at = state_.segment(Seg::cs).base + state_.eip;
  if (at < kHandlers || at >= kHandlers + 256 * 16) return std::nullopt;
  return (at - kHandlers) / 16;
}

SystemLab::Outcome SystemLab::outcome_here() const {
  Outcome outcome;
  outcome.handler = vector();
  return outcome;
}

SystemLab::Outcome SystemLab::execute(const Bytes& bytes) {
  const std::uint32_t at = state_.segment(Seg::cs).base + state_.eip;
  const Bytes filler(16, kHlt);
  place(at + static_cast<std::uint32_t>(bytes.size()), filler);
  place(at, bytes);
  return step();
}

SystemLab::Outcome SystemLab::step() {
  const SegmentRegister& cs = state_.segment(Seg::cs);
  const std::uint32_t linear = cs.base + state_.eip;
  const bool is_halt = linear < kRam && peek<std::uint8_t>(linear) == kHlt;
  if (config_ == EngineConfig::translator) return run_to_filler(is_halt);
  const auto reason = engine_->run(1).reason;
  Outcome outcome = outcome_here();
  outcome.shutdown = reason == engine::StopReason::shutdown;
  outcome.halted = !outcome.shutdown && state_.halted != 0;
  return outcome;
}

// The chained translator cannot be stopped after one instruction: it runs on to the first HLT, which is then taken
// back.
SystemLab::Outcome SystemLab::run_to_filler(bool is_halt) {
  const std::uint32_t eip = state_.eip;
  const auto reason = engine_->run(1'000'000).reason;
  if (reason == engine::StopReason::shutdown) return {.shutdown = true, .halted = false, .handler = std::nullopt};
  if (is_halt && state_.eip == eip + 1) return {.shutdown = false, .halted = true, .handler = std::nullopt};
  state_.halted = 0;
  state_.eip -= 1;
  if (!is_halt) undo_filler_fault();
  return outcome_here();
}

// A filler HLT in rings 1 to 3 has raised #GP(0); with TF set in ring 0 it has completed and trapped.
bool SystemLab::undo_filler_fault() {
  const auto vec = vector();
  const bool trapped = vec == unsigned{vector::kDb};
  if (!trapped && (vec != unsigned{vector::kGp} || stack(0) != 0)) return false;
  unsigned slot = trapped ? 0 : 1;
  const std::uint32_t at = stack(slot++) - (trapped ? 1 : 0);
  const auto cs = static_cast<std::uint16_t>(stack(slot++));
  const std::uint32_t flags_image = stack(slot++);
  const bool v86 = (flags_image & eflags::kVm) != 0;
  if (trapped && ((flags_image & eflags::kTf) == 0 || (state_.dr[6] & kDr6Bs) == 0)) return false;
  if (byte_at(cs, at, v86) != kHlt) return false;
  if (!v86 && selector::rpl(cs) == 0) {
    state_.gpr[kEsp] += 4 * slot;
  } else {
    const std::uint32_t outer_esp = stack(slot);
    const SegmentRegister outer_ss = segment_of(static_cast<std::uint16_t>(stack(slot + 1)), v86);
    slot += 2;
    if (v86) {
      for (const Seg seg : {Seg::es, Seg::ds, Seg::fs, Seg::gs}) {
        state_.set_segment(seg, v86_register(static_cast<std::uint16_t>(stack(slot++))));
      }
    }
    state_.set_segment(Seg::ss, outer_ss);
    state_.gpr[kEsp] = outer_esp;
  }
  state_.set_segment(Seg::cs, segment_of(cs, v86));
  state_.eip = at;
  state_.set_eflags(flags_image & ~eflags::kRf);
  if (trapped) state_.dr[6] &= ~kDr6Bs;
  return true;
}

testing::AssertionResult SystemLab::completes(const Bytes& bytes) {
  const std::uint32_t behind = state_.eip + static_cast<std::uint32_t>(bytes.size());
  const Outcome outcome = execute(bytes);
  if (!outcome) return testing::AssertionFailure() << describe(outcome);
  return state_.eip == behind ? testing::AssertionSuccess() : no("eip", state_.eip, behind);
}

testing::AssertionResult SystemLab::transfers(const Bytes& bytes) {
  const Outcome outcome = execute(bytes);
  return outcome ? testing::AssertionSuccess() : testing::AssertionFailure() << describe(outcome);
}

testing::AssertionResult SystemLab::faults(const Bytes& bytes, unsigned vec, std::optional<std::uint32_t> error) {
  const Registers before = registers();
  const Outcome outcome = execute(bytes);
  const testing::AssertionResult result = check_fault(before, outcome, vec, error);
  restore(before);
  return result;
}

testing::AssertionResult SystemLab::check_fault(const Registers& before, const Outcome& outcome, unsigned vec,
                                                std::optional<std::uint32_t> error) const {
  if (outcome.handler != vec) {
    return testing::AssertionFailure() << describe(outcome) << " instead of vector " << vec
                                       << (error ? "(" + std::to_string(*error) + ")" : "");
  }
  for (unsigned i = 0; i < kGprCount; ++i) {
    if (i != kEsp && state_.gpr[i] != before.gpr[i]) return no("register", state_.gpr[i], before.gpr[i]);
  }
  if ((before.cr0 & cr0::kPe) == 0) {
    if (stack16(0) != before.eip) return no("saved ip", stack16(0), before.eip);
    const std::uint16_t cs = before.seg[static_cast<unsigned>(Seg::cs)].selector;
    return stack16(1) == cs ? testing::AssertionSuccess() : no("saved cs", stack16(1), cs);
  }
  if (error.has_value() != pushes_error(vec)) return testing::AssertionFailure() << "whether there is an error code";
  unsigned slot = 0;
  if (error && stack(slot++) != *error) return no("error code", stack(0), *error);
  const bool v86 = (before.eflags & eflags::kVm) != 0;
  const auto& ss = before.seg[static_cast<unsigned>(Seg::ss)];
  const auto selector_before = [&](Seg s) { return before.seg[static_cast<unsigned>(s)].selector; };
  if (stack(slot) != before.eip) return no("saved eip", stack(slot), before.eip);
  if (stack(++slot) != selector_before(Seg::cs)) return no("saved cs", stack(slot), selector_before(Seg::cs));
  const std::uint32_t flags_image = before.eflags | eflags::kRf;
  if (stack(++slot) != flags_image) return no("saved eflags", stack(slot), flags_image);
  if (v86 || ss.dpl() != 0) {
    if (stack(++slot) != before.gpr[kEsp]) return no("saved esp", stack(slot), before.gpr[kEsp]);
    if (stack(++slot) != selector_before(Seg::ss)) return no("saved ss", stack(slot), selector_before(Seg::ss));
  }
  for (const Seg seg : {Seg::es, Seg::ds, Seg::fs, Seg::gs}) {
    if (v86) {
      if (stack(++slot) != selector_before(seg)) return no("saved segment", stack(slot), selector_before(seg));
      if (state_.segment(seg).usable()) return testing::AssertionFailure() << "a V86 segment is left";
    } else if (!(state_.segment(seg) == before.seg[static_cast<unsigned>(seg)])) {
      return no("segment", sel(seg), selector_before(seg));
    }
  }
  const bool same_system = state_.cr0 == before.cr0 && state_.cr3 == before.cr3 && state_.cr4 == before.cr4 &&
                           state_.ldtr == before.ldtr && state_.tr == before.tr;
  return same_system ? testing::AssertionSuccess() : testing::AssertionFailure() << "a system register has changed";
}

engine::StopReason SystemLab::run() {
  for (;;) {
    const auto reason = engine_->run(1'000'000).reason;
    if (reason == engine::StopReason::shutdown) return reason;
    if (reason != engine::StopReason::halted) continue;
    const bool wakes = state_.pending != 0 && interruptible(state_);
    if (!wakes) return reason;
  }
}

}  // namespace ringshift::test
