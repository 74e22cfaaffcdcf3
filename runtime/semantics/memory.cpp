// The complete memory accesses: segment checks, page crossings, devices, faults.
#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/semantics/cpu_memory.h"
#include "runtime/semantics/system_registers.h"

namespace ringshift {
namespace {

using mmu::Access;
using mmu::kPageMask;
using mmu::kPageSize;

bool raise_page_fault(Cpu& cpu, std::uint32_t linear, std::uint32_t error) {
  cpu.fault = GuestFault{vector::kPf, true, false, error, linear};
  return false;
}

// Whether the segment's type allows the access. Real and V86 mode have no types.
bool type_allows(const CpuState& state, const SegmentRegister& s, Access access) {
  if (!state.protected_mode() || state.v86()) return true;
  if (!s.usable()) return false;
  const bool code = (s.attributes & segment::kCode) != 0;
  if (access == Access::write) return !code && (s.attributes & segment::kWritable) != 0;
  return !code || access == Access::fetch || (s.attributes & segment::kReadable) != 0;
}

// Whether `size` bytes from `offset` lie within the limit (SDM vol. 3, 5.3).
bool limit_allows(const SegmentRegister& s, std::uint32_t offset, std::uint32_t size) {
  const std::uint32_t last = offset + size - 1;
  const bool wraps = last < offset;
  const bool expand_down = (s.attributes & (segment::kCode | segment::kExpandDown)) == segment::kExpandDown;
  if (expand_down) {
    const std::uint32_t top = s.big() ? 0xFFFFFFFFU : 0xFFFFU;
    return offset > s.limit && last <= top && !wraps;
  }
  // Whether an access may wrap where the limit is 4 GiB is left open by the SDM; silicon refuses it.
  return last <= s.limit && !wraps;
}

// A linear range, translated page by page. Holds copies: TLB slots may be reused by the next lookup.
struct Pieces {
  struct Piece {
    mmu::TlbEntry entry;
    std::uint32_t linear = 0;
    std::uint32_t size = 0;
  };
  std::array<Piece, 3> piece;
  unsigned count = 0;
};

// Translates all of a range (at most 8 KiB) before anything is accessed: all or nothing.
bool translate_range(Cpu& cpu, std::uint32_t linear, std::uint32_t size, Access access, bool user, Pieces& pieces) {
  while (size != 0) {
    const std::uint32_t here = std::min(size, kPageSize - (linear & kPageMask));
    std::uint32_t error = 0;
    const mmu::TlbEntry* entry = cpu.mmu.translate(linear, access, user, error);
    if (entry == nullptr) return raise_page_fault(cpu, linear, error);
    if (entry->host == nullptr && cpu.mmu.frozen()) return raise_page_fault(cpu, linear, 0);
    pieces.piece[pieces.count++] = {*entry, linear, here};
    linear += here;
    size -= here;
  }
  return true;
}

// Devices see naturally sized accesses; a range is cut into 1, 2, 4 or 8 bytes.
std::uint32_t device_chunk(std::uint32_t size) { return size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1; }

// Not std::memcpy, which may use SSE registers: see Mmu::freeze.
void copy(std::uint8_t* to, const std::uint8_t* from, std::uint32_t size) {
  switch (size) {
    case 1:
      *to = *from;
      return;
    case 2:
      std::memcpy(to, from, 2);
      return;
    case 4:
      std::memcpy(to, from, 4);
      return;
    case 8:
      std::memcpy(to, from, 8);
      return;
    default: {
      std::uint64_t count = size;
      asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    }
  }
}

void read_piece(Cpu& cpu, const Pieces::Piece& p, std::uint8_t* to) {
  if (p.entry.host != nullptr) {
    copy(to, p.entry.host + (p.linear & kPageMask), p.size);
    return;
  }
  for (std::uint32_t done = 0; done < p.size;) {
    const std::uint32_t chunk = device_chunk(p.size - done);
    const std::uint64_t value = cpu.mmu.read(p.entry, p.linear + done, chunk);
    copy(to + done, reinterpret_cast<const std::uint8_t*>(&value), chunk);
    done += chunk;
  }
}

void write_piece(Cpu& cpu, const Pieces::Piece& p, const std::uint8_t* from) {
  if (p.entry.host != nullptr) {
    copy(p.entry.host + (p.linear & kPageMask), from, p.size);
    return;
  }
  for (std::uint32_t done = 0; done < p.size;) {
    const std::uint32_t chunk = device_chunk(p.size - done);
    std::uint64_t value = 0;
    copy(reinterpret_cast<std::uint8_t*>(&value), from + done, chunk);
    cpu.mmu.write(p.entry, p.linear + done, chunk, value);
    done += chunk;
  }
}

void read_pieces(Cpu& cpu, const Pieces& pieces, void* to) {
  auto* bytes = static_cast<std::uint8_t*>(to);
  for (unsigned i = 0; i < pieces.count; ++i) {
    read_piece(cpu, pieces.piece[i], bytes);
    bytes += pieces.piece[i].size;
  }
}

void write_pieces(Cpu& cpu, const Pieces& pieces, const void* from) {
  const auto* bytes = static_cast<const std::uint8_t*>(from);
  for (unsigned i = 0; i < pieces.count; ++i) {
    write_piece(cpu, pieces.piece[i], bytes);
    bytes += pieces.piece[i].size;
  }
}

// Segment, alignment and paging for one operand of an instruction.
bool translate_operand(Cpu& cpu, Seg seg, std::uint32_t offset, std::uint32_t size, Access access, Pieces& pieces) {
  const auto linear = cpu.linear(seg, offset, size, access);
  if (!linear) return false;
  const bool power_of_two = (size & (size - 1)) == 0;
  if (power_of_two && size <= 8 && (*linear & (size - 1)) != 0 && alignment_checked(cpu.state)) {
    cpu.raise(vector::kAc, 0);
    return false;
  }
  if (!translate_range(cpu, *linear, size, access, user_rights(cpu.state), pieces)) return false;
  if (cpu.state.watches_data()) note_data_access(cpu, *linear, size, access == Access::write);
  return true;
}

}  // namespace

MemResult<std::uint32_t> Cpu::linear(Seg seg, std::uint32_t offset, std::uint32_t size, Access access) {
  const SegmentRegister& s = state.segment(seg);
  if (!type_allows(state, s, access) || !limit_allows(s, offset, size)) {
    raise(seg == Seg::ss ? vector::kSs : vector::kGp, 0);
    return {};
  }
  return {s.base + offset, true};
}

namespace slow {

template <class T>
MemResult<T> read(Cpu& cpu, Seg seg, std::uint32_t offset) {
  MemResult<T> result;
  Pieces pieces;
  if (!translate_operand(cpu, seg, offset, sizeof(T), Access::read, pieces)) return result;
  read_pieces(cpu, pieces, &result.value);
  result.ok = true;
  return result;
}

template <class T>
bool write(Cpu& cpu, Seg seg, std::uint32_t offset, T value) {
  Pieces pieces;
  if (!translate_operand(cpu, seg, offset, sizeof(T), Access::write, pieces)) return false;
  write_pieces(cpu, pieces, &value);
  return true;
}

template <class T>
MemResult<T> read_for_write(Cpu& cpu, Seg seg, std::uint32_t offset) {
  MemResult<T> result;
  Pieces pieces;
  if (!translate_operand(cpu, seg, offset, sizeof(T), Access::write, pieces)) return result;
  read_pieces(cpu, pieces, &result.value);
  result.ok = true;
  return result;
}

template MemResult<std::uint8_t> read<std::uint8_t>(Cpu&, Seg, std::uint32_t);
template MemResult<std::uint16_t> read<std::uint16_t>(Cpu&, Seg, std::uint32_t);
template MemResult<std::uint32_t> read<std::uint32_t>(Cpu&, Seg, std::uint32_t);
template MemResult<std::uint64_t> read<std::uint64_t>(Cpu&, Seg, std::uint32_t);
template bool write<std::uint8_t>(Cpu&, Seg, std::uint32_t, std::uint8_t);
template bool write<std::uint16_t>(Cpu&, Seg, std::uint32_t, std::uint16_t);
template bool write<std::uint32_t>(Cpu&, Seg, std::uint32_t, std::uint32_t);
template bool write<std::uint64_t>(Cpu&, Seg, std::uint32_t, std::uint64_t);
template MemResult<std::uint8_t> read_for_write<std::uint8_t>(Cpu&, Seg, std::uint32_t);
template MemResult<std::uint16_t> read_for_write<std::uint16_t>(Cpu&, Seg, std::uint32_t);
template MemResult<std::uint32_t> read_for_write<std::uint32_t>(Cpu&, Seg, std::uint32_t);
template MemResult<std::uint64_t> read_for_write<std::uint64_t>(Cpu&, Seg, std::uint32_t);

}  // namespace slow

bool Cpu::read_bytes(Seg seg, std::uint32_t offset, void* to, std::uint32_t size) {
  Pieces pieces;
  if (!translate_operand(*this, seg, offset, size, Access::read, pieces)) return false;
  read_pieces(*this, pieces, to);
  return true;
}

bool Cpu::write_bytes(Seg seg, std::uint32_t offset, const void* from, std::uint32_t size) {
  Pieces pieces;
  if (!translate_operand(*this, seg, offset, size, Access::write, pieces)) return false;
  write_pieces(*this, pieces, from);
  return true;
}

bool Cpu::probe_write(Seg seg, std::uint32_t offset, std::uint32_t size) {
  Pieces pieces;
  return translate_operand(*this, seg, offset, size, Access::write, pieces);
}

bool Cpu::read_linear_bytes(std::uint32_t address, void* to, std::uint32_t size, bool user) {
  Pieces pieces;
  if (!translate_range(*this, address, size, Access::read, user, pieces)) return false;
  read_pieces(*this, pieces, to);
  return true;
}

bool Cpu::write_linear_bytes(std::uint32_t address, const void* from, std::uint32_t size, bool user) {
  Pieces pieces;
  if (!translate_range(*this, address, size, Access::write, user, pieces)) return false;
  write_pieces(*this, pieces, from);
  return true;
}

bool Cpu::probe_write_linear(std::uint32_t address, std::uint32_t size, bool user) {
  Pieces pieces;
  return translate_range(*this, address, size, Access::write, user, pieces);
}

bool Cpu::push(std::uint32_t value, unsigned size) {
  const std::uint32_t offset = (state.gpr[kEsp] - size) & stack_mask();
  const bool done = size == 2 ? write<std::uint16_t>(Seg::ss, offset, static_cast<std::uint16_t>(value))
                              : write<std::uint32_t>(Seg::ss, offset, value);
  if (done) add_esp(-static_cast<std::int32_t>(size));
  return done;
}

MemResult<std::uint32_t> Cpu::pop(unsigned size) {
  const std::uint32_t offset = state.gpr[kEsp] & stack_mask();
  MemResult<std::uint32_t> result;
  if (size == 2) {
    const auto word = read<std::uint16_t>(Seg::ss, offset);
    result = {*word, word.ok};
  } else {
    result = read<std::uint32_t>(Seg::ss, offset);
  }
  if (result) add_esp(static_cast<std::int32_t>(size));
  return result;
}

}  // namespace ringshift
