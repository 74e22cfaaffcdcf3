#include "tests/isa/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "runtime/semantics/fault.h"
#include "tests/isa/leniency.h"
#include "translator/decode/decoder.h"

namespace ringshift::test {
namespace {

constexpr std::array<const char*, kGprCount> kGprNames{"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
constexpr std::array<const char*, kSegCount> kSegNames{"es", "cs", "ss", "ds", "fs", "gs"};

decode::CodeSize code_size(const Case& c) {
  return c.before.sel[static_cast<unsigned>(Seg::cs)] == local_selector(kLdtCode16) ? decode::CodeSize::bits16
                                                                                    : decode::CodeSize::bits32;
}

// FIP, FDP, FOP, their selectors and MXCSR_MASK are not emulated (runtime/semantics/fp_state.h).
FxImage comparable(const FxImage& fx, const Leniency& open) {
  FxImage out = fx;
  std::memset(out.data() + 6, 0, 18);
  std::memset(out.data() + 28, 0, 4);
  std::memset(out.data() + 288, 0, out.size() - 288);
  for (unsigned i = 0; i < 8; ++i) std::memset(out.data() + 32 + 16 * i + 10, 0, 6);
  if (open.x87_top) {  // the stack in physical order, without TOP and tags
    const unsigned top = fx[3] >> 3 & 7U;
    for (unsigned i = 0; i < 8; ++i) std::memcpy(out.data() + 32 + 16 * ((top + i) & 7U), fx.data() + 32 + 16 * i, 10);
    out[3] &= 0xC7;
    out[4] = 0;
  }
  for (unsigned i = 0; i < 4; ++i) out[24 + i] &= static_cast<std::uint8_t>(~(open.mxcsr >> (8 * i)));
  return out;
}

// Raised by one of an instruction's accesses to memory.
bool access_fault(int v) { return v == vector::kSs || v == vector::kGp || v == vector::kPf || v == vector::kAc; }

std::string hex(std::span<const std::uint8_t> bytes) { return fmt::format("{:02x}", fmt::join(bytes, " ")); }

// AddressSanitizer's shadow begins at 7FFF8000h: there, a stray jump on the native side finds a page present, if not
// executable.
std::uint32_t comparable_error(const Outcome& outcome) {
#ifdef __SANITIZE_ADDRESS__
  constexpr std::uint32_t kPresent = 1U << 0;
  constexpr std::uint32_t kFetch = 1U << 4;
  const bool shadow = outcome.vector == vector::kPf && outcome.cr2 >= 0x7FFF8000U;
  if (shadow && (outcome.error & kFetch) != 0) return outcome.error & ~kPresent;
#endif
  return outcome.error;
}

void compare_event(const Outcome& expected, const Outcome& actual, const Leniency& open, std::string& text) {
  const bool any = open.any_access_fault && access_fault(expected.vector) && access_fault(actual.vector);
  if ((expected.vector != actual.vector || comparable_error(expected) != comparable_error(actual)) && !any) {
    text += fmt::format("  event: host {} (error {:x}), ours {} (error {:x})\n", expected.vector, expected.error,
                        actual.vector, actual.error);
  }
  if (expected.vector == vector::kPf && actual.vector == vector::kPf && expected.cr2 != actual.cr2 && !open.cr2) {
    text += fmt::format("  cr2: host {:08x}, ours {:08x}\n", expected.cr2, actual.cr2);
  }
}

void compare_registers(const Registers& expected, const Registers& actual, const Leniency& open, bool at_end,
                       std::string& text) {
  for (unsigned i = 0; i < kGprCount; ++i) {
    if (expected.gpr[i] == actual.gpr[i] || (open.registers && i != kEsp)) continue;
    text += fmt::format("  {}: host {:08x}, ours {:08x}\n", kGprNames[i], expected.gpr[i], actual.gpr[i]);
  }
  if (expected.eip != actual.eip) text += fmt::format("  eip: host {:08x}, ours {:08x}\n", expected.eip, actual.eip);
  for (unsigned i = 0; i < kSegCount; ++i) {
    if (expected.sel[i] == actual.sel[i]) continue;
    // The kernel's IRET to the signal handler clears the RPL of null selectors.
    if (!at_end && expected.sel[i] == 0 && actual.sel[i] < 4) continue;
    text += fmt::format("  {}: host {:04x}, ours {:04x}\n", kSegNames[i], expected.sel[i], actual.sel[i]);
  }
  const std::uint32_t different = (expected.eflags ^ actual.eflags) & ~open.flags;
  if (different != 0) {
    text += fmt::format("  eflags: host {:06x}, ours {:06x}, different {:06x}\n", expected.eflags, actual.eflags,
                        different);
  }
}

void compare_memory(std::vector<Change> expected, std::vector<Change> actual, const Leniency& open, std::string& text) {
  for (const Leniency::Range& range : open.ranges) {
    const auto within = [&range](const Change& change) { return change.address - range.first < range.bytes; };
    std::erase_if(expected, within);
    std::erase_if(actual, within);
  }
  if (expected == actual) return;
  const auto [a, b] = std::mismatch(expected.begin(), expected.end(), actual.begin(), actual.end());
  const auto show = [&text](const char* who, auto at, auto end) {
    text += fmt::format("  memory, {}:", who);
    for (unsigned i = 0; i < 8 && at != end; ++i, ++at) text += fmt::format(" [{:08x}]={:02x}", at->address, at->value);
    text += '\n';
  };
  show("host", a, expected.end());
  show("ours", b, actual.end());
}

void compare_fx(const FxImage& expected, const FxImage& actual, const Leniency& open, std::string& text) {
  FxImage x = comparable(expected, open);
  FxImage y = comparable(actual, open);
  const auto [a, b] = std::mismatch(x.begin(), x.end(), y.begin());
  if (a == x.end()) return;
  const auto at = static_cast<std::size_t>(a - x.begin()) & ~std::size_t{15};
  text += fmt::format("  fx at {}: host {}\n             ours {}\n", at, hex(std::span(x).subspan(at, 16)),
                      hex(std::span(y).subspan(at, 16)));
}

}  // namespace

namespace {

// What `open` has excused.
void count_ignored(isa::Op op, const Case& c, const Outcome& expected, const Outcome& actual, const Leniency& open,
                   Ignored& ignored) {
  const Leniency nothing;
  std::string text;
  const auto count = [&](std::string_view what) {
    if (!text.empty()) ++ignored[{op, what}];
    text.clear();
  };
  if (((expected.after.eflags ^ actual.after.eflags) & open.flags) != 0) ++ignored[{op, "flags"}];
  compare_event(expected, actual, nothing, text);
  count("which access faults first");
  if (open.registers) {
    Registers registers = actual.after;
    registers.eflags = expected.after.eflags;
    compare_registers(expected.after, registers, nothing, false, text);
    count("registers of a faulting instruction");
  }
  if (open.memory || !open.ranges.empty()) {
    compare_memory(expected.changes, actual.changes, nothing, text);
    count(open.memory ? "memory of a faulting instruction" : "x87 pointers in memory");
  }
  if (c.uses_fx && (open.x87_top || open.mxcsr != 0)) {
    compare_fx(expected.fx, actual.fx, nothing, text);
    count("marks of a faulting floating-point instruction");
  }
}

}  // namespace

std::string difference(const Case& c, const Outcome& expected, const Outcome& actual, Ignored* ignored) {
  Leniency open;
  const auto decoded = decode::decode(c.bytes, code_size(c));
  if (decoded.failure == decode::Failure::none && decoded.insn.length == c.bytes.size()) {
    std::uint32_t mxcsr = 0;
    std::memcpy(&mxcsr, expected.fx.data() + 24, sizeof mxcsr);
    open = leniency(decoded.insn, c.before, expected.vector, mxcsr);
  }
  std::string text;
  compare_event(expected, actual, open, text);
  const bool at_end = expected.vector == vector::kBp &&
                      expected.after.eip == c.before.eip + static_cast<std::uint32_t>(c.bytes.size()) + 1;
  compare_registers(expected.after, actual.after, open, at_end, text);
  if (!open.memory) compare_memory(expected.changes, actual.changes, open, text);
  if (c.uses_fx) compare_fx(expected.fx, actual.fx, open, text);
  if (ignored != nullptr && text.empty()) count_ignored(decoded.insn.op, c, expected, actual, open, *ignored);
  return text;
}

std::string sequence_difference(const Case& c, const Outcome& expected, const Outcome& actual) {
  // The instruction that ended it may leave something open; what went before did not fault.
  Leniency open;
  std::vector<std::uint8_t> code = c.bytes;
  for (const Change& change : expected.changes) {
    if (change.address - c.before.eip < code.size()) code[change.address - c.before.eip] = change.value;
  }
  const std::uint32_t cs_base =
      expected.after.sel[static_cast<unsigned>(Seg::cs)] == local_selector(kLdtCode16) ? kCode : 0;
  const std::uint32_t at = cs_base + expected.after.eip - c.before.eip;
  if (at < code.size()) {
    const auto size = cs_base != 0 ? decode::CodeSize::bits16 : decode::CodeSize::bits32;
    const auto decoded = decode::decode(std::span(code).subspan(at), size);
    std::uint32_t mxcsr = 0;
    std::memcpy(&mxcsr, expected.fx.data() + 24, sizeof mxcsr);
    if (decoded.failure == decode::Failure::none) {
      open = leniency(decoded.insn, expected.after, expected.vector, mxcsr);
      open.flags = 0;
    }
  }
  std::string text;
  compare_event(expected, actual, open, text);
  compare_registers(expected.after, actual.after, open, false, text);
  if (!open.memory) compare_memory(expected.changes, actual.changes, open, text);
  if (c.uses_fx) compare_fx(expected.fx, actual.fx, open, text);
  return text;
}

std::string describe(const Case& c) {
  const std::uint32_t eip = c.before.eip;
  return fmt::format("{:08x}: {}   {}\n", eip, hex(c.bytes), decode::disassemble(c.bytes, code_size(c), eip)) +
         describe_state(c);
}

std::string describe_state(const Case& c) {
  const Registers& r = c.before;
  std::string text = "  ";
  for (unsigned i = 0; i < kGprCount; ++i) text += fmt::format("{}={:08x} ", kGprNames[i], r.gpr[i]);
  text += fmt::format("efl={:06x}\n  ", r.eflags);
  for (unsigned i = 0; i < kSegCount; ++i) text += fmt::format("{}={:04x} ", kSegNames[i], r.sel[i]);
  if (c.uses_fx) {
    std::uint32_t mxcsr = 0;
    std::memcpy(&mxcsr, c.fx.data() + 24, sizeof mxcsr);
    text += fmt::format("fcw={:02x}{:02x} fsw={:02x}{:02x} mxcsr={:04x}", c.fx[1], c.fx[0], c.fx[3], c.fx[2], mxcsr);
  }
  for (const Poke& p : c.pokes) text += fmt::format("\n  [{:08x}] = {}", p.address, hex(p.bytes));
  return text + '\n';
}

}  // namespace ringshift::test
