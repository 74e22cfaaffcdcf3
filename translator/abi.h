// The contract between translated code and the runtime that enters and leaves it.
//
// Registers while translated code runs:
//   eax ecx edx ebx ebp esi edi   the guest's, in the host's same registers, upper halves zero
//   r12d                          guest esp, upper half zero
//   r15                           CpuState*
//   r14                           base of the translation cache (code offset 0)
//   r13                           jump directory of the current window and mode, plus kDirectoryBias
//   r8 to r11                     scratch; r8d carries a guest target where said below, as a linear address
//   rsp                           the return ring (below), never guest data
//   gs base                       the current window
//   RFLAGS                        the guest's status flags and DF (eflags::kNative); TF, AC, NT clear
//   x87, MMX, SSE                 the guest's, including MXCSR and control word
//
// Guest memory is reached only by operands with the prefixes 65 67 (gs, addr32), or through
// window_base for string instructions. CpuState is reached through r15.
//
// Lookup: the directory has a pointer for each page of guest code, to the table of its 4,096 entries of 4 bytes less
// 4 times the page's address, so that a guest address is the index. An entry is the offset of a fragment's
// entry from r14; offset 0 holds the `miss` stub, so nothing is compared. r13 counts the shift too:
//     shrx r10d, r8d, r13d ; mov r10, [r13 + r10*8 - kDirectoryBias]          (r8d = guest target)
//     mov r9d, [r10 + r8*4] ; lea r9, [r9 + r14] ; jmp r9
// A part of the directory that has not been made faults, and the runtime makes it.
//
// In front of the directory stand the places of pages of code that may be executed anywhere (Request::place): for each
// the linear address of its page here, and the negative of that, of 4 bytes each. Their code has no linear address in
// it, and adds these:
//     mov r8d, [r13 + place_offset(page)]
//
// Behind the directory are 4 GiB that can be read, and a guard page: an operand of n bytes at offset r8d of a segment
// that is not flat faults where it runs over 4 GiB, before the segment's base is added:
//     movzx r9d, byte [r13 + r8 + kOffsetSpace + n-1]
//
// Code whose mode is not plain (translator/mode_key.h) has the base of its code segment as a constant, adds that of
// others from CpuState::seg, and checks offsets that may be beyond a limit by reading a byte at CpuState::limit_pointer
// plus the offset of the operand's last byte; for limits of code, below HostContext::limit_space:
//     mov r9, [r15 + limit_pointer] ; movzx r9d, byte [r9 + r8 + n-1]
//
// Calls and returns: a guest call stores its return address on the guest stack and then executes a host
// CALL to the target's fragment; a guest ret loads its target to r8d, pops the guest stack and
// executes a host RET. The host return address is the call's return site, which compares r8d with the
// guest return address it stands for and otherwise looks it up (return_mismatch). The return ring always
// holds the `return miss` stub at its end; the runtime may drop its contents at any exit.
//
// Leaving. Every exit stores the native state through a stub of the runtime (StubTable):
//   direct        by a host CALL, whose return address tells the exit -> runtime goes to its target and links the exit
//   miss          r8d = guest target                                 -> runtime looks it up, fills the table
// Each eip is a linear address; the runtime takes the base of CS off.
//   interpret     r8d = eip of the instruction                       -> runtime executes that one instruction
//   brief         r8d = eip, r9d = number of the brief callout       -> the same without saving x87 and SSE
//                                                                       state, and mostly without the dispatcher
//   interrupt     r8d = eip of the next instruction                  -> something is pending (after sti, popf)
#pragma once

#include <cstddef>
#include <cstdint>

namespace ringshift::abi {

// Its lowest 5 bits are the page shift; directories are page-aligned.
inline constexpr std::int32_t kDirectoryBias = 12;
inline constexpr std::int32_t kDirectoryBytes = 8 << 20;
inline constexpr std::uint32_t kMostPlaces = 1U << 14;
inline constexpr std::int32_t kPlaceBytes = static_cast<std::int32_t>(8 * kMostPlaces);
// From r13 to a place.
[[nodiscard]] constexpr std::int32_t place_offset(std::uint32_t page) {
  return static_cast<std::int32_t>(8 * page) - kPlaceBytes - kDirectoryBias;
}
// From r13 to what is read to find out whether an offset is in reach.
inline constexpr std::int32_t kOffsetSpace = kDirectoryBytes - kDirectoryBias;

enum class Exit : std::uint32_t {
  none,
  direct,
  miss,
  interpret,
  interrupt,
  memory_fault,
  fp_fault,
  kicked
};
inline constexpr std::size_t kExitCount = 8;

// Absolute host addresses of the runtime's stubs, within 2 GiB of all fragments. Each but the first is jumped to.
struct StubTable {
  std::uint64_t exit_direct = 0;  // is called, and does not return
  std::uint64_t exit_interpret = 0;
  std::uint64_t exit_interrupt = 0;
  std::uint64_t exit_brief = 0;       // 0: there are no brief callouts
  std::uint64_t lookup = 0;           // r8d = guest target: goes there as the lookup says
  std::uint64_t return_mismatch = 0;  // the same for a return site; guest ecx is in r10
};

}  // namespace ringshift::abi
