// Encodings that makers of CPUs treat differently, so that the host CPU cannot be asked (tests/isa/exemptions.h): here
// they do what Intel's manuals say.
#include "runtime/semantics/fault.h"
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

class ReservedEncodings : public SystemTest {
 protected:
  SystemLab lab{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Engines, ReservedEncodings, kEngines, engine_name);

TEST_P(ReservedEncodings, PrefetchOfARegisterIsANop) {
  for (unsigned modrm = 0xC0; modrm < 0x100; ++modrm) {
    EXPECT_TRUE(lab.completes({0x0F, 0x0D, static_cast<std::uint8_t>(modrm)})) << modrm;
  }
}

// Not TZCNT and LZCNT, which would give 0 and 31 here and 32 of 0.
TEST_P(ReservedEncodings, BitScansIgnoreTheRepeatPrefix) {
  lab.gpr(kEcx) = 1;
  ASSERT_TRUE(lab.completes({0xF3, 0x0F, 0xBD, 0xC1}));  // bsr eax, ecx
  EXPECT_EQ(lab.gpr(kEax), 0u);
  EXPECT_EQ(lab.flags() & eflags::kZf, 0u);
  lab.gpr(kEcx) = 0;
  for (const std::uint8_t opcode : {std::uint8_t{0xBC}, std::uint8_t{0xBD}}) {
    ASSERT_TRUE(lab.completes({0xF3, 0x0F, opcode, 0xC1}));
    EXPECT_EQ(lab.flags() & eflags::kZf, eflags::kZf) << "of 0";
  }
}

TEST_P(ReservedEncodings, ConditionalLoopsIgnoreRepeatPrefixes) {
  for (const std::uint8_t prefix : {std::uint8_t{0xF2}, std::uint8_t{0xF3}}) {
    for (const bool zero : {false, true}) {
      for (const bool loope : {false, true}) {
        lab.reset(0);
        lab.gpr(kEcx) = 2;
        lab.set_flags(zero ? eflags::kZf : 0U);
        const std::uint32_t from = lab.state().eip;
        ASSERT_TRUE(lab.transfers({prefix, static_cast<std::uint8_t>(loope ? 0xE1 : 0xE0), 0x10}));
        EXPECT_EQ(lab.state().eip - from, zero == loope ? 0x13u : 3u);
        EXPECT_EQ(lab.gpr(kEcx), 1u);
      }
    }
  }
}

TEST_P(ReservedEncodings, LockOfWhatTakesNoneIsUndefined) {
  lab.gpr(kEsi) = SystemLab::kData;
  EXPECT_TRUE(lab.faults({0xF0, 0x0F, 0x20, 0xC0}, vector::kUd)) << "mov eax, cr0";
  EXPECT_TRUE(lab.faults({0xF0, 0x0F, 0x22, 0xC0}, vector::kUd)) << "mov cr0, eax";
  EXPECT_TRUE(lab.faults({0xF0, 0x0F, 0x00, 0x2E}, vector::kUd)) << "verw [esi]";
  EXPECT_TRUE(lab.faults({0xF0, 0x90}, vector::kUd)) << "nop";
  EXPECT_TRUE(lab.faults({0xF0, 0x8B, 0x06}, vector::kUd)) << "mov eax, [esi]";
  EXPECT_TRUE(lab.faults({0xF0, 0x01, 0xC0}, vector::kUd)) << "add eax, eax";
}

TEST_P(ReservedEncodings, ConversionsFromMemoryMeetPendingX87Exceptions) {
  lab.state().cr0 |= cr0::kNe;
  lab.gpr(kEsi) = SystemLab::kData;
  lab.state().fx[0] = 0x7E;  // FCW: invalid operations are not masked
  lab.state().fx[1] = 0x03;
  lab.state().fx[2] = 0x81;  // FSW: one is pending
  lab.state().fx[3] = 0x80;
  EXPECT_TRUE(lab.faults({0x0F, 0x2A, 0x06}, vector::kMf)) << "cvtpi2ps xmm0, [esi]";
}

TEST_P(ReservedEncodings, X87ImagesDoNotWrapAt64Kilobytes) {
  lab.poke<std::uint32_t>(0x10008, 0);
  ASSERT_TRUE(lab.completes({0x67, 0xD9, 0x36, 0xF0, 0xFF}));  // fnstenv [0FFF0h]
  EXPECT_EQ(lab.peek<std::uint32_t>(0x10008), 0xFFFF0000u) << "the last of seven words";
  ASSERT_TRUE(lab.completes({0x67, 0x0F, 0xAE, 0x06, 0xF0, 0xFF}));  // fxsave [0FFF0h]
  EXPECT_EQ(lab.peek<std::uint32_t>(0x10008), 0x1F80u) << "MXCSR";
}

TEST_P(ReservedEncodings, X87OperandsDoNotWrapAtFourGigabytes) {
  constexpr std::uint16_t kSel = SystemLab::free_selector(0);
  lab.set_descriptor(kSel, SystemLab::kData + 0x800, 0xFFFFF, attr::kData | attr::kFlat);
  lab.gpr(kEax) = kSel;
  ASSERT_TRUE(lab.completes({0x8E, 0xE0}));  // mov fs, ax
  lab.gpr(kEsi) = 0xFFFFFFF8;
  EXPECT_TRUE(lab.faults({0x64, 0xDB, 0x2E}, vector::kGp, 0)) << "fld tbyte fs:[esi], of 8 bytes and 2";
  EXPECT_TRUE(lab.faults({0x64, 0xD9, 0x36}, vector::kGp, 0)) << "fnstenv fs:[esi]";
  EXPECT_TRUE(lab.completes({0x64, 0xDD, 0x06})) << "fld qword fs:[esi]";
}

}  // namespace
}  // namespace ringshift::test
