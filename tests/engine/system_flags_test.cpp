// PUSHF, POPF, CLI, STI, HLT: what each ring may change.
#include "testkit/guest_lab.h"
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

class SystemFlags : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemFlags, kEngines, engine_name);

constexpr std::uint8_t kPopf = 0x9D, kPushf = 0x9C, kCli = 0xFA, kSti = 0xFB, kHlt = 0xF4, kNop = 0x90;

struct PopfRow {
  unsigned cpl;
  std::uint32_t before, popped, after;
};

// Bits that the ring may not change are ignored, not faulted (SDM vol. 2, POPF).
TEST_P(SystemFlags, PopfdFiltersByCplAndIopl) {
  constexpr PopfRow kRows[] = {{0, 0x0002, 0x3202, 0x3202},       // ring 0: IF and IOPL load
                               {1, 0x1002, 0x3202, 0x1202},       // CPL <= IOPL: IF loads, IOPL kept
                               {2, 0x2002, 0x0202, 0x2202},       // the same in ring 2
                               {1, 0x0002, 0x3202, 0x0002},       // CPL > IOPL: both kept
                               {2, 0x1202, 0x3002, 0x1202},       // the same with IF set
                               {3, 0x0202, 0x3002, 0x0202},       // ring 3 without IOPL
                               {3, 0x2202, 0x0002, 0x2202},       // nearly enough IOPL
                               {3, 0x3202, 0x0002, 0x3002},       // ring 3 with IOPL 3: IF may be cleared
                               {0, 0x0002, 0x30000, 0x0002},      // VM and RF cannot be popped
                               {0, 0x10002, 0x0002, 0x0002},      // RF is cleared
                               {3, 0x0002, 0x244CD5, 0x244CD7},   // arithmetic, DF, NT, AC, ID
                               {0, 0x0002, 0x000100, 0x0102},     // TF
                               {3, 0x0002, 0x000100, 0x0102},     // TF in ring 3
                               {0, 0x0002, 0xFFD80000, 0x0002},   // VIF, VIP, reserved: read as 0
                               {0, 0x3ED7, 0x00000000, 0x0002}};  // bit 1 is always set
  testkit::GuestLab lab(GetParam());
  for (const PopfRow& row : kRows) {
    SCOPED_TRACE(testing::Message() << "ring " << row.cpl << std::hex << ' ' << row.before << ' ' << row.popped);
    lab.cpl(row.cpl).eflags(row.before).push32(row.popped);
    const testkit::Outcome out = lab.run("popf");
    EXPECT_EQ(out.eflags, row.after);
    EXPECT_EQ(out.esp_delta(), 4);
    EXPECT_TRUE(out.rest_unchanged());
  }
}

TEST_P(SystemFlags, PopfwKeepsTheUpperHalf) {
  testkit::GuestLab lab(GetParam());
  lab.eflags(eflags::kAc | eflags::kId).push16(0x0CD5);
  const testkit::Outcome out = lab.run("popfw");
  EXPECT_EQ(out.eflags, 0x240000u | 0x0CD7u);
  EXPECT_EQ(out.esp_delta(), 2);
  EXPECT_TRUE(out.rest_unchanged());
}

TEST_P(SystemFlags, PopfPageFaultLeavesEverything) {
  SystemLab lab(GetParam());
  lab.identity_paging();
  lab.set_page(SystemLab::kData, 0);
  lab.set_cpl(3);
  lab.gpr(kEsp) = SystemLab::kData;
  EXPECT_TRUE(lab.faults({kPopf}, vector::kPf, mmu::pf::kUser));
  lab.gpr(kEsp) = SystemLab::kData + 4;
  EXPECT_TRUE(lab.faults({kPushf}, vector::kPf, mmu::pf::kUser | mmu::pf::kWrite));
}

TEST_P(SystemFlags, PushfHidesVmAndRf) {
  testkit::GuestLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    SCOPED_TRACE(testing::Message() << "ring " << cpl);
    const std::uint32_t top = testkit::GuestLab::stack_top(cpl);
    lab.cpl(cpl).eflags(0x217AD7);
    const testkit::Outcome out = lab.run("pushf; pushfw");
    EXPECT_EQ(out.memory32(top - 4), 0x207AD7u);
    EXPECT_EQ(out.memory16(top - 6), 0x7AD7u);
    EXPECT_EQ(out.esp_delta(), -6);
  }
}

TEST_P(SystemFlags, PushfShowsTheVirtualInterruptFlag) {
  SystemLab lab(GetParam());
  lab.state().eip = SystemLab::kCode;
  lab.place(SystemLab::kCode, {kSti, kPushf, kCli, kPushf, 0x58, 0x59, kHlt});  // pop eax, pop ecx
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.gpr(kEax), 0x002u);
  EXPECT_EQ(lab.gpr(kEcx), 0x202u);
}

TEST_P(SystemFlags, CliAndStiNeedIopl) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    for (unsigned iopl = 0; iopl < 4; ++iopl) {
      SCOPED_TRACE(testing::Message() << "ring " << cpl << " IOPL " << iopl);
      lab.reset(cpl);
      lab.set_flags(eflags::kIf | (iopl << eflags::kIoplShift));
      if (cpl > iopl) {
        EXPECT_TRUE(lab.faults({kCli}, vector::kGp, 0));
        EXPECT_TRUE(lab.faults({kSti}, vector::kGp, 0));
        continue;
      }
      EXPECT_TRUE(lab.completes({kCli}));
      EXPECT_EQ(lab.state().interrupt_flag, 0);
      EXPECT_TRUE(lab.completes({kSti}));
      EXPECT_EQ(lab.state().interrupt_flag, 1);
    }
  }
}

// An interrupt that waits comes behind the instruction that follows STI (SDM vol. 2, STI).
TEST_P(SystemFlags, StiHoldsInterruptsForOneInstruction) {
  SystemLab lab(GetParam());
  lab.interrupt(0x40);
  lab.place(SystemLab::kCode, {kNop, kSti, kNop, kNop, kHlt});
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), 0x40u);
  EXPECT_EQ(lab.stack(0), SystemLab::kCode + 3);
}

TEST_P(SystemFlags, StiThenCliLetsNothingIn) {
  SystemLab lab(GetParam());
  lab.interrupt(0x40);
  lab.place(SystemLab::kCode, {kSti, kCli, kNop, kHlt});
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), std::nullopt);
  EXPECT_EQ(lab.eip(), SystemLab::kCode + 4);
}

TEST_P(SystemFlags, PopfOpensInterruptsAtOnce) {
  SystemLab lab(GetParam());
  lab.interrupt(0x40);
  lab.push32(eflags::kIf);
  lab.place(SystemLab::kCode, {kPopf, kNop, kHlt});
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), 0x40u);
  EXPECT_EQ(lab.stack(0), SystemLab::kCode + 1);
}

// STI; HLT is how kernels wait: the interrupt wakes behind the HLT.
TEST_P(SystemFlags, StiHltSleepsUntilTheInterrupt) {
  SystemLab lab(GetParam());
  lab.interrupt(0x40);
  lab.place(SystemLab::kCode, {kSti, kHlt, kNop, kHlt});
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), 0x40u);
  EXPECT_EQ(lab.stack(0), SystemLab::kCode + 2);
}

TEST_P(SystemFlags, HltIsForRing0) {
  SystemLab lab(GetParam());
  EXPECT_TRUE(lab.execute({kHlt}).halted);
  for (unsigned cpl = 1; cpl < 4; ++cpl) {
    lab.reset(cpl);
    lab.set_iopl(3);
    EXPECT_TRUE(lab.faults({kHlt}, vector::kGp, 0)) << cpl;
  }
}

TEST_P(SystemFlags, PrivilegedInstructionsAreForRing0) {
  constexpr std::uint8_t kOpcodes[][3] = {
      {0x0F, 0x06, 0x90},  // clts
      {0x0F, 0x08, 0x90},  // invd
      {0x0F, 0x09, 0x90},  // wbinvd
      {0x0F, 0x30, 0x90},  // wrmsr
      {0x0F, 0x32, 0x90},  // rdmsr
      {0x0F, 0x01, 0xF0},  // lmsw ax
      {0x0F, 0x01, 0x3B},  // invlpg [ebx]
      {0x0F, 0x01, 0x13},  // lgdt [ebx]
      {0x0F, 0x01, 0x1B},  // lidt [ebx]
      {0x0F, 0x00, 0xD0},  // lldt ax
      {0x0F, 0x00, 0xD8},  // ltr ax
      {0x0F, 0x20, 0xC0},  // mov eax, cr0
      {0x0F, 0x22, 0xD0},  // mov cr2, eax
      {0x0F, 0x21, 0xC0},  // mov eax, dr0
      {0x0F, 0x23, 0xC0},  // mov dr0, eax
      {0x0F, 0x33, 0x90},  // rdpmc
  };
  SystemLab lab(GetParam());
  for (unsigned cpl = 1; cpl < 4; ++cpl) {
    lab.reset(cpl);
    lab.set_iopl(3);
    lab.gpr(kEbx) = SystemLab::kData;
    lab.gpr(kEcx) = 0x174;
    for (const auto& op : kOpcodes) {
      EXPECT_TRUE(lab.faults({op[0], op[1], op[2]}, vector::kGp, 0)) << cpl << ' ' << int{op[1]} << ' ' << int{op[2]};
    }
  }
}

}  // namespace
}  // namespace ringshift::test
