// Signals that interrupt translated code.
//
// The state of the guest is in the host's registers when translated code is stopped, and a fragment's points say
// which instruction it was in. A missing shadow page is filled and the access runs again; for everything
// else the registers are stored as if the fragment had left by itself, and the dispatcher goes on: mostly
// by interpreting that one instruction, which raises the guest's fault, reaches the device or writes to the code page.
#include <algorithm>
#include <array>
#include <cstddef>

#include "runtime/engine/host_step.h"
#include "runtime/engine/translate_engine.h"

namespace ringshift::engine {
namespace {

// ucontext register of each guest register, in ModRM order.
constexpr std::array<int, kGprCount> kGuestRegister{REG_RAX, REG_RCX, REG_RDX, REG_RBX,
                                                    REG_R12, REG_RBP, REG_RSI, REG_RDI};
constexpr greg_t kTrapFlag = 0x100;
constexpr greg_t kWriteFault = 2;  // page-fault error code
constexpr greg_t kPageFaultTrap = 14;

// From here on an access may reach beyond 4 GiB, which comes before its page fault: the interpreter tells.
constexpr mmu::Linear kMayWrap = 0xFFFFF000;

std::uint32_t swap_low_bytes(std::uint32_t value) {
  return (value & 0xFFFF0000U) | (value & 0xFFU) << 8 | (value >> 8 & 0xFFU);
}

// The offsets in esi and edi, and the count in ecx, at a string instruction whose fixup is one of Fixup::string16 and
// so on.
void complete_string(CpuState& state, translator::Fixup fixup, const gregset_t& regs) {
  const auto number = static_cast<unsigned>(fixup) - static_cast<unsigned>(translator::Fixup::string16);
  const bool bits16 = number < kSegCount;
  const auto* code = reinterpret_cast<const std::uint8_t*>(regs[REG_RIP]);
  bool repeated = false;
  for (; *code == 0x66 || *code == 0xF2 || *code == 0xF3; ++code) repeated = repeated || *code != 0x66;
  const std::uint8_t opcode = *code & 0xFEU;
  const bool uses_esi = opcode == 0xA4 || opcode == 0xA6 || opcode == 0xAC;
  const bool uses_edi = opcode != 0xAC;
  const auto merge = [bits16](std::uint32_t value, greg_t saved) {
    return bits16 ? (static_cast<std::uint32_t>(saved) & 0xFFFF0000U) | (value & 0xFFFFU) : value;
  };
  if (uses_esi) state.gpr[kEsi] = merge(state.gpr[kEsi] - state.seg[number % kSegCount].base, regs[REG_R10]);
  if (uses_edi) state.gpr[kEdi] = merge(state.gpr[kEdi] - state.segment(Seg::es).base, regs[REG_R11]);
  if (repeated) state.gpr[kEcx] = merge(state.gpr[kEcx], regs[REG_R9]);
}

// A repeated string instruction, as the translator writes it, may stop between iterations: its registers are exact
// there.
bool inside_repeat(const std::uint8_t* code) {
  if (*code == 0x66) ++code;
  if (*code != 0xF2 && *code != 0xF3) return false;
  ++code;
  return (*code >= 0xA4 && *code <= 0xA7) || (*code >= 0xAA && *code <= 0xAF);
}

}  // namespace

bool TranslateEngine::on_signal(int number, const siginfo_t& info, ucontext_t& context) {
  auto& regs = context.uc_mcontext.gregs;
  const auto rip = static_cast<std::uint64_t>(regs[REG_RIP]);
  const bool ours = running_ && cache_->contains(rip);
  if (number == SIGTRAP) {
    if (!running_) return false;
    regs[REG_EFL] &= ~kTrapFlag;
    if (stop_ != 0 && rip == cache_->base() + stop_ + 1) --regs[REG_RIP];
    return on_kick(context);
  }
  if (number == kick_signal()) {
    if (!ours) return true;
    ++stats_.kicks;
    return on_kick(context);
  }
  if (!ours) return false;
  return on_memory_fault(info, context);
}

// Leaves at an instruction boundary. To the next one, or to the next branch, the host runs by itself, and stops at a
// breakpoint; branches are carried out here. (The trap flag would do without all that, with a signal for each
// instruction, and under some hypervisors that takes more than 10 us.)
bool TranslateEngine::on_kick(ucontext_t& context) {
  auto& regs = context.uc_mcontext.gregs;
  remove_stop();
  for (;;) {
    const auto rip = static_cast<std::uint64_t>(regs[REG_RIP]);
    if (!cache_->contains(rip)) return true;  // the runtime looks at `pending` by itself
    if (leave_at_boundary(context)) return true;
    ++stats_.kick_steps;
    if (!decode_host(rip).branch) {
      place_stop(rip);
      return true;
    }
    if (ring_->in_guard(static_cast<std::uint64_t>(regs[REG_RSP]) - 8)) {
      regs[REG_RSP] = static_cast<greg_t>(empty_ring());
    }
    if (take_branch(regs)) continue;
    regs[REG_EFL] |= kTrapFlag;
    return true;
  }
}

TranslateEngine::Place TranslateEngine::place_of(std::uint64_t rip) const {
  const auto offset = static_cast<std::uint32_t>(rip - cache_->base());
  const FragmentId id = fragments_->at(offset);
  if (id == kNoFragment) return {};
  const Record& record = (*fragments_)[id];
  return {id, fragments_->point_at(record, offset - record.host_offset)};
}

// The place, if an interrupt may be taken there.
TranslateEngine::Place TranslateEngine::boundary_at(std::uint64_t rip) const {
  const Place place = place_of(rip);
  if (place.point == nullptr) return {};
  const std::uint64_t point_at = cache_->base() + (*fragments_)[place.id].host_offset + place.point->host_offset;
  const bool at_boundary = point_at == rip && place.point->boundary && !place.point->shadow;
  return at_boundary || inside_repeat(reinterpret_cast<const std::uint8_t*>(rip)) ? place : Place{};
}

bool TranslateEngine::leave_at_boundary(ucontext_t& context) {
  const auto [id, point] = boundary_at(static_cast<std::uint64_t>(context.uc_mcontext.gregs[REG_RIP]));
  if (point != nullptr) capture(context, (*fragments_)[id], *point, abi::Exit::kicked);
  return point != nullptr;
}

// A breakpoint at the first boundary or branch behind the instruction at `rip`.
void TranslateEngine::place_stop(std::uint64_t rip) {
  constexpr std::uint8_t kInt3 = 0xCC;
  HostInsn insn = decode_host(rip);
  do {
    rip += std::max<unsigned>(insn.length, 1);
    insn = decode_host(rip);
  } while (!insn.branch && boundary_at(rip).point == nullptr);
  stop_ = static_cast<std::uint32_t>(rip - cache_->base());
  stopped_byte_ = *reinterpret_cast<const std::uint8_t*>(rip);
  cache_->write(stop_, {&kInt3, 1});
}

void TranslateEngine::remove_stop() {
  if (stop_ != 0) cache_->write(stop_, {&stopped_byte_, 1});
  stop_ = 0;
}

bool TranslateEngine::on_memory_fault(const siginfo_t& info, ucontext_t& context) {
  auto& regs = context.uc_mcontext.gregs;
  const auto address = reinterpret_cast<std::uint64_t>(info.si_addr);
  if (regs[REG_TRAPNO] == kPageFaultTrap && ring_->in_guard(address)) {
    ++stats_.ring_overflows;
    regs[REG_RSP] = static_cast<greg_t>(empty_ring());
    return true;
  }
  if (regs[REG_TRAPNO] == kPageFaultTrap && directory_->make_at(address)) return true;
  const auto [id, point] = place_of(static_cast<std::uint64_t>(regs[REG_RIP]));
  if (point == nullptr) return false;
  const Record& record = (*fragments_)[id];
  ++stats_.memory_faults;

  if (regs[REG_TRAPNO] == kPageFaultTrap && windows_.contains(info.si_addr)) {
    const auto linear = static_cast<mmu::Linear>(address - cpu_.state.host.window_base);
    const auto access = (regs[REG_ERR] & kWriteFault) != 0 ? mmu::Access::write : mmu::Access::read;
    // A page that was filled and faults again at the same place cannot be had this way.
    const bool again = regs[REG_RIP] == last_fault_rip_ && address == last_fault_address_;
    const mmu::FillResult fill = again ? mmu::FillResult{mmu::Fill::emulate} : windows_.fill(linear, access);
    if (fill.kind == mmu::Fill::mapped) {
      last_fault_rip_ = regs[REG_RIP];
      last_fault_address_ = address;
      ++stats_.fault_fills;
      return true;
    }
    // A fragment that checks its code reads what the guest fetches.
    if (fill.kind == mmu::Fill::page_fault && linear < kMayWrap && !record.checked) {
      page_fault_ = GuestFault{vector::kPf, true, false, fill.error, linear};
    }
  }
  last_fault_rip_ = 0;
  faulted_ = record.physical + point->guest_offset;
  const bool repeating = record.checked && inside_repeat(reinterpret_cast<const std::uint8_t*>(regs[REG_RIP]));
  repeating_in_ = repeating ? id : kNoFragment;
  capture(context, record, *point, abi::Exit::memory_fault);
  return true;
}

// Stores the guest's registers and makes the signal return to the exit that saves x87 and SSE state.
void TranslateEngine::capture(ucontext_t& context, const Record& record, const translator::Point& point,
                              abi::Exit reason) {
  remove_stop();
  auto& regs = context.uc_mcontext.gregs;
  CpuState& state = cpu_.state;
  for (unsigned i = 0; i < kGprCount; ++i) state.gpr[i] = static_cast<std::uint32_t>(regs[kGuestRegister[i]]);
  state.gpr[kEsp] += static_cast<std::uint32_t>(std::int32_t{point.esp_delta});  // 0 if the stack has 16 bits
  state.native_flags = static_cast<std::uint32_t>(regs[REG_EFL]) & eflags::kNative;
  switch (point.fixup) {
    case translator::Fixup::none:
      break;
    case translator::Fixup::swapped_eax:
    case translator::Fixup::swapped_ecx:
    case translator::Fixup::swapped_edx:
    case translator::Fixup::swapped_ebx: {
      const auto i = static_cast<std::size_t>(point.fixup) - static_cast<std::size_t>(translator::Fixup::swapped_eax);
      state.gpr[i] = swap_low_bytes(state.gpr[i]);
      break;
    }
    case translator::Fixup::flags_in_r10:
      state.native_flags = static_cast<std::uint32_t>(regs[REG_R10]) & eflags::kNative;
      break;
    case translator::Fixup::ecx_in_r10:
      state.gpr[kEcx] = static_cast<std::uint32_t>(regs[REG_R10]);
      break;
    default:
      complete_string(state, point.fixup, regs);
      break;
  }
  state.eip = base_of(record) + record.eip + point.guest_offset;  // linear, as the exits leave it
  if (options_.count_retired || options_.deterministic) state.host.retired += point.index;
  state.host.exit_reason = static_cast<std::uint32_t>(reason);
  regs[REG_RIP] = static_cast<greg_t>(stubs_.exit_captured);
  regs[REG_EFL] &= ~kTrapFlag;
}

}  // namespace ringshift::engine
