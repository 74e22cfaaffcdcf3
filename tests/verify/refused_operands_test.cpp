// Operands that must not be in a fragment: memory outside the window, registers that are not the guest's.
#include <array>
#include <cstring>

#include "tests/verify/refused_lab.h"

namespace ringshift::testing {
namespace {

using RefusesOperand = RefusalTest;

// ModRM, SIB and displacement of an operand, with the REX bits that it needs (B 1, X 2).
struct Operand {
  std::uint8_t rex = 0;
  Code bytes;
  std::string name;
};

std::vector<Operand> operands_with_base(unsigned base, const char* name) {
  const auto rex = static_cast<std::uint8_t>(base >= 8 ? 1 : 0);
  const auto low = static_cast<std::uint8_t>(base & 7U);
  std::vector<Operand> out;
  for (const std::uint8_t disp : {std::uint8_t{0}, std::uint8_t{0x10}, std::uint8_t{0xF0}}) {
    Operand plain{rex, {static_cast<std::uint8_t>(low == 4 ? 0x44 : 0x40 | low)}, fmt::format("[{}+{:x}]", name, disp)};
    if (low == 4) plain.bytes.push_back(0x24);
    plain.bytes.push_back(disp);
    out.push_back(plain);
    // [base + rcx*4 + disp], and as an index where it can be one: [rcx + base*2 + disp]
    out.push_back(
        {rex, {0x44, static_cast<std::uint8_t>(0x88 | low), disp}, fmt::format("[{}+rcx*4+{:x}]", name, disp)});
    if (base != 4) {
      out.push_back({static_cast<std::uint8_t>(rex << 1),
                     {0x44, static_cast<std::uint8_t>(0x41 | low << 3), disp},
                     fmt::format("[rcx+{}*2+{:x}]", name, disp)});
    }
  }
  return out;
}

constexpr std::array<const char*, 16> kNames{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                             "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

// An instruction with prefixes, REX, opcode and operand in their places.
Code assemble(const Code& prefixes, std::uint8_t rex, const Code& opcode, const Operand& operand, const Code& tail) {
  Code out = prefixes;
  const auto all = static_cast<std::uint8_t>(rex | operand.rex);
  if (all != 0) out.push_back(static_cast<std::uint8_t>(0x40 | all));
  out.insert(out.end(), opcode.begin(), opcode.end());
  out.insert(out.end(), operand.bytes.begin(), operand.bytes.end());
  out.insert(out.end(), tail.begin(), tail.end());
  return out;
}

struct Opcode {
  Code bytes;
  Code tail;
  const char* name;
};

const std::vector<Opcode>& memory_opcodes() {
  static const std::vector<Opcode> all{{{0x8B}, {}, "mov eax,"},
                                       {{0x89}, {}, "mov [], eax"},
                                       {{0x88}, {}, "mov [], al"},
                                       {{0xC7}, {1, 0, 0, 0}, "mov [], 1"},
                                       {{0x01}, {}, "add [], eax"},
                                       {{0x80}, {1}, "add [], 1"},
                                       {{0xFF}, {}, "inc []"},
                                       {{0x87}, {}, "xchg"},
                                       {{0x0F, 0xB1}, {}, "cmpxchg"},
                                       {{0x0F, 0xC1}, {}, "xadd"},
                                       {{0x0F, 0xB6}, {}, "movzx"},
                                       {{0x0F, 0x90}, {}, "seto"},
                                       {{0x0F, 0x11}, {}, "movups [], xmm0"},
                                       {{0x0F, 0x10}, {}, "movups xmm0,"},
                                       {{0xD9}, {}, "fld"},
                                       {{0x0F, 0x18}, {}, "prefetchnta"}};
  return all;
}

// Without gs, no address is good but the templates' own; with gs and 32-bit addresses any that names no host
// register is.
TEST_F(RefusesOperand, OutsideTheWindow) {
  const std::vector<Code> wrong{{},           {0x65},       {0x67},       {0x64, 0x67}, {0x3E, 0x67},
                                {0x2E, 0x67}, {0x26, 0x67}, {0x36, 0x67}, {0x64},       {0x3E}};
  for (const Opcode& opcode : memory_opcodes()) {
    for (unsigned base = 0; base < 16; ++base) {
      if (base == 15) continue;  // InAFieldOfAnotherOwner
      for (const Operand& operand : operands_with_base(base, kNames[base])) {
        for (const Code& prefixes : wrong) {
          expect_refused(assemble(prefixes, 0, opcode.bytes, operand, opcode.tail), opcode.name + operand.name);
        }
        const Code in_window = assemble({0x65, 0x67}, 0, opcode.bytes, operand, opcode.tail);
        if (base == 4 || base >= 13) {
          expect_refused(in_window, opcode.name + operand.name);
        } else {
          expect_accepted(in_window, opcode.name + operand.name);
        }
      }
    }
    const Operand rip{0, {0x05, 0, 0, 0, 0}, "[rip]"};
    const Operand absolute{0, {0x04, 0x25, 0, 0, 0, 0}, "[disp32]"};
    for (const Code& prefixes : wrong) {
      expect_refused(assemble(prefixes, 0, opcode.bytes, rip, opcode.tail), opcode.name + rip.name);
      expect_refused(assemble(prefixes, 0, opcode.bytes, absolute, opcode.tail), opcode.name + absolute.name);
    }
    expect_refused(assemble({0x65, 0x67}, 0, opcode.bytes, rip, opcode.tail), opcode.name + rip.name);
    expect_accepted(assemble({0x65, 0x67}, 0, opcode.bytes, absolute, opcode.tail), opcode.name + absolute.name);
  }
  EXPECT_GT(count_, 10'000U);
}

// The fields that translated code writes, told once more, on purpose not taken from the verifier.
bool may_write(std::int64_t offset, unsigned width) {
  constexpr std::size_t kHost = offsetof(CpuState, host);
  const auto within = [&](std::size_t field, std::size_t size) {
    const auto first = static_cast<std::int64_t>(field);
    return offset >= first && offset + width <= first + static_cast<std::int64_t>(size);
  };
  return within(offsetof(CpuState, interrupt_flag), 1) || within(offsetof(CpuState, interrupt_shadow), 1) ||
         within(kHost + offsetof(HostContext, retired), 8);
}

Operand state_operand(std::int32_t offset) {
  Operand operand{1, {0x87, 0, 0, 0, 0}, fmt::format("[r15{:+#x}]", offset)};
  std::memcpy(operand.bytes.data() + 1, &offset, 4);
  return operand;
}

TEST_F(RefusesOperand, InAFieldOfAnotherOwner) {
  constexpr auto kSize = static_cast<std::int32_t>(sizeof(CpuState));
  struct Store {
    Code prefixes;
    std::uint8_t rex;
    std::uint8_t opcode;
    unsigned width;
  };
  const std::vector<Store> stores{{{}, 0, 0x88, 1}, {{0x66}, 0, 0x89, 2}, {{}, 0, 0x89, 4}, {{}, 8, 0x89, 8}};
  for (std::int32_t offset = -64; offset < kSize + 64; ++offset) {
    for (const Store& s : stores) {
      const Code store = assemble(s.prefixes, s.rex, {s.opcode}, state_operand(offset), {});
      const Code load = assemble(s.prefixes, static_cast<std::uint8_t>(s.rex | (s.width == 8 ? 4U : 0U)),
                                 {static_cast<std::uint8_t>(s.opcode + 2U)}, state_operand(offset), {});
      const std::string what = fmt::format("{} bytes at [r15{:+#x}]", s.width, offset);
      if (may_write(offset, s.width)) {
        expect_accepted(store, what);
      } else {
        expect_refused(store, what);
      }
      const bool inside = offset >= 0 && offset + static_cast<std::int32_t>(s.width) <= kSize;
      if (inside) {
        expect_accepted(load, what);
      } else {
        expect_refused(load, what);
      }
    }
  }
  EXPECT_GT(count_, 4'000U);
}

TEST_F(RefusesOperand, InTheStateByAnIndexOrAnUnusualInstruction) {
  for (const char* bytes : {"428B043F" /* [rdi+r15] */, "438B0447" /* [r15+r8*2] */, "418B048F" /* [r15+rcx*4] */,
                            "F041FF47 2C" /* lock inc */, "410F1147 2C" /* movups */, "41D95F 2C" /* fstp */,
                            "410FC747 2C" /* cmpxchg8b */, "41874F 2C" /* xchg */, "418F47 2C" /* pop */,
                            "41FF77 2C" /* push */, "41FF67 2C" /* jmp */, "6567418B472C" /* gs:[r15d] */}) {
    expect_refused(hex(bytes), bytes);
  }
}

Operand operand_at_r13(std::int64_t offset) {
  Operand operand{1, {0x85, 0, 0, 0, 0}, fmt::format("[r13{:+#x}]", offset)};
  const auto disp = static_cast<std::int32_t>(offset);
  std::memcpy(operand.bytes.data() + 1, &disp, 4);
  return operand;
}

// The places of pages, in front of the directory, are read with 4 bytes, by mov to scratch registers and ecx.
constexpr std::int64_t kFirstPlace = -12 - 8LL * 16384, kBehindPlaces = -12;

std::vector<std::int64_t> offsets_around_the_places() {
  std::vector<std::int64_t> out{-(1LL << 31), 0, (1LL << 31) - 1};
  for (const std::int64_t edge : {kFirstPlace, kFirstPlace / 2, kBehindPlaces}) {
    for (std::int64_t offset = edge - 16; offset <= edge + 16; ++offset) out.push_back(offset);
  }
  return out;
}

TEST_F(RefusesOperand, BesideThePlacesOfPages) {
  for (const std::int64_t offset : offsets_around_the_places()) {
    const Operand at = operand_at_r13(offset);
    for (unsigned reg = 0; reg < 16; ++reg) {
      Operand operand = at;
      operand.bytes[0] = static_cast<std::uint8_t>(operand.bytes[0] | (reg & 7U) << 3);
      const auto rex = static_cast<std::uint8_t>(reg >= 8 ? 4 : 0);
      const Code load = assemble({}, rex, {0x8B}, operand, {});
      const bool may_hold_it = reg == 1 || (reg >= 8 && reg <= 11);
      if (may_hold_it && offset >= kFirstPlace && offset + 4 <= kBehindPlaces) {
        expect_accepted(load, kNames[reg] + operand.name);
      } else {
        expect_refused(load, kNames[reg] + operand.name);
      }
    }
  }
  EXPECT_GT(count_, 1'000U);
}

TEST_F(RefusesOperand, InThePlacesByAnythingElseThanAPlainLoad) {
  const Operand ecx = operand_at_r13(kFirstPlace + 8);
  const auto with_reg = [&](unsigned reg) {
    Operand operand = ecx;
    operand.bytes[0] = static_cast<std::uint8_t>(operand.bytes[0] | reg << 3);
    return operand;
  };
  for (const unsigned reg : {0U, 1U}) {  // r8 and r9, or with REX.R clear eax and ecx
    for (const unsigned extension : {0U, 4U}) {
      const auto rex = static_cast<std::uint8_t>(extension);
      const auto wide = static_cast<std::uint8_t>(extension | 8U);
      const std::string what = fmt::format("{}{}", kNames[reg + 2 * extension], ecx.name);
      for (const Opcode& opcode : memory_opcodes()) {
        const bool load = opcode.bytes == Code{0x8B};
        if (!load) expect_refused(assemble({}, rex, opcode.bytes, with_reg(reg), opcode.tail), opcode.name + what);
        expect_refused(assemble({}, wide, opcode.bytes, with_reg(reg), opcode.tail), opcode.name + what);
      }
      for (const std::uint8_t opcode : Code{0x03, 0x0B, 0x2B, 0x33, 0x3B, 0x85, 0x63, 0x8A, 0x8D}) {
        expect_refused(assemble({}, rex, {opcode}, with_reg(reg), {}), what);
      }
      for (const std::uint8_t opcode : Code{0xB7, 0xBE, 0xBF, 0x44, 0xAF, 0xBC}) {
        expect_refused(assemble({}, rex, {0x0F, opcode}, with_reg(reg), {}), what);
      }
      for (const Code& prefixes : {Code{0x66}, Code{0x65}, Code{0x64}, Code{0x67}, Code{0x65, 0x67}, Code{0xF3}}) {
        expect_refused(assemble(prefixes, rex, {0x8B}, with_reg(reg), {}), what);
      }
      // [r13 + rcx + disp32], [r13 + r8*8 + disp32], [r13*2 + disp32]
      for (const auto& [rex_x, sib] : {std::pair{0U, 0x0DU}, std::pair{2U, 0xC5U}, std::pair{2U, 0x6DU}}) {
        Operand indexed = with_reg(reg);
        indexed.rex = static_cast<std::uint8_t>(1U | rex_x);
        indexed.bytes[0] = static_cast<std::uint8_t>(indexed.bytes[0] & 0xF8U) | 4U;
        indexed.bytes.insert(indexed.bytes.begin() + 1, static_cast<std::uint8_t>(sib));
        expect_refused(assemble({}, rex, {0x8B}, indexed, {}), what);
      }
    }
  }
  EXPECT_GT(count_, 150U);
}

// What comes from a place is any address of a page: it is nothing that was looked up, and no count of bits.
TEST_F(RefusesOperand, ThatTrustsAPlace) {
  const std::string place = "458B85 FCFFFDFF";  // mov r8d, [r13 - 0x20004]
  expect_accepted(hex(place), "load");
  expect_refused(hex(place + "4D01F0" /* add r8, r14 */), "sum with the cache");
  expect_refused(hex("458B8D FCFFFDFF 4E8D0C31 41FFE1"), "lea r9, [rcx + r14]; jmp r9");
  expect_refused(hex("458B8D FCFFFDFF 4F8D0C31 41FFE1"), "lea r9, [r9 + r14]; jmp r9");
  expect_refused(hex("458B95 FCFFFDFF 4F8B54D5F4"), "as the index of the directory");
  expect_refused(hex("458B95 FCFFFDFF 478B0C82"), "as a table of entries");
  expect_refused(hex("458B8D FCFFFDFF 458B09"), "as a pointer");
  expect_refused(hex("458B8D FCFFFDFF 6567440FA308"), "as the offset of a bit");
  expect_refused(hex("458B95 FCFFFDFF 4152 9D"), "as flags");
  // What was looked up for r8 is not for another address.
  expect_accepted(hex("C44213F7D0 4F8B54D5F4"), "lookup");
  expect_refused(hex("C44213F7D0 458B85 FCFFFDFF 4F8B54D5F4"), "page index of another r8");
}

// Every way to write a register, on those that are not the guest's.
TEST_F(RefusesOperand, ThatIsAReservedRegister) {
  struct Form {
    Code prefixes;
    Code opcode;
    bool in_rm;        // the destination is ModRM.rm, else ModRM.reg
    std::uint8_t reg;  // the other field
    Code tail;
    const char* name;
  };
  const std::vector<Form> forms{{{}, {0x89}, true, 1, {}, "mov"},
                                {{}, {0x8B}, false, 1, {}, "mov (reg)"},
                                {{}, {0x88}, true, 1, {}, "mov byte"},
                                {{0x66}, {0x89}, true, 1, {}, "mov word"},
                                {{}, {0xC7}, true, 0, {1, 0, 0, 0}, "mov imm"},
                                {{}, {0x01}, true, 1, {}, "add"},
                                {{}, {0x03}, false, 1, {}, "add (reg)"},
                                {{}, {0x31}, true, 1, {}, "xor"},
                                {{}, {0x83}, true, 4, {0xF0}, "and imm"},
                                {{}, {0x83}, true, 5, {8}, "sub imm"},
                                {{}, {0xFF}, true, 0, {}, "inc"},
                                {{}, {0xFF}, true, 1, {}, "dec"},
                                {{}, {0xF7}, true, 2, {}, "not"},
                                {{}, {0xF7}, true, 3, {}, "neg"},
                                {{}, {0xC1}, true, 4, {3}, "shl"},
                                {{}, {0xD3}, true, 1, {}, "ror cl"},
                                {{}, {0x87}, true, 1, {}, "xchg"},
                                {{}, {0x87}, false, 1, {}, "xchg (reg)"},
                                {{}, {0x0F, 0xC1}, true, 1, {}, "xadd"},
                                {{}, {0x0F, 0xC1}, false, 1, {}, "xadd (reg)"},
                                {{}, {0x0F, 0xB1}, true, 1, {}, "cmpxchg"},
                                {{}, {0x0F, 0x44}, false, 1, {}, "cmove"},
                                {{}, {0x0F, 0x94}, true, 0, {}, "sete"},
                                {{}, {0x0F, 0xB6}, false, 1, {}, "movzx"},
                                {{}, {0x0F, 0xBF}, false, 1, {}, "movsx"},
                                {{}, {0x63}, false, 1, {}, "movsxd"},
                                {{}, {0x0F, 0xAF}, false, 1, {}, "imul"},
                                {{}, {0x6B}, false, 1, {3}, "imul imm"},
                                {{}, {0x0F, 0xBC}, false, 1, {}, "bsf"},
                                {{}, {0x0F, 0xBD}, false, 1, {}, "bsr"},
                                {{}, {0x0F, 0xAB}, true, 1, {}, "bts"},
                                {{}, {0x0F, 0xBA}, true, 6, {3}, "btr imm"},
                                {{}, {0x0F, 0xA4}, true, 1, {3}, "shld"},
                                {{0xF3}, {0x0F, 0xB8}, false, 1, {}, "popcnt"},
                                {{0xF3}, {0x0F, 0xBC}, false, 1, {}, "tzcnt"},
                                {{0xF2}, {0x0F, 0x38, 0xF1}, false, 1, {}, "crc32"},
                                {{0x66}, {0x0F, 0x7E}, true, 1, {}, "movd"},
                                {{0x66}, {0x0F, 0x3A, 0x16}, true, 1, {0}, "pextrd"},
                                {{0x66}, {0x0F, 0x3A, 0x14}, true, 1, {0}, "pextrb"},
                                {{}, {0x0F, 0x50}, false, 1, {}, "movmskps"},
                                {{0x66}, {0x0F, 0xD7}, false, 1, {}, "pmovmskb"},
                                {{0x66}, {0x0F, 0xC5}, false, 1, {0}, "pextrw"},
                                {{0xF3}, {0x0F, 0x2D}, false, 1, {}, "cvtss2si"},
                                {{0xF2}, {0x0F, 0x2C}, false, 1, {}, "cvttsd2si"},
                                {{0x66}, {0x0F, 0x38, 0xF6}, false, 1, {}, "adcx"}};
  for (const unsigned reg : {4U, 13U, 14U, 15U}) {
    const auto low = static_cast<std::uint8_t>(reg & 7U);
    const bool high = reg >= 8;
    for (const Form& f : forms) {
      for (const bool wide : {false, true}) {
        // A REX prefix always, so that the byte registers are the low ones.
        const auto rex = static_cast<std::uint8_t>(0x40 | (wide ? 8 : 0) | (high ? (f.in_rm ? 1 : 4) : 0));
        const auto modrm = static_cast<std::uint8_t>(0xC0 | (f.in_rm ? f.reg << 3 | low : low << 3 | f.reg));
        Code code = f.prefixes;
        code.push_back(rex);
        code.insert(code.end(), f.opcode.begin(), f.opcode.end());
        code.push_back(modrm);
        code.insert(code.end(), f.tail.begin(), f.tail.end());
        expect_refused(code, fmt::format("{} {}", f.name, kNames[reg]));
      }
    }
    for (const bool wide : {false, true}) {
      const auto rex = static_cast<std::uint8_t>(0x40 | (wide ? 8 : 0) | (high ? 1 : 0));
      const auto op = [&](unsigned base) { return static_cast<std::uint8_t>(base | low); };
      Code immediate{rex, op(0xB8)};
      immediate.resize(wide ? 10 : 6);
      expect_refused(immediate, fmt::format("mov {}, imm", kNames[reg]));
      expect_refused({rex, op(0x90)}, fmt::format("xchg eax, {}", kNames[reg]));
      expect_refused({rex, 0x0F, op(0xC8)}, fmt::format("bswap {}", kNames[reg]));
      const auto reg_rex = static_cast<std::uint8_t>(0x40 | (wide ? 8 : 0) | (high ? 4 : 0));
      expect_refused({reg_rex, 0x8D, static_cast<std::uint8_t>(0x40 | low << 3), 8},
                     fmt::format("lea {}", kNames[reg]));
    }
    // VEX: pext, pdep, andn to ModRM.reg; blsr, mulx to VEX.vvvv
    const auto r = static_cast<std::uint8_t>(high ? 0x62 : 0xE2);
    const auto reg_modrm = static_cast<std::uint8_t>(0xC1 | low << 3);
    expect_refused({0xC4, r, 0x72, 0xF5, reg_modrm}, fmt::format("pext {}", kNames[reg]));
    expect_refused({0xC4, r, 0x73, 0xF5, reg_modrm}, fmt::format("pdep {}", kNames[reg]));
    expect_refused({0xC4, r, 0x70, 0xF2, reg_modrm}, fmt::format("andn {}", kNames[reg]));
    expect_refused({0xC4, r, 0x71, 0xF7, reg_modrm}, fmt::format("shlx {}", kNames[reg]));
    const auto vvvv = static_cast<std::uint8_t>((~reg & 15U) << 3);
    expect_refused({0xC4, 0xE2, vvvv, 0xF3, 0xC9}, fmt::format("blsr {}", kNames[reg]));
    expect_refused({0xC4, 0xE2, static_cast<std::uint8_t>(vvvv | 3U), 0xF6, 0xC1}, fmt::format("mulx {}", kNames[reg]));
  }
  EXPECT_GT(count_, 390U);
}

// Writes of 64 bits would leave more than 32 in a guest register.
TEST_F(RefusesOperand, ThatWidensAGuestRegister) {
  for (const char* bytes : {"4801C8",   "48FFC0",    "48F7D8",     "48C7C001000000", "48B80000000001000000",
                            "48C1E003", "480FAFC1",  "4863C1",     "480FBEC1",       "48 0FC8",
                            "488D0408", "4887C8",    "480FC1C8",   "4803C1",         "4C01C0",
                            "4D01C4",   "4D89C4",    "48 98",      "4899",           "48F7E1",
                            "480FBCC1", "48 0F44C1", "66480F7EC0", "F3480F2DC0",     "E2F0",
                            "E1F0",     "E0F0",      "4983C408",   "498D6424 08"}) {
    expect_refused(hex(bytes), bytes);
  }
  expect_accepted(hex("4889C8"), "mov rax, rcx: the upper half of rcx is zero");
}

}  // namespace
}  // namespace ringshift::testing
