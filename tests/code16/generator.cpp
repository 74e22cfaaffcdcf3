#include "tests/code16/generator.h"

#include <array>
#include <initializer_list>

namespace ringshift::test {
namespace {

using Bytes = std::vector<std::uint8_t>;

class Writer {
 public:
  Writer(const Code16Shape& shape, std::mt19937& random) : shape_(shape), random_(random) {}

  Bytes write() {
    for (unsigned i = 0; i < shape_.length; ++i) unit();
    put({0xF4});
    return std::move(code_);
  }

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  bool chance(unsigned of) { return below(of) == 0; }
  void put(std::initializer_list<unsigned> bytes) {
    for (const unsigned b : bytes) code_.push_back(static_cast<std::uint8_t>(b));
  }
  void put_value(std::uint32_t value, unsigned size) {
    for (unsigned i = 0; i < size; ++i) put({value >> (8 * i) & 0xFFU});
  }
  void put_random(unsigned size) { put_value(chance(3) ? below(0x100) : static_cast<std::uint32_t>(random_()), size); }

  // Prefixes; afterwards operand_ and address_ say what the instruction has.
  void prefixes(bool repeats = false) {
    operand_ = address_ = shape_.code32 ? 4 : 2;
    if (chance(6)) {
      put({0x66});
      operand_ = 6 - operand_;
    }
    if (!repeats && chance(10)) {
      put({0x67});
      address_ = 6 - address_;
    }
    if (chance(5)) {
      constexpr std::array<unsigned, 6> kSegments{0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65};
      put({kSegments[below(6)]});
    }
    if (repeats && chance(2)) put({0xF2 + below(2)});
  }

  // ModRM with what belongs to it. 16-bit offsets near the end of 64 KiB come often.
  void operand(unsigned reg, bool memory_only = false) {
    if (!memory_only && chance(3)) return put({0xC0 | reg << 3 | below(8)});
    const unsigned mod = below(3);
    const unsigned rm = below(8);
    put({mod << 6 | reg << 3 | rm});
    bool disp32 = address_ == 4 && (mod == 2 || (mod == 0 && rm == 5));
    if (address_ == 4 && rm == 4) {
      const unsigned sib = below(256);
      put({sib});
      disp32 = disp32 || (mod == 0 && (sib & 7U) == 5);
    }
    const bool disp16 = address_ == 2 && (mod == 2 || (mod == 0 && rm == 6));
    if (mod == 1) {
      put_random(1);
    } else if (disp32) {
      put_value(chance(2) ? below(0x11000) : static_cast<std::uint32_t>(random_()), 4);
    } else if (disp16) {
      put_value(chance(4) ? 0xFFFFU - below(5) : below(0x10000), 2);
    }
  }

  void arithmetic() {
    prefixes();
    const unsigned wide = below(2);
    const unsigned immediate = wide != 0 ? operand_ : 1;
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
        put({below(8) << 3 | below(2) << 1 | wide});
        return operand(below(8));
      case 3:
        put({below(8) << 3 | 4 | wide});
        return put_random(immediate);
      case 4:
        put({0x80 | wide});
        operand(below(8));
        return put_random(immediate);
      case 5:
        put({0x83});
        operand(below(8));
        return put_random(1);
      case 6:
        put({0x84 | below(4)});
        return operand(below(8));
      case 7:
        put({0xFE | wide});
        return operand(below(2));
      case 8:
        put({0x40 + below(16)});
        return;
      case 9:
        put({0xD0 | below(4)});
        return operand(below(8));
      case 10:
        put({0xC0 | wide});
        operand(below(8));
        return put_random(1);
      default: {
        put({0xF6 | wide});
        const unsigned what = below(8);
        operand(what);
        if (what < 2) put_random(immediate);
      }
    }
  }

  void two_byte() {
    prefixes();
    put({0x0F});
    constexpr std::array<unsigned, 22> kOpcodes{0xAF, 0xB6, 0xB7, 0xBE, 0xBF, 0xA3, 0xAB, 0xB3, 0xBB, 0xBC, 0xBD,
                                                0x44, 0x4C, 0x94, 0x9F, 0xB0, 0xB1, 0xC0, 0xC1, 0xA5, 0xAD, 0x42};
    put({kOpcodes[below(22)]});
    operand(below(8));
  }

  void moves() {
    prefixes();
    const unsigned wide = below(2);
    switch (below(9)) {
      case 0:
      case 1:
      case 2:
      case 3:
        put({0x88 | below(4)});
        return operand(below(8));
      case 4:
        put({0x8D});
        return operand(below(8), true);
      case 5:
        put({0xC6 | wide});
        operand(0);
        return put_random(wide != 0 ? operand_ : 1);
      case 6:
        put({0xA0 | below(4)});
        return put_value(chance(3) ? 0xFFFFU - below(4) : below(0x10000), address_);
      case 7:
        put({0xB0 + below(8) + wide * 8});
        return put_random(wide != 0 ? operand_ : 1);
      default: {
        constexpr std::array<unsigned, 8> kPlain{0x98, 0x99, 0x91, 0x97, 0xD7, 0x9E, 0x9F, 0xF5};
        put({kPlain[below(8)]});
      }
    }
  }

  void stack() {
    prefixes();
    switch (below(15)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return put({0x50 + below(16)});
      case 4:
        return put({0x60 + below(2)});
      case 5:
        put({0x68});
        return put_random(operand_);
      case 6:
        put({0x6A});
        return put_random(1);
      case 7:
        put({0x8F});
        return operand(0);
      case 8:
        put({0xFF});
        return operand(6);
      case 9:
        return put({0x9C});
      case 10:  // pushf; popf
        put({0x9C});
        return put({0x9D});
      case 11:
        put({0xC8, below(32), 0, chance(3) ? below(4) : 0});
        return;
      case 12:  // mov bp, sp first, mostly
        if (!chance(4)) put({0x89, 0xE5});
        return put({0xC9});
      case 13: {
        constexpr std::array<unsigned, 4> kSegments{0x06, 0x0E, 0x16, 0x1E};
        return put({kSegments[below(4)]});
      }
      default:  // sp near an end
        put({0xBC});
        return put_value(chance(2) ? below(12) : 0x8000 + below(0x7000), operand_);
    }
  }

  void segments() {
    const std::uint16_t selector = shape_.selectors[below(static_cast<unsigned>(shape_.selectors.size()))];
    const unsigned operand_size = shape_.code32 ? 4 : 2;
    constexpr std::array<unsigned, 5> kLoadable{0, 3, 4, 5, 2};
    const unsigned segment = kLoadable[below(shape_.paragraphs ? 5 : 4)];
    switch (below(6)) {
      case 0:
      case 1:  // mov ax, selector; mov sreg, ax
        put({0xB8});
        put_value(selector, operand_size);
        put({0x8E, 0xC0 | segment << 3});
        return;
      case 2:  // push selector; pop sreg
        put({0x68});
        put_value(selector, operand_size);
        if (segment >= 4) return put({0x0F, segment == 4 ? 0xA1U : 0xA9U});
        return put({segment << 3 | 7});
      case 3:
        prefixes();
        put({0x8C});
        return operand(below(6));
      case 4:
        if (!shape_.paragraphs) return;
        prefixes();
        put({0x8E});
        return operand(segment);
      default:
        if (!shape_.paragraphs) return;
        prefixes();
        if (chance(2)) {
          put({0xC4 + below(2)});
        } else {
          constexpr std::array<unsigned, 3> kLoads{0xB2, 0xB4, 0xB5};
          put({0x0F, kLoads[below(3)]});
        }
        return operand(below(8), true);
    }
  }

  void strings() {
    if (chance(3)) put({0xFC + below(2)});
    if (shape_.code32 || chance(2)) {  // mov cx, n
      put({0xB9});
      put_value(chance(8) ? below(0x10000) : below(40), shape_.code32 ? 4 : 2);
    }
    if (chance(4)) {  // mov si or di
      put({0xBE + below(2)});
      put_value(chance(2) ? 0xFFFFU - below(20) : below(0x10000), shape_.code32 ? 4 : 2);
    }
    prefixes(true);
    constexpr std::array<unsigned, 10> kOpcodes{0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF};
    put({kOpcodes[below(10)]});
  }

  // Of the next instructions' size no more is known than that it is some.
  void control() {
    const unsigned size = shape_.code32 ? 4 : 2;
    switch (below(11)) {
      case 0:
      case 1:
      case 2:
        return put({0x70 + below(16), below(12)});
      case 3:  // backwards, a few times
        put({0xB9});
        put_value(1 + below(4), size);
        put({0x40 + below(8)});
        if (chance(6)) put({0x67});
        return put({0xE0 + below(3), chance(4) ? 2U : 0xFD});
      case 4:
        if (chance(4)) put({0x67});
        return put({0xE3, below(8)});
      case 5:  // call over a ret
        put({0xEB, 1, 0xC3, 0xE8});
        return put_value(0xFFFFFFFFU - size - 0, size);
      case 6:  // a call, whose return address stays or goes
        put({0xE8});
        put_value(below(4), size);
        if (chance(2)) put({0x58 + below(3)});
        return;
      case 7: {  // push target; ret
        const std::uint32_t target = here() + size + 2;
        put({0x68});
        put_value(target, size);
        return put({0xC3});
      }
      case 8: {  // mov ax, target; jmp or call ax
        const std::uint32_t target = here() + 1 + size + 2;
        put({0xB8});
        put_value(target, size);
        return put({0xFF, 0xE0 - (chance(2) ? 0x10U : 0U)});
      }
      case 9:
        return far();
      default:
        put({0x0F, 0x80 + below(16)});
        return put_value(below(6), size);
    }
  }

  void far() {
    const unsigned size = shape_.code32 ? 4 : 2;
    const bool to_alias = chance(2);
    const std::uint16_t selector = to_alias ? shape_.alias : shape_.code;
    const std::uint32_t less = to_alias ? shape_.alias_base : 0;
    switch (below(4)) {
      case 0: {  // jmp far to what follows
        const std::uint32_t target = here() + 1 + size + 2 - less;
        put({0xEA});
        put_value(target, size);
        return put_value(selector, 2);
      }
      case 1: {  // call far
        const std::uint32_t target = here() + 1 + size + 2 - less;
        put({0x9A});
        put_value(target, size);
        return put_value(selector, 2);
      }
      case 2: {  // push cs-like, push target, retf
        const std::uint32_t target = here() + 2 * (size + 1) + 1 - less;
        put({0x68});
        put_value(selector, size);
        put({0x68});
        put_value(target, size);
        return put({0xCB});
      }
      default:
        return put({0xCD, 0x81});
    }
  }

  void floating() {
    prefixes();
    switch (below(6)) {
      case 0:
        return put({0xD9, 0xE8});
      case 1:
        put({0xDD});
        return operand(chance(2) ? 0 : 3, true);
      case 2:
        put({0xDF});
        return operand(chance(2) ? 0 : 3, true);
      case 3:
        put({0x0F, chance(2) ? 0x6FU : 0x7FU});
        return operand(below(8));
      case 4:
        put({0x0F, chance(2) ? 0x10U : 0x11U});
        return operand(below(8));
      default:
        put({0xD8});
        return operand(below(8));
    }
  }

  void unit() {
    const unsigned kind = below(100);
    if (kind < 24) return arithmetic();
    if (kind < 32) return two_byte();
    if (kind < 50) return moves();
    if (kind < 66) return stack();
    if (kind < 74) return segments();
    if (kind < 82) return strings();
    if (kind < 95) return control();
    if (kind < 98) return floating();
    constexpr std::array<unsigned, 4> kFlags{0xFA, 0xFB, 0xF8, 0xF9};
    put({kFlags[below(4)]});
  }

  [[nodiscard]] std::uint32_t here() const { return shape_.begin + static_cast<std::uint32_t>(code_.size()); }

  const Code16Shape& shape_;
  std::mt19937& random_;
  Bytes code_;
  unsigned operand_ = 2, address_ = 2;
};

}  // namespace

Bytes code16_program(const Code16Shape& shape, std::mt19937& random) { return Writer(shape, random).write(); }

}  // namespace ringshift::test
