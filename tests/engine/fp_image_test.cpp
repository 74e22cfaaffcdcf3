// Memory images of the floating-point state, and the operands that need more than the host's instruction.
#include <gtest/gtest.h>

#include "runtime/semantics/host_thunk.h"
#include "tests/engine/fp_lab.h"

namespace ringshift::test {
namespace {

constexpr std::uint32_t kData = 0x10000;
constexpr std::initializer_list<std::uint8_t> kFxsave{0x0F, 0xAE, 0x05, 0, 0, 1, 0};
constexpr std::initializer_list<std::uint8_t> kFxrstor{0x0F, 0xAE, 0x0D, 0, 0, 1, 0};
constexpr std::initializer_list<std::uint8_t> kFnstenv{0xD9, 0x35, 0, 0, 1, 0};
constexpr std::initializer_list<std::uint8_t> kFnstenv16{0x66, 0xD9, 0x35, 0, 0, 1, 0};
constexpr std::initializer_list<std::uint8_t> kFldenv{0xD9, 0x25, 0, 0, 1, 0};
constexpr std::initializer_list<std::uint8_t> kFldenv16{0x66, 0xD9, 0x25, 0, 0, 1, 0};
constexpr std::initializer_list<std::uint8_t> kFnsave{0xDD, 0x35, 0, 0, 1, 0};
constexpr std::initializer_list<std::uint8_t> kFnsave16{0x66, 0xDD, 0x35, 0, 0, 1, 0};
constexpr std::initializer_list<std::uint8_t> kFrstor{0xDD, 0x25, 0, 0, 1, 0};
constexpr std::initializer_list<std::uint8_t> kFrstor16{0x66, 0xDD, 0x25, 0, 0, 1, 0};

class FpImage : public ::testing::Test {
 protected:
  FpImage() {
    for (std::uint32_t i = 0; i < 1024; ++i) *lab.ram(kData + i) = 0xCC;
  }
  // ST0 = pi, ST1 = 1, ST2 = 0; precision control 53 bits.
  void load_three() {
    fp::set_field<std::uint16_t>(lab.state, fp::kFcw, 0x27F);
    lab.run({0xD9, 0xEE});
    lab.run({0xD9, 0xE8});
    lab.run({0xD9, 0xEB});
  }
  FpLab lab;
};

// ---- fnstenv, fldenv, fnsave, frstor ------------------------------------------------------------------

TEST_F(FpImage, FnstenvProtected32) {
  load_three();
  EXPECT_EQ(lab.run(kFnstenv), Flow::next);
  // Tags: ST0 (R5) valid, R6 valid, R7 zero, the rest empty.
  EXPECT_EQ(lab.hex(kData, 32),
            "7f02ffff0028ffffff43ffff00000000000000000000"
            "00000000ffffcccccccc");
}

TEST_F(FpImage, Fnstenv16IsHalfTheSizeInEveryMode) {
  for (const std::uint32_t pe : {0U, cr0::kPe}) {
    FpLab one;
    one.state.cr0 = pe | cr0::kNe;
    *one.ram(kData + 14) = 0xCC;
    EXPECT_EQ(one.run(kFnstenv16), Flow::next);
    EXPECT_EQ(one.hex(kData, 15), "7f030000ffff0000000000000000cc");
  }
}

TEST_F(FpImage, FnstenvReal32) {
  lab.state.cr0 = cr0::kNe;
  EXPECT_EQ(lab.run(kFnstenv), Flow::next);
  EXPECT_EQ(lab.hex(kData, 28), "7f03ffff0000ffffffffffff0000ffff000000000000ffff00000000");
}

TEST_F(FpImage, FnstenvMasksAllExceptionsAfterwards) {
  fp::set_field<std::uint16_t>(lab.state, fp::kFcw, 0x340);
  EXPECT_EQ(lab.run(kFnstenv), Flow::next);
  EXPECT_EQ(lab.load<std::uint16_t>(kData), 0x340U);
  EXPECT_EQ(fp::fcw(lab.state), 0x37FU);
}

TEST_F(FpImage, FldenvRestoresWhatFnstenvStored) {
  for (const auto& [store, load] : {std::pair{kFnstenv, kFldenv}, {kFnstenv16, kFldenv16}}) {
    load_three();
    const auto before = lab.state.fx;
    EXPECT_EQ(lab.run(store), Flow::next);
    EXPECT_EQ(lab.run({0xD9, 0xF7}), Flow::next);  // fincstp
    EXPECT_EQ(lab.run({0xDD, 0xC0}), Flow::next);  // ffree st0
    EXPECT_EQ(lab.run(load), Flow::next);
    EXPECT_EQ(lab.state.fx, before);
    lab.run({0xDB, 0xE3});
  }
}

TEST_F(FpImage, FnsaveStoresRegistersInStackOrderAndInitialises) {
  load_three();
  EXPECT_EQ(lab.run(kFnsave), Flow::next);
  EXPECT_EQ(lab.hex(kData + 28, 30),
            "35c26821a2da0fc9004000000000000000"
            "80ff3f00000000000000000000");
  EXPECT_EQ(fp::fcw(lab.state), 0x37FU);
  EXPECT_EQ(fp::fsw(lab.state), 0U);
  EXPECT_EQ(lab.state.fx[fp::kAbridgedTags], 0U);
}

TEST_F(FpImage, FrstorRestoresWhatFnsaveStored) {
  for (const auto& [save, load] : {std::pair{kFnsave, kFrstor}, {kFnsave16, kFrstor16}}) {
    load_three();
    const auto before = lab.state.fx;
    EXPECT_EQ(lab.run(save), Flow::next);
    EXPECT_NE(lab.state.fx, before);
    EXPECT_EQ(lab.run(load), Flow::next);
    EXPECT_EQ(lab.state.fx, before);
    lab.run({0xDB, 0xE3});
  }
}

TEST_F(FpImage, FldenvThatUnmasksAFlagLeavesItPending) {
  lab.store<std::uint16_t>(kData, 0x37B);
  lab.store<std::uint16_t>(kData + 4, 0x0004);
  lab.store<std::uint16_t>(kData + 8, 0xFFFF);
  EXPECT_EQ(lab.run(kFldenv), Flow::next);
  EXPECT_EQ(fp::fsw(lab.state), 0x8084U);
  EXPECT_EQ(lab.fault({0x9B}), vector::kMf);
}

TEST_F(FpImage, StoreThatFaultsLeavesTheStateAlone) {
  load_three();
  SegmentRegister s = FpLab::flat(0, 0);
  s.limit = kData + 100;
  lab.state.set_segment(Seg::ds, s);
  const auto before = lab.state.fx;
  EXPECT_EQ(lab.fault({0xDD, 0x35, 0, 0, 1, 0}), vector::kGp);
  EXPECT_EQ(lab.state.fx, before);
  EXPECT_EQ(lab.load<std::uint32_t>(kData), 0xCCCCCCCCU);
}

// ---- fxsave, fxrstor ------------------------------------------------------------------------------

TEST_F(FpImage, FxsaveRoundTrip) {
  load_three();
  lab.xmm<std::uint64_t>(7, {0x1122334455667788, 0x99AABBCCDDEEFF00});
  fp::set_mxcsr(lab.state, 0x3F81);
  const auto before = lab.state.fx;
  EXPECT_EQ(lab.run(kFxsave), Flow::next);
  EXPECT_EQ(lab.load<std::uint32_t>(kData + 28), 0xFFFFU) << "MXCSR_MASK";
  EXPECT_EQ(lab.load<std::uint64_t>(kData + 160 + 112), 0x1122334455667788U);
  lab.run({0xDB, 0xE3});
  lab.xmm<std::uint64_t>(7, {0, 0});
  fp::set_mxcsr(lab.state, 0x1F80);
  EXPECT_EQ(lab.run(kFxrstor), Flow::next);
  EXPECT_EQ(lab.state.fx, before);
}

TEST_F(FpImage, FxsaveLeavesTheReservedEndUntouched) {
  EXPECT_EQ(lab.run(kFxsave), Flow::next);
  for (std::uint32_t i = 288; i < 512; ++i) ASSERT_EQ(*lab.ram(kData + i), 0xCC);
}

TEST_F(FpImage, FxsaveWithoutOsfxsrKeepsToX87) {
  lab.state.cr4 = 0;
  EXPECT_EQ(lab.run(kFxsave), Flow::next);
  EXPECT_EQ(lab.load<std::uint16_t>(kData), 0x37FU);
  EXPECT_EQ(lab.load<std::uint32_t>(kData + 24), 0xCCCCCCCCU);
  EXPECT_EQ(lab.load<std::uint32_t>(kData + 160), 0xCCCCCCCCU);
}

TEST_F(FpImage, FxsaveAndFxrstorWantAlignment) {
  lab.state.gpr[kEbx] = kData + 8;
  EXPECT_EQ(lab.fault({0x0F, 0xAE, 0x03}), vector::kGp);
  EXPECT_EQ(lab.fault({0x0F, 0xAE, 0x0B}), vector::kGp);
}

TEST_F(FpImage, FxrstorRefusesReservedMxcsrBits) {
  EXPECT_EQ(lab.run(kFxsave), Flow::next);
  lab.store<std::uint32_t>(kData + 24, 0x11F80);
  const auto before = lab.state.fx;
  EXPECT_EQ(lab.fault(kFxrstor), vector::kGp);
  EXPECT_EQ(lab.state.fx, before);
}

// ---- masked stores --------------------------------------------------------------------------------

TEST_F(FpImage, MaskmovdquWritesSelectedBytesOnly) {
  lab.xmm<std::uint64_t>(1, {0x1716151413121110, 0x1F1E1D1C1B1A1918});
  lab.xmm<std::uint64_t>(2, {0x80000000000000FF, 0x0000800000007F00});
  lab.state.gpr[kEdi] = kData;
  EXPECT_EQ(lab.run({0x66, 0x0F, 0xF7, 0xCA}), Flow::next);
  EXPECT_EQ(lab.hex(kData, 16), "10cccccccccccc17cccccccccc1dcccc");
}

TEST_F(FpImage, MaskmovdquTakes16BitAddressesAndFollowsOverrides) {
  lab.xmm<std::uint64_t>(1, {0xAAAAAAAAAAAABBAA, 0});
  lab.xmm<std::uint64_t>(2, {0x8080, 0});
  lab.state.gpr[kEdi] = 0x1FFFF;
  lab.state.set_segment(Seg::fs, FpLab::flat(0, 0x40000));
  EXPECT_EQ(lab.run({0x64, 0x67, 0x66, 0x0F, 0xF7, 0xCA}), Flow::next);
  EXPECT_EQ(*lab.ram(0x4FFFF), 0xAA);
  EXPECT_EQ(*lab.ram(0x50000), 0xBB);  // the operand goes on where the address ends
}

TEST_F(FpImage, MaskmovqWithAnEmptyMaskTouchesNoMemoryButEntersMmxMode) {
  lab.state.gpr[kEdi] = 0xFFFFFFF0;
  load_three();
  EXPECT_EQ(lab.run({0x0F, 0xEF, 0xD2}), Flow::next);  // pxor mm2, mm2
  lab.run({0x0F, 0x77});                               // emms
  EXPECT_EQ(lab.run({0x0F, 0xF7, 0xCA}), Flow::next);
  EXPECT_EQ(fp::top(lab.state), 0U);
  EXPECT_EQ(lab.state.fx[fp::kAbridgedTags], 0xFFU);
}

TEST_F(FpImage, MaskedStoreIsAllOrNothing) {
  SegmentRegister s = FpLab::flat(0, 0);
  s.limit = kData + 3;
  lab.state.set_segment(Seg::ds, s);
  lab.xmm<std::uint64_t>(2, {0x8080808080808080, 0});
  lab.state.gpr[kEdi] = kData;
  EXPECT_EQ(lab.fault({0x66, 0x0F, 0xF7, 0xCA}), vector::kGp);
  EXPECT_EQ(lab.load<std::uint32_t>(kData), 0xCCCCCCCCU);
}

// ---- operands -------------------------------------------------------------------------------------

TEST_F(FpImage, EspIsAnOrdinaryRegisterOperand) {
  lab.state.gpr[kEsp] = 1234567;
  EXPECT_EQ(lab.run({0xF2, 0x0F, 0x2A, 0xDC}), Flow::next);  // cvtsi2sd xmm3, esp
  EXPECT_EQ(lab.xmm<double>(3)[0], 1234567.0);
  EXPECT_EQ(lab.run({0xF2, 0x0F, 0x58, 0xDB}), Flow::next);  // addsd xmm3, xmm3
  EXPECT_EQ(lab.run({0xF2, 0x0F, 0x2D, 0xE3}), Flow::next);  // cvtsd2si esp, xmm3
  EXPECT_EQ(lab.state.gpr[kEsp], 2469134U);
  EXPECT_EQ(lab.run({0xF3, 0x0F, 0xB8, 0xE4}), Flow::next);  // popcnt esp, esp
  EXPECT_EQ(lab.state.gpr[kEsp], static_cast<unsigned>(__builtin_popcount(2469134)));
}

TEST_F(FpImage, Crc32OfAHighByteIntoEsp) {
  lab.state.gpr[kEsp] = 0xFFFFFFFF;
  lab.state.gpr[kEcx] = 0x5A00;
  EXPECT_EQ(lab.run({0xF2, 0x0F, 0x38, 0xF0, 0xE5}), Flow::next);  // crc32 esp, ch
  std::uint32_t expected = 0xFFFFFFFF;
  __asm__("crc32b %1, %0" : "+r"(expected) : "q"(std::uint8_t{0x5A}));
  EXPECT_EQ(lab.state.gpr[kEsp], expected);
}

TEST_F(FpImage, IntegerOperandSizeFollowsTheCodeSegment) {
  lab.state.gpr[kEax] = 0xAAAA0000;
  lab.state.gpr[kEcx] = 0x0001FFFF;
  const std::array<std::uint8_t, 4> popcnt{0xF3, 0x0F, 0xB8, 0xC1};
  EXPECT_EQ(lab.run(popcnt, decode::CodeSize::bits16), Flow::next);
  EXPECT_EQ(lab.state.gpr[kEax], 0xAAAA0010U);
  EXPECT_EQ(lab.run(popcnt, decode::CodeSize::bits32), Flow::next);
  EXPECT_EQ(lab.state.gpr[kEax], 17U);
}

TEST_F(FpImage, FnstswWritesAxAlone) {
  lab.state.gpr[kEax] = 0xDEADBEEF;
  lab.run({0xD9, 0xE8});
  EXPECT_EQ(lab.run({0xDF, 0xE0}), Flow::next);
  EXPECT_EQ(lab.state.gpr[kEax], 0xDEAD3800U);
}

TEST_F(FpImage, ComparisonSetsGuestFlagsAndFcmovReadsThem) {
  lab.state.native_flags = eflags::kNative;
  lab.run({0xD9, 0xE8});                         // fld1
  lab.run({0xD9, 0xEE});                         // fldz
  EXPECT_EQ(lab.run({0xDB, 0xF1}), Flow::next);  // fcomi st0, st1: 0 < 1
  EXPECT_EQ(lab.state.native_flags, eflags::kCf | eflags::kDf);
  EXPECT_EQ(lab.run({0xDA, 0xC1}), Flow::next);  // fcmovb st0, st1
  EXPECT_EQ(lab.run({0xDF, 0xF1}), Flow::next);  // fcomip: 1 = 1
  EXPECT_EQ(lab.state.native_flags, eflags::kZf | eflags::kDf);
}

TEST_F(FpImage, OperandAcrossTwoPages) {
  lab.store<double>(0x20FFC, 2.5);
  lab.state.gpr[kEbx] = 0x20FFC;
  EXPECT_EQ(lab.run({0xDD, 0x03}), Flow::next);  // fld m64
  lab.state.gpr[kEbx] = 0x22FF9;
  EXPECT_EQ(lab.run({0xDD, 0x1B}), Flow::next);  // fstp m64
  EXPECT_EQ(lab.load<double>(0x22FF9), 2.5);
}

TEST_F(FpImage, PointersOfTheHostNeverShow) {
  lab.store<float>(kData, 1.5F);
  lab.run({0xD8, 0x05, 0, 0, 1, 0});  // fadd m32
  for (std::size_t i = fp::kFop; i < fp::kMxcsr; ++i) EXPECT_EQ(lab.state.fx[i], 0U) << i;
}

// ---- stubs ----------------------------------------------------------------------------------------

TEST_F(FpImage, OneStubForAllMemoryOperandsOfAnInstruction) {
  lab.run({0xD9, 0x05, 0, 0, 1, 0});        // fld dword [10000h]
  lab.run({0xD9, 0x03});                    // fld dword [ebx]
  lab.run({0x64, 0xD9, 0x44, 0x24, 0x08});  // fld dword fs:[esp + 8]
  EXPECT_EQ(lab.cpu.thunks->size(), 1U);
}

TEST_F(FpImage, FullStubRegionStartsAgain) {
  lab.xmm<std::uint32_t>(1, {1, 2, 3, 4});
  for (unsigned round = 0; round < 3; ++round) {  // pshufd, shufps, pshufhw, pshuflw ... 64 * 256 encodings each
    for (const std::uint8_t prefix : std::initializer_list<std::uint8_t>{0x66, 0xF3, 0xF2}) {
      for (unsigned i = 0; i < 64 * 256; ++i) {
        const auto modrm = static_cast<std::uint8_t>(0xC0 | (i >> 8));
        ASSERT_EQ(lab.run({prefix, 0x0F, 0x70, modrm, static_cast<std::uint8_t>(i)}), Flow::next);
      }
    }
  }
  EXPECT_LT(lab.cpu.thunks->size(), 32769U);
  lab.xmm<std::uint32_t>(1, {1, 2, 3, 4});
  EXPECT_EQ(lab.run({0x66, 0x0F, 0x70, 0xC1, 0x1B}), Flow::next);
  EXPECT_EQ(lab.xmm<std::uint32_t>(0), (std::array<std::uint32_t, 4>{4, 3, 2, 1}));
}

TEST(HostEncoding, RefusesWhatHasNoLegacyForm) {
  isa::Insn vex;
  vex.op = isa::Op::host_fp;
  vex.map = 1;
  vex.bytes = {0xC5, 0xF8, 0x58, 0xC1};
  EXPECT_FALSE(host_encoding(vex).has_value());
}

}  // namespace
}  // namespace ringshift::test
