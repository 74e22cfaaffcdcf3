// The interpreter's loop, and its cache of decoded instructions.
//
// Decoded instructions are kept by physical page and code size, so that they survive context switches and are shared
// by all mappings of a page. The loop holds on to the page that eip is in and indexes it by eip; it looks
// again when eip leaves the page, and after every instruction or event that may change the mode, the paging or the code
// segment. An instruction that crosses a page, or lies in no RAM or ROM, is fetched and decoded each time.
#include "runtime/semantics/interpreter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "runtime/semantics/events.h"
#include "runtime/semantics/handlers.h"
#include "runtime/semantics/operands.h"
#include "runtime/semantics/pending.h"
#include "runtime/semantics/system_registers.h"
#include "translator/decode/decoder.h"
#include "translator/isa/row.h"

namespace ringshift {
namespace {

using decode::CodeSize;
using isa::Op;
using mmu::kPageMask;
using mmu::kPageSize;
using mmu::PhysAddr;

constexpr std::uint32_t kMaxLength = 15;

struct Entry {
  Handler handler = nullptr;
  bool may_change_mode = false;  // paging, segments or privilege may differ after it
  isa::Insn insn;
};

Entry make_entry(const isa::Insn& insn) {
  return {handler(insn.op), isa::row(insn.op).cls == isa::Class::callout, insn};
}

// The decoded instructions of one physical page at one code size.
struct DecodedPage {
  PhysAddr page = ~PhysAddr{0};
  const std::uint8_t* host = nullptr;  // the same physical page may turn from ROM to RAM
  bool code32 = false;
  unsigned live = 0;                            // slots in use
  std::array<std::uint16_t, kPageSize> slot{};  // offset in page -> index in entries + 1; 0: not decoded
  std::vector<Entry> entries;

  void reset() {
    slot.fill(0);
    entries.clear();
    live = 0;
  }
  // Forgets every instruction that has a byte in [first, first + size).
  void drop(std::uint32_t first, std::uint32_t size) {
    const std::uint32_t begin = first < kMaxLength - 1 ? 0 : first - (kMaxLength - 1);
    const std::uint32_t end = std::min(first + size, kPageSize);
    for (std::uint32_t i = begin; i < end && live != 0; ++i) {
      if (slot[i] == 0 || i + entries[slot[i] - 1U].insn.length <= first) continue;
      slot[i] = 0;  // the entry itself stays: it may be executing
      --live;
    }
  }
};

// Anything that the fast loop need not look at one by one.
bool needs_attention(const CpuState& s) {
  return (s.pending | s.interrupt_shadow | s.halted) != 0 ||
         ((s.system_flags & (eflags::kTf | eflags::kRf)) | (s.dr[7] & 0xFFU)) != 0;
}

}  // namespace

struct Interpreter::Impl final : mmu::CodeWriteListener {
  static constexpr std::size_t kPages = 2048;
  static constexpr std::size_t kMaxEntries = 16384;

  explicit Impl(Cpu& c) : cpu(c), pages(kPages) { cpu.mmu.code().add_listener(*this); }
  ~Impl() override {
    cpu.mmu.code().remove_listener(*this);
    for (auto& page : pages) {
      if (page) forget(*page);
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Cpu& cpu;
  std::vector<std::unique_ptr<DecodedPage>> pages;  // direct-mapped
  Entry uncached;

  // The page that eip was last in: offset in page = eip - first_eip, below span.
  DecodedPage* current = nullptr;
  std::uint32_t first_eip = 0;
  std::uint32_t span = 0;  // 0: look again

  // ---- the cache -----------------------------------------------------------------------------
  std::unique_ptr<DecodedPage>& place_of(PhysAddr page, bool code32) {
    return pages[((page >> mmu::kPageShift) * 2 + (code32 ? 1U : 0U)) % kPages];
  }

  // Nothing decoded is left of a page: it may be written directly again, unless translations hold it.
  void release(PhysAddr page) {
    for (const bool code32 : {false, true}) {
      const auto& place = place_of(page, code32);
      if (place && place->page == page && place->live != 0) return;
    }
    cpu.mmu.code().clear(page, mmu::CodePages::kDecoded);
    if (!cpu.mmu.code().contains(page)) cpu.mmu.unprotect_code(page);
  }

  void forget(DecodedPage& page) {
    const bool held = page.live != 0;
    page.reset();
    if (held) release(page.page);
  }

  void on_code_write(PhysAddr address, std::uint32_t size) override {
    const PhysAddr page = address & ~PhysAddr{kPageMask};
    bool dropped = false;
    for (const bool code32 : {false, true}) {
      const auto& place = place_of(page, code32);
      if (!place || place->page != page || place->live == 0) continue;
      place->drop(static_cast<std::uint32_t>(address - page), size);
      dropped |= place->live == 0;
    }
    if (dropped) release(page);
  }

  DecodedPage& find_page(PhysAddr page, const std::uint8_t* host, bool code32) {
    auto& place = place_of(page, code32);
    if (!place) place = std::make_unique<DecodedPage>();
    if (place->page != page || place->host != host) {
      forget(*place);
      place->page = page;
      place->host = host;
      place->code32 = code32;
    }
    return *place;
  }

  // ---- fetching ------------------------------------------------------------------------------
  // The instruction at eip, or null with a fault in `cpu`.
  const Entry* fetch() {
    const std::uint32_t offset = cpu.state.eip - first_eip;
    if (offset < span) [[likely]] {
      const std::uint16_t index = current->slot[offset];
      if (index != 0) [[likely]] {
        const Entry& entry = current->entries[index - 1U];
        if (offset + entry.insn.length <= span) [[likely]]
          return &entry;
      }
    }
    return fetch_slow();
  }

  const Entry* fetch_slow() {
    const CpuState& s = cpu.state;
    const SegmentRegister& cs = s.segment(Seg::cs);
    span = 0;
    if (s.eip > cs.limit) {
      cpu.raise(vector::kGp, 0);
      return nullptr;
    }
    const std::uint32_t linear = cs.base + s.eip;
    std::uint32_t error = 0;
    const mmu::TlbEntry* tlb = cpu.mmu.translate(linear, mmu::Access::fetch, user_rights(s), error);
    if (tlb == nullptr) {
      cpu.fault = GuestFault{vector::kPf, true, false, error, linear};
      return nullptr;
    }
    if (tlb->host == nullptr) return fetch_uncached();
    const std::uint32_t offset = linear & kPageMask;
    current = &find_page(tlb->page, tlb->host, cs.big());
    first_eip = s.eip - offset;
    span = static_cast<std::uint32_t>(std::min<std::uint64_t>(kPageSize, std::uint64_t{cs.limit} - s.eip + 1 + offset));
    const std::uint16_t index = current->slot[offset];
    if (index == 0) return decode_in_page(offset);
    const Entry& entry = current->entries[index - 1U];
    return offset + entry.insn.length <= span ? &entry : fetch_uncached();
  }

  const Entry* decode_in_page(std::uint32_t offset) {
    const std::span<const std::uint8_t> bytes(current->host + offset, std::min(kMaxLength, span - offset));
    const decode::Decoded decoded = decode::decode(bytes, current->code32 ? CodeSize::bits32 : CodeSize::bits16);
    // Undecodable bytes have no length to keep them by.
    if (decoded.failure != decode::Failure::none) return fetch_uncached();
    if (decoded.insn.op == Op::invalid) report_invalid(bytes);
    if (current->entries.size() >= kMaxEntries) forget(*current);
    current->entries.push_back(make_entry(decoded.insn));
    current->slot[offset] = static_cast<std::uint16_t>(current->entries.size());
    if (current->live++ == 0 && cpu.mmu.code().set(current->page, mmu::CodePages::kDecoded)) {
      cpu.mmu.protect_code(current->page);
    }
    return &current->entries.back();
  }

  // Byte by byte, with the checks for each: page crossings, limits, code in device memory.
  const Entry* fetch_uncached() {
    const CpuState& s = cpu.state;
    const SegmentRegister& cs = s.segment(Seg::cs);
    const CodeSize size = cs.big() ? CodeSize::bits32 : CodeSize::bits16;
    std::array<std::uint8_t, kMaxLength> bytes{};
    std::uint32_t count = 0;
    mmu::TlbEntry page;
    while (count < kMaxLength) {
      if (s.eip + count > cs.limit || s.eip + count < s.eip) {
        // Only if the instruction needs this byte.
        return decode_bytes(std::span(bytes.data(), count), size, GuestFault{vector::kGp, true, false, 0, 0});
      }
      const std::uint32_t linear = cs.base + s.eip + count;
      if (count == 0 || (linear & kPageMask) == 0) {
        std::uint32_t error = 0;
        const mmu::TlbEntry* tlb = cpu.mmu.translate(linear, mmu::Access::fetch, user_rights(s), error);
        if (tlb == nullptr) {
          return decode_bytes(std::span(bytes.data(), count), size,
                              GuestFault{vector::kPf, true, false, error, linear});
        }
        page = *tlb;
      }
      bytes[count++] = page.host != nullptr ? page.host[linear & kPageMask]
                                            : static_cast<std::uint8_t>(cpu.mmu.read(page, linear, 1));
    }
    return decode_bytes(bytes, size, GuestFault{vector::kGp, true, false, 0, 0});
  }

  // `beyond` is the fault that the next byte would raise.
  const Entry* decode_bytes(std::span<const std::uint8_t> bytes, CodeSize size, const GuestFault& beyond) {
    const decode::Decoded decoded = decode::decode(bytes, size);
    switch (decoded.failure) {
      case decode::Failure::truncated:
        cpu.fault = beyond;
        return nullptr;
      case decode::Failure::too_long:
        cpu.raise(vector::kGp, 0);
        return nullptr;
      case decode::Failure::invalid:
        report_invalid(bytes);
        cpu.raise(vector::kUd);
        return nullptr;
      case decode::Failure::none:
        break;
    }
    if (decoded.insn.op == Op::invalid) report_invalid(bytes);
    uncached = make_entry(decoded.insn);
    return &uncached;
  }

  void report_invalid(std::span<const std::uint8_t> bytes) {
    const std::uint32_t first_two = bytes.size() > 1 ? bytes[0] | (std::uint32_t{bytes[1]} << 8) : bytes[0];
    const std::string message = fmt::format("no instruction of this CPU model at cs:eip {:04x}:{:08x}: {:02x}: #UD",
                                            cpu.state.segment(Seg::cs).selector, cpu.state.eip, fmt::join(bytes, " "));
    report_once(cpu, 0x06000000U | first_two, message.c_str());
  }

  // ---- executing -----------------------------------------------------------------------------
  // Delivers cpu.fault. False: shutdown.
  bool deliver() {
    span = 0;
    return deliver_fault(cpu, cpu.fault);
  }

  // What surrounds an instruction when something beyond the ordinary is going on.
  struct Attention {
    bool single_step = false;
    bool watched = false;  // breakpoints are armed
    bool resume = false;   // RF was set
    std::uint16_t task = 0;
  };

  Attention begin_attended() {
    CpuState& s = cpu.state;
    s.interrupt_shadow = 0;  // over after this instruction; one that sets it, sets it anew
    return {(s.system_flags & eflags::kTf) != 0, breakpoints_armed(s), (s.system_flags & eflags::kRf) != 0,
            s.tr.selector};
  }

  // RF ends with the first completed instruction, unless that loaded it (IRET, task switches: SDM vol. 3, 18.3.1.1).
  void end_resume(const Attention& attention, Op op) {
    if (attention.resume && op != Op::iret && cpu.state.tr.selector == attention.task) {
      cpu.state.system_flags &= ~eflags::kRf;
    }
  }

  // `fetched`, if given, is the first instruction.
  RunResult run(std::uint64_t max_instructions, const Entry* fetched);
};

RunResult Interpreter::Impl::run(std::uint64_t max_instructions, const Entry* fetched) {
  CpuState& s = cpu.state;
  RunResult result;
  span = 0;  // whatever happened since the last run may have changed paging or mode
  for (std::uint64_t steps = 0; steps < max_instructions; ++steps) {
    const bool attended = needs_attention(s);
    Attention attention;
    if (attended) [[unlikely]] {
      if (dispatcher_needed(s)) return result.with(Stop::pending);
      if (s.halted != 0) return result.with(Stop::halted);
      if (breakpoints_armed(s) && instruction_breakpoint(cpu)) {
        if (!deliver()) return result.with(Stop::shutdown);
        continue;
      }
      attention = begin_attended();
    }

    const Entry* entry = fetched != nullptr ? std::exchange(fetched, nullptr) : fetch();
    if (entry == nullptr) [[unlikely]] {
      if (!deliver()) return result.with(Stop::shutdown);
      continue;
    }
    const Flow flow = entry->handler(cpu, entry->insn);
    result.last = entry->insn.op;
    if (entry->may_change_mode) span = 0;
    switch (flow) {
      case Flow::next:
        s.eip += entry->insn.length;
        ++result.retired;
        break;
      case Flow::jump:
        ++result.retired;
        break;
      case Flow::repeat:
        break;
      case Flow::halt:
        s.eip += entry->insn.length;
        s.halted = 1;
        ++result.retired;
        break;
      case Flow::fault:
        cpu.watch_hits = 0;
        if (!deliver()) return result.with(Stop::shutdown);
        continue;
      case Flow::shutdown:
        return result.with(Stop::shutdown);
    }
    if (attended) [[unlikely]] {
      if (flow != Flow::repeat) end_resume(attention, entry->insn.op);
      if ((attention.single_step || attention.watched) && debug_trap(cpu, attention.single_step)) {
        s.halted = 0;  // the trap is delivered instead of waiting
        if (!deliver()) return result.with(Stop::shutdown);
      }
    }
    if (flow == Flow::halt && s.halted != 0) return result.with(Stop::halted);
  }
  return result;
}

Interpreter::Interpreter(Cpu& cpu) : impl_(std::make_unique<Impl>(cpu)) {}
Interpreter::~Interpreter() = default;

RunResult Interpreter::run(std::uint64_t max_instructions) { return impl_->run(max_instructions, nullptr); }

RunResult Interpreter::run_fetched(const isa::Insn& insn) {
  const Entry entry = make_entry(insn);
  return impl_->run(1, &entry);
}

}  // namespace ringshift
