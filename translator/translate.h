// Guest bytes to a fragment of host code. Pure: knows no runtime, no memory, no machine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/state/cpu_model.h"
#include "translator/abi.h"
#include "translator/isa/insn.h"
#include "translator/mode_key.h"

namespace ringshift::translator {

// Of one block, whatever the options say: the host code must stay below 64 KiB.
inline constexpr unsigned kMostInstructions = 128;

struct Options {
  unsigned max_instructions = 64;    // of one block, up to kMostInstructions; 1 for instruction-at-a-time tests
  unsigned max_side_exits = 4;       // calls and conditional branches that a block continues behind
  bool count_retired = false;        // add the instructions completed to HostContext::retired at each exit
  bool deterministic_time = false;   // rdtsc is left to the runtime
  CpuModel model = CpuModel::core2;  // instructions that may be newer are left to the runtime, which raises #UD
  bool repeats_alone = false;        // a repeated string instruction, which may stop half-way, is a block of its own
};

struct Request {
  std::uint32_t eip = 0;  // linear: ModeKey::cs_base is in it; but see `place`
  ModeKey mode;
  // Guest bytes from eip: at least to the end of the page or 15 more bytes of the next one.
  // A block never continues past `in_page` bytes except for a first instruction that crosses there.
  std::span<const std::uint8_t> bytes;
  std::uint32_t in_page = 0;       // bytes of `bytes` that lie in eip's page
  std::uint64_t host_address = 0;  // where the code will run; a multiple of 16
  std::uint32_t brief_number = 0;  // number for the block's brief callout, if it has one
  abi::StubTable stubs;
  // Code that may be executed anywhere: the offset from r13 of its page's place (abi::place_offset). `eip` is then the
  // offset in that page, as if that were at 0, and so are the targets of exits. Only for a plain mode without counting,
  // and not with `checked`.
  std::optional<std::int32_t> place{};
  // The code may be written without anybody being told, so the fragment first compares it with `bytes` and leaves
  // through Fragment::stale_exit if it differs; it ends behind each instruction that writes to memory.
  bool checked = false;
  // With `checked`: one byte for each of `bytes`, not 0 where the code has been seen to change. An immediate there
  // is loaded from the code instead of being compared, where that can be done.
  std::span<const std::uint8_t> variable{};
  // Instructions whose accesses mostly fault, so that the runtime had better execute them: offsets in eip's page.
  std::span<const std::uint16_t> trapping{};
  Options options;
};

// How the guest state must be completed if execution stops (fault or signal) at a host instruction,
// beyond "registers are the guest's, esp is r12d plus Point::esp_delta": for the few expansions that hold it elsewhere.
enum class Fixup : std::uint8_t {
  none,
  swapped_eax,
  swapped_ecx,
  swapped_edx,
  swapped_ebx,   // low and second byte are exchanged
  flags_in_r10,  // native flags were saved to r10 and RFLAGS is scratch
  ecx_in_r10,    // guest ecx is in r10 while a jrcxz test uses rcx
  // At a string instruction: esi and edi, those that it uses, are linear addresses of their elements; the guest's
  // as they were are in r10d and r11d, and guest ecx in r9d if it is repeated. Of the source in which segment:
  string16,                         // plus Seg; offsets and count have 16 bits
  string32 = string16 + kSegCount,  // plus Seg
  end_of_strings = string32 + kSegCount
};
[[nodiscard]] constexpr Fixup string_fixup(bool bits16, Seg source) {
  const Fixup first = bits16 ? Fixup::string16 : Fixup::string32;
  return static_cast<Fixup>(static_cast<unsigned>(first) + static_cast<unsigned>(source));
}

// One entry for each change, sorted by host_offset; an entry holds until the next.
struct Point {
  std::uint16_t host_offset = 0;   // from the fragment's entry
  std::uint16_t guest_offset = 0;  // of the guest instruction, from Request::eip
  std::int16_t esp_delta = 0;      // runs of push and pop move r12d once, at their end
  std::uint8_t index = 0;          // instructions of the block completed before it
  Fixup fixup : 5 = Fixup::none;
  bool boundary : 1 = false;  // this very host offset is an instruction boundary: all guest state is exact here
  bool shadow : 1 = false;    // ... but in an interrupt shadow: no interrupt here
};
static_assert(sizeof(Point) == 8);  // there are about two for each guest instruction

// A direct exit, mostly by a 4-byte relative displacement that the runtime may redirect to a fragment.
struct DirectExit {
  std::uint32_t patch_offset = 0;  // of the rel32 in the code; the branch ends 4 bytes later
  std::uint32_t stub_offset = 0;   // where the rel32 points while not linked: the call of StubTable::exit_direct
  std::uint32_t target = 0;        // linear; if Request::place is set, less the page's address, mod 2^32
  bool patchable = false;
  // A call in a plain mode, without counting: the address that it pushes, to which it returns through a return site of
  // return_site_bytes() behind the branch. Else 0. Relative to the page's address if Request::place is set; as the call
  // is in front of it, it is not 0 then (but 1000h or more where the call ends with the page or crosses it).
  std::uint32_t return_address = 0;
};
// `movable`: of code that may be executed anywhere (Request::place).
[[nodiscard]] constexpr std::uint32_t return_site_bytes(bool movable) { return movable ? 28 : 20; }

struct Fragment {
  std::vector<std::uint8_t> code;  // relocated for Request::host_address; entry at offset 0
  std::vector<Point> points;
  std::vector<DirectExit> exits;
  // Offsets of return sites: host return addresses that may be on the return ring.
  std::vector<std::uint32_t> return_sites;
  // The last instruction, if it is a brief callout.
  std::optional<isa::Insn> brief;
  std::uint32_t guest_bytes = 0;
  std::uint32_t guest_instructions = 0;
  bool crosses_page = false;  // its (only) instruction continues on the next page
  // Request::checked: the index in `exits` of the way out when the code has changed. It is not to be linked.
  std::optional<std::uint32_t> stale_exit;
  // The index in `exits` of the way out in front of an instruction of Request::trapping. It is not to be linked.
  std::optional<std::uint32_t> trap_exit;
  // It is `mov reg, [esp]; ret` in a plain mode, as position-independent code calls it to learn eip: the register.
  std::optional<std::uint8_t> loads_return_address;
  // Where the fragment may jump to itself: behind the comparison, if it writes no memory.
  std::uint32_t loop_offset = 0;
};

// Keeps the storage that a translation needs, so that the next one finds it. Not thread-safe.
class Translator {
 public:
  Translator();
  ~Translator();
  Translator(const Translator&) = delete;
  Translator& operator=(const Translator&) = delete;

  // Never fails: what cannot be translated becomes an exit to the interpreter. Depends on nothing but the request.
  [[nodiscard]] Fragment translate(const Request& request);

 private:
  struct Workspace;
  std::unique_ptr<Workspace> workspace_;
};

// The same with a fresh Translator: for one-off translations.
[[nodiscard]] Fragment translate(const Request& request);

}  // namespace ringshift::translator
