// Sensitive instructions with a path that needs no runtime.
#include <array>

#include "translator/emit/exits.h"
#include "translator/emit/families.h"
#include "translator/emit/memory.h"

namespace ringshift::translator::emit {
namespace {

namespace x86 = asmjit::x86;
using isa::Insn;
using isa::Op;

constexpr std::size_t kInterruptFlag = offsetof(CpuState, interrupt_flag);
constexpr std::size_t kSystemFlags = offsetof(CpuState, system_flags);
constexpr std::size_t kPending = offsetof(CpuState, pending);

// The host's RFLAGS hold the native flags, bit 1 and the host's own IF; its other low bits are 0.
void emit_pushf(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  const auto size = static_cast<std::int32_t>(width);
  c.a.pushfq();
  c.a.pop(x86::r8);
  c.a.movzx(x86::r8d, x86::r8w);
  c.a.movzx(x86::r9d, state(kInterruptFlag, 1));
  // r8 += (IF - 1) << 9, by three scales of 8: shifts would change flags.
  c.a.lea(x86::r9d, x86::ptr(std::uint64_t{0}, x86::r9, 3));
  c.a.lea(x86::r9d, x86::ptr(std::uint64_t{0}, x86::r9, 3));
  c.a.lea(x86::r8d, x86::ptr(x86::r8, x86::r9, 3, -static_cast<std::int32_t>(eflags::kIf)));
  // The image has VM and RF clear (SDM vol. 2, PUSHF).
  c.a.mov(x86::r9d, state(kSystemFlags, 4));
  c.a.mov(x86::r10d, eflags::kSystem & ~(eflags::kVm | eflags::kRf));
  c.a.pext(x86::r9d, x86::r9d, x86::r10d);
  c.a.pdep(x86::r9d, x86::r9d, x86::r10d);
  c.a.lea(x86::r8d, x86::ptr(x86::r8, x86::r9));
  const std::uint8_t value = stack_scratch(c);
  if (value != kScratch8) c.a.mov(x86::gpd(value), x86::r8d);
  store(c, width, stack(c, -size, width), value);
  move_esp(c, -size);
}

// Inline: a change of native flags, and of IF where the privilege allows it. To the runtime: TF, a
// change of NT, AC, ID or (at CPL 0) IOPL, and an IF that lets a waiting interrupt in.
void emit_popf(Context& c, const Insn& insn) {
  const unsigned width = insn.stack_operand;
  const auto size = static_cast<std::int32_t>(width);
  std::uint32_t compared = eflags::kTf | eflags::kNt;
  if (width == 4) compared |= eflags::kAc | eflags::kId;
  if (c.request.mode.cpl == 0) compared |= eflags::kIopl;

  load_zero_extended(c, width, kScratch8, stack(c, 0, width));
  c.a.pushfq();
  c.a.pop(x86::r10);
  mark_fixup(c, Fixup::flags_in_r10);
  c.a.mov(x86::r9d, x86::r8d);
  c.a.xor_(x86::r9d, state(kSystemFlags, 4));
  c.a.test(x86::r9d, compared);
  constexpr std::uint8_t kNotZero = 5;
  branch_interpret(c, kNotZero, c.index);
  if (c.request.mode.iopl_ok) {
    c.a.test(x86::r8d, eflags::kIf);
    constexpr std::array<std::uint8_t, 2> kJz{0x74, 0};
    c.a.embed(kJz.data(), kJz.size());
    const std::uint32_t disabled = c.offset() - 1;
    c.a.cmp(state(kPending, 1), 0);
    branch_interpret(c, kNotZero, c.index);
    c.short_patches.push_back({.offset = disabled, .destination = c.offset()});
  }
  c.a.mov(x86::r9d, x86::r8d);
  c.a.and_(x86::r9d, eflags::kNative);
  c.a.push(x86::r9);
  if (c.request.mode.iopl_ok) {
    c.a.shr(x86::r8d, 9);
    c.a.and_(x86::r8d, 1);
    c.a.mov(state(kInterruptFlag, 1), x86::r8b);
  }
  move_esp(c, size);
  c.a.popfq();
}

// The instruction after sti runs before any interrupt is taken, so what waits is answered with the
// shadow set.
void emit_sti(Context& c, const Insn& insn) {
  const std::uint32_t next = c.eip() + insn.length;
  c.a.movzx(x86::r9d, state(kInterruptFlag, 1));
  c.a.mov(state(kInterruptFlag, 1), 1);
  c.shadow = true;
  // With no instruction left in the block, nothing would tell of the shadow at the next one's entry.
  if (c.last) return jump_shadowed_exit(c, next, c.index + 1U);
  c.a.mov(x86::r10, x86::rcx);
  mark_fixup(c, Fixup::ecx_in_r10);
  c.a.movzx(x86::ecx, state(kPending, 1));
  // jrcxz over the exit (8 bytes: mov, jmp).
  constexpr std::array<std::uint8_t, 2> kJrcxz{0xE3, 0x08};
  c.a.embed(kJrcxz.data(), kJrcxz.size());
  c.a.mov(x86::rcx, x86::r10);
  mark_fixup(c, Fixup::none);
  jump_shadowed_exit(c, next, c.index + 1U);
  mark_fixup(c, Fixup::ecx_in_r10);
  c.a.mov(x86::rcx, x86::r10);
}

void emit_rdtsc(Context& c) {
  c.a.rdtsc();
  c.a.mov(x86::r8d, 32);
  c.a.shlx(x86::rdx, x86::rdx, x86::r8);
  c.a.mov(x86::r8, state(offsetof(CpuState, tsc_offset), 8));
  c.a.lea(x86::rax, x86::ptr(x86::rax, x86::rdx));
  c.a.lea(x86::rax, x86::ptr(x86::rax, x86::r8));
  c.a.rorx(x86::rdx, x86::rax, 32);
  c.a.mov(x86::edx, x86::edx);
  c.a.mov(x86::eax, x86::eax);
}

void emit_mov_from_segment(Context& c, const Insn& insn) {
  const std::size_t selector =
      offsetof(CpuState, seg) + insn.reg * sizeof(SegmentRegister) + offsetof(SegmentRegister, selector);
  if (insn.memory) {
    const Address address = resolve(c, insn);
    c.a.movzx(x86::r10d, state(selector, 2));
    store(c, 2, address, kScratch10);
  } else if (insn.width == 4) {
    c.a.movzx(x86::gpd(host_register(insn.rm)), state(selector, 2));
  } else {
    c.a.mov(x86::gpw(host_register(insn.rm)), state(selector, 2));
  }
}

void emit_mov_from_control(Context& c, const Insn& insn) {
  constexpr std::array<std::size_t, 5> kFields{offsetof(CpuState, cr0), 0, offsetof(CpuState, cr2),
                                               offsetof(CpuState, cr3), offsetof(CpuState, cr4)};
  c.a.mov(x86::gpd(host_register(insn.rm)), state(kFields[insn.reg], 4));
}

}  // namespace

void emit_system(Context& c, const Insn& insn) {
  switch (insn.op) {
    case Op::pushf:
      return emit_pushf(c, insn);
    case Op::popf:
      return emit_popf(c, insn);
    case Op::cli:
      c.a.mov(state(kInterruptFlag, 1), 0);
      return;
    case Op::sti:
      return emit_sti(c, insn);
    case Op::rdtsc:
      return emit_rdtsc(c);
    case Op::mov_from_cr:
      return emit_mov_from_control(c, insn);
    default:
      return emit_mov_from_segment(c, insn);
  }
}

}  // namespace ringshift::translator::emit
