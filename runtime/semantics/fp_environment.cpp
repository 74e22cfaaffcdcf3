// Instructions that store or load floating-point state as a whole: FNSTENV, FLDENV, FNSAVE, FRSTOR,
// FXSAVE, FXRSTOR; and the masked byte stores.
//
// The host does the work on an image of ours in its own layout (32-bit protected mode); here that image is
// carried to and from the layout that the guest's mode and operand size demand (SDM vol. 1, 8.1.10).
#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/fp_checks.h"
#include "runtime/semantics/fp_state.h"
#include "runtime/semantics/fp_thunk.h"
#include "runtime/semantics/handlers.h"

namespace ringshift {
namespace {

using fp::Bounce;

constexpr std::uint32_t kHostEnvironment = 28;
constexpr std::uint32_t kRegisterBytes = 80;  // ST0 to ST7, 10 bytes each
constexpr std::uint32_t kReservedHigh = 0xFFFF0000U;

// The environment without its layout.
struct Environment {
  std::uint16_t control = 0;
  std::uint16_t status = 0;
  std::uint16_t tags = 0;
  std::uint32_t instruction = 0;  // FIP; its selector FCS and FDS are not kept, as on processors without FCS/FDS
  std::uint32_t operand = 0;      // FDP
  std::uint16_t opcode = 0;       // FOP, 11 bits
};

void put16(std::uint8_t* to, unsigned index, std::uint32_t value) {
  const auto v = static_cast<std::uint16_t>(value);
  std::memcpy(to + std::size_t{index} * 2, &v, 2);
}
void put32(std::uint8_t* to, unsigned index, std::uint32_t value) {
  std::memcpy(to + std::size_t{index} * 4, &value, 4);
}
std::uint16_t get16(const std::uint8_t* from, unsigned index) {
  std::uint16_t v = 0;
  std::memcpy(&v, from + std::size_t{index} * 2, 2);
  return v;
}

std::uint32_t environment_size(const isa::Insn& insn) { return insn.width == 2 ? 14 : kHostEnvironment; }

// The four layouts (SDM vol. 1, figures 8-9 to 8-12). Reserved upper halves are ones, as silicon stores them.
void store_environment(const CpuState& state, const isa::Insn& insn, const Environment& e, std::uint8_t* to) {
  const bool is_protected = state.protected_mode() && !state.v86();
  if (insn.width == 2) {
    put16(to, 0, e.control);
    put16(to, 1, e.status);
    put16(to, 2, e.tags);
    put16(to, 3, e.instruction);
    put16(to, 4, is_protected ? 0U : ((e.instruction >> 4) & 0xF000U) | e.opcode);
    put16(to, 5, e.operand);
    put16(to, 6, is_protected ? 0U : (e.operand >> 4) & 0xF000U);
    return;
  }
  put32(to, 0, kReservedHigh | e.control);
  put32(to, 1, kReservedHigh | e.status);
  put32(to, 2, kReservedHigh | e.tags);
  if (is_protected) {
    put32(to, 3, e.instruction);
    put32(to, 4, std::uint32_t{e.opcode} << 16);
    put32(to, 5, e.operand);
    put32(to, 6, kReservedHigh);
    return;
  }
  put32(to, 3, kReservedHigh | (e.instruction & 0xFFFFU));
  put32(to, 4, ((e.instruction >> 4) & 0x0FFFF000U) | e.opcode);
  put32(to, 5, kReservedHigh | (e.operand & 0xFFFFU));
  put32(to, 6, (e.operand >> 4) & 0x0FFFF000U);
}

// Loads of the pointers have no effect: they are not kept (fp_state.h).
Environment load_environment(const isa::Insn& insn, const std::uint8_t* from) {
  const unsigned stride = insn.width == 2 ? 1 : 2;
  Environment e;
  e.control = get16(from, 0);
  e.status = get16(from, stride);
  e.tags = get16(from, stride * 2);
  return e;
}

Flow no_memory(Cpu& cpu) { return fp::unavailable(cpu, "no executable memory for host instructions"); }

// EFLAGS.AC: aligned to the words that it is made of (SDM vol. 3, table 6-7).
bool misaligned(const Cpu& cpu, const isa::Insn& insn, std::uint32_t offset) {
  const std::uint32_t linear = cpu.state.segment(insn.segment).base + offset;
  return (linear & (insn.width - 1U)) != 0 && alignment_checked(cpu.state);
}

// FNSTENV (then all exceptions are masked) or FNSAVE (then FNINIT).
Flow store_state(Cpu& cpu, const isa::Insn& insn, bool with_registers) {
  const std::uint32_t offset = cpu.effective_address(insn);
  const std::uint32_t environment = environment_size(insn);
  const std::uint32_t size = environment + (with_registers ? kRegisterBytes : 0);
  if (!cpu.linear(insn.segment, offset, size, mmu::Access::write)) return Flow::fault;
  if (misaligned(cpu, insn, offset)) return cpu.raise(vector::kAc, 0);
  if (!cpu.probe_write(insn.segment, offset, size)) return Flow::fault;

  // The state changes only once the image is in guest memory.
  const auto saved = cpu.state.fx;
  Bounce host;
  const bool ran = with_registers ? fp::run_on_fp_state(cpu, {0x41, 0xDD, 0x30}, host.bytes.data())   // fnsave [r8]
                                  : fp::run_on_fp_state(cpu, {0x41, 0xD9, 0x30}, host.bytes.data());  // fnstenv [r8]
  if (!ran) return no_memory(cpu);
  Environment e = load_environment(isa::Insn{}, host.bytes.data());
  std::memcpy(&e.opcode, saved.data() + fp::kFop, sizeof e.opcode);
  std::memcpy(&e.instruction, saved.data() + fp::kFip, sizeof e.instruction);
  std::memcpy(&e.operand, saved.data() + fp::kFdp, sizeof e.operand);
  Bounce image;
  store_environment(cpu.state, insn, e, image.bytes.data());
  if (with_registers) {
    std::memcpy(image.bytes.data() + environment, host.bytes.data() + kHostEnvironment, kRegisterBytes);
  }
  if (!cpu.write_bytes(insn.segment, offset, image.bytes.data(), size)) {
    cpu.state.fx = saved;
    return Flow::fault;
  }
  return Flow::next;
}

// FLDENV or FRSTOR.
Flow load_state(Cpu& cpu, const isa::Insn& insn, bool with_registers) {
  const std::uint32_t environment = environment_size(insn);
  const std::uint32_t size = environment + (with_registers ? kRegisterBytes : 0);
  const std::uint32_t offset = cpu.effective_address(insn);
  if (!cpu.linear(insn.segment, offset, size, mmu::Access::read)) return Flow::fault;
  if (misaligned(cpu, insn, offset)) return cpu.raise(vector::kAc, 0);
  Bounce image;
  if (!cpu.read_bytes(insn.segment, offset, image.bytes.data(), size)) return Flow::fault;
  const Environment e = load_environment(insn, image.bytes.data());
  Bounce host;
  put32(host.bytes.data(), 0, e.control);
  put32(host.bytes.data(), 1, e.status);
  put32(host.bytes.data(), 2, e.tags);
  if (with_registers) {
    std::memcpy(host.bytes.data() + kHostEnvironment, image.bytes.data() + environment, kRegisterBytes);
  }
  const bool ran = with_registers ? fp::run_on_fp_state(cpu, {0x41, 0xDD, 0x20}, host.bytes.data())   // frstor [r8]
                                  : fp::run_on_fp_state(cpu, {0x41, 0xD9, 0x20}, host.bytes.data());  // fldenv [r8]
  return ran ? Flow::next : no_memory(cpu);
}

constexpr std::uint32_t kFxBytes = 512;
constexpr std::uint32_t kFxAlign = 16;

// FXSAVE and FXRSTOR fault alike. EM gives #NM, as TS does (SDM vol. 2, FXSAVE).
Flow check_fx(Cpu& cpu, const isa::Insn& insn, std::uint32_t offset, mmu::Access access) {
  if (cpu.model < CpuModel::pentium3) return cpu.raise(vector::kUd);
  if ((cpu.state.cr0 & (cr0::kEm | cr0::kTs)) != 0) return cpu.raise(vector::kNm);
  const auto linear = cpu.linear(insn.segment, offset, kFxBytes, access);
  if (!linear) return Flow::fault;
  if ((*linear & (kFxAlign - 1)) != 0) return cpu.raise(vector::kGp, 0);
  return Flow::next;
}

}  // namespace

Flow execute_fp_environment(Cpu& cpu, const isa::Insn& insn) {
  const Flow checked = fp::check(cpu, fp::traits(insn));
  if (checked != Flow::next) return checked;
  const bool with_registers = insn.opcode == 0xDD;
  const bool stores = ((insn.modrm >> 3) & 7U) == 6;
  return stores ? store_state(cpu, insn, with_registers) : load_state(cpu, insn, with_registers);
}

Flow execute_fxsave(Cpu& cpu, const isa::Insn& insn) {
  const std::uint32_t offset = cpu.effective_address(insn);
  const Flow checked = check_fx(cpu, insn, offset, mmu::Access::write);
  if (checked != Flow::next) return checked;
  if (!cpu.probe_write(insn.segment, offset, kFxBytes)) return Flow::fault;
  auto image = cpu.state.fx;
  const std::uint32_t mask = fp::kMxcsrWritable;
  std::memcpy(image.data() + fp::kMxcsrMask, &mask, sizeof mask);
  const auto put = [&](std::size_t begin, std::size_t end) {
    return cpu.write_bytes(insn.segment, offset + static_cast<std::uint32_t>(begin), image.data() + begin,
                           static_cast<std::uint32_t>(end - begin));
  };
  // Outside 64-bit mode nothing is stored above XMM7. Without CR4.OSFXSR there is no SSE state to store.
  if ((cpu.state.cr4 & cr4::kOsfxsr) != 0) return put(0, fp::kLegacyEnd) ? Flow::next : Flow::fault;
  return put(0, fp::kMxcsr) && put(fp::kStack, fp::kXmm) ? Flow::next : Flow::fault;
}

Flow execute_fxrstor(Cpu& cpu, const isa::Insn& insn) {
  const std::uint32_t offset = cpu.effective_address(insn);
  const Flow checked = check_fx(cpu, insn, offset, mmu::Access::read);
  if (checked != Flow::next) return checked;
  std::array<std::uint8_t, kFxBytes> image{};
  if (!cpu.read_bytes(insn.segment, offset, image.data(), kFxBytes)) return Flow::fault;
  CpuState& state = cpu.state;
  const auto take = [&](std::size_t begin, std::size_t end) {
    std::copy(image.begin() + static_cast<std::ptrdiff_t>(begin), image.begin() + static_cast<std::ptrdiff_t>(end),
              state.fx.begin() + static_cast<std::ptrdiff_t>(begin));
  };
  if ((state.cr4 & cr4::kOsfxsr) != 0) {
    std::uint32_t mxcsr = 0;
    std::memcpy(&mxcsr, image.data() + fp::kMxcsr, sizeof mxcsr);
    if ((mxcsr & ~fp::kMxcsrWritable) != 0) return cpu.raise(vector::kGp, 0);
    take(fp::kMxcsr, fp::kMxcsrMask);
    take(fp::kXmm, fp::kLegacyEnd);
  }
  take(0, fp::kAbridgedTags + 1);
  take(fp::kStack, fp::kXmm);
  // A pass through the host's registers gives reserved bits, and ES and B, the values they have there.
  return fp::run_on_fp_state(cpu, {0x90}, nullptr) ? Flow::next : no_memory(cpu);
}

// MASKMOVQ and MASKMOVDQU: bytes whose mask byte has its sign bit set, to ds:[edi]. Whether a byte that is masked out
// may fault is left open by the SDM; in silicon all do.
Flow execute_masked_store(Cpu& cpu, const isa::Insn& insn) {
  const fp::Traits traits = fp::traits(insn);
  const Flow checked = fp::check(cpu, traits);
  if (checked != Flow::next) return checked;
  CpuState& state = cpu.state;
  const bool mmx = traits.unit == fp::Unit::mmx;
  const unsigned reg = (insn.modrm >> 3) & 7U;
  const unsigned rm = insn.modrm & 7U;
  const unsigned size = mmx ? 8 : 16;
  const std::size_t source = mmx ? fp::physical_register_offset(state, reg) : fp::xmm_offset(reg);
  const std::size_t mask = mmx ? fp::physical_register_offset(state, rm) : fp::xmm_offset(rm);
  const std::uint32_t to = state.gpr[kEdi] & (insn.address_size == 2 ? 0xFFFFU : 0xFFFFFFFFU);
  const auto linear = cpu.linear(insn.segment, to, size, mmu::Access::write);
  if (!linear) return Flow::fault;
  if ((*linear & 7U) != 0 && alignment_checked(state)) return cpu.raise(vector::kAc, 0);
  if (!cpu.probe_write(insn.segment, to, size)) return Flow::fault;
  for (unsigned i = 0; i < size; ++i) {
    const bool selected = (state.fx[mask + i] & 0x80U) != 0;
    if (selected && !cpu.write_bytes(insn.segment, to + i, &state.fx[source + i], 1)) return Flow::fault;
  }
  if (!mmx) return Flow::next;
  // Like every MMX instruction it makes all tags valid and TOP 0; a store has just that effect.
  Bounce unused;
  return fp::run_on_fp_state(cpu, {0x41, 0x0F, 0x7F, 0x00}, unused.bytes.data()) ? Flow::next : no_memory(cpu);
}

}  // namespace ringshift
