// Virtual-8086 mode: what is sensitive to IOPL, and how it is left (SDM vol. 3, chapter 20).
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

class SystemV86 : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemV86, kEngines, engine_name);

constexpr std::uint32_t kTarget = 0x24680;

struct SensitiveRow {
  const char* what;
  Bytes bytes;
  bool always;  // faults with IOPL 3, too
};

const SensitiveRow kSensitive[] = {
    {"cli", {0xFA}, false},
    {"sti", {0xFB}, false},
    {"pushf", {0x9C}, false},
    {"popf", {0x9D}, false},
    {"pushfd", {0x66, 0x9C}, false},
    {"popfd", {0x66, 0x9D}, false},
    {"int n", {0xCD, 0x50}, false},
    {"iret", {0xCF}, false},
    {"iretd", {0x66, 0xCF}, false},
    {"hlt", {0xF4}, true},
    {"lgdt", {0x0F, 0x01, 0x17}, true},
    {"lidt", {0x0F, 0x01, 0x1F}, true},
    {"lmsw", {0x0F, 0x01, 0xF0}, true},
    {"clts", {0x0F, 0x06}, true},
    {"mov cr", {0x0F, 0x20, 0xC0}, true},
    {"mov dr", {0x0F, 0x21, 0xC0}, true},
    {"wrmsr", {0x0F, 0x30}, true},
    {"rdmsr", {0x0F, 0x32}, true},
    {"invd", {0x0F, 0x08}, true},
    {"wbinvd", {0x0F, 0x09}, true},
    {"invlpg", {0x0F, 0x01, 0x3F}, true},
    {"in, bitmap absent", {0xE4, 0x60}, true},
    {"out, bitmap absent", {0xE6, 0x60}, true},
};

TEST_P(SystemV86, SensitiveInstructionsFaultBelowIopl3) {
  SystemLab lab(GetParam());
  for (unsigned iopl = 0; iopl < 4; ++iopl) {
    for (const SensitiveRow& row : kSensitive) {
      SCOPED_TRACE(testing::Message() << row.what << ", IOPL " << iopl);
      lab.reset(0);
      lab.enter_v86(iopl);
      for (int i = 0; i < 8; ++i) lab.push16(0);
      if (row.always || iopl < 3) {
        EXPECT_TRUE(lab.faults(row.bytes, vector::kGp, 0));
      } else {
        EXPECT_NE(lab.execute(row.bytes).handler, unsigned{vector::kGp});
      }
    }
  }
}

TEST_P(SystemV86, OthersWorkAtAnyIopl) {
  SystemLab lab(GetParam());
  lab.enter_v86(0);
  lab.gpr(kEbx) = 0x10;
  EXPECT_TRUE(lab.completes({0x0F, 0x01, 0x07}));  // sgdt [bx]
  EXPECT_TRUE(lab.completes({0x0F, 0x01, 0x0F}));  // sidt [bx]
  EXPECT_TRUE(lab.completes({0x0F, 0x01, 0xE0}));  // smsw ax
  EXPECT_TRUE(lab.completes({0x0F, 0xA2}));        // cpuid
  EXPECT_TRUE(lab.completes({0x0F, 0x31}));        // rdtsc
  EXPECT_TRUE(lab.completes({0x1E}));              // push ds
  EXPECT_TRUE(lab.completes({0x17}));              // pop ss: any paragraph
  EXPECT_EQ(lab.segment(Seg::ss), lab.segment(Seg::ds));
}

// INT3, INTO and INT1 are not sensitive to IOPL; they go through their gates.
TEST_P(SystemV86, BreakpointsIgnoreIopl) {
  SystemLab lab(GetParam());
  lab.enter_v86(0);
  const Registers before = lab.registers();
  EXPECT_EQ(lab.execute({0xCC}).handler, 3u);
  lab.restore(before);
  lab.set_flags(lab.flags() | eflags::kOf);
  EXPECT_EQ(lab.execute({0xCE}).handler, 4u);
  lab.restore(before);
  EXPECT_EQ(lab.execute({0xF1}).handler, 1u);
  lab.restore(before);
  lab.set_idt_gate(3, SystemLab::gate(SystemLab::code(0), kTarget, 0xE, 0));
  EXPECT_TRUE(lab.faults({0xCC}, vector::kGp, 3 * 8 + 2)) << "V86 mode is ring 3 to the gate";
}

TEST_P(SystemV86, IntWithIopl3GoesThroughTheIdt) {
  SystemLab lab(GetParam());
  lab.enter_v86(3);
  lab.set_flags(lab.flags() | eflags::kIf | eflags::kCf);
  const std::uint32_t flags = lab.flags();
  ASSERT_EQ(lab.execute({0xCD, 0x50}).handler, 0x50u);
  EXPECT_EQ(lab.state().cpl(), 0u);
  EXPECT_EQ(lab.flags(), eflags::kFixed | eflags::kCf | 0x3000u);
  EXPECT_EQ(lab.esp(), SystemLab::stack_top(0) - 36);
  const std::uint32_t expected[] = {0x102, lab.stack(1), flags, 0x800};
  for (unsigned i = 0; i < 4; ++i) EXPECT_EQ(lab.stack(i), expected[i]) << i;
  unsigned slot = 1;
  for (const Seg seg : {Seg::cs, Seg::ss, Seg::es, Seg::ds, Seg::fs, Seg::gs}) {
    EXPECT_EQ(lab.stack(slot), SystemLab::v86_base(seg) >> 4) << slot;
    slot += slot == 1 ? 3 : 1;
  }
  for (const Seg seg : {Seg::es, Seg::ds, Seg::fs, Seg::gs}) {
    EXPECT_EQ(lab.sel(seg), 0);
    EXPECT_FALSE(lab.segment(seg).usable());
  }
}

TEST_P(SystemV86, A16BitGatePushesWords) {
  SystemLab lab(GetParam());
  lab.enter_v86(3);
  lab.set_idt_gate(0x50, SystemLab::gate(SystemLab::code(0), 0x7680, gate_type::kInterrupt16, 3));
  ASSERT_TRUE(lab.transfers({0xCD, 0x50}));
  EXPECT_EQ(lab.esp(), SystemLab::stack_top(0) - 18);
  EXPECT_EQ(lab.stack16(0), 0x102u);
  EXPECT_EQ(lab.stack16(8), SystemLab::v86_base(Seg::gs) >> 4);
}

struct LeaveRow {
  const char* what;
  std::uint16_t attributes;  // of the handler's code segment
};

TEST_P(SystemV86, OnlyANonconformingRing0HandlerIsEntered) {
  constexpr std::uint16_t kFlatCode = attr::kCode | attr::kFlat;
  constexpr LeaveRow kRows[] = {
      {"ring 1", kFlatCode | attr::dpl(1)},
      {"ring 2", kFlatCode | attr::dpl(2)},
      {"ring 3", kFlatCode | attr::dpl(3)},
      {"conforming", attr::kConforming | attr::kFlat},
      {"conforming ring 3", attr::kConforming | attr::kFlat | attr::dpl(3)},
  };
  constexpr std::uint16_t kSel = SystemLab::free_selector(0);
  SystemLab lab(GetParam());
  for (const LeaveRow& row : kRows) {
    SCOPED_TRACE(row.what);
    lab.reset(0);
    lab.enter_v86(3);
    lab.set_descriptor(kSel, 0, 0xFFFFF, row.attributes);
    lab.set_idt_gate(0x50, SystemLab::gate(kSel, kTarget, gate_type::kInterrupt32, 3));
    EXPECT_TRUE(lab.faults({0xCD, 0x50}, vector::kGp, kSel));
  }
}

TEST_P(SystemV86, ExternalInterruptsLeaveIt) {
  SystemLab lab(GetParam());
  lab.enter_v86(0);
  lab.set_flags(lab.flags() | eflags::kIf);
  lab.interrupt(0x40);
  lab.place(SystemLab::v86_base(Seg::cs) + 0x100, {0x90, 0x90});
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), 0x40u);
  EXPECT_NE(lab.stack(2) & eflags::kVm, 0u);
  EXPECT_EQ(lab.stack(0), 0x100u);
}

TEST_P(SystemV86, SegmentsEndAt64KiB) {
  SystemLab lab(GetParam());
  lab.enter_v86(3);
  EXPECT_TRUE(lab.completes({0xA0, 0xFF, 0xFF}));               // mov al, [FFFF]
  EXPECT_TRUE(lab.faults({0xA1, 0xFF, 0xFF}, vector::kGp, 0));  // mov ax, [FFFF]
  lab.gpr(kEbx) = 0x10000;
  EXPECT_TRUE(lab.faults({0x67, 0x8A, 0x03}, vector::kGp, 0));        // mov al, [ebx]
  EXPECT_TRUE(lab.faults({0x36, 0x67, 0x8A, 0x03}, vector::kSs, 0));  // mov al, ss:[ebx]
  EXPECT_TRUE(lab.completes({0x2E, 0x88, 0x07})) << "a code segment is writable";
}

TEST_P(SystemV86, FarTransfersMoveParagraphs) {
  SystemLab lab(GetParam());
  lab.enter_v86(0);
  ASSERT_TRUE(lab.transfers({0x9A, 0x34, 0x12, 0x00, 0x22}));  // call 2200:1234
  EXPECT_EQ(lab.segment(Seg::cs), v86_register(0x2200));
  EXPECT_EQ(lab.eip(), 0x1234u);
  ASSERT_TRUE(lab.transfers({0xCB}));
  EXPECT_EQ(lab.segment(Seg::cs), v86_register(SystemLab::v86_base(Seg::cs) >> 4));
  EXPECT_EQ(lab.eip(), 0x105u);
}

TEST_P(SystemV86, PopfAndIretLoadIfButNeitherIoplNorVm) {
  SystemLab lab(GetParam());
  lab.enter_v86(3);
  lab.push16(0x0202);
  ASSERT_TRUE(lab.completes({0x9D}));
  EXPECT_EQ(lab.flags(), eflags::kVm | 0x3202u);
  lab.push32(0x0002);
  ASSERT_TRUE(lab.completes({0x66, 0x9D}));
  EXPECT_EQ(lab.flags(), eflags::kVm | 0x3002u);
  lab.push16(0x0202);
  lab.push16(0x2200);
  lab.push16(0x0044);
  ASSERT_TRUE(lab.transfers({0xCF}));
  EXPECT_EQ(lab.flags(), eflags::kVm | 0x3202u);
  EXPECT_EQ(lab.segment(Seg::cs), v86_register(0x2200));
  EXPECT_EQ(lab.eip(), 0x44u);
}

TEST_P(SystemV86, IretIgnoresNt) {
  SystemLab lab(GetParam());
  lab.enter_v86(3);
  lab.set_flags(lab.flags() | eflags::kNt);
  lab.push16(0x0002);
  lab.push16(0x2200);
  lab.push16(0x0044);
  ASSERT_TRUE(lab.transfers({0xCF}));
  EXPECT_EQ(lab.eip(), 0x44u);
  EXPECT_EQ(lab.state().tr.selector, SystemLab::kTssSelector);
}

TEST_P(SystemV86, PushfShowsIoplAndIf) {
  SystemLab lab(GetParam());
  lab.enter_v86(3);
  lab.set_flags(lab.flags() | eflags::kIf);
  ASSERT_TRUE(lab.completes({0x66, 0x9C}));
  EXPECT_EQ(lab.peek<std::uint32_t>(SystemLab::v86_base(Seg::ss) + 0x7FC), 0x3202u) << "VM reads as 0";
}

// A monitor's whole round: fault out of V86 mode, look, IRET back.
TEST_P(SystemV86, AMonitorEmulatesCliAndReturns) {
  SystemLab lab(GetParam());
  lab.enter_v86(0);
  lab.place(SystemLab::v86_base(Seg::cs) + 0x100, {0xFA, 0x40, 0xFA, 0x40, 0xCC});  // cli; inc ax; cli; inc ax; int3
  // #GP handler: add esp, 4; inc dword [esp]; iret
  lab.place(SystemLab::handler(vector::kGp), {0x83, 0xC4, 0x04, 0xFF, 0x04, 0x24, 0xCF});
  lab.gpr(kEax) = 5;
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), 3u);
  EXPECT_EQ(lab.gpr(kEax), 7u);
  EXPECT_EQ(lab.stack(0), 0x105u);
}

}  // namespace
}  // namespace ringshift::test
