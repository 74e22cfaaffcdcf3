// Where blocks end, how they are left, and what the side tables say.
#include <gtest/gtest.h>

#include "tests/listing/host_code.h"

namespace ringshift::testing {
namespace {

using translator::Fixup;
using translator::Fragment;
using translator::Point;

std::vector<const Point*> boundaries(const Fragment& fragment) {
  std::vector<const Point*> out;
  for (const Point& p : fragment.points) {
    if (p.boundary) out.push_back(&p);
  }
  return out;
}

bool has_fixup(const Fragment& fragment, Fixup fixup) {
  for (const Point& p : fragment.points) {
    if (p.fixup == fixup) return true;
  }
  return false;
}

TEST(Fragment, EveryInstructionStartsAtABoundary) {
  const Fragment f = translate({.bytes = hex("40 0304 24 50")});  // inc eax; add eax, [esp]; push eax
  const auto b = boundaries(f);
  ASSERT_EQ(b.size(), 4U);
  EXPECT_EQ(b[1]->guest_offset, 1U);
  EXPECT_EQ(b[2]->guest_offset, 4U);
  EXPECT_EQ(b[2]->index, 2U);
  EXPECT_EQ(b[3]->guest_offset, 5U);
}

TEST(Fragment, EndsAtThePage) {
  const Fragment f = translate({.bytes = hex("90 90"), .eip = 0x08048FFE});
  ASSERT_EQ(f.exits.size(), 1U);
  EXPECT_EQ(f.exits[0].target, 0x08049000U);
}

TEST(Fragment, EndsBeforeAnInstructionThatLeavesThePage) {
  const Fragment f = translate({.bytes = hex("90 B8 01020304"), .eip = 0x08048FFD, .in_page = 3});
  EXPECT_EQ(f.guest_instructions, 1U);
  EXPECT_EQ(f.guest_bytes, 1U);
  EXPECT_FALSE(f.crosses_page);
}

TEST(Fragment, AFirstInstructionThatCrossesThePageIsAlone) {
  const Fragment f = translate({.bytes = hex("B8 01020304 90"), .eip = 0x08048FFE, .in_page = 2});
  EXPECT_TRUE(f.crosses_page);
  EXPECT_EQ(f.guest_instructions, 1U);
  EXPECT_EQ(f.guest_bytes, 5U);
}

TEST(Fragment, BytesThatEndTooEarlyAreLeftToTheRuntime) {
  const Fragment f = translate({.bytes = hex("B8 01")});
  EXPECT_EQ(main_path(f), "mov r8d, 0x8048000\njmp exit_interpret\n");
}

TEST(Fragment, UndefinedOpcodeIsLeftToTheRuntime) {
  const Fragment f = translate({.bytes = hex("90 0F0B 90")});
  EXPECT_EQ(main_path(f), "nop\nmov r8d, 0x8048001\njmp exit_interpret\n");
  EXPECT_EQ(f.guest_bytes, 3U);
}

TEST(Fragment, HonoursTheInstructionLimit) {
  const Fragment f = translate({.bytes = hex("40 40 40"), .options = {.max_instructions = 1}});
  EXPECT_EQ(f.guest_instructions, 1U);
  ASSERT_EQ(f.exits.size(), 1U);
  EXPECT_EQ(f.exits[0].target, kGuestAddress + 1);
}

TEST(Fragment, AConditionalBranchHasTwoPatchableExits) {
  const Fragment f = translate({.bytes = hex("75 0E")});
  ASSERT_EQ(f.exits.size(), 2U);
  EXPECT_EQ(f.exits[0].target, kGuestAddress + 0x10);
  EXPECT_EQ(f.exits[1].target, kGuestAddress + 2);
  EXPECT_EQ(disassemble(f, 0, 0x0B), "jne +0xb\njmp +0x10\n");
  EXPECT_EQ(disassemble(f, 0x10, 0x15), "call exit_direct\n");
}

TEST(Fragment, ABranchToAnotherPageIsPatchedLikeAnyOther) {
  const Fragment f = translate({.bytes = hex("0F84 00100000")});
  ASSERT_EQ(f.exits.size(), 2U);
  EXPECT_EQ(f.exits[0].target, kGuestAddress + 0x1006);
  EXPECT_TRUE(f.exits[0].patchable);
  EXPECT_EQ(disassemble(f, f.exits[0].stub_offset, f.exits[0].stub_offset + 1), "call exit_direct\n");
}

TEST(Fragment, ACallIsAHostCallAndChecksWhereItComesBack) {
  const Fragment f = translate({.bytes = hex("E8 10000000")});
  EXPECT_EQ(main_path(f),
            "mov dword ptr gs:[r12d - 4], 0x8048005\n"
            "lea r12d, [r12 - 4]\n"
            "call +0x2e\n"
            "mov r10, rcx\n"
            "lea ecx, [r8 - 0x8048005]\n"
            "jrcxz +0x26\n"
            "jmp return_mismatch\n"
            "mov rcx, r10\n");
  ASSERT_EQ(f.return_sites.size(), 1U);
  EXPECT_EQ(disassemble(f, f.return_sites[0], f.return_sites[0] + 3), "mov r10, rcx\n");
}

TEST(Fragment, ACallOfTheNextInstructionIsAPush) {
  const Fragment f = translate({.bytes = hex("E8 00000000 58")});
  EXPECT_TRUE(f.return_sites.empty());
  EXPECT_EQ(f.guest_instructions, 2U);
}

TEST(Fragment, CountsInstructionsOnEachWayOut) {
  const Fragment f = translate({.bytes = hex("40 75 10"), .options = {.count_retired = true}});
  const std::string all = disassemble(f, 0, ~0U);
  std::size_t counted = 0;
  for (std::size_t at = all.find("lea r10, [r10 + 2]"); at != std::string::npos; at = all.find("lea r10", at + 1)) {
    ++counted;
  }
  EXPECT_EQ(counted, 2U);
}

TEST(Fragment, AnInterpretedInstructionIsNotCounted) {
  const Fragment f = translate({.bytes = hex("40 40 F4"), .options = {.count_retired = true}});
  EXPECT_NE(main_path(f).find("lea r10, [r10 + 2]"), std::string::npos);
}

TEST(Fragment, StiShadowsTheNextInstruction) {
  const Fragment f = translate({.bytes = hex("FB F4")});  // sti; hlt
  const auto b = boundaries(f);
  ASSERT_EQ(b.size(), 2U);
  EXPECT_FALSE(b[0]->shadow);
  EXPECT_TRUE(b[1]->shadow);
}

TEST(Fragment, StiAtTheEndOfABlockLeavesWithTheShadowSet) {
  const Fragment f = translate({.bytes = hex("FB"), .options = {.max_instructions = 1}});
  const std::string all = disassemble(f, 0, ~0U);
  EXPECT_EQ(all,
            "movzx r9d, byte ptr [interrupt_flag]\n"
            "mov byte ptr [interrupt_flag], 1\n"
            "jmp +0xf\n"
            "not r9d\n"
            "lea r9d, [r9 + 2]\n"
            "mov byte ptr [interrupt_shadow], r9b\n"
            "mov r8d, 0x8048001\n"
            "jmp exit_interrupt\n");
}

TEST(Fragment, ExchangedBytesAreToldToTheFaultHandler) {
  EXPECT_TRUE(has_fixup(translate({.bytes = hex("02 24 24")}), Fixup::swapped_eax));     // add ah, [esp]
  EXPECT_TRUE(has_fixup(translate({.bytes = hex("86 7C 24 08")}), Fixup::swapped_ebx));  // xchg [esp+8], bh
  EXPECT_FALSE(has_fixup(translate({.bytes = hex("02 20")}), Fixup::swapped_eax));       // add ah, [eax]
}

TEST(Fragment, PointsTellWhereEspIsWithinARunOfPushes) {
  const Fragment f =
      translate({.bytes = hex("50 51 5A 89 E0 EB FE")});  // push eax; push ecx; pop edx; mov eax, esp; jmp
  const auto b = boundaries(f);
  ASSERT_EQ(b.size(), 5U);
  EXPECT_EQ(b[0]->esp_delta, 0);
  EXPECT_EQ(b[1]->esp_delta, -4);
  EXPECT_EQ(b[2]->esp_delta, -8);
  EXPECT_EQ(b[3]->esp_delta, -4);
  EXPECT_EQ(b[4]->esp_delta, -4);
  // Before the way out r12d is brought up to date.
  EXPECT_EQ(f.points.back().esp_delta, 0);
}

TEST(Fragment, SixteenBitCodeKeepsItsOperandSize) {
  translator::ModeKey mode = kernel_mode();
  mode.code32 = false;
  EXPECT_EQ(main_path(translate({.bytes = hex("40"), .mode = mode})), "inc ax\n");
  EXPECT_EQ(main_path(translate({.bytes = hex("66 40"), .mode = mode})), "inc eax\n");
}

TEST(Fragment, FloatingPointTrapsAreLeftToTheRuntime) {
  translator::ModeKey mode = kernel_mode();
  mode.fp_trap = true;
  const std::string left = "mov r8d, 0x8048000\njmp exit_interpret\n";
  EXPECT_EQ(main_path(translate({.bytes = hex("D9 E8"), .mode = mode})), left);       // fld1
  EXPECT_EQ(main_path(translate({.bytes = hex("0F 58 C1"), .mode = mode})), left);    // addps
  EXPECT_NE(main_path(translate({.bytes = hex("F3 0FB8 C1"), .mode = mode})), left);  // popcnt
}

TEST(Fragment, ReturnSitesHaveOneSize) {
  for (const std::uint32_t eip : {0x10U, 0x1000U, 0x08048000U, 0xFFFFFF80U}) {
    const Fragment f = translate({.bytes = hex("E8 00010000 F4"), .eip = eip});
    ASSERT_EQ(f.return_sites.size(), 1U);
    ASSERT_EQ(f.exits[0].return_address, eip + 5);
    const auto last = f.code.begin() + f.return_sites[0] + translator::return_site_bytes(false) - 3;
    EXPECT_EQ(std::vector(last, last + 3), hex("4C 89 D1")) << std::hex << eip;  // mov rcx, r10
  }
}

TEST(Fragment, TellsCodeThatLoadsItsReturnAddress) {
  EXPECT_EQ(translate({.bytes = hex("8B 1C 24 C3")}).loads_return_address, 3);  // mov ebx, [esp]; ret
  EXPECT_EQ(translate({.bytes = hex("8B 2C 24 C3")}).loads_return_address, 5);
  for (const char* other : {"8B 24 24 C3",        // mov esp, [esp]
                            "8B 5C 24 04 C3",     // mov ebx, [esp + 4]
                            "8B 1C 24 C2 04 00",  // ret 4
                            "66 8B 1C 24 C3",     // mov bx, [esp]
                            "3E 8B 1C 24 C3",     // mov ebx, ds:[esp]
                            "89 1C 24 C3",        // mov [esp], ebx
                            "8B 1C 24 90 C3",     // with a nop
                            "8B 1C 04 C3"}) {     // mov ebx, [esp + eax]
    EXPECT_EQ(translate({.bytes = hex(other)}).loads_return_address, std::nullopt) << other;
  }
}

}  // namespace
}  // namespace ringshift::testing
