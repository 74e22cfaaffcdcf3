#include "tests/isa/guest_machine.h"

#include <cstring>

#include "runtime/semantics/events.h"
#include "runtime/semantics/system_registers.h"

namespace ringshift::test {
namespace {

constexpr std::uint32_t kRam = 4U << 20;

// Physical pages. The system tables are mapped for supervisors at kSystem + physical.
constexpr std::uint32_t kPdpt = 0x1000, kDirectories = 0x2000, kTables = 0x6000;
constexpr std::uint32_t kGdt = 0x40000, kIdt = 0x41000, kTss = 0x42000, kLdt = 0x43000, kHandlers = 0x44000,
                        kStack = 0x45000;
constexpr std::uint32_t kSystem = 0xC0000000;
constexpr std::uint32_t kStackTop = kStack + kPage;
constexpr std::uint32_t kDataPages = 0x80000, kLowDataPages = 0x90000, kCodePhysical = 0x100000;

// The GDT of Linux, as far as 32-bit programs can see it: LAR and its like must find the same.
constexpr std::uint16_t kCode0 = 0x08, kData0 = 0x18;
constexpr std::uint16_t kGdtLimit = 0x7F;
constexpr std::uint64_t flat_descriptor(std::uint64_t attributes) {
  return 0xFFFFU | (std::uint64_t{0xF} << 48) | ((attributes & 0xF0FFU) << 40);
}
// The last one's limit is the number of the processor: tests do not look at it.
constexpr std::uint64_t kCpuNumberDescriptor = std::uint64_t{0x40F5} << 40;
constexpr std::array<std::uint64_t, 16> kLinuxGdt{0,
                                                  flat_descriptor(0xC09B),
                                                  flat_descriptor(0xA09B),
                                                  flat_descriptor(0xC093),
                                                  flat_descriptor(0xC0FB),
                                                  flat_descriptor(0xC0F3),
                                                  flat_descriptor(0xA0FB),
                                                  0,
                                                  0,
                                                  0,
                                                  0,
                                                  0,
                                                  0,
                                                  0,
                                                  0,
                                                  kCpuNumberDescriptor};
constexpr unsigned kHandlerBytes = 16;

bool pushes_error_code(unsigned vector) { return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17; }

// INT3, INTO and the system call may be used by programs.
bool open_to_programs(unsigned vector) { return vector == 3 || vector == 4 || vector == 0x80; }

}  // namespace

template <class T>
void GuestMachine::poke(std::uint32_t physical, T value) {
  std::memcpy(machine_.memory.data() + physical, &value, sizeof value);
}
template <class T>
T GuestMachine::peek(std::uint32_t physical) const {
  T value;
  std::memcpy(&value, machine_.memory.data() + physical, sizeof value);
  return value;
}

std::uint32_t GuestMachine::entry_of(std::uint32_t linear) {
  const std::uint32_t pde = kDirectories + (linear >> 30) * kPage + (linear >> 21 & 0x1FF) * 8;
  if (peek<std::uint64_t>(pde) == 0) {
    poke<std::uint64_t>(pde, next_table_ | 7U);
    next_table_ += kPage;
  }
  const auto table = static_cast<std::uint32_t>(peek<std::uint64_t>(pde) & ~std::uint64_t{0xFFF});
  return table + (linear >> 12 & 0x1FF) * 8;
}

void GuestMachine::map(std::uint32_t linear, std::uint32_t physical, unsigned rights) {
  const std::uint64_t no_execute = (rights & kNoExecute) != 0 ? std::uint64_t{1} << 63 : 0;
  poke<std::uint64_t>(entry_of(linear), physical | no_execute | (rights & 6U) | 1U);
}

void GuestMachine::unmap(std::uint32_t linear) { poke<std::uint64_t>(entry_of(linear), 0); }

void GuestMachine::add_data(std::uint32_t linear, std::uint32_t physical, const std::uint8_t* content) {
  map(linear, physical, kUser | kWrite | kNoExecute);
  pages_.add(linear, machine_.memory.data() + physical, content);
}

void GuestMachine::build_tables() {
  for (std::uint32_t i = 0; i < 4; ++i) poke<std::uint64_t>(kPdpt + i * 8, (kDirectories + i * kPage) | 1U);
  for (std::uint32_t page = kGdt; page < kStackTop; page += kPage) map(kSystem + page, page, kSupervisor | kWrite);
  for (unsigned i = 0; i < kLinuxGdt.size(); ++i) poke(kGdt + i * 8, kLinuxGdt[i]);
  if (access_ == CodeAccess::writable) {
    poke<std::uint8_t>(kIdt + kReturningVector * 8 + 5, 0xEE);
    poke<std::uint16_t>(kHandlers + kReturningVector * kHandlerBytes, 0xCF41);  // inc ecx; iret
    for (const auto& [selector, segment] : kSystemSegments) poke(kGdt + (selector & ~7U), descriptor_bytes(segment, 0));
  }
  for (unsigned i = 0; i < kLocalSegments.size(); ++i) poke(kLdt + i * 8, descriptor_bytes(kLocalSegments[i]));
  for (std::uint32_t v = 0; v < 256; ++v) {
    const std::uint64_t handler = kSystem + kHandlers + v * kHandlerBytes;
    const std::uint64_t access = open_to_programs(v) ? 0xEE : 0x8E;
    poke<std::uint64_t>(kIdt + v * 8,
                        (handler & 0xFFFF) | (std::uint64_t{kCode0} << 16) | (access << 40) | ((handler >> 16) << 48));
    poke<std::uint8_t>(kHandlers + v * kHandlerBytes, 0xF4);
  }
  poke<std::uint32_t>(kTss + 4, kSystem + kStackTop);
  poke<std::uint32_t>(kTss + 8, kData0);
  poke<std::uint16_t>(kTss + 0x66, 0x68);  // no port is permitted
}

GuestMachine::GuestMachine(EngineKind kind, const MemoryTemplate& memory, bool low_pages,
                           engine::TranslateOptions options, CodeAccess access)
    : access_(access), machine_(kind, kRam, platform_, options), next_table_(kTables) {
  build_tables();
  const unsigned rights = access == CodeAccess::writable ? kUser | kWrite : kUser;
  for (std::uint32_t i = 0; i < kCodePages; ++i) map(kCode + i * kPage, kCodePhysical + i * kPage, rights);
  if (access == CodeAccess::writable) {
    pages_.add_code(machine_.memory.data() + kCodePhysical, loaded_);
    tables_.assign(machine_.memory.data() + kGdt, machine_.memory.data() + kStackTop);
    for (std::uint32_t page = kGdt; page < kStackTop; page += kPage) {
      pages_.add(kSystem + page, machine_.memory.data() + page, tables_.data() + (page - kGdt));
    }
  }
  // Neighbouring pages are no neighbours in physical memory, so that a page crossing shows.
  for (std::uint32_t i = 0; i < kWritablePages; ++i) {
    add_data(kData + i * kPage, kDataPages + (i * 5 + 3) % 8 * kPage, memory.data() + i * kPage);
  }
  constexpr std::uint32_t kReadOnlyPhysical = kDataPages + 9 * kPage;
  map(kReadOnly, kReadOnlyPhysical, kUser | kNoExecute);
  std::memcpy(machine_.memory.data() + kReadOnlyPhysical, memory.data() + kWritablePages * kPage, kPage);
  if (access == CodeAccess::writable) {  // and programs may be supervisors, and CR0.WP clear
    pages_.add(kReadOnly, machine_.memory.data() + kReadOnlyPhysical, memory.data() + kWritablePages * kPage);
  }
  for (std::uint32_t i = 0; low_pages && i < kLowPages; ++i) {
    add_data(kLowData + i * kPage, kLowDataPages + (kLowPages - 1 - i) * kPage, memory.low() + i * kPage);
  }
  pages_.restore_all();

  CpuState& s = machine_.state;
  s.cr0 |= cr0::kPe | cr0::kNe | cr0::kPg | cr0::kWp | cr0::kAm | cr0::kMp | cr0::kEt;
  s.cr0 &= ~(cr0::kCd | cr0::kNw);
  s.cr4 |= cr4::kPae | cr4::kOsfxsr | cr4::kOsxmmexcpt;
  s.msr.efer = kEferNxe;
  s.cr3 = kPdpt;
  for (unsigned i = 0; i < 4; ++i) s.pdpte[i] = peek<std::uint64_t>(kPdpt + i * 8);
  s.gdtr = {kSystem + kGdt, kGdtLimit};
  s.idtr = {kSystem + kIdt, 256 * 8 - 1};
  s.ldtr = SegmentRegister{0x50, segment::kPresent | 2, kSystem + kLdt, kLocalSegments.size() * 8 - 1};
  s.tr = SegmentRegister{0x40, segment::kPresent | 0xB, kSystem + kTss, 0x67};
  update_paging(*machine_.cpu);
  initial_ = s;
}

void GuestMachine::load(const CodeImage& code) {
  machine_.before_write(kCodePhysical, kCodeBytes);
  std::memcpy(machine_.memory.data() + kCodePhysical, code.bytes().data(), kCodeBytes);
  if (access_ == CodeAccess::writable) loaded_ = code;
}

// The hidden part that a load of `selector` would leave.
SegmentRegister GuestMachine::cached(std::uint16_t selector) const {
  if ((selector & ~3U) == 0) return SegmentRegister{selector, segment::kUnusable, 0, 0};
  const std::uint32_t table = (selector & 4U) != 0 ? kLdt : kGdt;
  const auto d = peek<std::uint64_t>(table + (selector & 0xFFF8U));
  SegmentRegister s;
  s.selector = selector;
  s.attributes = static_cast<std::uint16_t>(d >> 40 & 0xF0FFU);
  s.base = static_cast<std::uint32_t>((d >> 16 & 0xFFFFFFU) | (d >> 56 << 24));
  s.limit = static_cast<std::uint32_t>((d & 0xFFFFU) | (d >> 32 & 0xF0000U));
  if ((s.attributes & segment::kGranular) != 0) s.limit = s.limit << 12 | 0xFFFU;
  return s;
}

void GuestMachine::run(const Case& c, Outcome& out) {
  CpuState& s = machine_.state;
  if (access_ == CodeAccess::writable) begin_system(c);  // what ran before may have been privileged
  pages_.apply(c.pokes);
  s.gpr = c.before.gpr;
  s.eip = c.before.eip;
  s.set_eflags(c.before.eflags | eflags::kIf);
  s.cr2 = 0;
  s.halted = 0;
  s.interrupt_shadow = 0;
  if (c.uses_fx) s.fx = c.fx;
  for (unsigned i = 0; i < kSegCount; ++i) s.set_segment(static_cast<Seg>(i), cached(c.before.sel[i]));

  const engine::RunOutcome ran = machine_.engine->run(10'000'000);

  if (ran.reason != engine::StopReason::halted || s.cpl() != 0) {
    out.vector = kHung;
  } else {
    const std::uint32_t handler = s.eip - 1 - kSystem - kHandlers;
    out.vector = static_cast<int>(handler / kHandlerBytes);
    std::uint32_t frame = s.gpr[kEsp] - kSystem;
    out.error = 0;
    if (pushes_error_code(handler / kHandlerBytes)) {
      out.error = peek<std::uint32_t>(frame);
      frame += 4;
    }
    out.after.gpr = s.gpr;
    out.after.eip = peek<std::uint32_t>(frame);
    out.after.eflags = peek<std::uint32_t>(frame + 8);
    out.after.gpr[kEsp] = peek<std::uint32_t>(frame + 12);
    for (unsigned i = 0; i < kSegCount; ++i) out.after.sel[i] = s.seg[i].selector;
    out.after.sel[static_cast<unsigned>(Seg::cs)] = peek<std::uint16_t>(frame + 4);
    out.after.sel[static_cast<unsigned>(Seg::ss)] = peek<std::uint16_t>(frame + 16);
  }
  out.cr2 = s.cr2;
  if (c.uses_fx) out.fx = s.fx;
  pages_.collect(out.changes);
  std::erase_if(out.changes, [](const Change& change) { return change.address >= kSystem; });
}

// ---- cases that need not stay in ring 3 -----------------------------------------------------------

std::uint32_t GuestMachine::after_handler(unsigned vector) { return kSystem + kHandlers + vector * kHandlerBytes + 1; }

void GuestMachine::begin_system(const Case& c) {
  CpuState& s = machine_.state;
  pages_.apply(c.pokes);
  s = initial_;
  s.gpr = c.before.gpr;
  s.eip = c.before.eip;
  if (c.uses_fx) s.fx = c.fx;
  for (unsigned i = 0; i < kSegCount; ++i) s.set_segment(static_cast<Seg>(i), cached(c.before.sel[i]));
  s.set_eflags(c.before.eflags);
  // These pages are there for those alone that begin near the end of the address space.
  unmap(0U - kPage);
  unmap(0);
  if (c.before.eip >= 0U - kPage) {
    map(0U - kPage, kCodePhysical + kCodeBytes - kPage, kUser | kWrite);
    map(0, kCodePhysical, kUser | kWrite);
  }
  update_paging(*machine_.cpu);
  load_cr3(*machine_.cpu, s.cr3, s.pdpte);  // the tables may have changed since
}

void GuestMachine::finish_system(engine::StopReason reason, SystemOutcome& out) {
  out.reason = reason;
  out.state = machine_.state;
  pages_.collect(out.changes);
}

void GuestMachine::run_system(const Case& c, std::uint64_t most, SystemOutcome& out) {
  begin_system(c);
  finish_system(machine_.engine->run(most).reason, out);
}

}  // namespace ringshift::test
