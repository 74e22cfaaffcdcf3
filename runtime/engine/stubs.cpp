#include "runtime/engine/stubs.h"

#include <asmjit/asmjit.h>

#include <array>
#include <cstddef>

#include "runtime/semantics/fp_state.h"

namespace ringshift::engine {
namespace {

using namespace asmjit;
using namespace asmjit::x86;

// C++ expects these on return from enter() (System V ABI).
constexpr std::array<Gp, 6> kCalleeSaved{rbx, rbp, r12, r13, r14, r15};
// Guest registers in ModRM order; esp has a register of its own.
constexpr std::array<Gp, kGprCount> kGuest{eax, ecx, edx, ebx, r12d, ebp, esi, edi};

constexpr std::size_t kGpr = offsetof(CpuState, gpr);
constexpr std::size_t kHost = offsetof(CpuState, host);

Mem state(std::size_t offset, std::uint32_t size) { return ptr(r15, static_cast<int32_t>(offset), size); }
Mem host(std::size_t offset, std::uint32_t size) { return state(kHost + offset, size); }

void emit_exit(Assembler& a, const Label& store_registers, abi::Exit reason) {
  a.mov(host(offsetof(HostContext, exit_reason), 4), static_cast<std::uint32_t>(reason));
  a.jmp(store_registers);
}

void emit_lookup(Assembler& a) {
  a.shrx(r10d, r8d, r13d);
  a.mov(r10, qword_ptr(r13, r10, 3, -abi::kDirectoryBias));
  a.mov(r9d, dword_ptr(r10, r8, 2));
  a.lea(r9, ptr(r9, r14));
  a.jmp(r9);
}

void emit_store_registers(Assembler& a) {
  a.mov(state(offsetof(CpuState, eip), 4), r8d);
  for (unsigned i = 0; i < kGprCount; ++i) a.mov(state(kGpr + 4 * i, 4), kGuest[i]);
  a.pushfq();
  a.pop(rax);
  a.and_(eax, eflags::kNative);
  a.mov(state(offsetof(CpuState, native_flags), 4), eax);
}

void emit_load_registers(Assembler& a) {
  a.mov(rsp, host(offsetof(HostContext, return_ring), 8));
  a.mov(r8d, state(offsetof(CpuState, native_flags), 4));
  a.push(r8);
  a.popfq();
  for (unsigned i = 0; i < kGprCount; ++i) a.mov(kGuest[i], state(kGpr + 4 * i, 4));
}

void emit_enter(Assembler& a) {
  // A kick that came since the dispatcher looked; a later one finds execution in the cache.
  const Label go = a.newLabel();
  a.test(byte_ptr(rdi, static_cast<int32_t>(offsetof(CpuState, pending))), kStopRequest);
  a.jz(go);
  a.ret();
  a.bind(go);
  for (const Gp& reg : kCalleeSaved) a.push(reg);
  a.mov(r15, rdi);
  a.mov(r11, rsi);
  a.mov(host(offsetof(HostContext, host_rsp), 8), rsp);
  a.mov(r14, host(offsetof(HostContext, code_base), 8));
  a.mov(r13, host(offsetof(HostContext, jump_directory), 8));
  a.fxrstor64(state(offsetof(CpuState, fx), 0));
  emit_load_registers(a);
  a.jmp(r11);
}

// r8d = eip, r9d = number. x87 and SSE state stay where they are.
void emit_brief(Assembler& a, BriefCallout* brief, const Label& lookup, const Label& leave) {
  emit_store_registers(a);
  a.mov(host(offsetof(HostContext, return_ring), 8), rsp);
  a.mov(rsp, host(offsetof(HostContext, host_rsp), 8));
  a.sub(rsp, 8);  // aligned for the call
  a.mov(rdi, r15);
  a.mov(esi, r9d);
  a.cld();
  a.mov(rax, reinterpret_cast<std::uint64_t>(brief));
  a.call(rax);
  a.test(eax, eax);
  a.jnz(leave);
  // A kick during the callout found execution outside the cache and left only this.
  a.mov(eax, static_cast<std::uint32_t>(abi::Exit::interrupt));
  a.test(state(offsetof(CpuState, pending), 1), kStopRequest);
  a.jnz(leave);
  a.mov(r13, host(offsetof(HostContext, jump_directory), 8));
  emit_load_registers(a);
  a.mov(r8d, state(offsetof(CpuState, eip), 4));
  a.jmp(lookup);
}

void emit_leave(Assembler& a, const Label& store_registers, const Label& captured) {
  a.bind(store_registers);
  emit_store_registers(a);
  a.bind(captured);
  // C++ needs DF clear, an empty x87 stack and the default MXCSR.
  a.cld();
  a.fxsave64(state(offsetof(CpuState, fx), 0));
  a.fninit();
  a.mov(rsp, host(offsetof(HostContext, host_rsp), 8));
  a.push(fp::kMxcsrDefault);
  a.ldmxcsr(dword_ptr(rsp));
  a.pop(rax);
  for (auto reg = kCalleeSaved.rbegin(); reg != kCalleeSaved.rend(); ++reg) a.pop(*reg);
  a.ret();
}

}  // namespace

bool emit_stubs(CodeCache& cache, BriefCallout* brief, Stubs& stubs, std::string& error) {
  CodeHolder holder;
  holder.init(Environment::host(), cache.base());
  Assembler a(&holder);
  const Label store_registers = a.newLabel();
  const Label captured = a.newLabel();
  const Label direct = a.newLabel();
  const Label interpret = a.newLabel();
  const Label interrupt = a.newLabel();
  const Label lookup = a.newLabel();
  const Label lookup_end = a.newLabel();
  const Label return_mismatch = a.newLabel();
  const Label return_miss = a.newLabel();
  const Label enter = a.newLabel();
  const Label brief_callout = a.newLabel();
  const Label leave_brief = a.newLabel();

  emit_exit(a, store_registers, abi::Exit::miss);  // offset 0
  a.bind(direct);
  a.pop(r9);
  a.mov(host(offsetof(HostContext, exit_from), 8), r9);
  emit_exit(a, store_registers, abi::Exit::direct);
  a.bind(interpret);
  emit_exit(a, store_registers, abi::Exit::interpret);
  a.bind(interrupt);
  emit_exit(a, store_registers, abi::Exit::interrupt);
  a.bind(return_mismatch);
  a.mov(rcx, r10);
  a.jmp(lookup);
  a.bind(return_miss);
  a.lea(r9, ptr(return_miss));
  a.push(r9);
  a.bind(lookup);
  emit_lookup(a);
  a.bind(lookup_end);
  emit_leave(a, store_registers, captured);
  a.bind(leave_brief);
  a.mov(host(offsetof(HostContext, exit_reason), 4), eax);
  a.jmp(captured);
  a.bind(brief_callout);
  emit_brief(a, brief, lookup, leave_brief);
  a.align(AlignMode::kCode, 16);
  a.bind(enter);
  emit_enter(a);

  if (holder.flatten() != kErrorOk || holder.resolveUnresolvedLinks() != kErrorOk ||
      holder.relocateToBase(cache.base()) != kErrorOk) {
    error = "translation cache: cannot assemble the entry stubs";
    return false;
  }
  const auto& buffer = holder.sectionById(0)->buffer();
  cache.write(0, {buffer.data(), buffer.size()});
  cache.reset(static_cast<std::uint32_t>(buffer.size()));

  const auto address = [&](const Label& label) { return cache.base() + holder.labelOffset(label); };
  stubs.enter = reinterpret_cast<void (*)(CpuState*, std::uint64_t)>(address(enter));
  stubs.table = {address(direct),        address(interpret), address(interrupt),
                 address(brief_callout), address(lookup),    address(return_mismatch)};
  stubs.lookup_code.assign(buffer.begin() + holder.labelOffset(lookup),
                           buffer.begin() + holder.labelOffset(lookup_end));
  stubs.return_miss = address(return_miss);
  stubs.exit_captured = address(captured);
  stubs.end = static_cast<std::uint32_t>(buffer.size());
  return true;
}

}  // namespace ringshift::engine
