// Guest memory as instructions reach it: the inline fast paths of Cpu's access functions.
//
// Fast: an unlimited segment, one page, a TLB hit on RAM, no alignment checking. Everything else (limits,
// page crossings, devices, pages with code, faults) is in memory.cpp.
#pragma once

#include <cstdint>
#include <cstring>

#include "runtime/semantics/cpu.h"

namespace ringshift {

namespace slow {
// The complete accesses, for T of 1, 2, 4 and 8 bytes.
template <class T>
MemResult<T> read(Cpu& cpu, Seg seg, std::uint32_t offset);
template <class T>
[[nodiscard]] bool write(Cpu& cpu, Seg seg, std::uint32_t offset, T value);
template <class T>
MemResult<T> read_for_write(Cpu& cpu, Seg seg, std::uint32_t offset);
}  // namespace slow

// True if the access rights are those of a user (CPL 3).
[[nodiscard]] inline bool user_rights(const CpuState& state) { return state.cpl() == 3; }

// True if misaligned operands raise #AC.
[[nodiscard]] inline bool alignment_checked(const CpuState& state) {
  return (state.system_flags & eflags::kAc) != 0 && (state.cr0 & cr0::kAm) != 0 && state.cpl() == 3;
}

namespace detail {

// Host address of `size` bytes at seg:offset, or null if the slow path must look.
template <mmu::Access kAccess>
[[nodiscard]] inline std::uint8_t* direct(Cpu& cpu, Seg seg, std::uint32_t offset, std::uint32_t size) {
  const CpuState& state = cpu.state;
  const auto index = static_cast<std::size_t>(seg);
  if (state.base_pointer[index] == 0 || (state.system_flags & eflags::kAc) != 0) return nullptr;
  if (kAccess == mmu::Access::write && seg == Seg::cs) return nullptr;
  if (offset > 0U - size) return nullptr;  // wraps: not allowed
  const std::uint32_t linear = state.seg[index].base + offset;
  if ((linear & mmu::kPageMask) > mmu::kPageSize - size) return nullptr;
  std::uint32_t error = 0;
  const mmu::TlbEntry* entry = cpu.mmu.translate(linear, kAccess, user_rights(state), error);
  if (entry == nullptr || entry->host == nullptr) return nullptr;
  return entry->host + (linear & mmu::kPageMask);
}

}  // namespace detail

template <class T>
inline MemResult<T> Cpu::read(Seg seg, std::uint32_t offset) {
  if (const std::uint8_t* host = detail::direct<mmu::Access::read>(*this, seg, offset, sizeof(T))) {
    T value;
    std::memcpy(&value, host, sizeof(T));
    return {value, true};
  }
  return slow::read<T>(*this, seg, offset);
}

template <class T>
inline bool Cpu::write(Seg seg, std::uint32_t offset, T value) {
  if (std::uint8_t* host = detail::direct<mmu::Access::write>(*this, seg, offset, sizeof(T))) {
    std::memcpy(host, &value, sizeof(T));
    return true;
  }
  return slow::write<T>(*this, seg, offset, value);
}

template <class T>
inline MemResult<T> Cpu::read_for_write(Seg seg, std::uint32_t offset) {
  if (const std::uint8_t* host = detail::direct<mmu::Access::write>(*this, seg, offset, sizeof(T))) {
    T value;
    std::memcpy(&value, host, sizeof(T));
    return {value, true};
  }
  return slow::read_for_write<T>(*this, seg, offset);
}

template <class T>
inline MemResult<T> Cpu::read_linear(std::uint32_t address, bool user) {
  MemResult<T> result;
  result.ok = read_linear_bytes(address, &result.value, sizeof(T), user);
  return result;
}

template <class T>
inline bool Cpu::write_linear(std::uint32_t address, T value, bool user) {
  return write_linear_bytes(address, &value, sizeof(T), user);
}

}  // namespace ringshift
