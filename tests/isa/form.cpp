#include "tests/isa/form.h"

#include <array>
#include <optional>
#include <span>

namespace ringshift::test {
namespace {

using isa::Op;

using Bytes = std::vector<std::uint8_t>;

const std::array<Bytes, 15>& prefix_sets() {
  static const std::array<Bytes, 15> sets{{{},
                                           {0x66},
                                           {0x67},
                                           {0x66, 0x67},
                                           {0xF2},
                                           {0xF3},
                                           {0xF3, 0x66},
                                           {0xF2, 0x66},
                                           {0xF3, 0x67},
                                           {0xF2, 0x67},
                                           {0xF3, 0x66, 0x67},
                                           {0xF0},
                                           {0xF0, 0x66},
                                           {0xF0, 0x67},
                                           {0xF2, 0xF0}}};
  return sets;
}

Bytes probe(const Form& f, std::uint8_t modrm) {
  Bytes b = f.prefixes;
  if (f.map != 0) b.push_back(0x0F);
  if (f.map == 2) b.push_back(0x38);
  if (f.map == 3) b.push_back(0x3A);
  b.push_back(f.opcode);
  b.push_back(modrm);
  b.resize(b.size() + 8, 0);
  if (b.size() > 15) b.resize(15);
  return b;
}

std::optional<isa::Insn> try_decode(const Form& f, std::uint8_t modrm) {
  const auto decoded = decode::decode(probe(f, modrm), f.size);
  if (decoded.failure != decode::Failure::none || decoded.insn.op == Op::invalid) return std::nullopt;
  if (decoded.insn.map != f.map || decoded.insn.opcode != f.opcode) return std::nullopt;
  return decoded.insn;
}

bool is_prefix_or_escape(unsigned map, unsigned opcode) {
  if (map == 1) return opcode == 0x38 || opcode == 0x3A;
  if (map != 0) return false;
  switch (opcode) {
    case 0x0F:
    case 0x26:
    case 0x2E:
    case 0x36:
    case 0x3E:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xF0:
    case 0xF2:
    case 0xF3:
      return true;
    default:
      return false;
  }
}

// The r/m field of a register form names the instruction (x87).
bool rm_selects(const Form& f) { return f.map == 0 && f.opcode >= 0xD8 && f.opcode <= 0xDF && !f.memory; }

class Enumerator {
 public:
  explicit Enumerator(decode::CodeSize size) { form_.size = size; }

  std::vector<Form> run() {
    for (const Bytes& prefixes : prefix_sets()) {
      form_.prefixes = prefixes;
      locked_ = false;
      for (const auto b : prefixes) locked_ |= b == 0xF0;
      for (unsigned map = 0; map < 4; ++map) {
        for (unsigned opcode = 0; opcode < 256; ++opcode) {
          if (is_prefix_or_escape(map, opcode)) continue;
          form_.map = static_cast<std::uint8_t>(map);
          form_.opcode = static_cast<std::uint8_t>(opcode);
          one_opcode();
        }
      }
    }
    return std::move(forms_);
  }

 private:
  void one_opcode() {
    form_.memory = false;
    form_.reg = 0;
    form_.rm = 0xFF;
    form_.has_modrm = false;
    for (unsigned reg = 0; reg < 8; ++reg) {
      for (const bool memory : {false, true}) {
        form_.memory = memory;
        form_.reg = static_cast<std::uint8_t>(reg);
        for (unsigned rm = 0; rm < (rm_selects(form_) ? 8U : 1U); ++rm) {
          form_.rm = rm_selects(form_) ? static_cast<std::uint8_t>(rm) : 0xFF;
          // A memory form is tried with [di] or [ebp+disp]; a register form with r/m 1.
          const unsigned modrm = memory ? 0x45 : 0xC0 | (rm_selects(form_) ? rm : 1U);
          if (!add(static_cast<std::uint8_t>(modrm | reg << 3))) return;
        }
      }
    }
  }

  // False: the opcode has no ModRM byte, so that this was all of it.
  bool add(std::uint8_t modrm) {
    const auto insn = try_decode(form_, modrm);
    if (insn) {
      form_.op = insn->op;
      form_.has_modrm = insn->has_modrm;
      forms_.push_back(form_);
      return insn->has_modrm;
    }
    if (form_.prefixes != Bytes{0xF0}) return true;
    // Refused: only for the prefix?
    Form bare = form_;
    std::erase(bare.prefixes, 0xF0);
    const auto allowed = try_decode(bare, modrm);
    if (!allowed) return true;
    form_.op = Op::invalid;
    form_.has_modrm = allowed->has_modrm;
    forms_.push_back(form_);
    return allowed->has_modrm;
  }

  Form form_;
  bool locked_ = false;
  std::vector<Form> forms_;
};

}  // namespace

std::vector<Form> enumerate_forms(decode::CodeSize size) { return Enumerator(size).run(); }

}  // namespace ringshift::test
