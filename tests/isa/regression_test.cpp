// One named case for each defect that the laboratory has found.
#include <gtest/gtest.h>

#include <initializer_list>
#include <memory>

#include "tests/isa/guest_machine.h"
#include "tests/isa/laboratory.h"

namespace ringshift::test {
namespace {

class Regression : public ::testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    lab_ = std::make_unique<Laboratory>(GetParam(), LaboratoryOptions{});
    if (!lab_->ok()) GTEST_SKIP() << lab_->why();
    c_.slot = 3;
    c_.offset = 16;
    c_.before.eip = case_address(c_);
    c_.before.eflags = 0x202;
    c_.before.sel = {kUserData, kUserCode, kUserData, kUserData, kUserData, kUserData};
    c_.before.gpr[kEsp] = kData + 0x800;
  }

  std::uint32_t& gpr(Gpr r) { return c_.before.gpr[r]; }
  void flags(std::uint32_t more) { c_.before.eflags |= more; }
  void poke(std::uint32_t address, std::initializer_list<std::uint8_t> bytes) { c_.pokes.push_back({address, bytes}); }
  // The instruction does what it does on the host.
  void agrees(std::initializer_list<std::uint8_t> bytes) {
    c_.bytes = bytes;
    EXPECT_EQ(lab_->run_one(c_), "");
  }

  std::unique_ptr<Laboratory> lab_;
  Case c_;
};

// The laboratory's own defect: Linux has a data segment there that any ring may load.
TEST_P(Regression, TheSegmentThatHoldsTheProcessorsNumberCanBeLoaded) {
  gpr(kEax) = 0x78;
  agrees({0x8E, 0xD8});  // mov ds, eax
}

// The quotient of a division by -1 was never found too large, and the runtime died of its own #DE.
TEST_P(Regression, IdivByMinusOneOverflows) {
  gpr(kEax) = 0xFFFF4000;
  gpr(kEcx) = 0xFF;
  agrees({0xF6, 0xF9});  // idiv cl
  gpr(kEdx) = 0x40000000;
  gpr(kEcx) = 0xFFFFFFFF;
  agrees({0xF7, 0xF9});  // idiv ecx
  gpr(kEdx) = 0;
  gpr(kEax) = 0x80000000;
  agrees({0xF7, 0xF9});  // -2^31 fits
}

// An operand that wraps at 4 GiB is beyond the limit, even if the limit is 4 GiB.
TEST_P(Regression, OperandMayNotWrapAtFourGigabytes) {
  gpr(kEax) = 0xFFFFFFFE;
  agrees({0x8B, 0x18});        // mov ebx, [eax]: #GP
  agrees({0x36, 0x8B, 0x18});  // ss: #SS
  agrees({0x0F, 0xB7, 0x18});  // movzx ebx, word [eax]: does not wrap, #PF
  agrees({0x66, 0xFF, 0x28});  // jmp far m16:16: two accesses, neither wraps
  gpr(kEsp) = 2;
  agrees({0x53});  // push ebx
}

// Neither is there a way around with a base: the translator added it modulo 2^32, and read on.
TEST_P(Regression, OperandMayNotRunOverFourGigabytesInASegmentWithABase) {
  c_.before.sel[static_cast<unsigned>(Seg::ds)] = local_selector(kLdtUnaligned);
  c_.before.sel[static_cast<unsigned>(Seg::fs)] = local_selector(kLdtUnaligned);
  gpr(kEdx) = 0xFFFFFFFD;
  gpr(kEcx) = 0x20;
  gpr(kEsi) = 0xFFFFFFF4;
  agrees({0x8B, 0x02});                                      // mov eax, [edx]: #GP
  agrees({0x66, 0x8B, 0x42, 0x01});                          // mov ax, [edx+1]
  agrees({0x66, 0x8B, 0x42, 0x02});                          // mov ax, [edx+2]: #GP
  agrees({0x64, 0x89, 0x42, 0x00});                          // mov fs:[edx+0], eax: #GP
  agrees({0x8B, 0x42, 0x03});                                // mov eax, [edx+3]: at 0
  agrees({0x8B, 0x42, 0xFF});                                // mov eax, [edx-1]: just before the end
  agrees({0x8A, 0x42, 0x02});                                // mov al, [edx+2]: the last byte
  agrees({0x8B, 0x44, 0x56, 0x10});                          // mov eax, [esi+edx*2+16]: #GP
  agrees({0xA1, 0xFE, 0xFF, 0xFF, 0xFF});                    // mov eax, [0FFFFFFFEh]: #GP
  agrees({0xA1, 0xFC, 0xFF, 0xFF, 0xFF});                    // mov eax, [0FFFFFFFCh]
  agrees({0x64, 0x83, 0x05, 0xFD, 0xFF, 0xFF, 0xFF, 0x01});  // add dword fs:[0FFFFFFFDh], 1: #GP
  agrees({0x0F, 0xAB, 0x4A, 0xFB});                          // bts [edx-5], ecx: the word behind, #GP
  agrees({0x0F, 0xAB, 0x4A, 0xF7});                          // bts [edx-9], ecx
  agrees({0xFF, 0x32});                                      // push dword [edx]: #GP
  agrees({0x8F, 0x02});                                      // pop dword [edx]: #GP
  agrees({0x0F, 0xC7, 0x4E, 0x08});                          // cmpxchg8b [esi+8]: #GP
  agrees({0xDB, 0x6E, 0x03});                                // fld tbyte [esi+3]: #GP
  agrees({0xDB, 0x6E, 0x02});                                // fld tbyte [esi+2]
}

// EIP is not cut there, as long as it is saved with 32 bits.
TEST_P(Regression, NextInstructionOfTheLastOneOf16BitCodeIsAt64Kilobytes) {
  c_.before.sel[static_cast<unsigned>(Seg::cs)] = local_selector(kLdtCode16);
  c_.slot = kSlots - 1;
  flags(eflags::kOf);
  for (const std::initializer_list<std::uint8_t> bytes : std::initializer_list<std::initializer_list<std::uint8_t>>{
           {0xCE},                                               // into
           {0xCC},                                               // int3
           {0xF2, 0x67, 0xCE},                                   // into
           {0x66, 0xE8, 0x00, 0xFF, 0xFF, 0xFF},                 // call rel32
           {0x66, 0x9A, 0x00, 0xFF, 0x00, 0x00, 0x67, 0x00}}) {  // call far ptr16:32
    c_.offset = kSlotBytes - static_cast<std::uint32_t>(bytes.size());
    c_.before.eip = case_address(c_) - kCode;
    agrees(bytes);
  }
}

// A far pointer is two accesses with an alignment each.
TEST_P(Regression, FarPointersAreAlignedInTwoParts) {
  flags(eflags::kAc);
  gpr(kEsi) = kData + 0x102;
  poke(kData + 0x102, {1, 0, 0x2B, 0, 0x2B, 0});
  agrees({0x66, 0xC4, 0x06});  // les ax, [esi]
  agrees({0xC4, 0x06});        // les eax, [esi]: #AC
}

TEST_P(Regression, FarCallChecksTheAlignmentOfTheStack) {
  flags(eflags::kAc);
  gpr(kEsp) = kData + 0x801;
  agrees({0x9A, 0xC0, 0x00, 0x00, 0x20, 0x23, 0x00});
}

TEST_P(Regression, ArplWritesOnlyWhatChanges) {
  gpr(kEdi) = kReadOnly;
  gpr(kEax) = 0;  // RPL 0 raises nothing
  agrees({0x63, 0x07});
  gpr(kEdi) = kDataEnd;
  agrees({0x63, 0x07});  // a read fault
}

TEST_P(Regression, RepeatedPortInputIsRefusedEvenForACountOfZero) {
  gpr(kEcx) = 0;
  gpr(kEdi) = kData;
  gpr(kEsi) = kData;
  agrees({0xF3, 0x6C});
  agrees({0xF3, 0x6F});
}

// CLFLUSH was translated to nothing at all.
TEST_P(Regression, ClflushFaultsLikeALoad) {
  gpr(kEdi) = kDataEnd + 4;
  agrees({0x0F, 0xAE, 0x3F});  // clflush [edi]
  gpr(kEdi) = kData;
  agrees({0x0F, 0xAE, 0x3F});
}

// It alone may read a segment that holds code and is not readable.
TEST_P(Regression, ClflushMayUseAnExecuteOnlySegment) {
  c_.before.sel[static_cast<unsigned>(Seg::gs)] = kUserData;
  c_.before.sel[static_cast<unsigned>(Seg::cs)] = local_selector(kLdtExecuteOnly);
  gpr(kEdi) = kData;
  agrees({0x2E, 0x0F, 0xAE, 0x3F});  // clflush cs:[edi]
  agrees({0x2E, 0x8B, 0x07});        // mov eax, cs:[edi]: #GP
  gpr(kEdi) = kDataEnd + 4;
  agrees({0x2E, 0x0F, 0xAE, 0x3F});
}

TEST_P(Regression, FldenvIsAlignedToItsWords) {
  flags(eflags::kAc);
  c_.uses_fx = true;
  c_.fx[0] = 0x7F;
  c_.fx[1] = 0x03;
  c_.fx[24] = 0x80;
  c_.fx[25] = 0x1F;
  gpr(kEdi) = kData + 2;
  poke(kData, {0x7F, 3, 0x7F, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  agrees({0xD9, 0x27});        // fldenv [edi]: #AC
  agrees({0x66, 0xD9, 0x27});  // of 16-bit words
  agrees({0xDD, 0x37});        // fnsave [edi]: #AC
}

TEST_P(Regression, MaskedStoreFaultsForBytesThatItDoesNotWrite) {
  c_.uses_fx = true;
  c_.fx[0] = 0x7F;
  c_.fx[1] = 0x03;
  c_.fx[24] = 0x80;
  c_.fx[25] = 0x1F;
  gpr(kEdi) = kDataEnd;
  agrees({0x66, 0x0F, 0xF7, 0xC1});  // maskmovdqu xmm0, xmm1: no byte selected
  gpr(kEdi) = kReadOnly - 4;
  agrees({0x66, 0x0F, 0xF7, 0xC1});
}

TEST_P(Regression, UnalignedSseOperandsObeyAlignmentChecks) {
  flags(eflags::kAc);
  c_.uses_fx = true;
  c_.fx[0] = 0x7F;
  c_.fx[1] = 0x03;
  c_.fx[24] = 0x80;
  c_.fx[25] = 0x1F;
  gpr(kEdi) = kData + 8;
  agrees({0x0F, 0x10, 0x07});        // movups xmm0, [edi]: #AC
  agrees({0xF3, 0x0F, 0x6F, 0x07});  // movdqu
  gpr(kEdi) = kData + 16;
  agrees({0x0F, 0x10, 0x07});
}

std::string name(const ::testing::TestParamInfo<EngineKind>& info) {
  return info.param == EngineKind::translate ? "translate" : "interpret";
}
INSTANTIATE_TEST_SUITE_P(Isa, Regression, ::testing::Values(EngineKind::interpret, EngineKind::translate), name);

}  // namespace
}  // namespace ringshift::test
