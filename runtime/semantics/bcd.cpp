// AAA, AAS, AAM, AAD, DAA, DAS. 64-bit mode lacks them, so that the host cannot do them for us; flags that the
// SDM leaves undefined are as the oracle tests found them on silicon.
#include "runtime/semantics/arithmetic_host.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/operands.h"

namespace ringshift {
namespace {

using isa::Insn;
using isa::Op;
using namespace eflags;

constexpr unsigned kAl = 0;
constexpr unsigned kAh = 4;

// SF, ZF and PF of a byte.
std::uint32_t result_flags(std::uint8_t value) {
  std::uint32_t flags = 0;
  host::binary<Op::test, std::uint8_t>(value, value, flags);
  return flags & (kSf | kZf | kPf);
}

// AAA and AAS: `direction` is 1 or -1.
Flow ascii_adjust(Cpu& cpu, int direction) {
  CpuState& s = cpu.state;
  auto ax = get_reg<std::uint16_t>(s, kEax);
  const bool adjust = (ax & 0xFU) > 9 || (s.native_flags & kAf) != 0;
  std::uint32_t flags = 0;
  if (adjust) {
    ax = static_cast<std::uint16_t>(ax + direction * 0x106);
    flags = kAf | kCf;
  }
  set_reg<std::uint16_t>(s, kEax, ax & 0xFF0FU);
  flags |= result_flags(get_reg<std::uint8_t>(s, kAl));
  set_flags(s, kStatus, flags);
  return Flow::next;
}

// DAA and DAS (SDM vol. 2): `direction` is 1 or -1.
Flow decimal_adjust(Cpu& cpu, int direction) {
  CpuState& s = cpu.state;
  const auto old = get_reg<std::uint8_t>(s, kAl);
  const bool old_cf = (s.native_flags & kCf) != 0;
  unsigned al = old;
  std::uint32_t flags = 0;
  if ((old & 0xFU) > 9 || (s.native_flags & kAf) != 0) {
    const bool borrow = direction < 0 && old < 6;
    al = static_cast<std::uint8_t>(static_cast<int>(al) + direction * 6);
    flags |= kAf;
    if (old_cf || borrow) flags |= kCf;
  }
  if (old > 0x99 || old_cf) {
    al = static_cast<std::uint8_t>(static_cast<int>(al) + direction * 0x60);
    flags |= kCf;
  }
  set_reg<std::uint8_t>(s, kAl, static_cast<std::uint8_t>(al));
  set_flags(s, kStatus, flags | result_flags(static_cast<std::uint8_t>(al)));
  return Flow::next;
}

}  // namespace

Flow execute_aaa(Cpu& cpu, const Insn&) { return ascii_adjust(cpu, 1); }
Flow execute_aas(Cpu& cpu, const Insn&) { return ascii_adjust(cpu, -1); }
Flow execute_daa(Cpu& cpu, const Insn&) { return decimal_adjust(cpu, 1); }
Flow execute_das(Cpu& cpu, const Insn&) { return decimal_adjust(cpu, -1); }

Flow execute_aam(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  const auto by = static_cast<std::uint8_t>(insn.imm);
  if (by == 0) return cpu.raise(vector::kDe);
  const auto al = get_reg<std::uint8_t>(s, kAl);
  const auto rest = static_cast<std::uint8_t>(al % by);
  set_reg<std::uint8_t>(s, kAh, static_cast<std::uint8_t>(al / by));
  set_reg<std::uint8_t>(s, kAl, rest);
  set_flags(s, kStatus, result_flags(rest));
  return Flow::next;
}

Flow execute_aad(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  const auto al = get_reg<std::uint8_t>(s, kAl);
  const auto ah = get_reg<std::uint8_t>(s, kAh);
  const auto sum = static_cast<std::uint8_t>(al + ah * insn.imm);
  set_reg<std::uint16_t>(s, kEax, sum);
  set_flags(s, kStatus, result_flags(sum));
  return Flow::next;
}

}  // namespace ringshift
