#include "translator/emit/exits.h"

#include <array>
#include <cassert>

namespace ringshift::translator::emit {
namespace {

namespace x86 = asmjit::x86;

constexpr std::size_t kRetired = offsetof(CpuState, host) + offsetof(HostContext, retired);

// A branch opcode with a rel32 to be filled later; returns where.
std::uint32_t open_rel32(Context& c, std::initializer_list<std::uint8_t> opcode) {
  Bytes bytes;
  for (const std::uint8_t b : opcode) bytes.put(b);
  bytes.put32(0);
  c.put(bytes);
  return c.offset() - 4;
}

// A call or jump, by its opcode.
void branch_absolute(Context& c, std::uint8_t opcode, std::uint64_t address) {
  const std::uint64_t end = c.request.host_address + c.offset() + 5;
  Bytes bytes;
  bytes.put(opcode);
  bytes.put32(static_cast<std::uint32_t>(address - end));
  c.put(bytes);
}

void jump_absolute(Context& c, std::uint64_t address) { branch_absolute(c, 0xE9, address); }

// The runtime knows the exit by where it stands.
void leave_direct(Context& c, std::uint32_t exit) {
  c.fragment.exits[exit].stub_offset = c.offset();
  branch_absolute(c, 0xE8, c.request.stubs.exit_direct);
}

Point here(const Context& c) {
  return Point{.guest_offset = c.guest_offset, .index = static_cast<std::uint8_t>(c.index)};
}

// A patchable branch whose rel32 is at `patch_offset`; its stub follows out of line.
void add_direct_exit(Context& c, std::uint32_t patch_offset, std::uint32_t target) {
  const auto exit = static_cast<std::uint32_t>(c.fragment.exits.size());
  c.fragment.exits.push_back({.patch_offset = patch_offset, .target = target, .patchable = true});
  c.deferred.push_back({.kind = Deferred::Kind::direct_stub,
                        .patch_offset = patch_offset,
                        .target = target,
                        .exit = exit,
                        .point = here(c)});
}

void look_up(Context& c) {
  c.a.shrx(x86::r10d, x86::r8d, x86::r13d);
  c.a.mov(x86::r10, x86::qword_ptr(x86::r13, x86::r10, 3, -abi::kDirectoryBias));
  c.a.mov(x86::r9d, x86::dword_ptr(x86::r10, x86::r8, 2));
  c.a.lea(x86::r9, x86::ptr(x86::r9, x86::r14));
}

// An exit that is never patched; returns its index.
std::uint32_t add_unpatched_exit(Context& c, std::uint32_t target) {
  c.fragment.exits.push_back({.target = target, .patchable = false});
  return static_cast<std::uint32_t>(c.fragment.exits.size() - 1);
}

// ecx = r8d - expected, in code whose size does not depend on that.
void subtract_return_address(Context& c, std::uint32_t expected) {
  constexpr std::uint8_t kHostEcx = 1;
  constexpr std::int32_t kNegative = 4;  // behind the page's address
  Bytes lea;
  if (c.movable()) {
    c.put(encode_load_place(kHostEcx, *c.request.place + kNegative));
    constexpr std::array<std::uint8_t, 4> kLea{0x42, 0x8D, 0x8C, 0x01};  // ecx, [rcx + r8 + disp32]
    lea.put(kLea);
  } else {
    constexpr std::array<std::uint8_t, 3> kLea{0x41, 0x8D, 0x88};  // ecx, [r8 + disp32]
    lea.put(kLea);
  }
  lea.put32(0U - expected);
  c.put(lea);
}

}  // namespace

void load_linear(Context& c, std::uint8_t reg, std::uint32_t eip) {
  c.put(encode_load_linear(reg, c.request.place.value_or(0), eip));
}

void count_retired(Context& c, unsigned completed) {
  if (!c.request.options.count_retired || completed == 0) return;
  c.a.mov(x86::r10, state(kRetired, 8));
  c.a.lea(x86::r10, x86::ptr(x86::r10, static_cast<std::int32_t>(completed)));
  c.a.mov(state(kRetired, 8), x86::r10);
}

void exit_indirect(Context& c) {
  look_up(c);
  c.a.jmp(x86::r9);
}

void exit_direct(Context& c, std::uint32_t target, unsigned completed) {
  if (completed != 0 && c.request.options.count_retired) {
    count_retired(c, completed);
    c.index = 0;
    mark_fixup(c, Fixup::none);
  }
  add_direct_exit(c, open_rel32(c, {0xE9}), target);
}

void exit_interpret(Context& c, std::uint32_t eip, unsigned completed) {
  count_retired(c, completed);
  load_linear(c, kScratch8, eip);
  jump_absolute(c, c.request.stubs.exit_interpret);
}

void exit_trap(Context& c) {
  count_retired(c, c.index);
  c.fragment.trap_exit = add_unpatched_exit(c, c.eip());
  leave_direct(c, *c.fragment.trap_exit);
}

void exit_brief(Context& c, const isa::Insn& insn) {
  count_retired(c, c.index);
  c.fragment.brief = insn;
  load_linear(c, kScratch8, c.eip());
  c.a.mov(x86::r9d, c.request.brief_number);
  jump_absolute(c, c.request.stubs.exit_brief);
}

void branch_direct(Context& c, std::uint8_t condition, std::uint32_t target, unsigned completed) {
  const std::uint32_t patch = open_rel32(c, {0x0F, static_cast<std::uint8_t>(0x80U | condition)});
  if (!c.request.options.count_retired) return add_direct_exit(c, patch, target);
  Point point = here(c);
  point.index = static_cast<std::uint8_t>(completed);
  c.deferred.push_back(
      {.kind = Deferred::Kind::counted_branch, .patch_offset = patch, .target = target, .point = point});
}

void call_direct(Context& c, std::uint32_t target, unsigned completed, std::uint32_t return_address) {
  count_retired(c, completed);
  add_direct_exit(c, open_rel32(c, {0xE8}), target);
  if (c.request.mode.plain() && !c.request.options.count_retired) {
    c.fragment.exits.back().return_address = return_address;
  }
}

void call_indirect(Context& c, unsigned completed) {
  count_retired(c, completed);
  look_up(c);
  c.a.call(x86::r9);
}

void return_site(Context& c, std::uint32_t expected) {
  c.fragment.return_sites.push_back(c.offset());
  mark_fixup(c, Fixup::none);
  c.a.mov(x86::r10, x86::rcx);
  mark_fixup(c, Fixup::ecx_in_r10);
  subtract_return_address(c, expected);
  // jrcxz over the jump.
  constexpr std::array<std::uint8_t, 2> kJrcxz{0xE3, 0x05};
  c.a.embed(kJrcxz.data(), kJrcxz.size());
  jump_absolute(c, c.request.stubs.return_mismatch);
  c.a.mov(x86::rcx, x86::r10);
  assert(c.offset() - c.fragment.return_sites.back() == return_site_bytes(c.movable()));
}

void jump_stale(Context& c) {
  auto& stale = c.fragment.stale_exit;
  if (!stale) stale = add_unpatched_exit(c, c.request.eip);
  c.deferred.push_back({.kind = Deferred::Kind::stale,
                        .patch_offset = open_rel32(c, {0xE9}),
                        .target = c.request.eip,
                        .exit = *stale,
                        .point = here(c)});
}

void jump_shadowed_exit(Context& c, std::uint32_t next, unsigned completed) {
  const std::uint32_t patch = open_rel32(c, {0xE9});
  Point point = here(c);
  point.index = static_cast<std::uint8_t>(completed);
  c.deferred.push_back({.kind = Deferred::Kind::shadowed_exit, .patch_offset = patch, .target = next, .point = point});
}

void branch_interpret(Context& c, std::uint8_t condition, unsigned completed) {
  const std::uint32_t patch = open_rel32(c, {0x0F, static_cast<std::uint8_t>(0x80U | condition)});
  Point point = here(c);
  point.index = static_cast<std::uint8_t>(completed);
  c.deferred.push_back(
      {.kind = Deferred::Kind::saved_flags_interpret, .patch_offset = patch, .target = c.eip(), .point = point});
}

void finish_exits(Context& c) {
  std::uint32_t stale_stub = 0;
  for (std::size_t i = 0; i < c.deferred.size(); ++i) {  // grows: a counted branch defers its stub
    const Deferred d = c.deferred[i];
    if (d.kind == Deferred::Kind::stale && stale_stub != 0) {  // one for all comparisons
      c.patches.push_back({.offset = d.patch_offset, .destination = stale_stub});
      continue;
    }
    c.patches.push_back({.offset = d.patch_offset, .destination = c.offset()});
    c.guest_offset = d.point.guest_offset;
    c.index = d.point.index;
    mark_fixup(c, d.kind == Deferred::Kind::saved_flags_interpret ? Fixup::flags_in_r10
                  : d.kind == Deferred::Kind::stale               ? Fixup::ecx_in_r10
                                                                  : Fixup::none);
    switch (d.kind) {
      case Deferred::Kind::stale:
        stale_stub = c.offset();
        c.a.mov(x86::rcx, x86::r10);
        mark_fixup(c, Fixup::none);
        leave_direct(c, d.exit);
        break;
      case Deferred::Kind::direct_stub:
        leave_direct(c, d.exit);
        break;
      case Deferred::Kind::counted_branch:
        exit_direct(c, d.target, d.point.index);
        break;
      case Deferred::Kind::saved_flags_interpret:
        c.a.push(x86::r10);
        c.a.popfq();
        mark_fixup(c, Fixup::none);
        exit_interpret(c, d.target, d.point.index);
        break;
      case Deferred::Kind::shadowed_exit:
        count_retired(c, d.point.index);
        // shadow = 1 - old IF: sti shadows the next instruction only if IF was clear.
        c.a.not_(x86::r9d);
        c.a.lea(x86::r9d, x86::ptr(x86::r9, 2));
        c.a.mov(state(offsetof(CpuState, interrupt_shadow), 1), x86::r9b);
        load_linear(c, kScratch8, d.target);
        jump_absolute(c, c.request.stubs.exit_interrupt);
        break;
    }
  }
}

}  // namespace ringshift::translator::emit
