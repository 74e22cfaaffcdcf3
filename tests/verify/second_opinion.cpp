#include "tests/verify/second_opinion.h"

#include <Zydis/Zydis.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <utility>
#include <vector>

#include "runtime/state/cpu_state.h"
#include "translator/abi.h"

namespace ringshift::testing {
namespace {

// Where the value of a register comes from.
enum class Origin : std::uint8_t {
  anything,
  guest,         // 32 bits, upper half zero
  tiny,          // below 32
  safe_flags,    // 32 bits without TF, NT, RF, VM, AC
  window_base,   // read from the state
  segment_base,  // a pointer read from CpuState::base_pointer
  limit,         // a pointer read from CpuState::limit_pointer
  limit_space,   // HostContext::limit_space
  page_number,   // of r8
  entry_table,   // read from the directory for r8's page
  table_entry,   // read from such a table
  code,          // table_entry + r14
  window,        // guest + window_base
  host,          // rsp, r13, r14, r15: not for the guest
};

bool is_guest(Origin o) {
  return o == Origin::guest || o == Origin::tiny || o == Origin::safe_flags || o == Origin::page_number ||
         o == Origin::table_entry;
}

constexpr std::uint64_t kUnsafeFlags = 0xFFFFFFFFFFDD8100ULL & ~0x3000ULL;  // not CF..OF, IF, IOPL, ID

struct Path {
  std::uint32_t at = 0;
  std::array<Origin, 16> reg{};
  bool has_pushed = false;
  Origin pushed = Origin::anything;

  auto operator<=>(const Path&) const = default;
};

enum Number : unsigned {
  kRcx = 1,
  kRsp = 4,
  kR8 = 8,
  kR9 = 9,
  kR12 = 12,
  kR13 = 13,
  kR14 = 14,
  kR15 = 15
};

bool is_scratch(unsigned r) { return r >= 8 && r <= 11; }
bool is_host(unsigned r) { return r == kRsp || r >= kR13; }

Path entry_path(std::uint32_t at) {
  Path p{.at = at};
  for (unsigned r = 0; r < 16; ++r) {
    p.reg[r] = is_host(r) ? Origin::host : is_scratch(r) ? Origin::anything : Origin::guest;
  }
  return p;
}

struct Gpr {
  unsigned number = 0;
  unsigned bits = 0;  // 0: not a general register
};

Gpr gpr(ZydisRegister reg) {
  const auto id = static_cast<unsigned>(ZydisRegisterGetId(reg));
  switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
      // al cl dl bl, ah ch dh bh, spl bpl sil dil, r8b ...
      return {id < 4 ? id : id < 8 ? id - 4 : id - 4, 8};
    case ZYDIS_REGCLASS_GPR16:
      return {id, 16};
    case ZYDIS_REGCLASS_GPR32:
      return {id, 32};
    case ZYDIS_REGCLASS_GPR64:
      return {id, 64};
    default:
      return {};
  }
}

// One instruction on a path.
struct Insn {
  ZydisDecodedInstruction z;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> all;
  std::uint32_t end = 0;

  [[nodiscard]] std::span<const ZydisDecodedOperand> operands() const { return {all.data(), z.operand_count}; }
  [[nodiscard]] const ZydisDecodedOperand& op(unsigned i) const { return all[i]; }
  [[nodiscard]] unsigned visible() const { return z.operand_count_visible; }
  [[nodiscard]] Gpr reg(unsigned i) const {
    return i < visible() && all[i].type == ZYDIS_OPERAND_TYPE_REGISTER ? gpr(all[i].reg.value) : Gpr{};
  }
  [[nodiscard]] bool has_imm(unsigned i) const { return i < visible() && all[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE; }
  [[nodiscard]] bool is(ZydisMnemonic m) const { return z.mnemonic == m; }
};

bool harmless_kind(const Insn& insn) {
  const auto any_of = [&](std::initializer_list<ZydisMnemonic> list) {
    return std::ranges::find(list, insn.z.mnemonic) != list.end();
  };
  switch (insn.z.meta.category) {
    case ZYDIS_CATEGORY_ADOX_ADCX:
    case ZYDIS_CATEGORY_AES:
    case ZYDIS_CATEGORY_BINARY:
    case ZYDIS_CATEGORY_BITBYTE:
    case ZYDIS_CATEGORY_BMI1:
    case ZYDIS_CATEGORY_BMI2:
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_CMOV:
    case ZYDIS_CATEGORY_COND_BR:
    case ZYDIS_CATEGORY_CONVERT:
    case ZYDIS_CATEGORY_DATAXFER:
    case ZYDIS_CATEGORY_FCMOV:
    case ZYDIS_CATEGORY_LOGICAL:
    case ZYDIS_CATEGORY_LOGICAL_FP:
    case ZYDIS_CATEGORY_LZCNT:
    case ZYDIS_CATEGORY_MMX:
    case ZYDIS_CATEGORY_NOP:
    case ZYDIS_CATEGORY_PCLMULQDQ:
    case ZYDIS_CATEGORY_POP:
    case ZYDIS_CATEGORY_PREFETCH:
    case ZYDIS_CATEGORY_PUSH:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_ROTATE:
    case ZYDIS_CATEGORY_SEMAPHORE:
    case ZYDIS_CATEGORY_SETCC:
    case ZYDIS_CATEGORY_SHA:
    case ZYDIS_CATEGORY_SHIFT:
    case ZYDIS_CATEGORY_SSE:
    case ZYDIS_CATEGORY_STRINGOP:
    case ZYDIS_CATEGORY_STTNI:
    case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_WIDENOP:
      return true;
    case ZYDIS_CATEGORY_X87_ALU:
      return !any_of({ZYDIS_MNEMONIC_FNSAVE, ZYDIS_MNEMONIC_FRSTOR, ZYDIS_MNEMONIC_FNSTENV, ZYDIS_MNEMONIC_FLDENV});
    case ZYDIS_CATEGORY_FLAGOP:
      return any_of({ZYDIS_MNEMONIC_CLC, ZYDIS_MNEMONIC_STC, ZYDIS_MNEMONIC_CMC, ZYDIS_MNEMONIC_CLD, ZYDIS_MNEMONIC_STD,
                     ZYDIS_MNEMONIC_LAHF, ZYDIS_MNEMONIC_SAHF});
    default:
      return any_of({ZYDIS_MNEMONIC_LEA, ZYDIS_MNEMONIC_PAUSE, ZYDIS_MNEMONIC_XLAT, ZYDIS_MNEMONIC_LFENCE,
                     ZYDIS_MNEMONIC_MFENCE, ZYDIS_MNEMONIC_SFENCE, ZYDIS_MNEMONIC_RDTSC, ZYDIS_MNEMONIC_CLFLUSH,
                     ZYDIS_MNEMONIC_LDMXCSR, ZYDIS_MNEMONIC_STMXCSR, ZYDIS_MNEMONIC_EMMS});
  }
}

// Without displacement bits in ModRM.mod, SIB base 5 means none, whatever REX.B says (SDM vol. 2, table 2-5); Zydis
// 4.0 calls it r13 if that is set.
void drop_absent_base(Insn& insn) {
  const auto& raw = insn.z.raw;
  const bool sib = (insn.z.attributes & ZYDIS_ATTRIB_HAS_SIB) != 0;
  if (!sib || raw.modrm.mod != 0 || raw.sib.base != 5) return;
  for (ZydisDecodedOperand& op : insn.all) {
    if (op.type == ZYDIS_OPERAND_TYPE_MEMORY && op.encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM) {
      op.mem.base = ZYDIS_REGISTER_NONE;
    }
  }
}

bool is_string(const Insn& insn) { return insn.z.meta.category == ZYDIS_CATEGORY_STRINGOP; }

bool uses_host_register(const ZydisDecodedOperand& op) {
  const Gpr base = gpr(op.mem.base), index = gpr(op.mem.index);
  return (base.bits != 0 && is_host(base.number)) || (index.bits != 0 && is_host(index.number));
}

class Walker {
 public:
  explicit Walker(const verify::VerifyRequest& request) : request_(request) {
    ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  }

  std::string run() {
    add(entry_path(0));
    for (const std::uint32_t site : request_.return_sites) {
      Path p = entry_path(site);
      p.reg[kR8] = Origin::guest;
      add(p);
    }
    while (!todo_.empty()) {
      const Path p = todo_.back();
      todo_.pop_back();
      if (const std::string reason = step(p); !reason.empty()) return fmt::format("+{:#x}: {}", p.at, reason);
    }
    return {};
  }

 private:
  void add(const Path& p) {
    if (seen_.insert(p).second) todo_.push_back(p);
  }

  std::string step(const Path& before) {
    if (before.at >= request_.code.size()) return "runs off the end";
    const auto bytes = request_.code.subspan(before.at);
    Insn insn;
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder_, bytes.data(), bytes.size(), &insn.z, insn.all.data()))) {
      return "undecodable";
    }
    insn.end = before.at + insn.z.length;
    drop_absent_base(insn);
    if (!harmless_kind(insn)) return "not an instruction for guests";
    Path after = before;
    after.at = insn.end;
    switch (insn.z.meta.category) {
      case ZYDIS_CATEGORY_PUSH:
      case ZYDIS_CATEGORY_POP:
        return stack(insn, after);
      case ZYDIS_CATEGORY_CALL:
      case ZYDIS_CATEGORY_RET:
      case ZYDIS_CATEGORY_UNCOND_BR:
      case ZYDIS_CATEGORY_COND_BR:
        return branch(insn, before, after);
      default:
        break;
    }
    if (is_template(insn, before, after)) {
      add(after);
      return {};
    }
    if (std::string reason = accesses(insn, before); !reason.empty()) return reason;
    if (std::string reason = writes(insn, after); !reason.empty()) return reason;
    refine(insn, before, after);
    if (std::ranges::any_of(insn.operands(), [](const ZydisDecodedOperand& op) {
          return op.type == ZYDIS_OPERAND_TYPE_REGISTER && gpr(op.reg.value).number == kR8 &&
                 gpr(op.reg.value).bits != 0 && (op.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
        })) {
      forget_page(after);
    }
    add(after);
    return {};
  }

  // --- The sequences that use host registers ---

  // Loads through r13 and r15, sums with r14 and the window's base. True: `after` tells all of the effect.
  static bool is_template(const Insn& insn, const Path& before, Path& after) {
    if (is_page_number(insn)) return set(after, insn.reg(0).number, Origin::page_number);
    if (insn.visible() != 2 || insn.op(1).type != ZYDIS_OPERAND_TYPE_MEMORY) return false;
    const Gpr dst = insn.reg(0);
    const auto& mem = insn.op(1).mem;
    const Gpr base = gpr(mem.base), index = gpr(mem.index);
    if (dst.bits == 0 || insn.z.address_width != 64 || base.bits != 64) return false;
    if (reads_guard(insn, before)) return set(after, dst.number, Origin::guest);
    const bool directory = insn.is(ZYDIS_MNEMONIC_MOV) && dst.bits == 64 && is_scratch(dst.number) &&
                           base.number == kR13 && index.bits == 64 && mem.scale == 8 &&
                           mem.disp.value == -abi::kDirectoryBias && mem.segment != ZYDIS_REGISTER_GS &&
                           mem.segment != ZYDIS_REGISTER_FS;
    if (directory && before.reg[index.number] == Origin::page_number) {
      return set(after, dst.number, Origin::entry_table);
    }
    const bool place = insn.is(ZYDIS_MNEMONIC_MOV) && base.number == kR13 && index.bits == 0 && dst.bits == 32 &&
                       insn.op(1).size == 32 && mem.segment != ZYDIS_REGISTER_GS && mem.segment != ZYDIS_REGISTER_FS &&
                       mem.disp.value >= abi::place_offset(0) &&
                       mem.disp.value <= abi::place_offset(abi::kMostPlaces - 1) + 4 &&
                       (is_scratch(dst.number) || dst.number == kRcx);
    if (place) return set(after, dst.number, Origin::guest);
    if (mem.disp.value != 0) return false;
    if (insn.is(ZYDIS_MNEMONIC_MOV) && mem.segment != ZYDIS_REGISTER_GS && mem.segment != ZYDIS_REGISTER_FS) {
      if (dst.bits != 32 || !is_scratch(dst.number)) return false;
      const bool table =
          before.reg[base.number] == Origin::entry_table && index.bits == 64 && index.number == kR8 && mem.scale == 4;
      if (table && is_guest(before.reg[kR8])) return set(after, dst.number, Origin::table_entry);
      const bool segment = index.bits == 0 && before.reg[base.number] == Origin::segment_base;
      return segment && set(after, dst.number, Origin::guest);
    }
    if (insn.is(ZYDIS_MNEMONIC_LEA) && dst.bits == 64 && index.bits == 64 && mem.scale <= 1) {
      for (const auto& [a, b] : {std::pair{base.number, index.number}, std::pair{index.number, base.number}}) {
        if (before.reg[a] == Origin::table_entry && b == kR14) return set(after, dst.number, Origin::code);
        if (is_guest(before.reg[a]) && before.reg[b] == Origin::window_base) {
          return set(after, dst.number, Origin::window);
        }
      }
    }
    return false;
  }
  // shrx r(32), r8d, r13d
  static bool is_page_number(const Insn& insn) {
    return insn.is(ZYDIS_MNEMONIC_SHRX) && insn.visible() == 3 && insn.reg(0).bits == 32 &&
           is_scratch(insn.reg(0).number) && insn.reg(1).number == kR8 && insn.reg(2).number == kR13 &&
           insn.reg(1).bits == 32;
  }
  // r8 is another address now.
  static void forget_page(Path& p) {
    for (Origin& o : p.reg) {
      if (o == Origin::page_number) o = Origin::guest;
      if (o == Origin::entry_table) o = Origin::anything;
    }
  }
  static bool set(Path& p, unsigned reg, Origin o) {
    p.reg[reg] = o;
    if (reg == kR8) forget_page(p);
    return true;
  }

  // A byte of the offset space or of the limit space, or of the guards behind them.
  static bool reads_guard(const Insn& insn, const Path& before) {
    const Gpr dst = insn.reg(0);
    const auto& mem = insn.op(1).mem;
    const Gpr base = gpr(mem.base), index = gpr(mem.index);
    const bool plain = mem.segment != ZYDIS_REGISTER_GS && mem.segment != ZYDIS_REGISTER_FS;
    const bool reads_byte = insn.is(ZYDIS_MNEMONIC_MOVZX) && insn.op(1).size == 8 && plain && dst.bits == 32 &&
                            is_scratch(dst.number) && base.bits == 64 && index.bits == 64 && index.number == kR8 &&
                            mem.scale <= 1 && is_guest(before.reg[kR8]);
    if (!reads_byte) return false;
    const std::int64_t beyond = mem.disp.value - (base.number == kR13 ? abi::kOffsetSpace : 0);
    if (before.reg[base.number] == Origin::limit_space) return beyond < 0 && beyond >= -(1LL << 31);
    return (base.number == kR13 || before.reg[base.number] == Origin::limit) && beyond >= 0 && beyond < 64;
  }

  // --- Memory ---

  static std::string accesses(const Insn& insn, const Path& before) {
    for (const ZydisDecodedOperand& op : insn.operands()) {
      if (op.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
      if (insn.is(ZYDIS_MNEMONIC_LEA)) {
        if (uses_host_register(op) || op.mem.base == ZYDIS_REGISTER_RIP) return "address of host data";
        continue;
      }
      if (insn.z.meta.category == ZYDIS_CATEGORY_WIDENOP || insn.z.meta.category == ZYDIS_CATEGORY_NOP) continue;
      if (is_string(insn)) {
        const Gpr pointer = gpr(op.mem.base);
        if (pointer.bits != 64 || before.reg[pointer.number] != Origin::window) return "string outside the window";
        continue;
      }
      if (std::string reason = access(insn, op, before); !reason.empty()) return reason;
    }
    return {};
  }

  static std::string access(const Insn& insn, const ZydisDecodedOperand& op, const Path& before) {
    const bool window = op.mem.segment == ZYDIS_REGISTER_GS && insn.z.address_width == 32;
    if (window) {
      const bool rip = op.mem.base == ZYDIS_REGISTER_EIP || op.mem.base == ZYDIS_REGISTER_RIP;
      if (rip || uses_host_register(op)) return "host register in an address";
      const bool bit_string = insn.z.meta.category == ZYDIS_CATEGORY_BITBYTE && insn.visible() == 2 &&
                              insn.reg(1).bits != 0 && op.id == 0 && insn.z.mnemonic != ZYDIS_MNEMONIC_SETB;
      if (bit_string && before.reg[insn.reg(1).number] != Origin::tiny) return "bit far from its address";
      return {};
    }
    const Gpr base = gpr(op.mem.base);
    const bool plain = op.mem.segment != ZYDIS_REGISTER_GS && op.mem.segment != ZYDIS_REGISTER_FS;
    if (!plain || base.bits != 64 || base.number != kR15 || op.mem.index != ZYDIS_REGISTER_NONE) {
      return "outside the window";
    }
    const std::int64_t first = op.mem.disp.value;
    const std::int64_t last = first + op.size / 8;
    if (first < 0 || last > static_cast<std::int64_t>(sizeof(CpuState))) return "outside the state";
    if ((op.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) == 0) return {};
    const auto within = [&](std::size_t offset, std::size_t size) {
      return first >= static_cast<std::int64_t>(offset) && last <= static_cast<std::int64_t>(offset + size);
    };
    const bool owned = within(offsetof(CpuState, interrupt_flag), 1) ||
                       within(offsetof(CpuState, interrupt_shadow), 1) ||
                       within(offsetof(CpuState, host) + offsetof(HostContext, retired), 8);
    return owned ? "" : "writes the state";
  }

  // --- Registers ---

  static std::string writes(const Insn& insn, Path& after) {
    for (const ZydisDecodedOperand& op : insn.operands()) {
      if (op.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
      const Gpr reg = gpr(op.reg.value);
      if (reg.bits == 0) {
        if (!ordinary(op.reg.value)) return "register that is not the guest's";
        continue;
      }
      const bool implicit = op.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;
      if (is_host(reg.number)) {
        if (!implicit || (op.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0) return "host register";
        continue;
      }
      if ((op.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) == 0) continue;
      const Origin old = after.reg[reg.number];
      if (is_string(insn) && reg.number == kRcx && is_guest(old)) continue;  // counts down to 0
      // A count of 0 may leave all 64 bits as they were.
      const bool surely = (op.actions & ZYDIS_OPERAND_ACTION_WRITE) != 0 &&
                          insn.z.meta.category != ZYDIS_CATEGORY_SHIFT && insn.z.meta.category != ZYDIS_CATEGORY_ROTATE;
      const bool full = reg.bits == 32 && (surely || insn.z.meta.category == ZYDIS_CATEGORY_CMOV);
      after.reg[reg.number] = full || (reg.bits < 64 && is_guest(old)) ? Origin::guest : Origin::anything;
    }
    return {};
  }

  static bool ordinary(ZydisRegister reg) {
    switch (ZydisRegisterGetClass(reg)) {
      case ZYDIS_REGCLASS_X87:
      case ZYDIS_REGCLASS_MMX:
      case ZYDIS_REGCLASS_XMM:
      case ZYDIS_REGCLASS_FLAGS:
        return true;
      case ZYDIS_REGCLASS_INVALID:
        return reg == ZYDIS_REGISTER_X87CONTROL || reg == ZYDIS_REGISTER_X87STATUS || reg == ZYDIS_REGISTER_X87TAG ||
               reg == ZYDIS_REGISTER_MXCSR;
      default:
        return false;
    }
  }

  // What is known of a result beyond its width.
  static void refine(const Insn& insn, const Path& before, Path& after) {
    const Gpr dst = insn.reg(0);
    if (dst.bits == 64 && insn.is(ZYDIS_MNEMONIC_MOV)) {
      const Gpr src = insn.reg(1);
      if (src.bits == 64) after.reg[dst.number] = before.reg[src.number];
      if (insn.visible() == 2 && insn.op(1).type == ZYDIS_OPERAND_TYPE_MEMORY) {
        after.reg[dst.number] = state_field(insn.op(1));
      }
    }
    if (dst.bits != 32) return;
    if (insn.has_imm(1)) {
      const std::uint64_t imm = insn.op(1).imm.value.u & 0xFFFFFFFFU;
      const bool safe = (imm & kUnsafeFlags) == 0;
      if (insn.is(ZYDIS_MNEMONIC_MOV) && imm < 32) after.reg[dst.number] = Origin::tiny;
      if (insn.is(ZYDIS_MNEMONIC_AND) && (safe || before.reg[dst.number] == Origin::safe_flags)) {
        after.reg[dst.number] = Origin::safe_flags;
      }
      if (insn.is(ZYDIS_MNEMONIC_OR) && safe && before.reg[dst.number] == Origin::safe_flags) {
        after.reg[dst.number] = Origin::safe_flags;
      }
    }
    if (insn.is(ZYDIS_MNEMONIC_PEXT) && insn.reg(2).bits == 32 && before.reg[insn.reg(2).number] == Origin::tiny) {
      after.reg[dst.number] = Origin::tiny;
    }
  }

  static Origin state_field(const ZydisDecodedOperand& op) {
    const auto offset = static_cast<std::size_t>(op.mem.disp.value);
    if (offset == offsetof(CpuState, host) + offsetof(HostContext, window_base)) return Origin::window_base;
    constexpr std::size_t kPointers = offsetof(CpuState, base_pointer);
    const bool pointer = offset >= kPointers && offset < kPointers + 8 * kSegCount && (offset - kPointers) % 8 == 0;
    if (pointer) return Origin::segment_base;
    if (offset == offsetof(CpuState, host) + offsetof(HostContext, limit_space)) return Origin::limit_space;
    constexpr std::size_t kLimits = offsetof(CpuState, limit_pointer);
    const bool limit = offset >= kLimits && offset < kLimits + 8 * kSegCount && (offset - kLimits) % 8 == 0;
    return limit ? Origin::limit : Origin::anything;
  }

  // --- The return ring and control flow ---

  std::string stack(const Insn& insn, Path& after) {
    const bool flags = insn.is(ZYDIS_MNEMONIC_PUSHFQ) || insn.is(ZYDIS_MNEMONIC_POPFQ);
    const Gpr reg = insn.reg(0);
    if (!flags && (insn.visible() != 1 || reg.bits != 64 || !is_scratch(reg.number))) return "push or pop of a guest's";
    if (insn.z.operand_width != 64) return "push or pop of another size";
    if (insn.z.meta.category == ZYDIS_CATEGORY_PUSH) {
      if (after.has_pushed) return "pushes twice";
      after.has_pushed = true;
      after.pushed = flags ? Origin::safe_flags : after.reg[reg.number];
    } else {
      if (!after.has_pushed) return "pops the return ring";
      after.has_pushed = false;
      if (flags && after.pushed != Origin::safe_flags) return "loads unsafe flags";
      if (!flags) after.reg[reg.number] = after.pushed;
      if (reg.number == kR8) forget_page(after);
    }
    add(after);
    return {};
  }

  std::string branch(const Insn& insn, const Path& before, Path after) {
    if ((insn.z.attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE) != 0) return "branch of another size";
    const bool call = insn.z.meta.category == ZYDIS_CATEGORY_CALL;
    const bool conditional = insn.z.meta.category == ZYDIS_CATEGORY_COND_BR;
    // loop counts
    for (const ZydisDecodedOperand& op : insn.operands()) {
      const Gpr reg = op.type == ZYDIS_OPERAND_TYPE_REGISTER ? gpr(op.reg.value) : Gpr{};
      if (reg.bits == 64 && reg.number == kRcx && (op.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0) {
        after.reg[kRcx] = Origin::anything;
      }
    }
    const bool direct = insn.op(0).type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    const std::int64_t to = direct ? std::int64_t{insn.end} + insn.op(0).imm.value.s : 0;
    const std::uint64_t address = request_.host_address + static_cast<std::uint64_t>(to);
    if (conditional) add(after);
    if (direct && address == request_.stubs.exit_direct) return call ? leaves(after) : "leaves without a call";
    if (call) {
      if (std::ranges::find(request_.return_sites, insn.end) == request_.return_sites.end())
        return "unknown return site";
    }
    if (insn.z.meta.category == ZYDIS_CATEGORY_RET) {
      if (insn.visible() != 0 || insn.z.meta.branch_type != ZYDIS_BRANCH_TYPE_NEAR) return "unusual return";
      return is_guest(before.reg[kR8]) ? leaves(after) : "returns without a guest address";
    }
    if (!direct) {
      const Gpr target = insn.reg(0);
      const bool known = target.bits == 64 && before.reg[target.number] == Origin::code;
      return known ? leaves(after) : "indirect branch to anywhere";
    }
    if (to >= 0 && to < static_cast<std::int64_t>(request_.code.size())) {
      if (call) {
        if (const std::string reason = leaves(after); !reason.empty()) return reason;
        after = entry_path(0);
      }
      after.at = static_cast<std::uint32_t>(to);
      add(after);
      return {};
    }
    const abi::StubTable& stubs = request_.stubs;
    const bool stub = address == stubs.exit_interpret || address == stubs.return_mismatch ||
                      address == stubs.exit_interrupt || address == stubs.lookup;
    if (!stub || call) return "branch to nowhere";
    if ((address == stubs.lookup || address == stubs.return_mismatch) && !is_guest(before.reg[kR8]))
      return "looks up what is no guest address";
    return leaves(after);
  }

  static std::string leaves(const Path& p) {
    if (p.has_pushed) return "leaves with something on the return ring";
    for (unsigned r = 0; r < 16; ++r) {
      if (!is_host(r) && !is_scratch(r) && !is_guest(p.reg[r])) return "leaves with a wide guest register";
    }
    return {};
  }

  const verify::VerifyRequest& request_;
  ZydisDecoder decoder_;
  std::set<Path> seen_;
  std::vector<Path> todo_;
};

}  // namespace

std::string second_opinion(const verify::VerifyRequest& request) { return Walker(request).run(); }

}  // namespace ringshift::testing
