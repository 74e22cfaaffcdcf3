// x87, MMX, SSE and integer extensions, executed by the host's own instruction (host_thunk.h).
//
// What stays to be done here is what the instruction owes to the guest's world: availability, pending
// exceptions, memory operands through the guest's segments and pages, and unmasked exceptions, none of
// which may ever reach the host as a signal.
#include <array>
#include <cstring>

#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/fp_checks.h"
#include "runtime/semantics/fp_state.h"
#include "runtime/semantics/fp_thunk.h"
#include "runtime/semantics/handlers.h"

namespace ringshift {
namespace fp {

Flow unavailable(Cpu& cpu, const char* message) {
  HostThunks& thunks = thunks_of(cpu);
  if (!thunks.reported_unknown) {
    thunks.reported_unknown = true;
    cpu.platform.report(message);
  }
  return cpu.raise(vector::kUd);
}

}  // namespace fp

namespace {

using fp::Bounce;
using fp::FxImage;

constexpr std::uint8_t kReads = 1;
constexpr std::uint8_t kWrites = 2;

struct Operand {
  std::uint32_t offset = 0;
  std::uint32_t size = 0;  // 0: no memory operand
  bool reads = false;
  bool writes = false;
};

// EFLAGS.AC checks natural alignment (SDM table 6-7). For 16 bytes that need no alignment otherwise, the SDM leaves it
// open; silicon checks.
bool alignment_fault(const Cpu& cpu, std::uint32_t linear, std::uint32_t size) {
  if (!alignment_checked(cpu.state)) return false;
  if (size == 10) size = 8;  // double extended
  return (size & (size - 1)) == 0 && (linear & (size - 1)) != 0;
}

// Every fault the memory operand can cause, in the order of silicon, and its value if it is read.
Flow fetch_operand(Cpu& cpu, const isa::Insn& insn, Bounce& bounce, Operand& out) {
  if (!insn.memory || insn.host_memory == 0) return Flow::next;
  out.offset = cpu.effective_address(insn);
  out.size = insn.host_memory_bytes;
  out.reads = (insn.host_memory & kReads) != 0;
  out.writes = (insn.host_memory & kWrites) != 0;
  if (out.size > bounce.bytes.size()) return fp::unavailable(cpu, "memory operand of a host instruction is too large");
  const std::uint32_t address = cpu.state.segment(insn.segment).base + out.offset;
  if (insn.host_align != 0 && (address & (insn.host_align - 1U)) != 0) return cpu.raise(vector::kGp, 0);
  const auto linear =
      cpu.linear(insn.segment, out.offset, out.size, out.writes ? mmu::Access::write : mmu::Access::read);
  if (!linear) return Flow::fault;
  if (insn.host_align == 0 && alignment_fault(cpu, *linear, out.size)) return cpu.raise(vector::kAc, 0);
  if (out.writes && !cpu.probe_write(insn.segment, out.offset, out.size)) return Flow::fault;
  if (out.reads && !cpu.read_bytes(insn.segment, out.offset, bounce.bytes.data(), out.size)) return Flow::fault;
  return Flow::next;
}

// Runs the instruction on `fx` (null: it uses general registers only) and leaves the results in `context` and `bounce`.
bool run(Cpu& cpu, const HostEncoding& code, std::uint8_t* fx, Bounce& bounce, ThunkContext& context) {
  context = fp::context_of(cpu, fx, bounce.bytes.data());
  if (code.scratch_source != isa::kNoRegister) {
    context.scratch = cpu.state.gpr[code.scratch_source & 3U] >> (code.scratch_source >= 4 ? 8U : 0U);
  }
  return fp::thunks_of(cpu).run(code, context);
}

Flow no_memory(Cpu& cpu) { return fp::unavailable(cpu, "no executable memory for host instructions"); }

void commit_integer(Cpu& cpu, const ThunkContext& context) {
  cpu.state.gpr = context.gpr;
  cpu.state.native_flags = static_cast<std::uint32_t>(context.flags) & eflags::kNative;
}

// A store that x87 reports as invalid, overflow or underflow to an unmasked handler leaves memory alone
// (SDM vol. 1, 8.5); an inexact one stores. The exception itself waits for the next instruction.
bool store_suppressed(const CpuState& before, const FxImage& after) {
  std::uint16_t fsw = 0;
  std::memcpy(&fsw, after.bytes.data() + fp::kFsw, sizeof fsw);
  const unsigned raised = fsw & ~fp::fcw(before) & fp::kExceptionBits;
  return (raised & ~fp::kPrecision) != 0;
}

std::uint32_t mxcsr_of(const FxImage& fx) {
  std::uint32_t value = 0;
  std::memcpy(&value, fx.bytes.data() + fp::kMxcsr, sizeof value);
  return value;
}

void set_mxcsr_of(FxImage& fx, std::uint32_t value) { std::memcpy(fx.bytes.data() + fp::kMxcsr, &value, sizeof value); }

// An SSE instruction while the guest has unmasked exceptions. It runs on a copy with all of them masked and
// its flags cleared; a flag that then appears and is not masked for the guest is the fault, and the copy is
// dropped. An unmasked underflow is raised for every tiny result, a masked one only for an inexact one:
// flush-to-zero makes the two conditions equal, and no result that it changes is ever kept.
// Gaps, in the flags beside the one that faults: with an unmasked overflow or underflow silicon reports PE only
// if the result was inexact before its exponent was limited, here PE is as in the masked response; DPPS and DPPD
// report stage by stage on silicon, here as one operation.
Flow run_sse_unmasked(Cpu& cpu, const HostEncoding& code, const Bounce& operand, Bounce& result, FxImage& fx,
                      ThunkContext& context) {
  const std::uint32_t guest = fp::mxcsr(cpu.state);
  const bool watch_underflow = fp::sse_unmasked(fp::kUnderflow, guest) != 0;
  const std::uint32_t base = (guest | fp::kMxcsrAllMasked) & ~std::uint32_t{fp::kExceptionBits};
  const auto attempt = [&](std::uint32_t mxcsr) {
    fx.bytes = cpu.state.fx;
    set_mxcsr_of(fx, mxcsr);
    result = operand;
    return run(cpu, code, fx.bytes.data(), result, context);
  };
  if (!attempt(watch_underflow ? base | fp::kMxcsrFlushToZero : base)) return no_memory(cpu);
  std::uint32_t raised = mxcsr_of(fx) & fp::kExceptionBits;
  constexpr std::uint32_t kBeforeComputing = fp::kInvalid | fp::kDenormal | fp::kZeroDivide;
  if (fp::sse_unmasked(raised, guest) == 0) {
    set_mxcsr_of(fx, guest | raised);
    return Flow::next;
  }
  if (fp::sse_unmasked(raised & kBeforeComputing, guest) != 0) {
    raised &= kBeforeComputing;  // no operand is computed, so nothing later is reported (SDM vol. 1, 11.5.3)
  } else if (watch_underflow && (guest & fp::kMxcsrFlushToZero) == 0) {
    if (!attempt(base & ~fp::kMxcsrFlushToZero)) return no_memory(cpu);
    raised = (raised & ~fp::kPrecision) | (mxcsr_of(fx) & fp::kPrecision);
  }
  fp::set_mxcsr(cpu.state, guest | raised);
  return cpu.raise((cpu.state.cr4 & cr4::kOsxmmexcpt) != 0 ? vector::kXm : vector::kUd);
}

// LDMXCSR and STMXCSR: 0F AE /2 and /3.
bool is_mxcsr_access(const isa::Insn& insn) {
  const unsigned reg = (insn.modrm >> 3) & 7U;
  return insn.map == 1 && insn.opcode == 0xAE && insn.memory && (reg == 2 || reg == 3);
}

Flow access_mxcsr(Cpu& cpu, const isa::Insn& insn) {
  const std::uint32_t offset = cpu.effective_address(insn);
  if (((insn.modrm >> 3) & 7U) == 3) {
    return cpu.write<std::uint32_t>(insn.segment, offset, fp::mxcsr(cpu.state)) ? Flow::next : Flow::fault;
  }
  const auto value = cpu.read<std::uint32_t>(insn.segment, offset);
  if (!value) return Flow::fault;
  if ((*value & ~fp::kMxcsrWritable) != 0) return cpu.raise(vector::kGp, 0);
  fp::set_mxcsr(cpu.state, *value);
  return Flow::next;
}

}  // namespace

Flow execute_host_fp(Cpu& cpu, const isa::Insn& insn) {
  const fp::Traits traits = fp::traits(insn);
  const Flow checked = fp::check(cpu, traits);
  if (checked != Flow::next) return checked;
  if (is_mxcsr_access(insn)) return access_mxcsr(cpu, insn);
  const auto code = host_encoding(insn);
  if (!code) return fp::unavailable(cpu, "instruction of the host set has no 64-bit form here: #UD");

  Bounce bounce;
  Operand operand;
  const Flow fetched = fetch_operand(cpu, insn, bounce, operand);
  if (fetched != Flow::next) return fetched;

  CpuState& state = cpu.state;
  ThunkContext context;
  const bool sse = traits.unit == fp::Unit::sse || traits.unit == fp::Unit::sse_mmx;
  const bool sse_unmasked = sse && (fp::mxcsr(state) & fp::kMxcsrAllMasked) != fp::kMxcsrAllMasked;
  if (!operand.writes && !sse_unmasked) {  // nothing can fail any more: run on the state itself
    if (!run(cpu, *code, state.fx.data(), bounce, context)) return no_memory(cpu);
    fp::scrub_pointers(state);
    commit_integer(cpu, context);
    return Flow::next;
  }

  FxImage fx;
  Bounce result;
  if (sse_unmasked) {
    const Flow ran = run_sse_unmasked(cpu, *code, bounce, result, fx, context);
    if (ran != Flow::next) return ran;
  } else {
    fx.bytes = state.fx;
    result = bounce;
    if (!run(cpu, *code, fx.bytes.data(), result, context)) return no_memory(cpu);
  }
  const bool suppressed = traits.unit == fp::Unit::x87 && traits.waits && store_suppressed(state, fx);
  if (operand.writes && !suppressed &&
      !cpu.write_bytes(insn.segment, operand.offset, result.bytes.data(), operand.size)) {
    return Flow::fault;
  }
  state.fx = fx.bytes;
  fp::scrub_pointers(state);
  commit_integer(cpu, context);
  return Flow::next;
}

Flow execute_host_int(Cpu& cpu, const isa::Insn& insn) {
  if (cpu.model < CpuModel::core2) return cpu.raise(vector::kUd);
  const auto code = host_encoding(insn);
  if (!code) return fp::unavailable(cpu, "integer instruction of the host set has no 64-bit form here: #UD");
  Bounce bounce;
  Operand operand;
  const Flow fetched = fetch_operand(cpu, insn, bounce, operand);
  if (fetched != Flow::next) return fetched;
  ThunkContext context;
  if (!run(cpu, *code, nullptr, bounce, context)) return no_memory(cpu);
  if (operand.writes && !cpu.write_bytes(insn.segment, operand.offset, bounce.bytes.data(), operand.size)) {
    return Flow::fault;
  }
  commit_integer(cpu, context);
  return Flow::next;
}

Flow execute_fwait(Cpu& cpu, const isa::Insn& /*insn*/) {
  constexpr std::uint32_t kBoth = cr0::kMp | cr0::kTs;
  if ((cpu.state.cr0 & kBoth) == kBoth) return cpu.raise(vector::kNm);
  if (x87_exception_pending(cpu.state)) return fp::raise_x87(cpu);
  return Flow::next;
}

}  // namespace ringshift
