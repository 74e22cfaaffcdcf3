// Hardware task switches (SDM vol. 3, chapter 7).
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

using attr::dpl;
using attr::kAbsent;

class SystemTask : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemTask, kEngines, engine_name);

constexpr std::uint16_t kNewTask = SystemLab::free_selector(0), kThirdTask = SystemLab::free_selector(1),
                        kTaskGate = SystemLab::free_selector(2), kScratch = SystemLab::free_selector(3);
constexpr std::uint32_t kNewEip = 0x25000, kNewStack = 0x70000;
constexpr std::uint8_t kJmp = 0xEA, kCall = 0x9A;
constexpr std::uint32_t kOld = SystemLab::kTss, kNew = SystemLab::kSecondTss;

// Offsets in a 32-bit TSS.
namespace at {
constexpr std::uint32_t kLink = 0, kCr3 = 0x1C, kEip = 0x20, kEflags = 0x24, kGpr = 0x28, kEs = 0x48, kCs = 0x4C,
                        kSs = 0x50, kDs = 0x54, kFs = 0x58, kGs = 0x5C, kLdt = 0x60, kTrap = 0x64, kIoMap = 0x66;
}

void make_tss(SystemLab& lab, std::uint16_t selector, std::uint32_t base, unsigned cpl) {
  for (std::uint32_t i = 0; i < 0x68; i += 4) lab.poke<std::uint32_t>(base + i, 0);
  for (unsigned ring = 0; ring < 3; ++ring) {
    lab.poke<std::uint32_t>(base + 4 + 8 * ring, kNewStack + 0x1000 * (ring + 1));
    lab.poke<std::uint32_t>(base + 8 + 8 * ring, SystemLab::data(ring));
  }
  lab.poke<std::uint32_t>(base + at::kCr3, lab.state().cr3);
  lab.poke<std::uint32_t>(base + at::kEip, kNewEip);
  lab.poke<std::uint32_t>(base + at::kEflags, eflags::kFixed | eflags::kCf);
  for (unsigned i = 0; i < kGprCount; ++i) lab.poke<std::uint32_t>(base + at::kGpr + 4 * i, 0xC0DE0000 + i);
  lab.poke<std::uint32_t>(base + at::kGpr + 4 * kEsp, kNewStack);
  for (const std::uint32_t seg : {at::kEs, at::kSs, at::kDs, at::kFs, at::kGs}) {
    lab.poke<std::uint32_t>(base + seg, SystemLab::data(cpl));
  }
  lab.poke<std::uint32_t>(base + at::kCs, SystemLab::code(cpl));
  lab.poke<std::uint16_t>(base + at::kIoMap, 0x68);
  lab.set_descriptor(selector, base, 0x67, attr::kTss32);
}

enum class Way : std::uint8_t {
  jmp,
  call,
  interrupt,
  exception
};
constexpr Way kWays[] = {Way::jmp, Way::call, Way::interrupt, Way::exception};

// Switches to the task of `gate_or_tss`; interrupts go through a task gate in the IDT.
SystemLab::Outcome switch_by(SystemLab& lab, Way way, std::uint16_t tss = kNewTask) {
  const std::uint64_t gate = SystemLab::gate(tss, 0, gate_type::kTask, 3);
  switch (way) {
    case Way::jmp:
      return lab.execute(far_insn(kJmp, tss, 0));
    case Way::call:
      return lab.execute(far_insn(kCall, tss, 0));
    case Way::interrupt:
      lab.set_idt_gate(0x50, gate);
      return lab.execute({0xCD, 0x50});
    default:
      lab.set_idt_gate(vector::kUd, gate);
      return lab.execute({0x0F, 0x0B});
  }
}

TEST_P(SystemTask, SavesTheOldStateAndLoadsTheNew) {
  SystemLab lab(GetParam());
  for (const Way way : kWays) {
    SCOPED_TRACE(static_cast<int>(way));
    lab.reset(0);
    make_tss(lab, kNewTask, kNew, 0);
    lab.set_flags(eflags::kZf | eflags::kDf | 0x1000);
    const Registers before = lab.registers();
    ASSERT_TRUE(switch_by(lab, way));
    // Old task.
    const std::uint32_t length = way == Way::exception ? 0 : way == Way::interrupt ? 2 : 7;
    EXPECT_EQ(lab.peek<std::uint32_t>(kOld + at::kEip), SystemLab::kCode + length);
    EXPECT_EQ(lab.peek<std::uint32_t>(kOld + at::kEflags), before.eflags | (way == Way::exception ? eflags::kRf : 0U));
    for (unsigned i = 0; i < kGprCount; ++i) {
      EXPECT_EQ(lab.peek<std::uint32_t>(kOld + at::kGpr + 4 * i), before.gpr[i]) << i;
    }
    EXPECT_EQ(lab.peek<std::uint16_t>(kOld + at::kCs), SystemLab::code(0));
    EXPECT_EQ(lab.peek<std::uint16_t>(kOld + at::kGs), SystemLab::data(0));
    // New task.
    EXPECT_EQ(lab.eip(), kNewEip);
    EXPECT_EQ(lab.esp(), kNewStack);
    EXPECT_EQ(lab.gpr(kEdi), 0xC0DE0007u);
    EXPECT_EQ(lab.sel(Seg::cs), SystemLab::code(0));
    const bool nests = way != Way::jmp;
    EXPECT_EQ(lab.flags(), eflags::kFixed | eflags::kCf | (nests ? eflags::kNt : 0U));
    EXPECT_EQ(lab.peek<std::uint16_t>(kNew + at::kLink), nests ? SystemLab::kTssSelector : 0);
    EXPECT_EQ(lab.state().tr, (SegmentRegister{kNewTask, attr::kTss32Busy, kNew, 0x67}));
    EXPECT_EQ(lab.type_byte(kNewTask), attr::kTss32Busy);
    EXPECT_EQ(lab.type_byte(SystemLab::kTssSelector), nests ? attr::kTss32Busy : attr::kTss32);
    EXPECT_NE(lab.state().cr0 & cr0::kTs, 0u) << "TS is set at every switch";
  }
}

TEST_P(SystemTask, IretWithNtReturnsToTheLinkedTask) {
  SystemLab lab(GetParam());
  make_tss(lab, kNewTask, kNew, 0);
  const Registers before = lab.registers();
  ASSERT_TRUE(switch_by(lab, Way::call));
  ASSERT_TRUE(lab.transfers({0xCF}));
  EXPECT_EQ(lab.eip(), SystemLab::kCode + 7);
  EXPECT_EQ(lab.state().gpr, before.gpr);
  EXPECT_EQ(lab.flags(), before.eflags);
  EXPECT_EQ(lab.sel(Seg::ds), SystemLab::data(0));
  EXPECT_EQ(lab.state().tr.selector, SystemLab::kTssSelector);
  EXPECT_EQ(lab.type_byte(kNewTask), attr::kTss32) << "available again";
  EXPECT_EQ(lab.type_byte(SystemLab::kTssSelector), attr::kTss32Busy);
  EXPECT_EQ(lab.peek<std::uint32_t>(kNew + at::kEip), kNewEip + 1) << "the nested task resumes behind its IRET";
  EXPECT_EQ(lab.peek<std::uint32_t>(kNew + at::kEflags) & eflags::kNt, 0u);
}

TEST_P(SystemTask, TasksMayBeInAnyRing) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    lab.reset(0);
    make_tss(lab, kNewTask, kNew, cpl);
    ASSERT_TRUE(switch_by(lab, Way::jmp));
    EXPECT_EQ(lab.state().cpl(), cpl);
    EXPECT_EQ(lab.eip(), kNewEip);
    EXPECT_EQ(lab.sel(Seg::ss), SystemLab::data(cpl));
  }
}

TEST_P(SystemTask, ATaskMayRunInV86Mode) {
  SystemLab lab(GetParam());
  make_tss(lab, kNewTask, kNew, 0);
  lab.poke<std::uint32_t>(kNew + at::kEflags, eflags::kVm | 2);
  lab.poke<std::uint32_t>(kNew + at::kEip, 0x123);
  lab.poke<std::uint16_t>(kNew + at::kCs, 0x2500);
  lab.poke<std::uint16_t>(kNew + at::kSs, 0x3000);
  lab.poke<std::uint16_t>(kNew + at::kDs, 0x0003);
  ASSERT_TRUE(switch_by(lab, Way::jmp));
  EXPECT_TRUE(lab.state().v86());
  EXPECT_EQ(lab.segment(Seg::cs), v86_register(0x2500));
  EXPECT_EQ(lab.segment(Seg::ds), v86_register(3));
  EXPECT_EQ(lab.eip(), 0x123u);
}

TEST_P(SystemTask, ATaskGateLeadsToItsTss) {
  SystemLab lab(GetParam());
  for (const std::uint8_t opcode : {kJmp, kCall}) {
    lab.reset(3);
    make_tss(lab, kNewTask, kNew, 0);
    lab.set_gdt_gate(kTaskGate, SystemLab::gate(kNewTask, 0xFFFF, gate_type::kTask, 3));
    EXPECT_TRUE(lab.faults(far_insn(opcode, kNewTask, 0), vector::kGp, kNewTask)) << "the TSS has DPL 0";
    ASSERT_TRUE(lab.transfers(far_insn(opcode, kTaskGate | 3, 0)));
    EXPECT_EQ(lab.eip(), kNewEip);
    EXPECT_EQ(lab.state().cpl(), 0u);
    EXPECT_EQ(lab.peek<std::uint16_t>(kOld + at::kCs), SystemLab::code(3));
  }
}

TEST_P(SystemTask, AnExceptionPushesItsErrorCodeOnTheNewStack) {
  SystemLab lab(GetParam(), 3);
  make_tss(lab, kNewTask, kNew, 0);
  lab.set_idt_gate(vector::kNp, SystemLab::gate(kNewTask, 0, gate_type::kTask, 0));
  lab.set_descriptor(kScratch, 0, 0xFFF, (attr::kData | dpl(3)) & kAbsent);
  lab.gpr(kEax) = kScratch;
  ASSERT_TRUE(lab.transfers({0x8E, 0xD8}));
  EXPECT_EQ(lab.eip(), kNewEip);
  EXPECT_EQ(lab.esp(), kNewStack - 4);
  EXPECT_EQ(lab.stack(0), kScratch);
  EXPECT_EQ(lab.peek<std::uint32_t>(kOld + at::kEip), SystemLab::kCode);
}

TEST_P(SystemTask, ExternalInterruptsSwitchTasksToo) {
  SystemLab lab(GetParam(), 3);
  make_tss(lab, kNewTask, kNew, 0);
  lab.set_flags(eflags::kIf);
  lab.set_idt_gate(0x40, SystemLab::gate(kNewTask, 0, gate_type::kTask, 0));
  lab.interrupt(0x40);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.eip(), kNewEip + 1);
  EXPECT_EQ(lab.peek<std::uint32_t>(kOld + at::kEip), SystemLab::kCode);
  EXPECT_EQ(lab.peek<std::uint32_t>(kOld + at::kEflags), eflags::kFixed | eflags::kIf);
}

// ---- checks in the context of the old task ----------------------------------------------------------------

struct TargetRow {
  const char* what;
  std::uint16_t attributes;
  std::uint32_t limit;
  unsigned vec;
};

TEST_P(SystemTask, TheTargetIsCheckedBeforeAnythingChanges) {
  constexpr TargetRow kRows[] = {
      {"busy", attr::kTss32Busy, 0x67, vector::kGp},          {"busy, 16-bit", attr::kTss16Busy, 0x67, vector::kGp},
      {"absent", attr::kTss32 & kAbsent, 0x67, vector::kNp},  {"too short", attr::kTss32, 0x66, vector::kTs},
      {"16-bit, too short", attr::kTss16, 0x2A, vector::kTs},
  };
  SystemLab lab(GetParam());
  for (const TargetRow& row : kRows) {
    for (const bool gate : {false, true}) {
      SCOPED_TRACE(testing::Message() << row.what << (gate ? " behind a gate" : ""));
      lab.reset(0);
      make_tss(lab, kNewTask, kNew, 0);
      lab.set_descriptor(kNewTask, kNew, row.limit, row.attributes);
      lab.set_gdt_gate(kTaskGate, SystemLab::gate(kNewTask, 0, gate_type::kTask, 0));
      lab.set_idt_gate(0x50, SystemLab::gate(kNewTask, 0, gate_type::kTask, 3));
      lab.set_idt_gate(vector::kUd, SystemLab::gate(kNewTask, 0, gate_type::kTask, 3));
      const std::uint16_t sel = gate ? kTaskGate : kNewTask;
      EXPECT_TRUE(lab.faults(far_insn(kJmp, sel, 0), row.vec, kNewTask));
      EXPECT_TRUE(lab.faults(far_insn(kCall, sel, 0), row.vec, kNewTask));
      EXPECT_TRUE(lab.faults({0xCD, 0x50}, row.vec, kNewTask));
      EXPECT_TRUE(lab.faults({0x0F, 0x0B}, row.vec, kNewTask + 1)) << "EXT";
      EXPECT_EQ(lab.type_byte(SystemLab::kTssSelector), attr::kTss32Busy);
    }
  }
}

TEST_P(SystemTask, PrivilegeIsThatOfTheGateOrTss) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    for (unsigned tss_dpl = 0; tss_dpl < 4; ++tss_dpl) {
      for (unsigned rpl = 0; rpl < 4; ++rpl) {
        SCOPED_TRACE(testing::Message() << "ring " << cpl << ", DPL " << tss_dpl << ", RPL " << rpl);
        lab.reset(cpl);
        make_tss(lab, kNewTask, kNew, 0);
        lab.set_descriptor(kNewTask, kNew, 0x67, static_cast<std::uint16_t>(attr::kTss32 | dpl(tss_dpl)));
        const Bytes jump = far_insn(kJmp, static_cast<std::uint16_t>(kNewTask | rpl), 0);
        EXPECT_TRUE(tss_dpl >= cpl && tss_dpl >= rpl ? lab.transfers(jump) : lab.faults(jump, vector::kGp, kNewTask));
      }
    }
  }
}

TEST_P(SystemTask, TaskGatesAreChecked) {
  SystemLab lab(GetParam());
  make_tss(lab, kNewTask, kNew, 0);
  const Bytes call = far_insn(kCall, kTaskGate, 0);
  lab.set_gdt_gate(kTaskGate, SystemLab::gate(kNewTask, 0, gate_type::kTask, 0) ^ SystemLab::kGatePresent);
  EXPECT_TRUE(lab.faults(call, vector::kNp, kTaskGate));
  lab.set_gdt_gate(kTaskGate, SystemLab::gate(kNewTask | 4, 0, gate_type::kTask, 0));
  EXPECT_TRUE(lab.faults(call, vector::kGp, kNewTask | 4)) << "a TSS is in the GDT";
  lab.set_gdt_gate(kTaskGate, SystemLab::gate(0, 0, gate_type::kTask, 0));
  EXPECT_TRUE(lab.faults(call, vector::kGp, 0));
  lab.set_gdt_gate(kTaskGate, SystemLab::gate(SystemLab::kNoEntry, 0, gate_type::kTask, 0));
  EXPECT_TRUE(lab.faults(call, vector::kGp, SystemLab::kNoEntry));
  lab.set_gdt_gate(kTaskGate, SystemLab::gate(SystemLab::code(0), 0, gate_type::kTask, 0));
  EXPECT_TRUE(lab.faults(call, vector::kGp, SystemLab::code(0)));
}

TEST_P(SystemTask, IretChecksTheLink) {
  SystemLab lab(GetParam());
  make_tss(lab, kThirdTask, SystemLab::kThirdTss, 0);
  lab.set_flags(eflags::kNt);
  const auto link = [&](std::uint16_t sel) { lab.poke<std::uint16_t>(kOld + at::kLink, sel); };
  link(kThirdTask);  // available: nobody was nested in it
  EXPECT_TRUE(lab.faults({0xCF}, vector::kTs, kThirdTask));
  link(0);
  EXPECT_TRUE(lab.faults({0xCF}, vector::kTs, 0));
  link(SystemLab::kNoEntry);
  EXPECT_TRUE(lab.faults({0xCF}, vector::kTs, SystemLab::kNoEntry));
  link(kThirdTask | 4);
  EXPECT_TRUE(lab.faults({0xCF}, vector::kTs, kThirdTask | 4));
  link(kThirdTask);
  lab.set_descriptor(kThirdTask, SystemLab::kThirdTss, 0x67, attr::kTss32Busy & kAbsent);
  EXPECT_TRUE(lab.faults({0xCF}, vector::kNp, kThirdTask));
  lab.set_descriptor(kThirdTask, SystemLab::kThirdTss, 0x67, attr::kTss32Busy);
  EXPECT_TRUE(lab.transfers({0xCF}));
}

TEST_P(SystemTask, AMissingPageOfTheNewTssFaultsInTheOldTask) {
  SystemLab lab(GetParam(), 3);
  lab.identity_paging();
  make_tss(lab, kNewTask, kNew, 0);
  lab.set_gdt_gate(kTaskGate, SystemLab::gate(kNewTask, 0, gate_type::kTask, 3));
  lab.set_page(kNew, 0);
  EXPECT_TRUE(lab.faults(far_insn(kJmp, kTaskGate | 3, 0), vector::kPf, 0));
  EXPECT_EQ(lab.type_byte(kNewTask), attr::kTss32);
}

// ---- faults in the new task -------------------------------------------------------------------------------

struct NewTaskRow {
  const char* what;
  std::uint32_t field;
  std::uint32_t value;
  std::uint16_t attributes;  // of kScratch
  unsigned vec;
  std::uint32_t error;
};

// Everything is switched already: the handler runs in the new task, and finds its eip.
TEST_P(SystemTask, BadSegmentsFaultInTheNewTask) {
  constexpr std::uint16_t kDescriptorCode = attr::kCode | attr::kFlat, kDescriptorData = attr::kData | attr::kFlat;
  constexpr NewTaskRow kRows[] = {
      {"null CS", at::kCs, 0, 0, vector::kTs, 0},
      {"CS outside the table", at::kCs, SystemLab::kNoEntry, 0, vector::kTs, SystemLab::kNoEntry},
      {"CS is data", at::kCs, kScratch, kDescriptorData, vector::kTs, kScratch},
      {"DPL of CS", at::kCs, kScratch, kDescriptorCode | dpl(1), vector::kTs, kScratch},
      {"absent CS", at::kCs, kScratch, kDescriptorCode & kAbsent, vector::kNp, kScratch},
      {"null DS is fine, FS is code without reading", at::kFs, kScratch, attr::kExecuteOnly, vector::kTs, kScratch},
      {"absent DS", at::kDs, kScratch, kDescriptorData & kAbsent, vector::kNp, kScratch},
      {"GS outside the table", at::kGs, SystemLab::kNoEntry, 0, vector::kTs, SystemLab::kNoEntry},
      {"LDT in the LDT", at::kLdt, kScratch | 4, attr::kLdt, vector::kTs, kScratch | 4},
      {"LDT is a TSS", at::kLdt, kScratch, attr::kTss32, vector::kTs, kScratch},
      {"absent LDT", at::kLdt, kScratch, attr::kLdt & kAbsent, vector::kTs, kScratch},
      {"eip beyond the limit", at::kCs, kScratch, attr::kCode | attr::kBig, vector::kGp, 0},
  };
  SystemLab lab(GetParam());
  for (const NewTaskRow& row : kRows) {
    SCOPED_TRACE(row.what);
    lab.reset(0);
    make_tss(lab, kNewTask, kNew, 0);
    lab.poke<std::uint8_t>(kNewEip, 0x90);
    lab.poke<std::uint32_t>(kNew + row.field, row.value);
    lab.set_descriptor(kScratch, 0, (row.attributes & attr::kGran) != 0 ? 0xFFFFF : 0xFFF, row.attributes);
    const auto outcome = switch_by(lab, Way::jmp);
    // CS is loaded first, and SS only behind it: without it there is no stack for a handler of the same ring.
    if (row.field == at::kCs && row.vec != vector::kGp) {
      EXPECT_TRUE(outcome.shutdown || outcome.handler == row.vec || outcome.handler == unsigned{vector::kDf});
      EXPECT_EQ(lab.state().tr.selector, kNewTask);
      continue;
    }
    if (row.field == at::kLdt) {
      EXPECT_EQ(lab.state().tr.selector, kNewTask);
      continue;
    }
    EXPECT_EQ(outcome.handler, row.vec);
    EXPECT_EQ(lab.state().tr.selector, kNewTask);
    EXPECT_EQ(lab.stack(0), row.error);
    EXPECT_EQ(lab.stack(1), kNewEip);
    EXPECT_EQ(lab.gpr(kEdi), 0xC0DE0007u);
  }
}

TEST_P(SystemTask, BadSegmentsOfAnOuterTaskFaultOnItsRing0Stack) {
  constexpr std::uint16_t kDescriptorCode = attr::kCode | attr::kFlat | dpl(3),
                          kDescriptorData = attr::kData | attr::kFlat | dpl(3);
  constexpr NewTaskRow kRows[] = {
      {"CS is data", at::kCs, kScratch | 3, kDescriptorData, vector::kTs, kScratch},
      {"DPL of CS", at::kCs, kScratch | 3, kDescriptorCode ^ dpl(1), vector::kTs, kScratch},
      {"absent CS", at::kCs, kScratch | 3, kDescriptorCode & kAbsent, vector::kNp, kScratch},
      {"null SS", at::kSs, 0, 0, vector::kTs, 0},
      {"RPL of SS", at::kSs, kScratch | 2, kDescriptorData, vector::kTs, kScratch},
      {"DPL of SS", at::kSs, kScratch | 3, kDescriptorData ^ dpl(1), vector::kTs, kScratch},
      {"read-only SS", at::kSs, kScratch | 3, attr::kReadOnly | dpl(3), vector::kTs, kScratch},
      {"absent SS", at::kSs, kScratch | 3, kDescriptorData & kAbsent, vector::kSs, kScratch},
      {"inner DS", at::kDs, kScratch | 3, kDescriptorData ^ dpl(3), vector::kTs, kScratch},
      {"LDT is a TSS", at::kLdt, kScratch, attr::kTss32, vector::kTs, kScratch},
  };
  SystemLab lab(GetParam());
  for (const NewTaskRow& row : kRows) {
    SCOPED_TRACE(row.what);
    lab.reset(0);
    make_tss(lab, kNewTask, kNew, 3);
    lab.poke<std::uint32_t>(kNew + row.field, row.value);
    lab.set_descriptor(kScratch, 0, (row.attributes & attr::kGran) != 0 ? 0xFFFFF : 0xFFF, row.attributes);
    EXPECT_EQ(switch_by(lab, Way::jmp).handler, row.vec);
    EXPECT_EQ(lab.state().tr.selector, kNewTask);
    EXPECT_EQ(lab.stack(0), row.error);
    EXPECT_EQ(lab.stack(1), kNewEip);
    EXPECT_EQ(lab.stack(4), kNewStack);
  }
}

TEST_P(SystemTask, TheTrapBitTrapsBeforeTheFirstInstruction) {
  SystemLab lab(GetParam());
  make_tss(lab, kNewTask, kNew, 0);
  lab.poke<std::uint16_t>(kNew + at::kTrap, 1);
  EXPECT_EQ(switch_by(lab, Way::jmp).handler, 1u);
  EXPECT_EQ(lab.stack(0), kNewEip);
  EXPECT_EQ(lab.state().dr[6] & 0xE00FU, 0x8000u) << "DR6.BT";
}

// ---- what else belongs to a task --------------------------------------------------------------------------

TEST_P(SystemTask, LdtIsLoadedBeforeTheSegments) {
  SystemLab lab(GetParam());
  make_tss(lab, kNewTask, kNew, 0);
  lab.set_descriptor(kScratch, SystemLab::kLdtBase, 0xF, attr::kLdt);
  lab.poke<std::uint64_t>(SystemLab::kLdtBase + 8, lab.peek<std::uint64_t>(SystemLab::kGdt + SystemLab::data(0)));
  lab.poke<std::uint32_t>(kNew + at::kLdt, kScratch);
  lab.poke<std::uint32_t>(kNew + at::kDs, 0x0C);
  ASSERT_TRUE(switch_by(lab, Way::jmp));
  EXPECT_EQ(lab.state().ldtr, (SegmentRegister{kScratch, attr::kLdt, SystemLab::kLdtBase, 0xF}));
  EXPECT_EQ(lab.sel(Seg::ds), 0x0C);
  EXPECT_TRUE(lab.segment(Seg::ds).usable());
}

TEST_P(SystemTask, PagingLoadsCr3) {
  constexpr std::uint32_t kOtherDirectory = 0x90000;
  SystemLab lab(GetParam());
  lab.identity_paging();
  for (std::uint32_t i = 0; i < 0x1000; i += 4) {
    lab.poke<std::uint32_t>(kOtherDirectory + i, lab.peek<std::uint32_t>(SystemLab::kPageDirectory + i));
  }
  make_tss(lab, kNewTask, kNew, 0);
  lab.poke<std::uint32_t>(kNew + at::kCr3, kOtherDirectory);
  lab.poke<std::uint32_t>(kOld + at::kCr3, kOtherDirectory + 0x18);  // PCD and PWT
  ASSERT_TRUE(switch_by(lab, Way::call));
  EXPECT_EQ(lab.state().cr3, kOtherDirectory);
  ASSERT_TRUE(lab.transfers({0xCF}));
  EXPECT_EQ(lab.state().cr3, kOtherDirectory + 0x18) << "the CPU never writes CR3 to a TSS";
}

TEST_P(SystemTask, LocalBreakpointsEndWithTheTask) {
  SystemLab lab(GetParam());
  make_tss(lab, kNewTask, kNew, 0);
  lab.state().dr[7] = 0x400 | 0x3FF;
  for (unsigned i = 0; i < 4; ++i) lab.state().dr[i] = 0x7FFF0000;
  ASSERT_TRUE(switch_by(lab, Way::jmp));
  EXPECT_EQ(lab.state().dr[7], 0x400u | 0x2AAu);
}

TEST_P(SystemTask, A16BitTaskLoadsWords) {
  SystemLab lab(GetParam());
  constexpr std::uint32_t kTss16 = SystemLab::kThirdTss;
  for (std::uint32_t i = 0; i < 0x2C; i += 2) lab.poke<std::uint16_t>(kTss16 + i, 0);
  lab.poke<std::uint16_t>(kTss16 + 2, 0x8000);  // sp0
  lab.poke<std::uint16_t>(kTss16 + 4, SystemLab::data(0));
  lab.poke<std::uint16_t>(kTss16 + 0x0E, 0x7680);  // ip
  lab.poke<std::uint16_t>(kTss16 + 0x10, eflags::kFixed | eflags::kSf);
  for (unsigned i = 0; i < kGprCount; ++i) {
    lab.poke<std::uint16_t>(kTss16 + 0x12 + 2 * i, static_cast<std::uint16_t>(0xD0D0 + i));
  }
  lab.poke<std::uint16_t>(kTss16 + 0x12 + 2 * kEsp, 0x8000);
  lab.poke<std::uint16_t>(kTss16 + 0x22, SystemLab::data(0));
  lab.poke<std::uint16_t>(kTss16 + 0x24, SystemLab::code(0));
  lab.poke<std::uint16_t>(kTss16 + 0x26, SystemLab::data(0));
  lab.poke<std::uint16_t>(kTss16 + 0x28, SystemLab::data(0));
  lab.set_descriptor(kThirdTask, kTss16, 0x2B, attr::kTss16);
  ASSERT_TRUE(switch_by(lab, Way::call, kThirdTask));
  EXPECT_EQ(lab.eip(), 0x7680u);
  EXPECT_EQ(lab.flags(), eflags::kFixed | eflags::kSf | eflags::kNt);
  EXPECT_EQ(lab.gpr(kEdi) & 0xFFFFU, 0xD0D7u);
  EXPECT_FALSE(lab.segment(Seg::fs).usable()) << "a 16-bit TSS knows no FS";
  EXPECT_EQ(lab.type_byte(kThirdTask), attr::kTss16Busy);
  EXPECT_EQ(lab.peek<std::uint16_t>(kTss16), SystemLab::kTssSelector);
  lab.gpr(kEdi) = 0xABCD1234;
  ASSERT_TRUE(lab.transfers({0xCF}));
  EXPECT_EQ(lab.eip(), SystemLab::kCode + 7);
  EXPECT_EQ(lab.peek<std::uint16_t>(kTss16 + 0x12 + 2 * kEdi), 0x1234u);
  EXPECT_EQ(lab.peek<std::uint16_t>(kTss16 + 0x0E), 0x7681u);
  EXPECT_EQ(lab.peek<std::uint16_t>(kTss16 + 0x2A), 0u) << "the LDT field is never written";
}

// A ring-3 task calls a ring-0 task through a gate again and again; each call resumes it behind its IRET.
TEST_P(SystemTask, TwoTasksCallAndReturnManyTimes) {
  SystemLab lab(GetParam(), 3);
  make_tss(lab, kNewTask, kNew, 0);
  lab.set_gdt_gate(kTaskGate, SystemLab::gate(kNewTask, 0, gate_type::kTask, 3));
  lab.poke<std::uint32_t>(kNew + at::kGpr + 4 * kEax, 0);
  lab.place(kNewEip, {0x40, 0xCF, 0xEB, 0xFC});  // again: inc eax; iret; jmp again
  // again: call task; loop again; hlt (which ring 3 may not)
  Bytes program = far_insn(kCall, kTaskGate | 3, 0);
  program.insert(program.end(), {0xE2, 0xF7, 0xF4});
  lab.place(SystemLab::kCode, program);
  lab.gpr(kEcx) = 100;
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), unsigned{vector::kGp});
  EXPECT_EQ(lab.gpr(kEcx), 0u);
  EXPECT_EQ(lab.peek<std::uint32_t>(kNew + at::kGpr + 4 * kEax), 100u);
}

}  // namespace
}  // namespace ringshift::test
