#include "tests/engine/random_program.h"

#include <array>

namespace ringshift::test {
namespace {

class Builder {
 public:
  Builder(std::mt19937& random, Bytes& code) : random_(random), code_(code) {}

  void one() {
    if (chance(6)) byte(0x66);
    switch (below(20)) {
      case 0:
      case 1:
      case 2:  // arithmetic and logic, all forms
        arithmetic();
        break;
      case 3: {  // group 1
        static constexpr std::array<std::uint8_t, 3> kOpcodes{0x80, 0x81, 0x83};
        const auto opcode = kOpcodes[below(3)];
        const bool narrow = operand16_;
        byte(opcode);
        modrm();
        immediate(opcode == 0x81 ? (narrow ? 2 : 4) : 1);
        break;
      }
      case 4:
        byte(static_cast<std::uint8_t>(0x84 + below(8)));  // test, xchg, mov
        modrm();
        break;
      case 5:
        byte(0x8D);
        modrm_memory();
        break;
      case 6:
        byte(static_cast<std::uint8_t>(0xB0 + below(8)));
        immediate(1);
        break;
      case 7:
        byte(static_cast<std::uint8_t>(0xB8 + below(8)));
        immediate(operand16_ ? 2 : 4);
        break;
      case 8:
        shift();
        break;
      case 9:  // not, neg, mul, imul (div faults too often to be useful here)
        byte(static_cast<std::uint8_t>(0xF6 + below(2)));
        modrm(2 + below(4));
        break;
      case 10:  // inc, dec
        byte(static_cast<std::uint8_t>(0xFE + below(2)));
        modrm(below(2));
        break;
      case 11:
        byte(static_cast<std::uint8_t>(0x40 + below(16)));
        break;
      case 12:
        stack();
        break;
      case 13:
        two_byte();
        break;
      case 14:
        string();
        break;
      case 15: {  // jcc over an instruction
        Bytes skipped;
        append_random_instruction(random_, skipped);
        byte(static_cast<std::uint8_t>(0x70 + below(16)));
        code_.push_back(static_cast<std::uint8_t>(skipped.size()));
        code_.insert(code_.end(), skipped.begin(), skipped.end());
        break;
      }
      case 16: {
        static constexpr std::array<std::uint8_t, 10> kSimple{0x90, 0x98, 0x99, 0x9E, 0x9F,
                                                              0xF5, 0xF8, 0xF9, 0xFC, 0xD7};
        byte(kSimple[below(kSimple.size())]);
        break;
      }
      case 17:
        byte(static_cast<std::uint8_t>(0x91 + below(7)));
        break;
      case 18:  // pushf, popf, cli, sti, mov from segment, bcd
        sensitive();
        break;
      default:
        byte(static_cast<std::uint8_t>(0xC6 + below(2)));
        {
          const bool wide = code_.back() == 0xC7;
          modrm(0);
          immediate(wide ? (operand16_ ? 2 : 4) : 1);
        }
        break;
    }
  }

 private:
  std::uint32_t below(std::size_t n) { return static_cast<std::uint32_t>(random_() % n); }
  bool chance(unsigned one_in) { return below(one_in) == 0; }
  void byte(std::uint8_t value) {
    if (value == 0x66) operand16_ = true;
    code_.push_back(value);
  }
  void immediate(unsigned size) {
    for (unsigned i = 0; i < size; ++i) code_.push_back(static_cast<std::uint8_t>(chance(3) ? 0 : random_()));
  }
  // Bytes of a ModRM operand; `reg` fixes the reg field where it selects the operation.
  void modrm(std::uint32_t reg, bool memory_only = false) {
    const std::uint32_t mod = below(memory_only ? 3 : 4);
    const std::uint32_t rm = below(8);
    code_.push_back(static_cast<std::uint8_t>(mod << 6 | reg << 3 | rm));
    if (mod == 3) return;
    std::uint32_t base = rm;
    if (rm == 4) {
      const std::uint32_t sib = below(256);
      code_.push_back(static_cast<std::uint8_t>(sib));
      base = sib & 7;
    }
    if (mod == 1) {
      code_.push_back(static_cast<std::uint8_t>(random_()));
    } else if (mod == 2 || base == 5) {
      // A displacement that often hits RAM.
      const std::uint32_t disp = chance(2) ? below(0x20000) : static_cast<std::uint32_t>(random_());
      for (unsigned i = 0; i < 4; ++i) code_.push_back(static_cast<std::uint8_t>(disp >> (8 * i)));
    }
  }
  void modrm() { modrm(below(8)); }
  void modrm_memory() { modrm(below(8), true); }

  void arithmetic() {
    const auto base = static_cast<std::uint8_t>(below(8) << 3);
    const std::uint32_t form = below(6);
    byte(static_cast<std::uint8_t>(base + form));
    if (form < 4) {
      modrm();
    } else {
      immediate(form == 4 ? 1 : operand16_ ? 2 : 4);
    }
  }
  void shift() {
    static constexpr std::array<std::uint8_t, 6> kOpcodes{0xC0, 0xC1, 0xD0, 0xD1, 0xD2, 0xD3};
    const auto opcode = kOpcodes[below(kOpcodes.size())];
    byte(opcode);
    modrm();
    if (opcode < 0xD0) immediate(1);
  }
  void stack() {
    switch (below(6)) {
      case 0:
        byte(static_cast<std::uint8_t>(0x50 + below(8)));
        break;
      case 1:
        byte(static_cast<std::uint8_t>(0x58 + below(8)));
        break;
      case 2:
        byte(0x68);
        immediate(operand16_ ? 2 : 4);
        break;
      case 3:
        byte(0xFF);
        modrm(6);
        break;
      case 4:
        byte(0x8F);
        modrm(0);
        break;
      default: {
        static constexpr std::array<std::uint8_t, 3> kOther{0x60, 0x61, 0xC9};
        byte(kOther[below(kOther.size())]);
        break;
      }
    }
  }
  void two_byte() {
    byte(0x0F);
    switch (below(8)) {
      case 0:
        code_.push_back(static_cast<std::uint8_t>(0x40 + below(16)));
        modrm();
        break;
      case 1:
        code_.push_back(static_cast<std::uint8_t>(0x90 + below(16)));
        modrm();
        break;
      case 2: {
        static constexpr std::array<std::uint8_t, 9> kPlain{0xAF, 0xB6, 0xB7, 0xBE, 0xBF, 0xB0, 0xB1, 0xC0, 0xC1};
        code_.push_back(kPlain[below(kPlain.size())]);
        modrm();
        break;
      }
      case 3:
        code_.push_back(static_cast<std::uint8_t>(0xC8 + below(8)));
        break;
      case 4: {
        static constexpr std::array<std::uint8_t, 4> kBits{0xA3, 0xAB, 0xB3, 0xBB};
        code_.push_back(kBits[below(kBits.size())]);
        modrm();
        break;
      }
      case 5:
        code_.push_back(0xBA);
        modrm(4 + below(4));
        immediate(1);
        break;
      case 6: {
        static constexpr std::array<std::uint8_t, 4> kDouble{0xA4, 0xA5, 0xAC, 0xAD};
        const auto opcode = kDouble[below(kDouble.size())];
        code_.push_back(opcode);
        modrm();
        if (opcode == 0xA4 || opcode == 0xAC) immediate(1);
        break;
      }
      default:
        code_.push_back(0xC7);
        modrm(1, true);
        break;
    }
  }
  void string() {
    if (chance(2)) {
      if (operand16_) code_.push_back(0x90);  // the count is set in full
      code_.push_back(0xB9);
      immediate_small(4);
      if (operand16_) code_.push_back(0x66);
      byte(chance(2) ? 0xF3 : 0xF2);
    }
    static constexpr std::array<std::uint8_t, 10> kStrings{0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF};
    byte(kStrings[below(kStrings.size())]);
  }
  void immediate_small(unsigned size) {
    code_.push_back(static_cast<std::uint8_t>(below(40)));
    for (unsigned i = 1; i < size; ++i) code_.push_back(0);
  }
  void sensitive() {
    static constexpr std::array<std::uint8_t, 10> kOne{0x9C, 0xFA, 0xFB, 0x1E, 0x06, 0x27, 0x2F, 0x37, 0x3F, 0xD6};
    switch (below(3)) {
      case 0:
        byte(kOne[below(kOne.size())]);
        break;
      case 1:
        byte(0x8C);
        modrm(below(6));
        break;
      default:  // pushf; popf: without TF
        byte(0x9C);
        byte(0x9D);
        break;
    }
  }

  std::mt19937& random_;
  Bytes& code_;
  bool operand16_ = false;
};

}  // namespace

void append_random_instruction(std::mt19937& random, Bytes& code) { Builder(random, code).one(); }

Bytes random_program(std::mt19937& random, unsigned count) {
  Bytes code;
  for (unsigned i = 0; i < count; ++i) append_random_instruction(random, code);
  code.push_back(0xF4);
  return code;
}

}  // namespace ringshift::test
