#include "tests/isa/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "runtime/semantics/fault.h"
#include "tests/isa/exemptions.h"
#include "translator/decode/decoder.h"
#include "translator/isa/row.h"

namespace ringshift::test {
namespace {

using isa::Form;

constexpr std::array<const char*, kGprCount> kGprNames{"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
constexpr std::array<const char*, kSegCount> kSegNames{"es", "cs", "ss", "ds", "fs", "gs"};

decode::CodeSize code_size(const Case& c) {
  return c.before.sel[static_cast<unsigned>(Seg::cs)] == local_selector(kLdtCode16) ? decode::CodeSize::bits16
                                                                                    : decode::CodeSize::bits32;
}

unsigned shift_count(const isa::Insn& insn, const Registers& before) {
  switch (insn.form) {
    case Form::rm_one:
      return 1;
    case Form::rm_cl:
    case Form::rm_reg_cl:
      return before.gpr[kEcx] & 31;
    default:
      return insn.imm & 31;
  }
}

bool applies(const Undefined& u, unsigned count, const isa::Insn& insn) {
  switch (u.when) {
    case When::always:
      return true;
    case When::count_not_one:
      return count > 1;
    case When::count_not_zero:
      return count != 0;
    case When::count_exceeds:
      return count >= insn.width * 8U;
  }
  return false;
}

// FIP, FDP, FOP, their selectors and MXCSR_MASK are not emulated (runtime/semantics/fp_state.h).
FxImage without_pointers(const FxImage& fx) {
  FxImage out = fx;
  std::memset(out.data() + 6, 0, 18);
  std::memset(out.data() + 28, 0, 4);
  std::memset(out.data() + 288, 0, out.size() - 288);
  for (unsigned i = 0; i < 8; ++i) std::memset(out.data() + 32 + 16 * i + 10, 0, 6);
  return out;
}

// Raised by one of an instruction's accesses to memory.
bool access_fault(int v) { return v == vector::kSs || v == vector::kGp || v == vector::kPf || v == vector::kAc; }

std::string hex(std::span<const std::uint8_t> bytes) { return fmt::format("{:02x}", fmt::join(bytes, " ")); }

}  // namespace

std::uint32_t undefined_flags(const isa::Insn& insn, const Registers& before) {
  std::uint32_t flags = 0;
  for (const Undefined& u : kUndefined) {
    if (u.op == insn.op && applies(u, shift_count(insn, before), insn)) flags |= u.flags;
  }
  return flags;
}

std::string difference(const Case& c, const Outcome& expected, const Outcome& actual) {
  std::string text;
  const auto decoded = decode::decode(c.bytes, code_size(c));
  const bool single = decoded.failure == decode::Failure::none && decoded.insn.length == c.bytes.size();
  Unordered open{};
  bool vector_open = false;
  if (single && expected.vector != vector::kBp) {
    for (const Unordered& u : kUnordered) {
      if (u.op == decoded.insn.op) open = u;
    }
    if (open.cr2 && access_fault(expected.vector) && access_fault(actual.vector)) {
      vector_open = expected.vector != actual.vector;
    }
  }
  if (!vector_open && (expected.vector != actual.vector || expected.error != actual.error)) {
    text += fmt::format("  event: host {} (error {:x}), ours {} (error {:x})\n", expected.vector, expected.error,
                        actual.vector, actual.error);
  }
  if (expected.vector == vector::kPf && actual.vector == vector::kPf && expected.cr2 != actual.cr2 && !open.cr2) {
    text += fmt::format("  cr2: host {:08x}, ours {:08x}\n", expected.cr2, actual.cr2);
  }
  for (unsigned i = 0; i < kGprCount; ++i) {
    if (expected.after.gpr[i] == actual.after.gpr[i] || (open.registers && i != kEsp)) continue;
    text += fmt::format("  {}: host {:08x}, ours {:08x}\n", kGprNames[i], expected.after.gpr[i], actual.after.gpr[i]);
  }
  if (expected.after.eip != actual.after.eip) {
    text += fmt::format("  eip: host {:08x}, ours {:08x}\n", expected.after.eip, actual.after.eip);
  }
  const bool at_end = expected.vector == vector::kBp &&
                      expected.after.eip == c.before.eip + static_cast<std::uint32_t>(c.bytes.size()) + 1;
  for (unsigned i = 0; i < kSegCount; ++i) {
    if (expected.after.sel[i] == actual.after.sel[i]) continue;
    // The kernel's IRET to the signal handler clears the RPL of null selectors.
    if (!at_end && expected.after.sel[i] == 0 && actual.after.sel[i] < 4) continue;
    text += fmt::format("  {}: host {:04x}, ours {:04x}\n", kSegNames[i], expected.after.sel[i], actual.after.sel[i]);
  }
  std::uint32_t ignored = 0;
  if (single) ignored = undefined_flags(decoded.insn, c.before);
  if (((expected.after.eflags ^ actual.after.eflags) & ~ignored) != 0) {
    text += fmt::format("  eflags: host {:06x}, ours {:06x}, different {:06x}\n", expected.after.eflags,
                        actual.after.eflags, (expected.after.eflags ^ actual.after.eflags) & ~ignored);
  }
  if (expected.changes != actual.changes && !open.memory) {
    const auto [a, b] =
        std::mismatch(expected.changes.begin(), expected.changes.end(), actual.changes.begin(), actual.changes.end());
    const auto show = [&text](const char* who, auto at, auto end) {
      text += fmt::format("  memory, {}:", who);
      for (unsigned i = 0; i < 8 && at != end; ++i, ++at)
        text += fmt::format(" [{:08x}]={:02x}", at->address, at->value);
      text += '\n';
    };
    show("host", a, expected.changes.end());
    show("ours", b, actual.changes.end());
  }
  if (c.uses_fx) {
    const FxImage x = without_pointers(expected.fx);
    const FxImage y = without_pointers(actual.fx);
    const auto [a, b] = std::mismatch(x.begin(), x.end(), y.begin());
    if (a != x.end()) {
      const auto at = static_cast<std::size_t>(a - x.begin()) & ~std::size_t{15};
      text += fmt::format("  fx at {}: host {}\n             ours {}\n", at, hex(std::span(x).subspan(at, 16)),
                          hex(std::span(y).subspan(at, 16)));
    }
  }
  return text;
}

std::string describe(const Case& c) {
  const Registers& r = c.before;
  std::string text =
      fmt::format("{:08x}: {}   {}\n", r.eip, hex(c.bytes), decode::disassemble(c.bytes, code_size(c), r.eip));
  text += "  ";
  for (unsigned i = 0; i < kGprCount; ++i) text += fmt::format("{}={:08x} ", kGprNames[i], r.gpr[i]);
  text += fmt::format("efl={:06x}\n  ", r.eflags);
  for (unsigned i = 0; i < kSegCount; ++i) text += fmt::format("{}={:04x} ", kSegNames[i], r.sel[i]);
  for (const Poke& p : c.pokes) text += fmt::format("\n  [{:08x}] = {}", p.address, hex(p.bytes));
  return text + '\n';
}

}  // namespace ringshift::test
