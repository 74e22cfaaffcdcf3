// Interrupts and exceptions through the IDT, from and to every ring (SDM vol. 3, 6.10 to 6.14).
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

using attr::dpl;
using attr::kAbsent;

class SystemInterrupt : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemInterrupt, kEngines, engine_name);

constexpr unsigned kVec = 0x50;
constexpr std::uint32_t kTarget = 0x24680;
constexpr std::uint16_t kConforming32 = attr::kConforming | attr::kFlat, kCode32 = attr::kCode | attr::kFlat;
const Bytes kIntN = {0xCD, kVec}, kInt3 = {0xCC}, kInto = {0xCE}, kInt1 = {0xF1}, kUd2 = {0x0F, 0x0B};

// As it stands in an error code: the index, the IDT bit, EXT.
constexpr std::uint32_t idt_error(unsigned vec, unsigned ext) { return vec * 8 + 2 + ext; }

TEST_P(SystemInterrupt, SoftwareInterruptsNeedAGateOfTheirRing) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    for (unsigned gate_dpl = 0; gate_dpl < 4; ++gate_dpl) {
      SCOPED_TRACE(testing::Message() << "ring " << cpl << ", gate " << gate_dpl);
      lab.reset(cpl);
      lab.set_flags(eflags::kOf);
      for (const unsigned vec : {kVec, 1U, 3U, 4U}) {
        lab.set_idt_gate(vec, SystemLab::gate(SystemLab::code(0), SystemLab::handler(vec), 0xE, gate_dpl));
      }
      if (gate_dpl < cpl) {
        EXPECT_TRUE(lab.faults(kIntN, vector::kGp, idt_error(kVec, 0)));
        EXPECT_TRUE(lab.faults(kInt3, vector::kGp, idt_error(3, 0)));
        EXPECT_TRUE(lab.faults(kInto, vector::kGp, idt_error(4, 0)));
      } else {
        const Registers before = lab.registers();
        EXPECT_EQ(lab.execute(kIntN).handler, kVec);
        lab.restore(before);
        EXPECT_EQ(lab.execute(kInt3).handler, 3u);
        lab.restore(before);
        EXPECT_EQ(lab.execute(kInto).handler, 4u);
        lab.restore(before);
      }
      EXPECT_EQ(lab.execute(kInt1).handler, 1u) << "INT1 asks no gate";
    }
  }
}

TEST_P(SystemInterrupt, ExceptionsIgnoreTheGatesDpl) {
  SystemLab lab(GetParam(), 3);
  for (unsigned vec = 0; vec < 32; ++vec) {
    lab.set_idt_gate(vec, SystemLab::gate(SystemLab::code(0), SystemLab::handler(vec), 0xE, 0));
  }
  EXPECT_TRUE(lab.faults(kUd2, vector::kUd));
  EXPECT_TRUE(lab.faults({0xF4}, vector::kGp, 0));
  lab.gpr(kEcx) = 0;
  EXPECT_TRUE(lab.faults({0xF7, 0xF1}, vector::kDe));  // div ecx
}

TEST_P(SystemInterrupt, IntoTrapsOnlyOnOverflow) {
  SystemLab lab(GetParam());
  EXPECT_TRUE(lab.completes(kInto));
  lab.set_flags(eflags::kOf);
  const std::uint32_t eip = lab.eip();
  EXPECT_EQ(lab.execute(kInto).handler, 4u);
  EXPECT_EQ(lab.stack(0), eip + 1);
}

TEST_P(SystemInterrupt, BoundFaultsOutsideItsRange) {
  SystemLab lab(GetParam(), 3);
  lab.poke<std::uint32_t>(SystemLab::kData, static_cast<std::uint32_t>(-5));
  lab.poke<std::uint32_t>(SystemLab::kData + 4, 10);
  lab.gpr(kEbx) = SystemLab::kData;
  for (const int index : {-5, 0, 10}) {
    lab.gpr(kEax) = static_cast<std::uint32_t>(index);
    EXPECT_TRUE(lab.completes({0x62, 0x03})) << index;  // bound eax, [ebx]
  }
  for (const int index : {-6, 11}) {
    lab.gpr(kEax) = static_cast<std::uint32_t>(index);
    EXPECT_TRUE(lab.faults({0x62, 0x03}, vector::kBr)) << index;
  }
}

TEST_P(SystemInterrupt, EveryRingPairGetsTheRightFrame) {
  SystemLab lab(GetParam());
  for (unsigned outer = 0; outer < 4; ++outer) {
    for (unsigned inner = 0; inner <= outer; ++inner) {
      for (const unsigned type : {gate_type::kInterrupt32, gate_type::kTrap32}) {
        SCOPED_TRACE(testing::Message() << "ring " << outer << " to " << inner << ", type " << type);
        lab.reset(outer);
        lab.set_flags(0x243ED7 | eflags::kNt);  // all but TF, VM and RF
        const std::uint32_t flags = lab.flags();
        lab.set_idt_gate(kVec, SystemLab::gate(SystemLab::code(inner), kTarget, type, 3));
        ASSERT_TRUE(lab.transfers(kIntN));
        EXPECT_EQ(lab.eip(), kTarget);
        EXPECT_EQ(lab.state().cpl(), inner);
        EXPECT_EQ(lab.sel(Seg::cs), SystemLab::code(inner));
        EXPECT_EQ(lab.sel(Seg::ss), SystemLab::data(inner));
        EXPECT_EQ(lab.esp(), SystemLab::stack_top(inner) - (inner == outer ? 12U : 20U));
        EXPECT_EQ(lab.stack(0), SystemLab::kCode + 2);
        EXPECT_EQ(lab.stack(1), SystemLab::code(outer));
        EXPECT_EQ(lab.stack(2), flags);
        if (inner != outer) {
          EXPECT_EQ(lab.stack(3), SystemLab::stack_top(outer));
          EXPECT_EQ(lab.stack(4), SystemLab::data(outer));
        }
        const std::uint32_t cleared = eflags::kNt | (type == gate_type::kInterrupt32 ? eflags::kIf : 0U);
        EXPECT_EQ(lab.flags(), flags & ~cleared);
      }
    }
  }
}

TEST_P(SystemInterrupt, SixteenBitGatesPushWords) {
  SystemLab lab(GetParam(), 3);
  lab.set_iopl(3);
  for (const unsigned type : {gate_type::kInterrupt16, gate_type::kTrap16}) {
    lab.set_cpl(3);
    lab.set_flags(eflags::kIf);
    lab.set_idt_gate(kVec, SystemLab::gate(SystemLab::code(0), 0x55AA7680, type, 3));
    ASSERT_TRUE(lab.transfers(kIntN));
    EXPECT_EQ(lab.eip(), 0x7680u);
    EXPECT_EQ(lab.esp(), SystemLab::stack_top(0) - 10);
    EXPECT_EQ(lab.stack16(0), (SystemLab::kCode + 2) & 0xFFFFU);
    EXPECT_EQ(lab.stack16(1), SystemLab::code(3));
    EXPECT_EQ(lab.stack16(2), eflags::kFixed | eflags::kIf);
    EXPECT_EQ(lab.stack16(3), SystemLab::stack_top(3) & 0xFFFFU);
    EXPECT_EQ(lab.stack16(4), SystemLab::data(3));
    EXPECT_EQ(lab.state().interrupt_flag, type == gate_type::kTrap16 ? 1 : 0);
  }
}

TEST_P(SystemInterrupt, AConformingHandlerStaysInTheRing) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    lab.reset(cpl);
    lab.set_descriptor(SystemLab::free_selector(0), 0, 0xFFFFF, kConforming32);
    lab.set_idt_gate(kVec, SystemLab::gate(SystemLab::free_selector(0), kTarget, gate_type::kTrap32, 3));
    ASSERT_TRUE(lab.transfers(kIntN));
    EXPECT_EQ(lab.state().cpl(), cpl);
    EXPECT_EQ(lab.sel(Seg::cs), SystemLab::free_selector(0, cpl));
    EXPECT_EQ(lab.esp(), SystemLab::stack_top(cpl) - 12);
  }
}

struct GateRow {
  const char* what;
  unsigned cpl;
  std::uint64_t gate;
  std::uint16_t attributes;  // of free_selector(0)
  unsigned vec;
  bool idt;             // the error code names the IDT entry, else this selector
  std::uint16_t error;  // both without EXT
};

constexpr std::uint16_t kSel = SystemLab::free_selector(0);
const std::uint64_t kPlain = SystemLab::gate(kSel, kTarget, gate_type::kInterrupt32, 3);
const GateRow kBadGates[] = {
    {"empty", 0, 0, 0, vector::kGp, true, 0},
    {"absent", 3, kPlain ^ SystemLab::kGatePresent, kCode32, vector::kNp, true, 0},
    {"a call gate", 0, SystemLab::gate(kSel, kTarget, gate_type::kCall32, 3), kCode32, vector::kGp, true, 0},
    {"a TSS", 0, SystemLab::gate(kSel, kTarget, 9, 3), kCode32, vector::kGp, true, 0},
    {"a code segment", 0, SystemLab::gate(kSel, kTarget, 0x1A, 3), kCode32, vector::kGp, true, 0},
    {"reserved type", 0, SystemLab::gate(kSel, kTarget, 0xD, 3), kCode32, vector::kGp, true, 0},
    {"null selector", 3, SystemLab::gate(0, kTarget, gate_type::kInterrupt32, 3), 0, vector::kGp, false, 0},
    {"null selector with RPL", 3, SystemLab::gate(3, kTarget, gate_type::kTrap32, 3), 0, vector::kGp, false, 0},
    {"outside the table", 3, SystemLab::gate(SystemLab::kNoEntry, kTarget, gate_type::kInterrupt32, 3), 0, vector::kGp,
     false, SystemLab::kNoEntry},
    {"data", 3, kPlain, attr::kData, vector::kGp, false, kSel},
    {"a system segment", 3, kPlain, attr::kLdt, vector::kGp, false, kSel},
    {"outward", 0, kPlain, kCode32 | dpl(3), vector::kGp, false, kSel},
    {"outward from ring 1", 1, kPlain, kCode32 | dpl(2), vector::kGp, false, kSel},
    {"conforming of an outer ring", 0, kPlain, kConforming32 | dpl(1), vector::kGp, false, kSel},
    {"absent code", 3, kPlain, kCode32& kAbsent, vector::kNp, false, kSel},
    {"absent code of the same ring", 0, kPlain, kCode32& kAbsent, vector::kNp, false, kSel},
};

TEST_P(SystemInterrupt, BadGatesFaultWithoutExtForSoftware) {
  SystemLab lab(GetParam());
  for (const GateRow& row : kBadGates) {
    SCOPED_TRACE(row.what);
    lab.reset(row.cpl);
    lab.set_descriptor(kSel, 0, 0xFFFFF, row.attributes);
    lab.set_idt_gate(kVec, row.gate);
    EXPECT_TRUE(lab.faults(kIntN, row.vec, row.idt ? idt_error(kVec, 0) : row.error));
  }
}

TEST_P(SystemInterrupt, BadGatesFaultWithExtForExceptions) {
  SystemLab lab(GetParam());
  for (const GateRow& row : kBadGates) {
    SCOPED_TRACE(row.what);
    lab.reset(row.cpl);
    lab.set_descriptor(kSel, 0, 0xFFFFF, row.attributes);
    lab.set_idt_gate(vector::kUd, row.gate);
    EXPECT_TRUE(lab.faults(kUd2, row.vec, row.idt ? idt_error(vector::kUd, 1) : row.error + 1U));
  }
}

TEST_P(SystemInterrupt, BadGatesFaultWithExtForDevices) {
  SystemLab lab(GetParam());
  for (const GateRow& row : kBadGates) {
    SCOPED_TRACE(row.what);
    lab.reset(row.cpl);
    lab.set_flags(eflags::kIf);
    lab.set_descriptor(kSel, 0, 0xFFFFF, row.attributes);
    lab.set_idt_gate(kVec, row.gate);
    lab.interrupt(kVec);
    EXPECT_EQ(lab.run(), engine::StopReason::halted);
    EXPECT_EQ(lab.vector(), row.vec);
    EXPECT_EQ(lab.stack(0), row.idt ? idt_error(kVec, 1) : row.error + 1U);
    EXPECT_EQ(lab.stack(1), SystemLab::kCode);
  }
}

TEST_P(SystemInterrupt, VectorsBeyondTheLimitFault) {
  SystemLab lab(GetParam());
  lab.state().idtr.limit = kVec * 8 + 6;
  EXPECT_TRUE(lab.faults(kIntN, vector::kGp, idt_error(kVec, 0)));
  lab.state().idtr.limit = kVec * 8 + 7;
  EXPECT_EQ(lab.execute(kIntN).handler, kVec);
}

struct InnerStackRow {
  const char* what;
  std::uint16_t ss;
  std::uint16_t attributes;
  unsigned vec;
  std::uint16_t error;
};

// The handler's ring 1 has a bad stack; the fault that this makes goes to ring 0.
TEST_P(SystemInterrupt, TheHandlersStackIsChecked) {
  constexpr std::uint16_t kStack = SystemLab::free_selector(2);
  constexpr std::uint16_t kGood = attr::kData | attr::kFlat | dpl(1);
  constexpr InnerStackRow kRows[] = {
      {"null", 0, 0, vector::kTs, 0},
      {"outside the table", SystemLab::kNoEntry + 1, 0, vector::kTs, SystemLab::kNoEntry},
      {"wrong RPL", kStack, kGood, vector::kTs, kStack},
      {"wrong DPL", kStack + 1, kGood ^ dpl(3), vector::kTs, kStack},
      {"read-only", kStack + 1, attr::kReadOnly | dpl(1), vector::kTs, kStack},
      {"absent", kStack + 1, kGood & kAbsent, vector::kSs, kStack},
      {"no room", kStack + 1, attr::kData | attr::kBig | dpl(1), vector::kSs, kStack},
  };
  SystemLab lab(GetParam());
  for (const InnerStackRow& row : kRows) {
    SCOPED_TRACE(row.what);
    lab.reset(3);
    lab.set_descriptor(kStack, 0, (row.attributes & attr::kGran) != 0 ? 0xFFFFF : 0xFFF, row.attributes);
    lab.poke<std::uint16_t>(SystemLab::kTss + 16, row.ss);
    lab.set_idt_gate(kVec, SystemLab::gate(SystemLab::code(1), kTarget, gate_type::kInterrupt32, 3));
    lab.set_idt_gate(vector::kUd, SystemLab::gate(SystemLab::code(1), kTarget, gate_type::kInterrupt32, 3));
    EXPECT_TRUE(lab.faults(kIntN, row.vec, row.error));
    EXPECT_TRUE(lab.faults(kUd2, row.vec, row.error + 1U)) << "EXT";
  }
}

TEST_P(SystemInterrupt, ExceptionsPushTheirErrorCodeOnInnerAndSameStacks) {
  SystemLab lab(GetParam());
  for (unsigned inner = 0; inner < 2; ++inner) {
    lab.reset(1);
    lab.set_idt_gate(vector::kNp, SystemLab::gate(SystemLab::code(inner), kTarget, gate_type::kTrap32, 0));
    lab.set_descriptor(kSel, 0, 0xFFFFF, (attr::kData | dpl(1)) & kAbsent);
    lab.gpr(kEax) = kSel;
    ASSERT_TRUE(lab.transfers({0x8E, 0xD8}));
    EXPECT_EQ(lab.eip(), kTarget);
    EXPECT_EQ(lab.state().cpl(), inner);
    EXPECT_EQ(lab.stack(0), kSel);
    EXPECT_EQ(lab.stack(1), SystemLab::kCode);
  }
}

TEST_P(SystemInterrupt, SixteenBitGatesPushTheErrorCodeAsAWord) {
  SystemLab lab(GetParam());
  lab.set_idt_gate(vector::kGp, SystemLab::gate(SystemLab::code(0), 0x7680, gate_type::kInterrupt16, 0));
  lab.gpr(kEax) = SystemLab::kNoEntry;
  ASSERT_TRUE(lab.transfers({0x8E, 0xD8}));
  EXPECT_EQ(lab.esp(), SystemLab::stack_top(0) - 8);
  EXPECT_EQ(lab.stack16(0), SystemLab::kNoEntry);
  EXPECT_EQ(lab.stack16(1), SystemLab::kCode & 0xFFFFU);
}

TEST_P(SystemInterrupt, ExternalInterruptsWaitForIf) {
  SystemLab lab(GetParam());
  lab.interrupt(kVec);
  lab.place(SystemLab::kCode, {0x90, 0x90, 0xF4});
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), std::nullopt);
  lab.reset(3);
  lab.interrupt(kVec);
  lab.set_flags(eflags::kIf);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), kVec);
  EXPECT_EQ(lab.stack(0), SystemLab::kCode);
  EXPECT_EQ(lab.stack(2), eflags::kFixed | eflags::kIf) << "RF is clear";
  EXPECT_EQ(lab.state().interrupt_flag, 0);
}

// ---- real mode -------------------------------------------------------------------------------------------

TEST_P(SystemInterrupt, RealModeUsesTheVectorTable) {
  SystemLab lab(GetParam());
  lab.real_mode();
  lab.set_flags(eflags::kIf | eflags::kAc);
  lab.poke<std::uint32_t>(kVec * 4, 0x22001234);
  ASSERT_TRUE(lab.transfers(kIntN));
  EXPECT_EQ(lab.segment(Seg::cs).base, 0x22000u);
  EXPECT_EQ(lab.eip(), 0x1234u);
  EXPECT_EQ(lab.stack16(0), 2u);
  EXPECT_EQ(lab.stack16(1), SystemLab::kCode >> 4);
  EXPECT_EQ(lab.stack16(2), eflags::kFixed | eflags::kIf);
  EXPECT_EQ(lab.flags(), eflags::kFixed);
  ASSERT_TRUE(lab.transfers({0xCF}));
  EXPECT_EQ(lab.eip(), 2u);
  EXPECT_EQ(lab.flags(), eflags::kFixed | eflags::kIf);
}

TEST_P(SystemInterrupt, RealModeTableHasALimitToo) {
  SystemLab lab(GetParam());
  lab.real_mode();
  lab.state().idtr.limit = kVec * 4 + 2;
  EXPECT_TRUE(lab.faults(kIntN, vector::kGp));
  lab.state().idtr.limit = 4 * 8;  // neither #GP nor #DF fit
  EXPECT_TRUE(lab.execute(kIntN).shutdown);
}

}  // namespace
}  // namespace ringshift::test
