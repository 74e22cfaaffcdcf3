// Far jumps, calls and returns: direct, through call gates, to inner and outer rings (SDM vol. 3, 5.8).
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

using attr::dpl;
using attr::kAbsent;

class SystemFar : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemFar, kEngines, engine_name);

constexpr std::uint8_t kJmp = 0xEA, kCall = 0x9A, kRetf = 0xCB;
constexpr std::uint32_t kTarget = 0x24680;
constexpr std::uint16_t kConforming32 = attr::kConforming | attr::kFlat, kCode32 = attr::kCode | attr::kFlat;

// ---- direct ----------------------------------------------------------------------------------------

struct DirectRow {
  const char* what;
  unsigned cpl, rpl;
  std::uint16_t attributes;
  int vec;  // -1: goes there
};

constexpr DirectRow kDirect[] = {
    {"nonconforming, ring 0", 0, 0, kCode32, -1},
    {"nonconforming, ring 1", 1, 1, kCode32 | dpl(1), -1},
    {"nonconforming, ring 2 with RPL 0", 2, 0, kCode32 | dpl(2), -1},
    {"nonconforming, ring 3", 3, 3, kCode32 | dpl(3), -1},
    {"RPL above CPL", 0, 1, kCode32, vector::kGp},
    {"inward", 3, 3, kCode32, vector::kGp},
    {"inward with RPL 0", 3, 0, kCode32, vector::kGp},
    {"outward", 0, 0, kCode32 | dpl(3), vector::kGp},
    {"conforming, inner DPL", 3, 3, kConforming32, -1},
    {"conforming, same DPL", 2, 2, kConforming32 | dpl(2), -1},
    {"conforming: RPL does not count", 0, 3, kConforming32, -1},
    {"conforming, outer DPL", 0, 0, kConforming32 | dpl(3), vector::kGp},
    {"execute-only", 0, 0, attr::kExecuteOnly | attr::kFlat, -1},
    {"absent", 0, 0, kCode32& kAbsent, vector::kNp},
    {"privilege comes before presence", 3, 3, kCode32& kAbsent, vector::kGp},
    {"data", 0, 0, attr::kData | attr::kFlat, vector::kGp},
    {"an LDT", 0, 0, attr::kLdt, vector::kGp},
    {"an interrupt gate", 0, 0, attr::kP | gate_type::kInterrupt32, vector::kGp},
    {"a busy TSS", 0, 0, attr::kTss32Busy, vector::kGp},
};

TEST_P(SystemFar, DirectTransfersCheckTypePrivilegeAndPresence) {
  SystemLab lab(GetParam());
  for (const std::uint8_t opcode : {kJmp, kCall}) {
    for (const DirectRow& row : kDirect) {
      SCOPED_TRACE(testing::Message() << (opcode == kJmp ? "jmp, " : "call, ") << row.what);
      lab.reset(row.cpl);
      const std::uint16_t sel = SystemLab::free_selector(0, row.rpl);
      lab.set_descriptor(sel, 0, 0xFFFFF, row.attributes);
      if (row.vec >= 0) {
        EXPECT_TRUE(lab.faults(far_insn(opcode, sel, kTarget), static_cast<unsigned>(row.vec), sel & 0xFFFCU));
        continue;
      }
      ASSERT_TRUE(lab.transfers(far_insn(opcode, sel, kTarget)));
      EXPECT_EQ(lab.eip(), kTarget);
      EXPECT_EQ(lab.sel(Seg::cs), (sel & 0xFFFCU) | row.cpl) << "the RPL is the CPL, which does not change";
      EXPECT_EQ(lab.state().cpl(), row.cpl);
      EXPECT_TRUE(lab.accessed(sel));
      if (opcode == kJmp) {
        EXPECT_EQ(lab.esp(), SystemLab::stack_top(row.cpl));
        continue;
      }
      EXPECT_EQ(lab.esp(), SystemLab::stack_top(row.cpl) - 8);
      EXPECT_EQ(lab.stack(0), SystemLab::kCode + 7);
      EXPECT_EQ(lab.stack(1), SystemLab::code(row.cpl));
    }
  }
}

TEST_P(SystemFar, BadSelectorsFault) {
  SystemLab lab(GetParam());
  for (const std::uint8_t opcode : {kJmp, kCall}) {
    for (std::uint16_t null = 0; null < 4; ++null) EXPECT_TRUE(lab.faults(far_insn(opcode, null, 0), vector::kGp, 0));
    EXPECT_TRUE(lab.faults(far_insn(opcode, SystemLab::kNoEntry, 0), vector::kGp, SystemLab::kNoEntry));
    EXPECT_TRUE(lab.faults(far_insn(opcode, 0x0C, 0), vector::kGp, 0x0C)) << "there is no LDT";
  }
}

TEST_P(SystemFar, TheOffsetIsCheckedAgainstTheLimit) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  for (const std::uint8_t opcode : {kJmp, kCall}) {
    lab.set_descriptor(sel, 0, 0x3FFFF, attr::kCode | attr::kBig);
    EXPECT_TRUE(lab.faults(far_insn(opcode, sel, 0x40000), vector::kGp, 0));
    lab.set_descriptor(sel, 0, 0x3FFFF, (attr::kCode | attr::kBig) & kAbsent);
    EXPECT_TRUE(lab.faults(far_insn(opcode, sel, 0x40000), vector::kNp, sel)) << "presence comes first";
  }
  lab.set_descriptor(sel, 0, 0x3FFFF, attr::kCode | attr::kBig);
  EXPECT_TRUE(lab.transfers(far_insn(kJmp, sel, 0x3FFFF)));
}

TEST_P(SystemFar, ACallWithoutStackSpaceIsAStackFault) {
  SystemLab lab(GetParam());
  lab.set_descriptor(SystemLab::free_selector(1), 0, SystemLab::stack_top(0) + 0xFFF, attr::kData | attr::kBig);
  lab.gpr(kEax) = SystemLab::free_selector(1);
  ASSERT_TRUE(lab.completes({0x8E, 0xD0}));
  // #SS itself is delivered on this stack: let it have a task of its own. Only the vector is of interest.
  lab.gpr(kEsp) = 4;
  lab.set_descriptor(SystemLab::free_selector(2), 0, 0xFFFFF, kCode32);
  const auto outcome = lab.execute(far_insn(kCall, SystemLab::free_selector(2), kTarget));
  EXPECT_TRUE(outcome.shutdown) << "#SS, #DF and no stack for either";
}

TEST_P(SystemFar, SixteenBitOperandsMoveTwoBytes) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  lab.set_descriptor(sel, SystemLab::kCode, 0xFFFF, attr::kCode);
  const auto low = static_cast<std::uint8_t>(sel);
  ASSERT_TRUE(lab.transfers({0x66, 0x9A, 0x34, 0x12, low, 0}));
  EXPECT_EQ(lab.eip(), 0x1234u);
  EXPECT_EQ(lab.stack16(0), (SystemLab::kCode + 6) & 0xFFFFU);
  EXPECT_EQ(lab.stack16(1), SystemLab::code(0));
  EXPECT_EQ(lab.esp(), SystemLab::stack_top(0) - 4);
  EXPECT_FALSE(lab.segment(Seg::cs).big());
  ASSERT_TRUE(lab.transfers({kRetf}));  // 16-bit code: pops words
  EXPECT_EQ(lab.eip(), (SystemLab::kCode + 6) & 0xFFFFU);
  EXPECT_EQ(lab.esp(), SystemLab::stack_top(0));
}

TEST_P(SystemFar, IndirectPointersHoldTheOffsetFirst) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  lab.set_descriptor(sel, 0, 0xFFFFF, kCode32);
  lab.gpr(kEbx) = SystemLab::kData;
  lab.poke<std::uint32_t>(SystemLab::kData, kTarget);
  lab.poke<std::uint16_t>(SystemLab::kData + 4, sel);
  ASSERT_TRUE(lab.transfers({0xFF, 0x1B}));  // call far [ebx]
  EXPECT_EQ(lab.eip(), kTarget);
  EXPECT_EQ(lab.stack(0), SystemLab::kCode + 2);
  lab.poke<std::uint32_t>(SystemLab::kData, kTarget + 0x100);
  ASSERT_TRUE(lab.transfers({0xFF, 0x2B}));  // jmp far [ebx]
  EXPECT_EQ(lab.eip(), kTarget + 0x100);
  EXPECT_TRUE(lab.faults({0xFF, 0xD8}, vector::kUd)) << "a register holds no far pointer";
  EXPECT_TRUE(lab.faults({0xFF, 0xE8}, vector::kUd));
}

// ---- call gates ----------------------------------------------------------------------------------------

struct GateRow {
  const char* what;
  unsigned cpl, rpl, gate_dpl;
  std::uint16_t code_attributes;
  int call, jmp;   // vectors; -1: goes there
  bool gate_code;  // the error code is the gate's selector, else that of the code segment
};

constexpr GateRow kGates[] = {
    {"same ring", 0, 0, 0, kCode32, -1, -1, true},
    {"ring 3 to ring 3", 3, 3, 3, kCode32 | dpl(3), -1, -1, true},
    {"ring 3 to ring 0", 3, 3, 3, kCode32, -1, vector::kGp, false},
    {"ring 3 to ring 1", 3, 3, 3, kCode32 | dpl(1), -1, vector::kGp, false},
    {"ring 2 to ring 1", 2, 2, 2, kCode32 | dpl(1), -1, vector::kGp, false},
    {"gate of an inner ring", 3, 3, 2, kCode32, vector::kGp, vector::kGp, true},
    {"the gate's RPL hides it", 0, 3, 0, kCode32, vector::kGp, vector::kGp, true},
    {"outward", 0, 0, 3, kCode32 | dpl(3), vector::kGp, vector::kGp, false},
    {"conforming, inner", 3, 3, 3, kConforming32, -1, -1, true},
    {"conforming, outer", 0, 0, 3, kConforming32 | dpl(3), vector::kGp, vector::kGp, false},
    {"data behind the gate", 0, 0, 0, attr::kData | attr::kFlat, vector::kGp, vector::kGp, false},
    {"a system segment behind the gate", 0, 0, 0, attr::kTss32, vector::kGp, vector::kGp, false},
    {"absent code", 0, 0, 0, kCode32& kAbsent, vector::kNp, vector::kNp, false},
    {"absent code of an inner ring", 3, 3, 3, kCode32& kAbsent, vector::kNp, vector::kGp, false},
};

TEST_P(SystemFar, GatesCheckBothDescriptors) {
  SystemLab lab(GetParam());
  for (const std::uint8_t opcode : {kJmp, kCall}) {
    for (const GateRow& row : kGates) {
      SCOPED_TRACE(testing::Message() << (opcode == kJmp ? "jmp, " : "call, ") << row.what);
      lab.reset(row.cpl);
      const std::uint16_t gate_sel = SystemLab::free_selector(0, row.rpl), code_sel = SystemLab::free_selector(1);
      lab.set_descriptor(code_sel, 0, 0xFFFFF, row.code_attributes);
      lab.set_gdt_gate(gate_sel, SystemLab::gate(code_sel, kTarget, gate_type::kCall32, row.gate_dpl));
      // The offset in the instruction is ignored.
      const Bytes bytes = far_insn(opcode, gate_sel, 0xFFFFFFFF);
      const int vec = opcode == kJmp ? row.jmp : row.call;
      if (vec >= 0) {
        const std::uint32_t error = (row.gate_code ? gate_sel : code_sel) & 0xFFFCU;
        EXPECT_TRUE(lab.faults(bytes, static_cast<unsigned>(vec), error));
        continue;
      }
      ASSERT_TRUE(lab.transfers(bytes));
      EXPECT_EQ(lab.eip(), kTarget);
      const bool conforming = (row.code_attributes & segment::kConforming) != 0;
      const unsigned ring = conforming ? row.cpl : SegmentRegister{0, row.code_attributes, 0, 0}.dpl();
      EXPECT_EQ(lab.state().cpl(), ring);
      EXPECT_EQ(lab.sel(Seg::cs), code_sel | ring);
    }
  }
}

TEST_P(SystemFar, GatesThatAreAbsentOrLeadNowhereFault) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  for (const std::uint8_t opcode : {kJmp, kCall}) {
    const Bytes bytes = far_insn(opcode, sel, 0);
    lab.set_gdt_gate(sel,
                     SystemLab::gate(SystemLab::code(0), kTarget, gate_type::kCall32, 0) ^ SystemLab::kGatePresent);
    EXPECT_TRUE(lab.faults(bytes, vector::kNp, sel));
    lab.set_gdt_gate(sel, SystemLab::gate(0, kTarget, gate_type::kCall32, 0));
    EXPECT_TRUE(lab.faults(bytes, vector::kGp, 0));
    lab.set_gdt_gate(sel, SystemLab::gate(SystemLab::kNoEntry, kTarget, gate_type::kCall32, 0));
    EXPECT_TRUE(lab.faults(bytes, vector::kGp, SystemLab::kNoEntry));
    lab.set_descriptor(SystemLab::free_selector(1), 0, 0xFFF, attr::kCode | attr::kBig);
    lab.set_gdt_gate(sel, SystemLab::gate(SystemLab::free_selector(1), 0x1000, gate_type::kCall32, 0));
    EXPECT_TRUE(lab.faults(bytes, vector::kGp, 0)) << "beyond the limit";
  }
}

TEST_P(SystemFar, AGateCopiesParametersToTheInnerStack) {
  SystemLab lab(GetParam());
  for (unsigned outer = 1; outer < 4; ++outer) {
    for (unsigned inner = 0; inner < outer; ++inner) {
      for (const unsigned count : {0U, 1U, 2U, 31U}) {
        SCOPED_TRACE(testing::Message() << "ring " << outer << " to " << inner << ", " << count << " parameters");
        lab.reset(outer);
        const std::uint16_t sel = SystemLab::free_selector(0, outer);
        lab.set_gdt_gate(sel, SystemLab::gate(SystemLab::code(inner), kTarget, gate_type::kCall32, outer, count));
        for (unsigned i = count; i > 0; --i) lab.push32(0xA0000000 + i - 1);
        const std::uint32_t esp = lab.esp();
        ASSERT_TRUE(lab.transfers(far_insn(kCall, sel, 0)));
        EXPECT_EQ(lab.state().cpl(), inner);
        EXPECT_EQ(lab.sel(Seg::ss), SystemLab::data(inner));
        EXPECT_EQ(lab.esp(), SystemLab::stack_top(inner) - 16 - 4 * count);
        EXPECT_EQ(lab.stack(0), SystemLab::kCode + 7);
        EXPECT_EQ(lab.stack(1), SystemLab::code(outer));
        for (unsigned i = 0; i < count; ++i) EXPECT_EQ(lab.stack(2 + i), 0xA0000000 + i);
        EXPECT_EQ(lab.stack(2 + count), esp);
        EXPECT_EQ(lab.stack(3 + count), SystemLab::data(outer));
        EXPECT_EQ(lab.sel(Seg::ds), SystemLab::data(outer)) << "data segments stay";
      }
    }
  }
}

TEST_P(SystemFar, A16BitGateMovesWords) {
  SystemLab lab(GetParam(), 3);
  const std::uint16_t sel = SystemLab::free_selector(0, 3);
  lab.set_gdt_gate(sel, SystemLab::gate(SystemLab::code(0), 0x55AA7680, gate_type::kCall16, 3, 2));
  lab.push16(0xBBBB);
  lab.push16(0xAAAA);
  const std::uint32_t esp = lab.esp();
  ASSERT_TRUE(lab.transfers(far_insn(kCall, sel, 0)));
  EXPECT_EQ(lab.eip(), 0x7680u) << "16 bits of offset";
  EXPECT_EQ(lab.esp(), SystemLab::stack_top(0) - 12);
  EXPECT_EQ(lab.stack16(0), (SystemLab::kCode + 7) & 0xFFFFU);
  EXPECT_EQ(lab.stack16(1), SystemLab::code(3));
  EXPECT_EQ(lab.stack16(2), 0xAAAAu);
  EXPECT_EQ(lab.stack16(3), 0xBBBBu);
  EXPECT_EQ(lab.stack16(4), esp & 0xFFFFU);
  EXPECT_EQ(lab.stack16(5), SystemLab::data(3));
}

TEST_P(SystemFar, A16BitTssHoldsWordsOfStack) {
  SystemLab lab(GetParam(), 3);
  const std::uint16_t sel = SystemLab::free_selector(0, 3);
  lab.set_gdt_gate(sel, SystemLab::gate(SystemLab::code(0), kTarget, gate_type::kCall32, 3));
  lab.state().tr = SegmentRegister{SystemLab::kTssSelector, attr::kTss16Busy, SystemLab::kSecondTss, 0x2B};
  lab.poke<std::uint16_t>(SystemLab::kSecondTss + 2, 0x8000);
  lab.poke<std::uint16_t>(SystemLab::kSecondTss + 4, SystemLab::data(0));
  ASSERT_TRUE(lab.transfers(far_insn(kCall, sel, 0)));
  EXPECT_EQ(lab.esp(), 0x8000u - 16);
  EXPECT_EQ(lab.stack(3), SystemLab::data(3));
}

struct InnerStackRow {
  const char* what;
  std::uint16_t ss;
  std::uint16_t attributes;  // of free_selector(2), which is at index 2
  unsigned vec;
  std::uint32_t error;
};

// The stack of ring 1 is bad; faults then go to ring 0, whose stack is good.
TEST_P(SystemFar, TheInnerStackIsChecked) {
  constexpr std::uint16_t kStack = SystemLab::free_selector(2);
  constexpr std::uint16_t kGood = attr::kData | attr::kFlat | dpl(1);
  constexpr InnerStackRow kRows[] = {
      {"null", 0, 0, vector::kTs, 0},
      {"null with RPL 1", 1, 0, vector::kTs, 0},
      {"outside the table", SystemLab::kNoEntry + 1, 0, vector::kTs, SystemLab::kNoEntry},
      {"wrong RPL", kStack, kGood, vector::kTs, kStack},
      {"wrong DPL", kStack + 1, kGood ^ dpl(3), vector::kTs, kStack},
      {"read-only", kStack + 1, attr::kReadOnly | dpl(1), vector::kTs, kStack},
      {"code", kStack + 1, kCode32 | dpl(1), vector::kTs, kStack},
      {"absent", kStack + 1, kGood & kAbsent, vector::kSs, kStack},
      {"no room", kStack + 1, attr::kData | attr::kBig | dpl(1), vector::kSs, kStack},
  };
  SystemLab lab(GetParam());
  for (const InnerStackRow& row : kRows) {
    SCOPED_TRACE(row.what);
    lab.reset(3);
    const std::uint16_t sel = SystemLab::free_selector(0, 3);
    lab.set_gdt_gate(sel, SystemLab::gate(SystemLab::code(1), kTarget, gate_type::kCall32, 3));
    lab.set_descriptor(kStack, 0, (row.attributes & attr::kGran) != 0 ? 0xFFFFF : 0xFFF, row.attributes);
    lab.poke<std::uint16_t>(SystemLab::kTss + 16, row.ss);
    EXPECT_TRUE(lab.faults(far_insn(kCall, sel, 0), row.vec, row.error));
  }
}

TEST_P(SystemFar, ATssTooShortForTheInnerStackFaults) {
  SystemLab lab(GetParam(), 3);
  const std::uint16_t sel = SystemLab::free_selector(0, 3);
  lab.set_gdt_gate(sel, SystemLab::gate(SystemLab::code(2), kTarget, gate_type::kCall32, 3));
  lab.state().tr.limit = 4 + 2 * 8 + 4;  // ss2 is cut in half
  EXPECT_TRUE(lab.faults(far_insn(kCall, sel, 0), vector::kTs, SystemLab::kTssSelector));
}

// ---- returns -------------------------------------------------------------------------------------------

TEST_P(SystemFar, ReturnToTheSameRingReleasesParameters) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    lab.reset(cpl);
    lab.push32(0xBBBBBBBB);
    lab.push32(0xAAAAAAAA);
    lab.push32(0x12340000U | SystemLab::code(cpl));  // the upper half is ignored
    lab.push32(kTarget);
    ASSERT_TRUE(lab.transfers({0xCA, 8, 0}));  // retf 8
    EXPECT_EQ(lab.eip(), kTarget);
    EXPECT_EQ(lab.sel(Seg::cs), SystemLab::code(cpl));
    EXPECT_EQ(lab.esp(), SystemLab::stack_top(cpl));
  }
}

TEST_P(SystemFar, ReturnToAnOuterRingReleasesParametersOnBothStacks) {
  SystemLab lab(GetParam());
  for (unsigned inner = 0; inner < 3; ++inner) {
    for (unsigned outer = inner + 1; outer < 4; ++outer) {
      SCOPED_TRACE(testing::Message() << "ring " << inner << " to " << outer);
      lab.reset(inner);
      lab.push32(SystemLab::data(outer));
      lab.push32(0x1C000);
      lab.push32(0xAAAAAAAA);
      lab.push32(SystemLab::code(outer));
      lab.push32(kTarget);
      ASSERT_TRUE(lab.transfers({0xCA, 4, 0}));  // retf 4
      EXPECT_EQ(lab.state().cpl(), outer);
      EXPECT_EQ(lab.eip(), kTarget);
      EXPECT_EQ(lab.sel(Seg::ss), SystemLab::data(outer));
      EXPECT_EQ(lab.esp(), 0x1C004u);
    }
  }
}

// A ring may not keep data segments that it could not load (SDM vol. 2, RET).
TEST_P(SystemFar, ReturnToAnOuterRingDropsInnerDataSegments) {
  SystemLab lab(GetParam());
  const std::uint16_t conforming = SystemLab::free_selector(0), ring2 = SystemLab::free_selector(1);
  lab.set_descriptor(conforming, 0, 0xFFFFF, kConforming32);
  lab.set_descriptor(ring2, 0, 0xFFFFF, attr::kData | attr::kFlat | dpl(2));
  lab.gpr(kEax) = conforming;
  ASSERT_TRUE(lab.completes({0x8E, 0xE0}));  // fs: conforming code of ring 0
  lab.gpr(kEax) = ring2;
  ASSERT_TRUE(lab.completes({0x8E, 0xE8}));  // gs: data of ring 2
  lab.gpr(kEax) = SystemLab::data(3);
  ASSERT_TRUE(lab.completes({0x8E, 0xC0}));  // es: data of ring 3; ds: data of ring 0
  lab.push32(SystemLab::data(2));
  lab.push32(SystemLab::stack_top(2));
  lab.push32(SystemLab::code(2));
  lab.push32(kTarget);
  ASSERT_TRUE(lab.transfers({kRetf}));
  EXPECT_FALSE(lab.segment(Seg::ds).usable());
  EXPECT_EQ(lab.sel(Seg::ds), 0);
  EXPECT_EQ(lab.sel(Seg::es), SystemLab::data(3));
  EXPECT_EQ(lab.sel(Seg::fs), conforming);
  EXPECT_EQ(lab.sel(Seg::gs), ring2);
}

struct ReturnRow {
  const char* what;
  unsigned cpl;
  std::uint16_t cs;          // free_selector(0) with an RPL, or another
  std::uint16_t attributes;  // of it
  std::uint16_t ss;
  std::uint16_t ss_attributes;  // of free_selector(1)
  unsigned vec;
  std::uint32_t error;
};

TEST_P(SystemFar, ReturnsCheckCodeAndStack) {
  constexpr std::uint16_t kCs = SystemLab::free_selector(0), kSs = SystemLab::free_selector(1);
  constexpr std::uint16_t kUser = kCode32 | dpl(3), kStack = attr::kData | attr::kFlat | dpl(3);
  constexpr ReturnRow kRows[] = {
      {"null", 0, 0, 0, 0, 0, vector::kGp, 0},
      {"null with RPL 3", 0, 3, 0, 0, 0, vector::kGp, 0},
      {"outside the table", 0, SystemLab::kNoEntry, 0, 0, 0, vector::kGp, SystemLab::kNoEntry},
      {"data", 0, kCs, attr::kData, 0, 0, vector::kGp, kCs},
      {"inward", 3, kCs, kCode32, 0, 0, vector::kGp, kCs},
      {"inward with RPL 2", 3, kCs + 2, kCode32 | dpl(2), 0, 0, vector::kGp, kCs},
      {"nonconforming with another DPL", 0, kCs + 3, kCode32 | dpl(2), 0, 0, vector::kGp, kCs},
      {"conforming of an outer ring", 0, kCs, kConforming32 | dpl(1), 0, 0, vector::kGp, kCs},
      {"absent", 0, kCs, kCode32 & kAbsent, 0, 0, vector::kNp, kCs},
      {"outer, null stack", 0, kCs + 3, kUser, 0, 0, vector::kGp, 0},
      {"outer, null stack with RPL 3", 0, kCs + 3, kUser, 3, 0, vector::kGp, 0},
      {"outer, stack outside the table", 0, kCs + 3, kUser, SystemLab::kNoEntry + 3, 0, vector::kGp,
       SystemLab::kNoEntry},
      {"outer, stack RPL", 0, kCs + 3, kUser, kSs + 2, kStack, vector::kGp, kSs},
      {"outer, stack DPL", 0, kCs + 3, kUser, kSs + 3, kStack ^ dpl(1), vector::kGp, kSs},
      {"outer, read-only stack", 0, kCs + 3, kUser, kSs + 3, attr::kReadOnly | dpl(3), vector::kGp, kSs},
      {"outer, absent stack", 0, kCs + 3, kUser, kSs + 3, kStack & kAbsent, vector::kSs, kSs},
  };
  SystemLab lab(GetParam());
  for (const ReturnRow& row : kRows) {
    SCOPED_TRACE(row.what);
    for (const Bytes& insn : {Bytes{kRetf}, Bytes{0xCF}}) {  // iret checks the same
      lab.reset(row.cpl);
      lab.set_descriptor(kCs, 0, 0xFFFFF, row.attributes);
      lab.set_descriptor(kSs, 0, 0xFFFFF, row.ss_attributes);
      lab.push32(row.ss);
      lab.push32(SystemLab::stack_top(3));
      if (insn[0] == 0xCF) lab.push32(eflags::kFixed);
      lab.push32(row.cs);
      lab.push32(kTarget);
      EXPECT_TRUE(lab.faults(insn, row.vec, row.error)) << int{insn[0]};
    }
  }
}

TEST_P(SystemFar, ReturnsCheckTheOffset) {
  SystemLab lab(GetParam());
  lab.set_descriptor(SystemLab::free_selector(0), 0, 0xFFF, attr::kCode | attr::kBig);
  lab.push32(SystemLab::free_selector(0));
  lab.push32(0x1000);
  EXPECT_TRUE(lab.faults({kRetf}, vector::kGp, 0));
}

// ---- real mode -----------------------------------------------------------------------------------------

TEST_P(SystemFar, RealModeCallsAndReturnsMoveParagraphs) {
  SystemLab lab(GetParam());
  lab.real_mode();
  ASSERT_TRUE(lab.transfers({0x9A, 0x34, 0x12, 0x00, 0x22}));  // call 2200:1234
  EXPECT_EQ(lab.segment(Seg::cs).base, 0x22000u);
  EXPECT_EQ(lab.eip(), 0x1234u);
  EXPECT_EQ(lab.stack16(0), 5u);
  EXPECT_EQ(lab.stack16(1), SystemLab::kCode >> 4);
  ASSERT_TRUE(lab.transfers({kRetf}));
  EXPECT_EQ(lab.segment(Seg::cs).base, SystemLab::kCode);
  EXPECT_EQ(lab.eip(), 5u);
}

}  // namespace
}  // namespace ringshift::test
