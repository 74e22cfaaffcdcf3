#include "translator/verify/rules.h"

#include <optional>
#include <span>

#include "translator/verify/allowed.h"
#include "translator/verify/mandatory_prefix.h"
#include "translator/verify/registers.h"

namespace ringshift::verify {
namespace {

using Verdict = std::variant<Meaning, Refusal>;

constexpr std::uint16_t bit(unsigned reg) { return static_cast<std::uint16_t>(1U << reg); }

// One instruction under judgement, with its operands sorted out.
struct Subject {
  const cs_insn& insn;
  const cs_x86& x86;
  const Encoding& e;
  Allowed rule;
  const cs_x86_op* memory = nullptr;

  [[nodiscard]] std::span<const cs_x86_op> operands() const { return {x86.operands, x86.op_count}; }
  [[nodiscard]] bool has(std::uint8_t trait) const { return (rule.traits & trait) != 0; }
  [[nodiscard]] bool is(unsigned id) const { return insn.id == id; }
  [[nodiscard]] bool any_prefix() const {
    return e.gs || e.addr32 || e.operand16 || e.lock || e.rep || e.repne || e.vex;
  }
};

// --- Registers ---

// Fills the masks from the explicit register operands. Capstone's notion of what is read and written is not relied
// upon: all are taken as written, except where the trait of the instruction says more.
std::optional<Refusal> collect_registers(const Subject& s, Meaning& m) {
  unsigned index = 0;
  for (const cs_x86_op& op : s.operands()) {
    const bool first = index++ == 0;
    if (op.type != X86_OP_REG) continue;
    const Register reg = classify(op.reg);
    if (reg.cls == RegisterClass::other) return Refusal{"uses a register that is not the guest's"};
    if (reg.cls == RegisterClass::vector) continue;
    if (is_reserved(reg.number)) return Refusal{"uses a reserved register as operand"};
    if ((s.has(kReads) && first) || (s.has(kSetsOnly | kReads) && !first)) continue;
    const bool computes_time = is_time_stamp(reg.number) && s.has(kSetsOnly);
    if (reg.width == 8 && !is_scratch(reg.number) && !computes_time) {
      return Refusal{"64-bit write of a register whose upper half is zero"};
    }
    if (reg.width == 8) {
      m.wide |= bit(reg.number);
    } else if (reg.width == 4 && s.has(kSetsOnly) && first) {
      m.set32 |= bit(reg.number);
    } else {
      m.touched |= bit(reg.number);
    }
  }
  return std::nullopt;
}

std::optional<Register> general(const cs_x86_op& op) {
  if (op.type != X86_OP_REG) return std::nullopt;
  const Register reg = classify(op.reg);
  if (reg.cls != RegisterClass::general) return std::nullopt;
  return reg;
}

// A register of an address. `width` 0 means there is none.
Register address_register(x86_reg reg) {
  // Capstone names an absent index riz or eiz where the encoding has a SIB byte.
  const bool absent = reg == X86_REG_INVALID || reg == X86_REG_RIZ || reg == X86_REG_EIZ;
  return absent ? Register{RegisterClass::general} : classify(reg);
}

// --- Memory ---

struct AddressForm {
  Register base, index;
  unsigned scale = 1;
  [[nodiscard]] bool valid() const { return base.cls == RegisterClass::general && index.cls == RegisterClass::general; }
  [[nodiscard]] bool based_on(unsigned reg) const { return base.width == 8 && base.number == reg && index.width == 0; }
};

AddressForm form_of(const cs_x86_op& op) {
  return {address_register(op.mem.base), address_register(op.mem.index), static_cast<unsigned>(op.mem.scale)};
}

bool reserved(const Register& reg) { return reg.width != 0 && is_reserved(reg.number); }

// gs: with 32-bit addresses and no host register in it.
bool in_window(const Subject& s, const AddressForm& form) {
  if (!s.e.gs || !s.e.addr32 || s.memory->mem.segment != X86_REG_GS) return false;
  if (form.base.width != 0 && form.base.width != 4) return false;
  if (form.index.width != 0 && form.index.width != 4) return false;
  return !reserved(form.base) && !reserved(form.index);
}

Verdict state_access(const Subject& s, Meaning m) {
  const cs_x86_op& op = *s.memory;
  if (!s.has(kState)) return Refusal{"operand in CpuState of an instruction that may not have one"};
  if (s.e.lock) return Refusal{"operand in CpuState with an unusual prefix"};
  if (op.size != 1 && op.size != 2 && op.size != 4 && op.size != 8)
    return Refusal{"operand in CpuState of unusual size"};
  if (op.size != 8 && s.e.wide) return Refusal{"operand in CpuState of unusual size"};
  const bool written = &op == s.x86.operands && !s.has(kReads);
  m.state = written ? StateAccess::write : StateAccess::read;
  m.width = op.size;
  const auto dst = general(s.x86.operands[0]);
  if (s.is(X86_INS_MOV) && !written && dst && dst->width == 8 && is_scratch(dst->number)) {
    if (op.size != 8) return Refusal{"operand in CpuState of unusual size"};
    m.action = Action::load_state64;
    m.dst = dst->number;
  }
  return m;
}

// mov r(32), [r13 + disp], mov r(64), [r13 + r(64)*8], mov r(32), [r(64) + r8*4] and mov r(32), [r(64)].
Verdict table_access(const Subject& s, Meaning m, const AddressForm& form) {
  const Refusal outside{"memory operand outside the window"};
  if (s.any_prefix() || s.x86.op_count != 2 || s.memory != &s.x86.operands[1]) return outside;
  const auto dst = general(s.x86.operands[0]);
  if (!dst || form.base.width != 8) return outside;
  m.dst = dst->number;
  if (form.based_on(kR13)) {
    const bool place = s.is(X86_INS_MOV) && dst->width == 4 && s.memory->size == 4;
    if (!place || !(is_scratch(dst->number) || dst->number == kRcx)) return outside;
    m.action = Action::load_place;
    return m;
  }
  if (!is_scratch(dst->number)) return outside;
  m.src = form.base.number;
  const bool indexed = form.index.width == 8;
  if (s.is(X86_INS_MOVZX)) {
    const bool probe = dst->width == 4 && s.memory->size == 1 && indexed && form.index.number == kR8 && form.scale == 1;
    if (!probe || (form.base.number != kR13 && !is_scratch(form.base.number))) return outside;
    m.action = form.base.number == kR13 ? Action::probe_offset : Action::probe_limit;
    return m;
  }
  if (!s.is(X86_INS_MOV)) return outside;
  if (dst->width == 8 && form.base.number == kR13 && indexed && is_scratch(form.index.number) && form.scale == 8) {
    m.action = Action::load_directory;
    m.src = form.index.number;
  } else if (dst->width == 4 && is_scratch(form.base.number) && indexed && form.index.number == kR8 &&
             form.scale == 4) {
    m.action = Action::load_entry;
  } else if (dst->width == 4 && is_scratch(form.base.number) && form.index.width == 0) {
    m.action = Action::load_pointer;
  } else {
    return outside;
  }
  return m;
}

Verdict judge_memory(const Subject& s, Meaning m) {
  const AddressForm form = form_of(*s.memory);
  if (!form.valid()) return Refusal{"memory operand relative to rip or to an unknown register"};
  if (in_window(s, form)) {
    m.window = true;
    return m;
  }
  if (s.e.gs != s.e.addr32) return Refusal{"gs without 32-bit addresses, or 32-bit addresses without gs"};
  if (s.e.gs || s.memory->mem.segment != X86_REG_INVALID) return Refusal{"memory operand outside the window"};
  if (form.based_on(kR15)) return state_access(s, m);
  return table_access(s, m, form);
}

// --- Families ---

Verdict judge_copy64(const Subject& s, Meaning m, const Register& dst, const Register& src) {
  if (s.any_prefix() || is_reserved(dst.number) || is_reserved(src.number) || dst.number == kR12) {
    return Refusal{"64-bit move of a reserved register"};
  }
  m.action = Action::copy64;
  m.dst = dst.number;
  m.src = src.number;
  return m;
}

// shrx r(32), r8d, r13d: the number of the page of a guest address.
std::optional<Meaning> page_index(const Subject& s) {
  if (!s.is(X86_INS_SHRX) || s.x86.op_count != 3 || s.memory != nullptr || s.e.wide) return std::nullopt;
  const auto dst = general(s.x86.operands[0]);
  const auto address = general(s.x86.operands[1]);
  const auto count = general(s.x86.operands[2]);
  if (!dst || !address || !count || dst->width != 4 || !is_scratch(dst->number)) return std::nullopt;
  if (address->number != kR8 || count->number != kR13) return std::nullopt;
  Meaning m;
  m.action = Action::page_index;
  m.dst = dst->number;
  return m;
}

// Recognises the register operations whose result the flow knows more of.
void find_action(const Subject& s, Meaning& m) {
  const auto ops = s.operands();
  const auto dst = ops.size() < 2 ? std::nullopt : general(ops[0]);
  if (!dst || dst->width != 4 || !is_scratch(dst->number)) return;
  m.dst = dst->number;
  if (ops[1].type == X86_OP_IMM) {
    if (s.is(X86_INS_AND)) m.action = Action::mask32;
    if (s.is(X86_INS_OR)) m.action = Action::set_bits32;
    if (s.is(X86_INS_MOV)) m.action = Action::constant32;
  } else if (s.is(X86_INS_PEXT) && ops.size() == 3) {
    const auto mask = general(ops[2]);
    if (!mask || mask->width != 4) return;
    m.action = Action::extract32;
    m.src = mask->number;
  }
}

Verdict judge_integer(const Subject& s) {
  Meaning m;
  const bool prefixes_known = s.has(kMandatoryPrefix) || (!s.e.rep && !s.e.repne);
  if (!prefixes_known) return Refusal{"prefix without meaning"};
  if (s.is(X86_INS_MOV) && s.x86.op_count == 2) {
    const auto dst = general(s.x86.operands[0]);
    const auto src = general(s.x86.operands[1]);
    if (dst && src && dst->width == 8 && src->width == 8) return judge_copy64(s, m, *dst, *src);
  }
  if (const auto meaning = page_index(s)) return *meaning;
  if (s.e.wide && !s.e.vex && !s.has(kWide)) return Refusal{"64-bit form of an instruction"};
  if (const auto refusal = collect_registers(s, m)) return *refusal;
  if (s.e.wide && !s.memory && m.wide == 0 && m.set32 == 0 && !s.has(kReads)) {
    return Refusal{"64-bit form of an instruction"};
  }
  if (s.memory != nullptr) return judge_memory(s, m);
  if (s.e.gs || s.e.addr32 || s.e.lock) return Refusal{"prefix without meaning"};
  find_action(s, m);
  return m;
}

Verdict judge_vector(const Subject& s) {
  Meaning m;
  if (s.e.wide || s.e.lock || s.e.vex) return Refusal{"64-bit or AVX form of an instruction"};
  const bool x87 = s.e.map == 0 && s.e.opcode >= 0xD8 && s.e.opcode <= 0xDF;  // these ignore F2 and F3
  if (!s.has(kMandatoryPrefix) && !x87 && (s.e.rep || s.e.repne)) return Refusal{"prefix without meaning"};
  // F2 and F3 win over 66 in silicon, not always in Capstone.
  if (!x87 && s.e.operand16 && (s.e.rep || s.e.repne)) return Refusal{"prefix without meaning"};
  if (const auto refusal = collect_registers(s, m)) return *refusal;
  if (s.memory != nullptr) return judge_memory(s, m);
  if (s.e.gs || s.e.addr32) return Refusal{"prefix without meaning"};
  return m;
}

Verdict judge_bit_test(const Subject& s) {
  Meaning m;
  if (s.e.wide || s.e.rep || s.e.repne) return Refusal{"64-bit form of an instruction"};
  if (const auto refusal = collect_registers(s, m)) return *refusal;
  if (s.x86.op_count != 2) return Refusal{"unusual form of a bit test"};
  if (s.memory == nullptr) {
    if (s.e.gs || s.e.addr32 || s.e.lock) return Refusal{"prefix without meaning"};
    return m;
  }
  Verdict verdict = judge_memory(s, m);
  auto* meaning = std::get_if<Meaning>(&verdict);
  if (meaning == nullptr || s.x86.operands[1].type == X86_OP_IMM) return verdict;
  // A register bit offset reaches 256 MiB beyond the operand's address, unless it is known to be small.
  const auto offset = general(s.x86.operands[1]);
  if (!offset || !is_scratch(offset->number)) return Refusal{"bit offset reaches beyond the operand"};
  meaning->action = Action::bit_index;
  meaning->src = offset->number;
  return verdict;
}

Verdict judge_address(const Subject& s) {
  Meaning m;
  if (s.e.gs || s.e.lock || s.e.rep || s.e.repne || s.x86.op_count != 2 || s.memory != &s.x86.operands[1]) {
    return Refusal{"prefix without meaning"};
  }
  const auto dst = general(s.x86.operands[0]);
  const AddressForm form = form_of(*s.memory);
  if (!dst || !form.valid()) return Refusal{"address relative to rip or to an unknown register"};
  const auto sum_of = [&](unsigned a, unsigned b) {
    return !s.e.addr32 && form.scale == 1 && form.base.width == 8 && form.index.width == 8 &&
           ((form.base.number == a && form.index.number == b) || (form.base.number == b && form.index.number == a));
  };
  if (dst->width == 8) {
    m.dst = dst->number;
    if (is_scratch(dst->number) && sum_of(dst->number, kR14)) {
      m.action = Action::code_address;
      return m;
    }
    for (unsigned scratch = kR8; scratch <= kR11; ++scratch) {
      if ((dst->number == kRsi || dst->number == kRdi) && sum_of(dst->number, scratch)) {
        m.action = Action::add_window;
        m.src = static_cast<std::uint8_t>(scratch);
        return m;
      }
    }
  }
  if (reserved(form.base) || reserved(form.index)) return Refusal{"address of host data"};
  if (is_reserved(dst->number)) return Refusal{"writes a reserved register"};
  if (dst->width == 8 && !is_scratch(dst->number) && !is_time_stamp(dst->number)) {
    return Refusal{"64-bit write of a register whose upper half is zero"};
  }
  if (dst->width == 8) {
    m.wide = bit(dst->number);
  } else if (dst->width == 4) {
    m.set32 = bit(dst->number);
  } else {
    m.touched = bit(dst->number);
  }
  return m;
}

Verdict judge_string(const Subject& s) {
  if (s.e.wide || s.e.gs || s.e.addr32 || s.e.lock || s.e.map != 0) {
    return Refusal{"string instruction with a refused prefix"};
  }
  Meaning m;
  m.action = Action::string;
  switch (s.e.opcode) {
    case 0xA4:
    case 0xA5:
    case 0xA6:
    case 0xA7:  // movs, cmps
      m.uses_rsi = m.uses_rdi = true;
      return m;
    case 0xAC:
    case 0xAD:  // lods
      m.uses_rsi = true;
      return m;
    case 0xAA:
    case 0xAB:
    case 0xAE:
    case 0xAF:  // stos, scas
      m.uses_rdi = true;
      return m;
    default:
      return Refusal{"not a string instruction of the guest"};
  }
}

Verdict judge_hint(const Subject& s) {
  const bool pause = s.e.map == 0 && s.e.opcode == 0x90;
  const bool long_nop = s.e.map == 1 && s.e.opcode == 0x1F;
  if (s.e.lock || s.e.repne || (s.e.rex & 9U) != 0 || !(pause || (long_nop && !s.e.rep))) {
    return Refusal{"unusual form of nop"};
  }
  return Meaning{};
}

Verdict judge_fence(const Subject& s) {
  const bool exact =
      s.e.map == 1 && s.e.opcode == 0xAE && s.insn.size == 3 && s.e.header_size == 3 && s.e.modrm >= 0xE8;
  return exact ? Verdict{Meaning{}} : Verdict{Refusal{"unusual form of a fence"}};
}

Verdict judge_implicit(const Subject& s) {
  if (!s.e.gs || !s.e.addr32 || s.e.wide || s.e.lock || s.e.rep || s.e.repne) {
    return Refusal{"implicit memory operand outside the window"};
  }
  Meaning m;
  m.window = true;
  if (s.rule.kind == Kind::implicit_bx_al) return m;
  if (s.e.memory_form()) return Refusal{"memory operand outside the window"};
  return m;
}

Verdict judge_stack(const Subject& s) {
  if (s.any_prefix() || s.e.wide) return Refusal{"stack instruction with a prefix"};
  Meaning m;
  if (s.rule.kind == Kind::push_flags || s.rule.kind == Kind::pop_flags) {
    m.action = s.rule.kind == Kind::push_flags ? Action::push_flags : Action::pop_flags;
    return m;
  }
  const bool is_push = s.rule.kind == Kind::push;
  const auto reg = s.x86.op_count == 1 ? general(s.x86.operands[0]) : std::nullopt;
  const std::uint8_t opcode = is_push ? 0x50 : 0x58;
  if (!reg || !is_scratch(reg->number) || s.e.map != 0 || (s.e.opcode & 0xF8U) != opcode) {
    return Refusal{"push or pop of something else than a scratch register"};
  }
  m.action = is_push ? Action::push : Action::pop;
  (is_push ? m.src : m.dst) = reg->number;
  return m;
}

Verdict judge_indirect(const Subject& s, bool call) {
  const auto reg = s.x86.op_count == 1 ? general(s.x86.operands[0]) : std::nullopt;
  const unsigned extension = call ? 2 : 4;
  if (!reg || s.memory != nullptr || reg->number != kR9 || s.e.wide || s.e.map != 0 || s.e.opcode != 0xFF ||
      ((s.e.modrm >> 3U) & 7U) != extension) {
    return Refusal{"indirect branch through something else than r9"};
  }
  Meaning m;
  m.action = call ? Action::call_indirect : Action::jump_indirect;
  m.src = reg->number;
  return m;
}

Verdict judge_branch(const Subject& s) {
  const bool counter = s.e.map == 0 && s.e.opcode >= 0xE0 && s.e.opcode <= 0xE3;
  if (s.e.gs || s.e.operand16 || s.e.lock || s.e.rep || s.e.repne || s.e.rex > 0x41 || (s.e.addr32 && !counter)) {
    return Refusal{"branch with a prefix"};
  }
  if (s.rule.kind == Kind::counted && !s.e.addr32) return Refusal{"loop counts 64 bits"};
  Meaning m;
  if (s.rule.kind == Kind::ret) {
    m.action = Action::ret;
    return s.e.map == 0 && s.e.opcode == 0xC3 ? Verdict{m} : Verdict{Refusal{"return that is not near and plain"}};
  }
  const bool call = s.rule.kind == Kind::call;
  if (s.e.opcode == 0xFF && s.e.map == 0) return judge_indirect(s, call);
  if (s.e.rex != 0 || s.x86.op_count != 1 || s.x86.operands[0].type != X86_OP_IMM)
    return Refusal{"unusual form of branch"};
  const bool known = s.e.map == 0 ? (counter || s.e.opcode == 0xE8 || s.e.opcode == 0xE9 || s.e.opcode == 0xEB ||
                                     (s.e.opcode & 0xF0U) == 0x70)
                                  : s.e.map == 1 && (s.e.opcode & 0xF0U) == 0x80;
  if (!known) return Refusal{"unusual form of branch"};
  m.action = call ? Action::call : s.rule.kind == Kind::jump ? Action::jump : Action::jump_if;
  return m;
}

// Finds the memory operand, and holds the two readings of the bytes against each other.
std::optional<Refusal> find_memory(Subject& s) {
  if (s.e.has_modrm != (s.x86.encoding.modrm_offset != 0) ||
      (s.e.has_modrm && (s.x86.encoding.modrm_offset != s.e.modrm_offset || s.x86.modrm != s.e.modrm))) {
    return Refusal{"two readings of the encoding disagree"};
  }
  if ((s.x86.rex != s.e.rex && !s.e.vex) || s.insn.size < s.e.header_size + s.e.disp_size) {
    return Refusal{"two readings of the encoding disagree"};
  }
  switch (s.rule.kind) {
    case Kind::hint:
    case Kind::string:
    case Kind::implicit_bx_al:
    case Kind::implicit_di:
      return std::nullopt;
    default:
      break;
  }
  for (const cs_x86_op& op : s.operands()) {
    if (op.type != X86_OP_MEM) continue;
    if (s.memory != nullptr) return Refusal{"two memory operands"};
    s.memory = &op;
  }
  if (s.e.memory_form() != (s.memory != nullptr)) return Refusal{"memory operand without ModRM"};
  return std::nullopt;
}

}  // namespace

Verdict judge(const cs_insn& insn, const Encoding& encoding) {
  Subject s{insn, insn.detail->x86, encoding, allowed(insn.id)};
  if (s.rule.kind == Kind::refused) return Refusal{"instruction is not on the list"};
  // movsd and cmpsd name both a string instruction and an SSE one.
  if (s.rule.kind == Kind::string && encoding.map == 1) s.rule.kind = Kind::vector;
  const bool selects = s.rule.kind == Kind::vector || s.has(kMandatoryPrefix);
  if (selects && !mandatory_prefix_defined(encoding)) return Refusal{"prefix that makes the opcode undefined"};
  if (const auto refusal = find_memory(s)) return *refusal;
  const bool locks = s.memory != nullptr && s.memory == s.x86.operands && s.has(kLockable);
  if (encoding.lock && !locks) return Refusal{"LOCK that makes the instruction undefined"};
  switch (s.rule.kind) {
    case Kind::refused:
      break;
    case Kind::integer:
      return judge_integer(s);
    case Kind::vector:
      return judge_vector(s);
    case Kind::bit_test:
      return judge_bit_test(s);
    case Kind::time_stamp: {
      Meaning m;
      m.action = Action::time_stamp;
      return s.any_prefix() || s.e.wide ? Verdict{Refusal{"prefix without meaning"}} : Verdict{m};
    }
    case Kind::implicit_bx_al:
    case Kind::implicit_di:
      return judge_implicit(s);
    case Kind::fence:
      return judge_fence(s);
    case Kind::hint:
      return judge_hint(s);
    case Kind::address:
      return judge_address(s);
    case Kind::string:
      return judge_string(s);
    case Kind::push:
    case Kind::pop:
    case Kind::push_flags:
    case Kind::pop_flags:
      return judge_stack(s);
    case Kind::jump:
    case Kind::conditional:
    case Kind::counted:
    case Kind::call:
    case Kind::ret:
      return judge_branch(s);
  }
  return Refusal{"instruction is not on the list"};
}

}  // namespace ringshift::verify
