#include "testkit/outcome.h"

#include <fmt/format.h>

#include <sstream>
#include <string_view>

namespace ringshift::testkit {
namespace {

struct Named {
  std::string_view name;
  Register Outcome::*field;
};
constexpr Named kRegisters[] = {
    {"eax", &Outcome::eax},
    {"ecx", &Outcome::ecx},
    {"edx", &Outcome::edx},
    {"ebx", &Outcome::ebx},
    {"esp", &Outcome::esp},
    {"ebp", &Outcome::ebp},
    {"esi", &Outcome::esi},
    {"edi", &Outcome::edi},
    {"eflags", &Outcome::eflags},
    {"es", &Outcome::es},
    {"cs", &Outcome::cs},
    {"ss", &Outcome::ss},
    {"ds", &Outcome::ds},
    {"fs", &Outcome::fs},
    {"gs", &Outcome::gs},
    {"ldtr", &Outcome::ldtr},
    {"tr", &Outcome::tr},
    {"gdt_base", &Outcome::gdt_base},
    {"gdt_limit", &Outcome::gdt_limit},
    {"idt_base", &Outcome::idt_base},
    {"idt_limit", &Outcome::idt_limit},
    {"cr0", &Outcome::cr0},
    {"cr3", &Outcome::cr3},
    {"cr4", &Outcome::cr4},
    {"dr0", &Outcome::dr0},
    {"dr1", &Outcome::dr1},
    {"dr2", &Outcome::dr2},
    {"dr3", &Outcome::dr3},
    {"dr6", &Outcome::dr6},
    {"dr7", &Outcome::dr7},
    {"fcw", &Outcome::fcw},
    {"fsw", &Outcome::fsw},
    {"mxcsr", &Outcome::mxcsr},
};

// Offsets in the FXSAVE area (SDM vol. 1, 10.5).
constexpr std::uint32_t kFcw = 0, kFsw = 2, kTags = 4, kMxcsr = 24, kSt = 32, kXmm = 160;
constexpr std::uint32_t kSlot = 16, kSlots = 8, kStBytes = 10;

template <class T>
T field(const std::array<std::uint8_t, 512>& fx, std::uint32_t offset) {
  T value;
  std::memcpy(&value, fx.data() + offset, sizeof value);
  return value;
}

bool in_page_tables(std::uint32_t physical) {
  return physical >= TestMachine::kPageDirectory && physical < TestMachine::kPageTable + mmu::kPageSize;
}

std::string describe(const Outcome& out) {
  switch (out.stop) {
    case TestMachine::Stop::filler:
      return "it ran to its end";
    case TestMachine::Stop::halted:
      return "it halted";
    case TestMachine::Stop::shutdown:
      return "the processor shut down";
    case TestMachine::Stop::handler:
      break;
  }
  return (std::ostringstream() << "it raised " << *out.event).str();
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Register& r) {
  return out << fmt::format("{:#x} (before: {:#x})", r.value_, r.before_);
}

std::ostream& operator<<(std::ostream& out, const Event& event) {
  out << "vector " << event.vector;
  if (event.error) out << fmt::format(", error code {:#x}", *event.error);
  if (event.vector == vector::kPf) out << fmt::format(", cr2 {:#x}", event.cr2);
  return out;
}

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << describe(outcome) << fmt::format(" at eip {:#x}", outcome.eip.after());
}

testing::AssertionResult Outcome::completed() const {
  if (stop != TestMachine::Stop::filler) return testing::AssertionFailure() << describe(*this);
  if (eip.after() == expected_eip_) return testing::AssertionSuccess();
  return testing::AssertionFailure() << fmt::format("it went to {:#x}, its end is at {:#x}", eip.after(),
                                                    expected_eip_);
}

std::int32_t Outcome::esp_delta() const { return static_cast<std::int32_t>(esp.value() - esp.before()); }
std::int32_t Outcome::eip_delta() const { return static_cast<std::int32_t>(eip.value() - eip.before()); }

std::uint32_t Outcome::physical(std::uint32_t linear) const {
  const auto page = pages_.find(linear >> mmu::kPageShift);
  if (page == pages_.end()) throw LabError(fmt::format("there is no memory at linear address {:#x}", linear));
  return page->second << mmu::kPageShift | (linear & mmu::kPageMask);
}

Bytes Outcome::memory(std::uint32_t address, std::uint32_t count) const {
  Bytes bytes;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t at = physical(address + i);
    seen_bytes_.insert(at);
    bytes.push_back(after_[at]);
  }
  return bytes;
}

std::array<std::uint32_t, 4> Outcome::xmm(unsigned n) const {
  seen_xmm_.insert(n);
  return field<std::array<std::uint32_t, 4>>(fx_after_, kXmm + n % kSlots * kSlot);
}

long double Outcome::st(unsigned n) const {
  seen_st_ = true;
  long double value = 0;
  std::memcpy(&value, fx_after_.data() + kSt + n % kSlots * kSlot, kStBytes);
  return value;
}

void Outcome::set_registers(const Snapshot& before, const Snapshot& after) {
  const Registers& b = before.registers;
  const Registers& a = after.registers;
  constexpr Register Outcome::*kGprs[] = {&Outcome::eax, &Outcome::ecx, &Outcome::edx, &Outcome::ebx,
                                          &Outcome::esp, &Outcome::ebp, &Outcome::esi, &Outcome::edi};
  constexpr Register Outcome::*kSegments[] = {&Outcome::es, &Outcome::cs, &Outcome::ss,
                                              &Outcome::ds, &Outcome::fs, &Outcome::gs};
  for (unsigned i = 0; i < kGprCount; ++i) this->*kGprs[i] = {b.gpr[i], a.gpr[i]};
  for (unsigned i = 0; i < kSegCount; ++i) this->*kSegments[i] = {b.seg[i].selector, a.seg[i].selector};
  eip = {b.eip, a.eip};
  eflags = {b.eflags, a.eflags};
  ldtr = {b.ldtr.selector, a.ldtr.selector};
  tr = {b.tr.selector, a.tr.selector};
  gdt_base = {before.gdtr.base, after.gdtr.base};
  gdt_limit = {before.gdtr.limit, after.gdtr.limit};
  idt_base = {before.idtr.base, after.idtr.base};
  idt_limit = {before.idtr.limit, after.idtr.limit};
  cr0 = {b.cr0, a.cr0};
  cr2 = {b.cr2, a.cr2};
  cr3 = {b.cr3, a.cr3};
  cr4 = {b.cr4, a.cr4};
  constexpr Register Outcome::*kDebug[] = {&Outcome::dr0, &Outcome::dr1, &Outcome::dr2, &Outcome::dr3};
  for (unsigned i = 0; i < 4; ++i) this->*kDebug[i] = {b.dr[i], a.dr[i]};
  dr6 = {b.dr[6], a.dr[6]};
  dr7 = {b.dr[7], a.dr[7]};
  fx_before_ = before.fx;
  fx_after_ = after.fx;
  fcw = {field<std::uint16_t>(fx_before_, kFcw), field<std::uint16_t>(fx_after_, kFcw)};
  fsw = {field<std::uint16_t>(fx_before_, kFsw), field<std::uint16_t>(fx_after_, kFsw)};
  mxcsr = {field<std::uint32_t>(fx_before_, kMxcsr), field<std::uint32_t>(fx_after_, kMxcsr)};
  before_ = before.memory;
  after_ = after.memory;
}

testing::AssertionResult Outcome::rest_unchanged() const {
  std::vector<std::string> changes;
  for (const Named& named : kRegisters) {
    const Register& r = this->*named.field;
    if (!r.seen() && r.changed()) changes.push_back((std::ostringstream() << named.name << " is " << r).str());
  }
  const bool page_fault = event && event->vector == vector::kPf;
  if (!page_fault && !cr2.seen() && cr2.changed()) changes.emplace_back("cr2");
  if (stop == TestMachine::Stop::filler && !eip.seen() && eip.after() != expected_eip_) {
    changes.push_back(fmt::format("eip is {:#x}, not at the end of the code, {:#x}", eip.after(), expected_eip_));
  }
  if (!event && stop == TestMachine::Stop::shutdown) changes.emplace_back("the processor has shut down");
  if (!seen_st_) {
    bool same = fx_before_[kTags] == fx_after_[kTags];
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      same = same && std::memcmp(&fx_before_[kSt + i * kSlot], &fx_after_[kSt + i * kSlot], kStBytes) == 0;
    }
    if (!same) changes.emplace_back("x87 registers have changed");
  }
  for (std::uint32_t i = 0; i < kSlots; ++i) {
    if (seen_xmm_.contains(i)) continue;
    const std::uint32_t at = kXmm + i * kSlot;
    if (std::memcmp(&fx_before_[at], &fx_after_[at], kSlot) != 0)
      changes.push_back(fmt::format("xmm{} has changed", i));
  }
  constexpr unsigned kMostBytes = 8;
  unsigned bytes = 0;
  for (std::uint32_t at = 0; at < after_.size(); ++at) {
    if (before_[at] == after_[at] || in_page_tables(at) || seen_bytes_.contains(at)) continue;
    if (++bytes > kMostBytes) continue;
    changes.push_back(
        fmt::format("the byte at physical address {:#x} is {:#04x} (before: {:#04x})", at, after_[at], before_[at]));
  }
  if (bytes > kMostBytes) changes.push_back(fmt::format("and {} more bytes", bytes - kMostBytes));
  if (changes.empty()) return testing::AssertionSuccess();
  auto result = testing::AssertionFailure();
  for (const std::string& change : changes) result << change << "\n";
  return result;
}

}  // namespace ringshift::testkit
