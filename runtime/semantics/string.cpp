// MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS, with their repeat prefixes.
//
// A handler executes all iterations, committing the registers after each, so that a fault leaves them as
// after the last complete one. Between iterations it leaves with Flow::repeat if the dispatcher is
// wanted or the guest is single-stepped. MOVS and STOS take whole pages at once where that cannot be told from
// one element at a time: forwards, RAM to RAM.
#include <algorithm>
#include <cstring>

#include "runtime/semantics/arithmetic_host.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/io.h"
#include "runtime/semantics/operands.h"
#include "runtime/semantics/pending.h"

namespace ringshift {
namespace {

using isa::Insn;
using isa::Op;

// SI, DI and CX, or their 32-bit forms, by address size.
class Cursor {
 public:
  Cursor(CpuState& state, const Insn& insn)
      : state_(state),
        mask_(insn.address_size == 2 ? 0xFFFFU : 0xFFFFFFFFU),
        step_((state.native_flags & eflags::kDf) != 0 ? 0U - insn.width : std::uint32_t{insn.width}) {}

  [[nodiscard]] std::uint32_t get(unsigned reg) const { return state_.gpr[reg] & mask_; }
  void add(unsigned reg, std::uint32_t delta) {
    std::uint32_t& r = state_.gpr[reg];
    r = (r & ~mask_) | ((r + delta) & mask_);
  }
  void advance(unsigned reg) { add(reg, step_); }
  [[nodiscard]] bool forwards() const { return step_ < 0x80000000U; }
  // Bytes from the register's offset to where it wraps, at most a page.
  [[nodiscard]] std::uint32_t room(unsigned reg) const {
    const std::uint32_t to_wrap = mask_ - get(reg);
    return std::min(to_wrap, mmu::kPageSize - 1) + 1;
  }

 private:
  CpuState& state_;
  std::uint32_t mask_;
  std::uint32_t step_;
};

// Runs `one` once, or as often as the count says. `one` returns false after a fault; `bulk` may do many
// iterations at once and returns how many; `go_on` says after an iteration whether a conditional repeat continues.
template <class One, class Bulk, class GoOn>
Flow iterate(Cpu& cpu, const Insn& insn, Cursor& cursor, One&& one, Bulk&& bulk, GoOn&& go_on) {
  if (!insn.repeated()) return one() ? Flow::next : Flow::fault;
  const bool stepped = (cpu.state.system_flags & eflags::kTf) != 0 || cpu.state.watches_data();
  while (cursor.get(kEcx) != 0) {
    std::uint32_t done = stepped ? 0 : bulk(cursor.get(kEcx));
    if (done == 0) {
      if (!one()) return Flow::fault;
      done = 1;
    }
    cursor.add(kEcx, 0U - done);
    if (cursor.get(kEcx) == 0 || !go_on()) break;
    if (stepped || dispatcher_needed(cpu.state)) return Flow::repeat;
  }
  return Flow::next;
}

constexpr auto kNoBulk = [](std::uint32_t) { return 0U; };
constexpr auto kAlways = [] { return true; };

// Host address of the elements at seg:offset if at least one lies in a page of plain RAM (or, to read, ROM) within
// the limit; `bytes` is cut to what does.
template <mmu::Access kAccess>
std::uint8_t* bulk_address(Cpu& cpu, Seg seg, std::uint32_t offset, std::uint32_t width, std::uint32_t& bytes) {
  if ((cpu.state.system_flags & eflags::kAc) != 0) return nullptr;
  const std::uint32_t linear = cpu.state.segment(seg).base + offset;
  bytes = std::min(bytes, mmu::kPageSize - (linear & mmu::kPageMask)) / width * width;
  if (bytes == 0 || !cpu.linear(seg, offset, bytes, kAccess)) return nullptr;
  std::uint32_t error = 0;
  const mmu::TlbEntry* entry = cpu.mmu.translate(linear, kAccess, user_rights(cpu.state), error);
  if (entry == nullptr || entry->host == nullptr) return nullptr;
  return entry->host + (linear & mmu::kPageMask);
}

// As many forward element moves as fit; an overlap that feeds back is done element by element, as silicon's result
// demands.
void copy_elements(std::uint8_t* to, const std::uint8_t* from, std::uint32_t bytes, std::uint32_t width) {
  if (to <= from || to >= from + bytes) {
    std::memmove(to, from, bytes);
    return;
  }
  for (std::uint32_t i = 0; i < bytes; i += width) {
    std::uint32_t element = 0;
    std::memcpy(&element, from + i, width);
    std::memcpy(to + i, &element, width);
  }
}

template <class T>
Flow movs(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  Cursor cursor(s, insn);
  const auto one = [&] {
    const auto value = cpu.read<T>(insn.segment, cursor.get(kEsi));
    if (!value || !cpu.write<T>(Seg::es, cursor.get(kEdi), *value)) return false;
    cursor.advance(kEsi);
    cursor.advance(kEdi);
    return true;
  };
  const auto bulk = [&](std::uint32_t count) -> std::uint32_t {
    if (!cursor.forwards()) return 0;
    std::uint32_t bytes = std::min(cursor.room(kEsi), cursor.room(kEdi));
    if (count < bytes / sizeof(T)) bytes = static_cast<std::uint32_t>(count * sizeof(T));
    // The destination's page limits the source's part too.
    std::uint8_t* to = bulk_address<mmu::Access::write>(cpu, Seg::es, cursor.get(kEdi), sizeof(T), bytes);
    if (to == nullptr) return 0;
    const std::uint8_t* from = bulk_address<mmu::Access::read>(cpu, insn.segment, cursor.get(kEsi), sizeof(T), bytes);
    if (from == nullptr) return 0;
    copy_elements(to, from, bytes, sizeof(T));
    cursor.add(kEsi, bytes);
    cursor.add(kEdi, bytes);
    return static_cast<std::uint32_t>(bytes / sizeof(T));
  };
  return iterate(cpu, insn, cursor, one, bulk, kAlways);
}

template <class T>
Flow stos(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  Cursor cursor(s, insn);
  const T value = get_reg<T>(s, kEax);
  const auto one = [&] {
    if (!cpu.write<T>(Seg::es, cursor.get(kEdi), value)) return false;
    cursor.advance(kEdi);
    return true;
  };
  const auto bulk = [&](std::uint32_t count) -> std::uint32_t {
    if (!cursor.forwards()) return 0;
    std::uint32_t bytes = cursor.room(kEdi);
    if (count < bytes / sizeof(T)) bytes = static_cast<std::uint32_t>(count * sizeof(T));
    std::uint8_t* to = bulk_address<mmu::Access::write>(cpu, Seg::es, cursor.get(kEdi), sizeof(T), bytes);
    if (to == nullptr) return 0;
    for (std::uint32_t i = 0; i < bytes; i += sizeof(T)) std::memcpy(to + i, &value, sizeof(T));
    cursor.add(kEdi, bytes);
    return static_cast<std::uint32_t>(bytes / sizeof(T));
  };
  return iterate(cpu, insn, cursor, one, bulk, kAlways);
}

template <class T>
Flow lods(Cpu& cpu, const Insn& insn) {
  Cursor cursor(cpu.state, insn);
  const auto one = [&] {
    const auto value = cpu.read<T>(insn.segment, cursor.get(kEsi));
    if (!value) return false;
    set_reg<T>(cpu.state, kEax, *value);
    cursor.advance(kEsi);
    return true;
  };
  return iterate(cpu, insn, cursor, one, kNoBulk, kAlways);
}

template <class T>
void compare(CpuState& s, T a, T b) {
  std::uint32_t flags = 0;
  host::binary<Op::cmp, T>(a, b, flags);
  set_flags(s, eflags::kStatus, flags);
}

// REPE goes on while ZF is set, REPNE while it is clear.
bool compare_goes_on(const CpuState& s, const Insn& insn) {
  return ((s.native_flags & eflags::kZf) != 0) == insn.has(isa::prefix::kRep);
}

template <class T>
Flow cmps(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  Cursor cursor(s, insn);
  const auto one = [&] {
    const auto a = cpu.read<T>(insn.segment, cursor.get(kEsi));
    if (!a) return false;
    const auto b = cpu.read<T>(Seg::es, cursor.get(kEdi));
    if (!b) return false;
    compare<T>(s, *a, *b);
    cursor.advance(kEsi);
    cursor.advance(kEdi);
    return true;
  };
  return iterate(cpu, insn, cursor, one, kNoBulk, [&] { return compare_goes_on(s, insn); });
}

template <class T>
Flow scas(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  Cursor cursor(s, insn);
  const auto one = [&] {
    const auto b = cpu.read<T>(Seg::es, cursor.get(kEdi));
    if (!b) return false;
    compare<T>(s, get_reg<T>(s, kEax), *b);
    cursor.advance(kEdi);
    return true;
  };
  return iterate(cpu, insn, cursor, one, kNoBulk, [&] { return compare_goes_on(s, insn); });
}

template <class T>
Flow ins(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  Cursor cursor(s, insn);
  const std::uint16_t port = get_reg<std::uint16_t>(s, kEdx);
  // Silicon checks the right to the port even if the count is 0.
  if (!io_permitted(cpu, port, sizeof(T))) return Flow::fault;
  const auto one = [&] {
    // The memory is checked first: a port read may not be lost to a fault.
    if (!cpu.probe_write(Seg::es, cursor.get(kEdi), sizeof(T))) return false;
    const auto value = static_cast<T>(cpu.platform.port_read(port, sizeof(T)));
    if (!cpu.write<T>(Seg::es, cursor.get(kEdi), value)) return false;
    cursor.advance(kEdi);
    return true;
  };
  return iterate(cpu, insn, cursor, one, kNoBulk, kAlways);
}

template <class T>
Flow outs(Cpu& cpu, const Insn& insn) {
  CpuState& s = cpu.state;
  Cursor cursor(s, insn);
  const std::uint16_t port = get_reg<std::uint16_t>(s, kEdx);
  if (!io_permitted(cpu, port, sizeof(T))) return Flow::fault;
  const auto one = [&] {
    const auto value = cpu.read<T>(insn.segment, cursor.get(kEsi));
    if (!value) return false;
    cpu.platform.port_write(port, sizeof(T), *value);
    cursor.advance(kEsi);
    return true;
  };
  return iterate(cpu, insn, cursor, one, kNoBulk, kAlways);
}

}  // namespace

Flow execute_movs(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() { return movs<T>(cpu, insn); });
}
Flow execute_stos(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() { return stos<T>(cpu, insn); });
}
Flow execute_lods(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() { return lods<T>(cpu, insn); });
}
Flow execute_cmps(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() { return cmps<T>(cpu, insn); });
}
Flow execute_scas(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() { return scas<T>(cpu, insn); });
}
Flow execute_ins(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() { return ins<T>(cpu, insn); });
}
Flow execute_outs(Cpu& cpu, const Insn& insn) {
  return by_width(insn, [&]<class T>() { return outs<T>(cpu, insn); });
}

}  // namespace ringshift
