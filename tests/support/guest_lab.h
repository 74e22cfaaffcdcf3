// A tiny machine for tests of single instructions: guest RAM, paging unit, interpreter, no devices.
//
//     GuestLab lab;                       // flat 32-bit protected mode, ring 0
//     lab.state().gpr[kEax] = 5;
//     lab.run({0x40});                    // inc eax
//     EXPECT_EQ(lab.state().gpr[kEax], 6u);
//
// Every interrupt vector has a gate to its own HLT, so that an exception ends run() and vector() tells which.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "mmu/mmu.h"
#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/events.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/interpreter.h"
#include "translator/decode/decoder.h"

namespace ringshift::test {

// Remembers what the CPU asked of it. Ports read as `port_value`, or as the last value written.
class RecordingPlatform final : public Platform {
 public:
  std::uint32_t port_read(std::uint16_t port, unsigned size) override {
    reads.emplace_back(port, size);
    return port_value;
  }
  void port_write(std::uint16_t port, unsigned size, std::uint32_t value) override {
    writes.push_back({port, size, value});
  }
  bool interrupt_pending() override { return interrupt.has_value(); }
  std::uint8_t interrupt_acknowledge() override {
    const std::uint8_t vec = interrupt.value_or(0xFF);
    interrupt.reset();
    return vec;
  }
  std::uint64_t tsc() override { return tsc_value += 100; }
  void mode_changed() override { ++mode_changes; }
  void report(const char* message) override { reports.emplace_back(message); }

  struct PortWrite {
    std::uint16_t port;
    unsigned size;
    std::uint32_t value;
  };
  std::uint32_t port_value = 0xFFFFFFFF;
  std::vector<std::pair<std::uint16_t, unsigned>> reads;
  std::vector<PortWrite> writes;
  std::optional<std::uint8_t> interrupt;
  std::uint64_t tsc_value = 0;
  unsigned mode_changes = 0;
  std::vector<std::string> reports;
};

class GuestLab {
 public:
  // Physical (and, paging being off, linear) addresses.
  static constexpr std::uint32_t kGdt = 0x1000, kIdt = 0x2000, kTss = 0x3000, kHandlers = 0x4000,
                                 kKernelStackTop = 0x10000, kCode = 0x20000, kData = 0x30000, kUserStackTop = 0x50000,
                                 kFree = 0x60000;
  // Selectors of the GDT: code and data of rings 0 and 3, the TSS, 16-bit code and data of ring 0, free entries.
  static constexpr std::uint16_t kCode0 = 0x08, kData0 = 0x10, kCode3 = 0x1B, kData3 = 0x23, kTssSelector = 0x28,
                                 kCode16 = 0x30, kData16 = 0x38, kFreeSelector = 0x40;
  static constexpr std::uint16_t kGdtEntries = 64;

  explicit GuestLab(unsigned cpl = 0, std::uint64_t ram_bytes = 8U << 20)
      : memory_(make_memory(ram_bytes)), physical_(memory_), code_pages_(ram_bytes) {
    physical_.add_ram(0, ram_bytes, 0);
    mmu_ = std::make_unique<mmu::Mmu>(physical_, code_pages_, nullptr);
    state_ = std::make_unique<CpuState>();
    cpu_ = std::make_unique<Cpu>(*state_, *mmu_, platform_);
    interpreter_ = std::make_unique<Interpreter>(*cpu_);
    protected_mode(cpl);
  }

  [[nodiscard]] CpuState& state() { return *state_; }
  [[nodiscard]] Cpu& cpu() { return *cpu_; }
  [[nodiscard]] mmu::Mmu& mmu() { return *mmu_; }
  [[nodiscard]] mmu::PhysicalMap& physical() { return physical_; }
  [[nodiscard]] RecordingPlatform& platform() { return platform_; }
  [[nodiscard]] Interpreter& interpreter() { return *interpreter_; }
  // Guest RAM at a physical address.
  [[nodiscard]] std::uint8_t* ram(std::uint32_t address) { return memory_.data() + address; }

  template <class T>
  [[nodiscard]] T peek(std::uint32_t address) {
    T value;
    std::memcpy(&value, ram(address), sizeof(T));
    return value;
  }
  // Tells the interpreter, as a DMA or a store would.
  template <class T>
  void poke(std::uint32_t address, T value) {
    std::memcpy(ram(address), &value, sizeof(T));
    if (code_pages_.contains(address)) code_pages_.notify_write(address, sizeof(T));
  }
  void place(std::uint32_t address, std::span<const std::uint8_t> bytes) {
    for (const std::uint8_t b : bytes) poke(address++, b);
  }

  // ---- mode ----------------------------------------------------------------------------------
  // Flat 32-bit segments at `cpl`, GDT, IDT and TSS in place, paging off, stack empty, eip at kCode.
  void protected_mode(unsigned cpl) {
    CpuState& s = *state_;
    reset(s);
    s.cr0 |= cr0::kPe;
    s.cr0 &= ~(cr0::kCd | cr0::kNw);
    s.cr4 |= cr4::kOsfxsr | cr4::kOsxmmexcpt;
    build_tables();
    s.gdtr = {kGdt, kGdtEntries * 8 - 1};
    s.idtr = {kIdt, 256 * 8 - 1};
    s.tr = SegmentRegister{kTssSelector, segment::kPresent | 0xB, kTss, 0x67};
    s.ldtr = SegmentRegister{};
    set_cpl(cpl);
    update_paging(*cpu_);
  }

  void set_cpl(unsigned cpl) {
    const auto dpl = static_cast<std::uint16_t>(cpl << segment::kDplShift);
    constexpr std::uint16_t kCommon = segment::kPresent | segment::kNonSystem | segment::kAccessed |
                                      segment::kWritable | segment::kBig | segment::kGranular;
    const SegmentRegister data{cpl == 0 ? kData0 : kData3, static_cast<std::uint16_t>(kCommon | dpl), 0, 0xFFFFFFFF};
    SegmentRegister code = data;
    code.selector = cpl == 0 ? kCode0 : kCode3;
    code.attributes |= segment::kCode;
    for (const Seg seg : {Seg::es, Seg::ss, Seg::ds, Seg::fs, Seg::gs}) state_->set_segment(seg, data);
    state_->set_segment(Seg::cs, code);
    state_->gpr[kEsp] = cpl == 0 ? kKernelStackTop : kUserStackTop;
    state_->eip = kCode;
  }

  // Real mode: all segments at base 0, limit 64 KiB; cs:ip = `segment`:`ip`; the vectors lead to HLTs.
  void real_mode(std::uint16_t code_segment, std::uint16_t ip) {
    CpuState& s = *state_;
    reset(s);
    for (unsigned v = 0; v < 256; ++v) {
      poke<std::uint16_t>(v * 4, static_cast<std::uint16_t>(kHandlers + v * 16));
      poke<std::uint16_t>(v * 4 + 2, 0);
      poke<std::uint8_t>(kHandlers + v * 16, 0xF4);
    }
    s.idtr = {0, 0x3FF};
    SegmentRegister code = s.segment(Seg::ds);
    code.selector = code_segment;
    code.base = static_cast<std::uint32_t>(code_segment) << 4;
    s.set_segment(Seg::cs, code);
    s.eip = ip;
    s.gpr[kEsp] = 0xFFF0;
    update_paging(*cpu_);
  }

  // A descriptor: `attributes` as in SegmentRegister (segment:: bits), limit in units of the granularity bit.
  void set_descriptor(std::uint16_t selector, std::uint32_t base, std::uint32_t limit, std::uint16_t attributes) {
    const std::uint64_t low = (limit & 0xFFFFU) | (static_cast<std::uint64_t>(base & 0xFFFFFFU) << 16);
    const std::uint64_t high = (static_cast<std::uint64_t>(attributes) & 0xF0FFU) | ((limit >> 8) & 0xF00U) |
                               (static_cast<std::uint64_t>(base >> 24) << 16);
    poke<std::uint64_t>(kGdt + (selector & 0xFFF8U), low | (high << 40));
  }
  // A gate: type 0xE interrupt, 0xF trap, 0x5 task, 0xC call.
  static std::uint64_t gate(std::uint16_t selector, std::uint32_t offset, unsigned type, unsigned dpl) {
    return (offset & 0xFFFFU) | (static_cast<std::uint64_t>(selector) << 16) |
           (static_cast<std::uint64_t>(0x80U | (dpl << 5) | type) << 40) |
           (static_cast<std::uint64_t>(offset >> 16) << 48);
  }

  // ---- running -------------------------------------------------------------------------------
  // Places `bytes` at cs:eip and executes one instruction. An exception leaves eip at the handler.
  RunResult run(std::initializer_list<std::uint8_t> bytes) { return run(std::span(bytes.begin(), bytes.size())); }
  RunResult run(std::span<const std::uint8_t> bytes) {
    place(state_->segment(Seg::cs).base + state_->eip, bytes);
    return interpreter_->run(1);
  }
  // Places `bytes` followed by HLT at cs:eip and runs to a HLT, at most `limit` instructions.
  RunResult run_program(std::initializer_list<std::uint8_t> bytes, std::uint64_t limit = 1'000'000) {
    const std::uint32_t at = state_->segment(Seg::cs).base + state_->eip;
    place(at, std::span(bytes.begin(), bytes.size()));
    poke<std::uint8_t>(at + static_cast<std::uint32_t>(bytes.size()), 0xF4);
    return interpreter_->run(limit);
  }

  // The vector whose handler eip is in, if any: valid after an exception, before or after its HLT.
  [[nodiscard]] std::optional<unsigned> vector() {
    const std::uint32_t at = state_->segment(Seg::cs).base + state_->eip;
    if (at < kHandlers || at >= kHandlers + 256 * 16) return std::nullopt;
    return (at - kHandlers) / 16;
  }
  // A doubleword of the current (32-bit) stack: stack(0) is the top.
  [[nodiscard]] std::uint32_t stack(unsigned index) {
    return peek<std::uint32_t>(state_->segment(Seg::ss).base + state_->gpr[kEsp] + index * 4);
  }

 private:
  static mmu::GuestMemory make_memory(std::uint64_t bytes) {
    auto made = mmu::GuestMemory::create(bytes);
    if (auto* memory = std::get_if<mmu::GuestMemory>(&made)) return std::move(*memory);
    std::abort();  // a test machine without memory is no machine
  }

  void build_tables() {
    using namespace segment;
    constexpr std::uint16_t kSeg = kPresent | kNonSystem | kAccessed | kWritable;
    constexpr std::uint16_t kFlat = kBig | kGranular;
    constexpr std::uint16_t kRing3 = 3U << kDplShift;
    poke<std::uint64_t>(kGdt, 0);
    set_descriptor(kCode0, 0, 0xFFFFF, kSeg | kFlat | segment::kCode);
    set_descriptor(kData0, 0, 0xFFFFF, kSeg | kFlat);
    set_descriptor(kCode3, 0, 0xFFFFF, kSeg | kFlat | segment::kCode | kRing3);
    set_descriptor(kData3, 0, 0xFFFFF, kSeg | kFlat | kRing3);
    set_descriptor(kTssSelector, kTss, 0x67, kPresent | 0xB);
    set_descriptor(kCode16, 0, 0xFFFF, kSeg | segment::kCode);
    set_descriptor(kData16, 0, 0xFFFF, kSeg);
    for (unsigned v = 0; v < 256; ++v) {
      poke<std::uint64_t>(kIdt + v * 8, gate(kCode0, kHandlers + v * 16, 0xE, 3));
      poke<std::uint8_t>(kHandlers + v * 16, 0xF4);
    }
    poke<std::uint32_t>(kTss + 4, kKernelStackTop);  // esp0
    poke<std::uint32_t>(kTss + 8, kData0);           // ss0
    poke<std::uint16_t>(kTss + 0x66, 0x68);          // I/O map beyond the limit: no port permitted
  }

  mmu::GuestMemory memory_;
  mmu::PhysicalMap physical_;
  mmu::CodePages code_pages_;
  std::unique_ptr<mmu::Mmu> mmu_;
  RecordingPlatform platform_;
  std::unique_ptr<CpuState> state_;
  std::unique_ptr<Cpu> cpu_;
  std::unique_ptr<Interpreter> interpreter_;
};

}  // namespace ringshift::test
