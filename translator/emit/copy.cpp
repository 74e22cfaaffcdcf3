// Instructions that 64-bit mode has too: the guest's opcode and immediate with new prefixes, and a
// ModRM that finds esp in r12 and memory in the window.
//
// The one trap: an operand in r8 to r15 needs a REX prefix, and with REX the encodings of AH, CH, DH
// and BH mean SPL, BPL, SIL and DIL. A high byte that meets a REX prefix is therefore copied to r10b if
// it is only read, or changes places with the low byte while the instruction runs.
#include <array>

#include "translator/emit/families.h"
#include "translator/emit/memory.h"
#include "translator/isa/row.h"

namespace ringshift::translator::emit {
namespace {

namespace x86 = asmjit::x86;
using isa::Form;
using isa::Insn;
using isa::Op;

struct Fields {
  bool reg = false;  // ModRM.reg names a general register
  bool rm = false;   // and so does ModRM.rm, if it is a register
};

Fields register_fields(const Insn& insn) {
  switch (insn.form) {
    case Form::rm_reg:
    case Form::reg_rm:
    case Form::reg_rm_imm:
    case Form::rm_reg_imm:
    case Form::rm_reg_cl:
      return {.reg = true, .rm = true};
    case Form::host: {
      const auto fields = plan::host_register_fields(insn);
      return {.reg = fields.reg, .rm = fields.rm};
    }
    default:
      return {.rm = true};
  }
}

// Whether the host, whose operands have 32 bits, needs prefix 66.
bool needs_operand_prefix(const Context& c, const Insn& insn) {
  const bool prefix = insn.has(isa::prefix::kOperandSize);
  if (c.request.mode.code32) return prefix;
  switch (insn.op) {
    case Op::host_fp:  // to MMX and SSE the prefix is another opcode, and to x87 it means nothing
      return prefix;
    case Op::host_int: {
      const bool crc32_of_byte = insn.opcode == 0xF0 && insn.has(isa::prefix::kRepne);
      const bool movnti = insn.map == 1 && insn.opcode == 0xC3;
      return !prefix && !crc32_of_byte && !movnti;
    }
    case Op::cmpxchg8b:
    case Op::fwait:
      return false;
    default:
      return !prefix && insn.width != 1 && isa::row(insn.op).family != isa::Family::flags;
  }
}

Template template_of(const Context& c, const Insn& insn) {
  Template t{.lock = insn.has(isa::prefix::kLock),
             .word = needs_operand_prefix(c, insn),
             .map = insn.map,
             .opcode = insn.opcode,
             .immediate = std::span(insn.bytes).subspan(insn.imm_offset, insn.imm_size)};
  // Elsewhere F2 and F3 mean nothing to our CPU model, but may to the host (tzcnt, hle).
  if (insn.form == Form::host) {
    t.mandatory = insn.has(isa::prefix::kRepne) ? 0xF2 : insn.has(isa::prefix::kRep) ? 0xF3 : 0;
    // Beside them 66 means the operand size of popcnt and crc32, and nothing to MMX and SSE.
    if (t.mandatory != 0 && insn.op == Op::host_fp) t.word = false;
  }
  if (insn.map == 0 && insn.opcode == 0x82) t.opcode = 0x80;  // the alias is gone in 64-bit mode
  return t;
}

void copy_register_form(Context& c, const Insn& insn) {
  const Fields fields = register_fields(insn);
  Template t = template_of(c, insn);
  const bool byte_reg = insn.width == 1;
  const bool byte_rm = insn.source_width == 1;
  t.reg = fields.reg && !byte_reg ? host_register(insn.reg) : insn.reg;
  c.put(encode(t, fields.rm && !byte_rm ? host_register(insn.rm) : insn.rm));
}

bool only_reads_register(const Insn& insn) {
  if (insn.form == Form::reg_rm) return insn.op == Op::cmp || insn.op == Op::test;
  return insn.op != Op::xchg && insn.op != Op::xadd;
}

Fixup swapped(std::uint8_t low) {
  constexpr std::array<Fixup, 4> kFixups{Fixup::swapped_eax, Fixup::swapped_ecx, Fixup::swapped_edx,
                                         Fixup::swapped_ebx};
  return kFixups[low];
}

void exchange_bytes(Context& c, std::uint8_t low) { c.a.xchg(x86::gpb_lo(low), x86::gpb_hi(low)); }

void copy_with_high_byte(Context& c, const Insn& insn, Template t, Address address) {
  const auto low = static_cast<std::uint8_t>(insn.reg - 4U);
  if (only_reads_register(insn)) {
    c.a.rorx(x86::r10d, x86::gpd(low), 8);
    t.reg = kScratch10;
    c.put(encode(t, address));
    return;
  }
  if (address.uses(low)) collapse(c, address);
  exchange_bytes(c, low);
  mark_fixup(c, swapped(low));
  t.reg = low;
  c.put(encode(t, address));
  exchange_bytes(c, low);
  mark_fixup(c, Fixup::none);
}

void copy_memory_form(Context& c, const Insn& insn) {
  const Fields fields = register_fields(insn);
  Template t = template_of(c, insn);
  const Address address = resolve(c, insn);
  const bool byte_reg = fields.reg && insn.form != Form::host && insn.width == 1;
  t.reg = fields.reg && !byte_reg ? host_register(insn.reg) : insn.reg;
  if (byte_reg && insn.reg >= 4 && address.needs_rex()) return copy_with_high_byte(c, insn, t, address);
  c.put(encode(t, address));
}

void copy_without_modrm(Context& c, const Insn& insn) {
  Template t = template_of(c, insn);
  switch (insn.form) {
    case Form::acc_moffs:
    case Form::moffs_acc:
      // The moffs forms decode slowly with 67; ModRM does the same.
      t.opcode = static_cast<std::uint8_t>((insn.form == Form::acc_moffs ? 0x8A : 0x88) | (insn.opcode & 1U));
      t.immediate = {};
      c.put(encode(t, resolve(c, insn)));
      return;
    case Form::opreg:
      if (insn.op == Op::inc || insn.op == Op::dec) {
        // 40 to 4F are the REX prefixes now.
        t.opcode = 0xFF;
        t.reg = insn.op == Op::inc ? 0 : 1;
        c.put(encode(t, host_register(insn.reg)));
        return;
      }
      break;
    default:
      break;
  }
  const bool names_register = insn.form == Form::opreg || insn.form == Form::opreg_imm || insn.form == Form::acc_opreg;
  Bytes out;
  if (t.word) out.put(0x66);
  if (t.mandatory != 0) out.put(t.mandatory);
  if (names_register && insn.width != 1 && insn.reg == kEsp) out.put(0x41);
  if (t.map == 1) out.put(0x0F);
  out.put(t.opcode);
  out.put(t.immediate);
  c.put(out);
}

// mov reg, esp while r12d is not up to date.
bool copy_moved_esp(Context& c, const Insn& insn) {
  if (c.esp_delta == 0 || !copies_esp(insn)) return false;
  const std::uint8_t to = insn.form == Form::rm_reg ? insn.rm : insn.reg;
  c.put(encode_lea(to, {.base = kHostEsp, .disp = c.esp_delta}));
  return true;
}

}  // namespace

bool copies_esp(const Insn& insn) {
  if (insn.op != Op::mov || insn.memory || insn.width != 4) return false;
  return (insn.form == Form::rm_reg && insn.reg == kEsp && insn.rm != kEsp) ||
         (insn.form == Form::reg_rm && insn.rm == kEsp && insn.reg != kEsp);
}

void emit_copy(Context& c, const Insn& insn) {
  if (copy_moved_esp(c, insn)) return;
  if (insn.memory && insn.has_modrm) {
    copy_memory_form(c, insn);
  } else if (insn.has_modrm) {
    copy_register_form(c, insn);
  } else {
    copy_without_modrm(c, insn);
  }
}

}  // namespace ringshift::translator::emit
