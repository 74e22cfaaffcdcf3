// Code that is written while it runs: each program ends with the interpreter's registers and memory.
#include "runtime/engine/written_code.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "tests/engine/engine_lab.h"
#include "tests/engine/random_program.h"

namespace ringshift::test {
namespace {

using engine::WrittenCode;

// ---- when a page is checked instead of protected -------------------------------------------------

constexpr mmu::PhysAddr kPage = 0x5000;
constexpr std::uint64_t kMicrosecond = 2500;

bool many_writes(WrittenCode& code, std::uint64_t now, std::uint64_t apart) {
  bool checked = false;
  for (unsigned i = 0; i < 32 && !checked; ++i) checked = code.note_write(kPage + i, now + i * apart);
  return checked;
}

TEST(WrittenCode, WritesInARowMakeThePageChecked) {
  WrittenCode code;
  EXPECT_TRUE(many_writes(code, 1'000'000'000, 10 * kMicrosecond));
  EXPECT_TRUE(code.checked(kPage + 0xFFF));
  EXPECT_FALSE(code.checked(kPage + 0x1000));
}

TEST(WrittenCode, WritesFarApartDoNot) {
  WrittenCode code;
  EXPECT_FALSE(many_writes(code, 1'000'000'000, 5000 * kMicrosecond));
  EXPECT_FALSE(code.any_checked());
}

TEST(WrittenCode, ThePeriodEndsAndIsLongerTheNextTime) {
  WrittenCode code;
  std::uint64_t now = 1'000'000'000;
  std::uint64_t last = 0;
  for (unsigned round = 0; round < 4; ++round) {
    ASSERT_TRUE(many_writes(code, now, kMicrosecond));
    std::uint64_t period = 0;
    while (code.checked(kPage)) {
      period += 1'000'000;
      const auto expired = code.expire(now + period);
      if (!expired.empty()) {
        EXPECT_EQ(expired, std::vector<mmu::PhysAddr>{kPage});
      }
    }
    EXPECT_GT(period, last);
    last = period;
    now += period;
  }
}

TEST(WrittenCode, ChangesProlongThePeriod) {
  WrittenCode code;
  ASSERT_TRUE(many_writes(code, 1'000'000'000, kMicrosecond));
  for (unsigned i = 1; i < 100; ++i) {
    code.note_stale(kPage, 1'000'000'000 + i * 10'000'000);
    EXPECT_TRUE(code.expire(1'000'000'000 + i * 10'000'000).empty());
  }
}

TEST(WrittenCode, TellsWhichBytesChange) {
  WrittenCode code;
  EXPECT_TRUE(code.changed(kPage).empty());
  code.note_changed(kPage + 7);
  const auto changed = code.changed(kPage + 100);
  ASSERT_EQ(changed.size(), mmu::kPageSize);
  EXPECT_EQ(std::count(changed.begin(), changed.end(), 1), 1);
  EXPECT_EQ(changed[7], 1);
}

// ---- programs --------------------------------------------------------------------------------------

constexpr std::uint32_t kRam = 64U << 10;
constexpr std::uint32_t kLoop = 0x1000;      // writes
constexpr std::uint32_t kFunction = 0x3000;  // is written
constexpr std::uint32_t kData = 0x8000;
constexpr std::uint32_t kStackTop = 0xF000;
constexpr std::uint32_t kRounds = 500;

struct Code {
  Bytes bytes;
  std::uint32_t at;  // of the first byte
  [[nodiscard]] std::uint32_t here() const { return at + static_cast<std::uint32_t>(bytes.size()); }
  Code& put(std::initializer_list<std::uint8_t> more) {
    bytes.insert(bytes.end(), more);
    return *this;
  }
  Code& put32(std::uint32_t value) {
    for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    return *this;
  }
  Code& call(std::uint32_t target) {
    const std::uint32_t next = here() + 5;
    return put({0xE8}).put32(target - next);
  }
  // dec ecx; jnz target
  Code& repeat(std::uint32_t target) {
    const std::uint32_t next = here() + 7;
    return put({0x49, 0x0F, 0x85}).put32(target - next);
  }
};

// ecx counts down from kRounds; in each round `body`, then the function is called.
Code loop(const Code& body, std::uint32_t function = kFunction) {
  Code code{{}, kLoop};
  code.put({0xB9}).put32(kRounds);
  const std::uint32_t top = code.here();
  code.bytes.insert(code.bytes.end(), body.bytes.begin(), body.bytes.end());
  code.call(function);
  return code.repeat(top).put({0xF4});
}

enum class Variant {
  protected_code,
  checked_code,
  stepped
};

class Programs : public ::testing::TestWithParam<Variant> {
 protected:
  static engine::TranslateOptions options() {
    engine::TranslateOptions o;
    o.protect_code = GetParam() != Variant::checked_code;
    o.deterministic = GetParam() == Variant::stepped;
    return o;
  }
  static void run(EngineLab& lab, std::initializer_list<const Code*> codes) {
    for (const Code* code : codes) lab.place(code->at, code->bytes);
    CpuState& s = lab.state();
    s.gpr = {1, 0, 0x01234567, 0x89ABCDEF, kStackTop, 5, 6, kData};
    s.eip = kLoop;
    for (unsigned i = 0; i < 100'000 && s.halted == 0; ++i) {
      ASSERT_NE(lab.engine().run(1'000'000).reason, engine::StopReason::shutdown) << std::hex << s.eip;
    }
    ASSERT_NE(s.halted, 0);
  }
  void same_as_interpreted(std::initializer_list<const Code*> codes) {
    EngineLab translated(EngineKind::translate, kRam, options());
    EngineLab interpreted(EngineKind::interpret, kRam);
    run(translated, codes);
    run(interpreted, codes);
    EXPECT_EQ(translated.state().gpr, interpreted.state().gpr);
    EXPECT_EQ(translated.state().eflags(), interpreted.state().eflags());
    EXPECT_TRUE(std::equal(translated.ram().begin(), translated.ram().end(), interpreted.ram().begin()));
  }
  // mov [address], ecx
  static Code store_ecx(std::uint32_t address) { return Code{{}, 0}.put({0x89, 0x0D}).put32(address); }
};

// The constant of one instruction, in every form that takes one of 4 bytes.
TEST_P(Programs, AConstantOfAFunctionChanges) {
  const std::vector<Bytes> instructions{
      {0x05},       {0x0D},
      {0x15},       {0x1D},
      {0x25},       {0x2D},
      {0x35},       {0x3D},  // add ... cmp eax, imm
      {0x81, 0xC3}, {0x81, 0xCB},
      {0x81, 0xD3}, {0x81, 0xDB},
      {0x81, 0xE5},  // ebx, ebp
      {0x81, 0xEE}, {0x81, 0xF2},
      {0x81, 0xFB},  // esi, edx, ebx
      {0x81, 0x07}, {0x81, 0x0F},
      {0x81, 0x17}, {0x81, 0x1F},
      {0x81, 0x27},  // [edi]
      {0x81, 0x2F}, {0x81, 0x37},
      {0x81, 0x3F}, {0xF0, 0x81, 0x07},  // lock add [edi]
      {0xB8},       {0xBB},
      {0xBD},       {0xC7, 0xC2},
      {0xC7, 0x07}, {0xC7, 0x44, 0x27, 4},  // mov
      {0xA9},       {0xF7, 0xC3},
      {0x68},       {0x69, 0xDA},
      {0x8D, 0x98}, {0xE9},  // test, push, imul, lea; jmp below
  };
  for (const Bytes& instruction : instructions) {
    SCOPED_TRACE(::testing::Message() << "opcode " << std::hex << unsigned{instruction[0]});
    Code function{instruction, kFunction};
    const std::uint32_t constant = function.here();
    function.put32(0);
    if (instruction[0] == 0x68) function.put({0x5B});                         // pop ebx
    const Code body = instruction[0] == 0xE9 ? Code{} : store_ecx(constant);  // jmp: a target that stays
    function.put({0x9C, 0x5A, 0x01, 0xC2, 0xC3});                             // pushf; pop edx; add edx, eax; ret
    const Code main = loop(body);
    same_as_interpreted({&main, &function});
  }
}

TEST_P(Programs, TheOpcodeOfAFunctionChanges) {
  // mov al, cl; and al, 8; add al, 40h; mov [function], al: inc eax or dec eax
  Code body{{0x50, 0x88, 0xC8, 0x24, 0x08, 0x04, 0x40, 0xA2}, 0};
  body.put32(kFunction).put({0x58});
  const Code function{{0x40, 0xC3}, kFunction};
  const Code main = loop(body);
  same_as_interpreted({&main, &function});
}

TEST_P(Programs, AnInstructionChangesTheNextOne) {
  // In the loop itself: mov [next + 1], cl; next: add al, imm8
  Code body{{0x88, 0x0D}, 0};
  body.put32(kLoop + 5 + 6 + 1).put({0x04, 0x00});
  const Code function{{0xC3}, kFunction};
  const Code main = loop(body);
  same_as_interpreted({&main, &function});
}

TEST_P(Programs, APushChangesTheNextInstruction) {
  // mov esp, X; push ecx; mov eax, imm32, whose constant ends at X; mov esp, top
  Code body{{0xBC}, 0};
  body.put32(kLoop + 5 + 5 + 1 + 5).put({0x51, 0xB8}).put32(0).put({0xBC}).put32(kStackTop);
  const Code function{{0x01, 0xC3, 0xC3}, kFunction};  // add ebx, eax
  const Code main = loop(body);
  same_as_interpreted({&main, &function});
}

TEST_P(Programs, AStringStoreOverwritesTheFunction) {
  // inc eax or dec eax, 8 times; edi, ecx kept
  Code body{{0x57, 0x51, 0x50, 0x88, 0xC8, 0x24, 0x08, 0x04, 0x40, 0xBF}, 0};
  body.put32(kFunction).put({0xB9}).put32(8).put({0xFC, 0xF3, 0xAA, 0x58, 0x59, 0x5F});
  const Code function{{0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0x40, 0xC3}, kFunction};
  const Code main = loop(body);
  same_as_interpreted({&main, &function});
}

TEST_P(Programs, AnInstructionAcrossPagesChangesOnBoth) {
  for (std::uint32_t before = 1; before < 5; ++before) {
    Code function{{0x05}, 0x4000 - before};
    function.put32(0).put({0xC1, 0xC0, 0x05, 0xC3});
    const Code main = loop(store_ecx(function.at + 1), function.at);
    same_as_interpreted({&main, &function});
  }
}

TEST_P(Programs, AFunctionRewritesItsCaller) {
  // mov [caller's constant], ecx; ret. The caller adds the constant behind the call.
  Code main{{0xB9}, kLoop};
  main.put32(kRounds).call(kFunction).put({0x05}).put32(0);
  const Code function = [&main] {
    Code f = store_ecx(main.here() - 4);
    f.at = kFunction;
    return f.put({0xC3});
  }();
  main.repeat(kLoop + 5).put({0xF4});
  same_as_interpreted({&main, &function});
}

TEST_P(Programs, ALoopInACheckedPageRunsWithoutWrites) {
  // The function counts to 100 in a block that jumps to itself.
  Code function{{0x05}, kFunction};
  function.put32(0).put({0xBD}).put32(100).put({0x01, 0xE8, 0x4D, 0x75, 0xFB, 0xC3});
  const Code main = loop(store_ecx(kFunction + 1));
  same_as_interpreted({&main, &function});
}

INSTANTIATE_TEST_SUITE_P(WrittenCode, Programs,
                         ::testing::Values(Variant::protected_code, Variant::checked_code, Variant::stepped));

// Once it is known that a constant changes, the function is not translated again.
TEST(WrittenCodeCost, AChangingConstantIsLoaded) {
  EngineLab lab(EngineKind::translate, kRam);
  Code function{{0x35}, kFunction};
  function.put32(0).put({0xC1, 0xC0, 0x05, 0xC3});
  Code store{{0x89, 0x0D}, 0};
  const Code main = loop(store.put32(kFunction + 1));
  lab.place(main.at, main.bytes);
  lab.place(function.at, function.bytes);
  lab.state().gpr[kEsp] = kStackTop;
  lab.state().eip = kLoop;
  while (lab.state().halted == 0) lab.engine().run(1'000'000);
  for (const auto& counter : lab.engine().stats()) {
    const bool costs = counter.name == "fragments found changed" || counter.name == "writes to code pages";
    if (costs) {
      EXPECT_LT(counter.value, 20U) << counter.name;
    }
  }
}

}  // namespace
}  // namespace ringshift::test
