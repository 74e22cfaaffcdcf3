// Single stepping, breakpoints, debug registers, and what MOV SS and STI hold off (SDM vol. 3, chapter 17).
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

class SystemDebug : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemDebug, kEngines, engine_name);

constexpr std::uint32_t kDr6Rest = 0xFFFF0FF0, kBd = 1U << 13, kBs = 1U << 14, kGd = 1U << 13;
constexpr std::uint32_t kLog = SystemLab::kData + 0x100;
constexpr unsigned kDb = vector::kDb;

// A #DB handler that appends its return address to a list at kLog and, if wanted, runs on:
//   push eax; mov eax, [kLog]; ... ; iret. The count is at kLog, the addresses follow.
void log_traps(SystemLab& lab) {
  lab.poke<std::uint32_t>(kLog, 0);
  const auto b = [](std::uint32_t v, unsigned i) { return static_cast<std::uint8_t>(v >> (8 * i)); };
  lab.set_idt_gate(kDb, SystemLab::gate(SystemLab::code(0), 0x26000, gate_type::kInterrupt32, 0));
  lab.place(0x26000,
            {
                0x50,                                                                      // push eax
                0x53,                                                                      // push ebx
                0x36, 0x8B, 0x44, 0x24,       0x08,                                        // mov eax, ss:[esp+8]
                0x36, 0x8B, 0x1D, b(kLog, 0), b(kLog, 1),     b(kLog, 2),     b(kLog, 3),  // mov ebx, ss:[kLog]
                0x36, 0x89, 0x04, 0x9D,       b(kLog + 4, 0), b(kLog + 4, 1), b(kLog + 4, 2), b(kLog + 4, 3),
                0x36, 0xFF, 0x05, b(kLog, 0), b(kLog, 1),     b(kLog, 2),     b(kLog, 3),  // inc dword ss:[kLog]
                0x5B,                                                                      // pop ebx
                0x58,                                                                      // pop eax
                0xCF,                                                                      // iret
            });
}

std::vector<std::uint32_t> traps(const SystemLab& lab) {
  std::vector<std::uint32_t> list;
  const auto count = std::min(lab.peek<std::uint32_t>(kLog), 64U);
  for (std::uint32_t i = 0; i < count; ++i) {
    list.push_back(lab.peek<std::uint32_t>(kLog + 4 + 4 * i) - SystemLab::kCode);
  }
  return list;
}

using Traps = std::vector<std::uint32_t>;

// Runs the program from kCode in ring 0 with TF set and gives the offsets behind which it trapped.
Traps step_through(SystemLab& lab, const Bytes& program) {
  log_traps(lab);
  lab.place(SystemLab::kCode, program);
  lab.set_flags(lab.flags() | eflags::kTf);
  EXPECT_EQ(lab.run(), engine::StopReason::halted);
  return traps(lab);
}

// ---- single stepping --------------------------------------------------------------------------------------

TEST_P(SystemDebug, TfTrapsBehindEveryInstruction) {
  SystemLab lab(GetParam());
  // nop; inc eax; jmp +1; (skipped); clear TF: pushf; and [esp], ~100h; popf; hlt
  EXPECT_EQ(step_through(lab, {0x90, 0x40, 0xEB, 0x01, 0x90, 0x9C, 0x80, 0x64, 0x24, 0x01, 0xFE, 0x9D, 0xF4}),
            (Traps{1, 2, 5, 6, 11, 12}));
  EXPECT_EQ(lab.state().dr[6], kDr6Rest | kBs);
}

TEST_P(SystemDebug, TheHandlerSeesTfInItsFrameAndRunsWithoutIt) {
  SystemLab lab(GetParam(), 3);
  lab.set_flags(eflags::kTf);
  const std::uint32_t eip = lab.eip();
  EXPECT_EQ(lab.execute({0x90}).handler, kDb);
  EXPECT_EQ(lab.stack(0), eip + 1);
  EXPECT_EQ(lab.stack(2), eflags::kFixed | eflags::kTf) << "RF is clear: it is a trap";
  EXPECT_EQ(lab.flags() & eflags::kTf, 0u);
}

TEST_P(SystemDebug, PopfSetsTfForTheInstructionBehindIt) {
  SystemLab lab(GetParam());
  log_traps(lab);
  lab.push32(eflags::kTf);
  // popf; nop; nop; then clear TF
  lab.place(SystemLab::kCode, {0x9D, 0x90, 0x90, 0x9C, 0x80, 0x64, 0x24, 0x01, 0xFE, 0x9D, 0xF4});
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(traps(lab), (Traps{2, 3, 4, 9, 10}));
}

TEST_P(SystemDebug, IretSetsTfForTheInstructionBehindIt) {
  SystemLab lab(GetParam());
  log_traps(lab);
  lab.push32(eflags::kTf);
  lab.push32(SystemLab::code(0));
  lab.push32(SystemLab::kCode + 1);
  lab.place(SystemLab::kCode, {0xCF, 0x90, 0x90, 0x9C, 0x80, 0x64, 0x24, 0x01, 0xFE, 0x9D, 0xF4});
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(traps(lab), (Traps{2, 3, 4, 9, 10}));
}

TEST_P(SystemDebug, IntPassesOverItsHandler) {
  SystemLab lab(GetParam());
  lab.set_idt_gate(0x50, SystemLab::gate(SystemLab::code(0), 0x25000, gate_type::kInterrupt32, 0));
  lab.place(0x25000, {0x90, 0x90, 0xCF});  // nop; nop; iret
  // int 50h; nop; clear TF. IRET restores TF, so that the first trap comes behind the nop.
  EXPECT_EQ(step_through(lab, {0xCD, 0x50, 0x90, 0x9C, 0x80, 0x64, 0x24, 0x01, 0xFE, 0x9D, 0xF4}),
            (Traps{3, 4, 9, 10}));
}

TEST_P(SystemDebug, RepeatedStringsTrapBehindEachIteration) {
  SystemLab lab(GetParam());
  lab.gpr(kEcx) = 3;
  lab.gpr(kEdi) = SystemLab::kData + 0x800;
  EXPECT_EQ(step_through(lab, {0xF3, 0xAA, 0x9C, 0x80, 0x64, 0x24, 0x01, 0xFE, 0x9D, 0xF4}), (Traps{0, 0, 2, 3, 8, 9}));
  EXPECT_EQ(lab.gpr(kEcx), 0u);
}

TEST_P(SystemDebug, AFaultComesInsteadOfTheTrap) {
  SystemLab lab(GetParam());
  lab.set_flags(eflags::kTf);
  EXPECT_EQ(lab.execute({0x0F, 0x0B}).handler, unsigned{vector::kUd});
  EXPECT_EQ(lab.stack(2), eflags::kFixed | eflags::kTf | eflags::kRf);
}

TEST_P(SystemDebug, MovSsAndPopSsHoldTheTrapOff) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = SystemLab::data(0);
  // mov ss, ax; nop; push ss; pop ss; nop; clear TF
  EXPECT_EQ(step_through(lab, {0x8E, 0xD0, 0x90, 0x16, 0x17, 0x90, 0x9C, 0x80, 0x64, 0x24, 0x01, 0xFE, 0x9D, 0xF4}),
            (Traps{3, 4, 6, 7, 12, 13}));
}

TEST_P(SystemDebug, LssHoldsNothingOff) {
  SystemLab lab(GetParam());
  lab.poke<std::uint32_t>(SystemLab::kData, SystemLab::stack_top(0));
  lab.poke<std::uint16_t>(SystemLab::kData + 4, SystemLab::data(0));
  lab.gpr(kEbx) = SystemLab::kData;
  EXPECT_EQ(step_through(lab, {0x0F, 0xB2, 0x23, 0x9C, 0x80, 0x64, 0x24, 0x01, 0xFE, 0x9D, 0xF4}),
            (Traps{3, 4, 9, 10}));
}

TEST_P(SystemDebug, HltWithTfTrapsInsteadOfWaiting) {
  SystemLab lab(GetParam());
  lab.set_flags(eflags::kTf);
  const std::uint32_t eip = lab.eip();
  lab.place(eip, {0xF4});
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), kDb);
  EXPECT_EQ(lab.stack(0), eip + 1);
}

TEST_P(SystemDebug, StepsInEveryRing) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    lab.reset(cpl);
    lab.set_flags(eflags::kTf);
    EXPECT_EQ(lab.execute({0x40}).handler, kDb) << cpl;
    EXPECT_EQ(lab.stack(1), SystemLab::code(cpl));
  }
}

TEST_P(SystemDebug, StepsInV86Mode) {
  SystemLab lab(GetParam());
  lab.enter_v86(0);
  lab.set_flags(lab.flags() | eflags::kTf);
  EXPECT_EQ(lab.execute({0x40}).handler, kDb);
  EXPECT_EQ(lab.stack(0), 0x101u);
}

// ---- the interrupt shadow ---------------------------------------------------------------------------------

// STI opens interrupts behind the next instruction; if that loads SS, behind one more.
TEST_P(SystemDebug, MovSsAndPopSsHoldInterruptsForOneInstruction) {
  SystemLab lab(GetParam());
  for (const Bytes& load : {Bytes{0x8E, 0xD0}, Bytes{0x17}}) {  // mov ss, ax; pop ss
    lab.reset(0);
    lab.gpr(kEax) = SystemLab::data(0);
    lab.push32(SystemLab::data(0));
    lab.interrupt(0x40);
    lab.place(SystemLab::kCode, {0xFB});
    lab.place(SystemLab::kCode + 1, load);
    lab.place(SystemLab::kCode + 1 + static_cast<std::uint32_t>(load.size()), {0x90, 0x90, 0xF4});
    ASSERT_EQ(lab.run(), engine::StopReason::halted);
    EXPECT_EQ(lab.vector(), 0x40u);
    EXPECT_EQ(lab.stack(0), SystemLab::kCode + 1 + load.size() + 1);
  }
}

TEST_P(SystemDebug, AFaultBehindMovSsIsDeliveredOnTheNewStack) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = SystemLab::data(0);
  ASSERT_TRUE(lab.completes({0x8E, 0xD0}));
  EXPECT_TRUE(lab.faults({0x0F, 0x0B}, vector::kUd));
}

// ---- instruction breakpoints and RF -----------------------------------------------------------------------

void breakpoint(SystemLab& lab, unsigned n, std::uint32_t address, bool global = false) {
  lab.state().dr[n] = address;
  lab.state().dr[7] |= (global ? 2U : 1U) << (2 * n);
}

TEST_P(SystemDebug, ABreakpointFaultsBeforeItsInstruction) {
  SystemLab lab(GetParam());
  for (unsigned n = 0; n < 4; ++n) {
    for (const bool global : {false, true}) {
      lab.reset(3);
      lab.gpr(kEax) = 1;
      breakpoint(lab, n, SystemLab::kCode + 1, global);
      lab.place(SystemLab::kCode, {0x40, 0x40, 0x40});
      ASSERT_EQ(lab.run(), engine::StopReason::halted);
      EXPECT_EQ(lab.vector(), kDb);
      EXPECT_EQ(lab.stack(0), SystemLab::kCode + 1);
      EXPECT_EQ(lab.stack(2), eflags::kFixed) << "RF is pushed clear";
      EXPECT_EQ(lab.gpr(kEax), 2u);
      EXPECT_EQ(lab.state().dr[6] & 0xFU, 1U << n);
    }
  }
}

TEST_P(SystemDebug, RfFromIretPassesTheBreakpointOnce) {
  SystemLab lab(GetParam());
  breakpoint(lab, 0, SystemLab::kCode + 1);
  lab.gpr(kEax) = 0;
  lab.gpr(kEcx) = 3;
  // nop; again: inc eax; loop again; hlt. The handler sets RF in its frame and returns.
  lab.place(SystemLab::kCode, {0x90, 0x40, 0xE2, 0xFD, 0xF4});
  lab.set_idt_gate(kDb, SystemLab::gate(SystemLab::code(0), 0x26000, gate_type::kInterrupt32, 0));
  lab.place(0x26000, {0x80, 0x4C, 0x24, 0x0A, 0x01, 0x43, 0xCF});  // or byte [esp+10], 1; inc ebx; iret
  lab.gpr(kEbx) = 0;
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), std::nullopt);
  EXPECT_EQ(lab.gpr(kEax), 3u);
  EXPECT_EQ(lab.gpr(kEbx), 3u) << "each time round the loop once";
}

TEST_P(SystemDebug, FaultsPushRfSoThatTheirRestartMeetsNoBreakpoint) {
  SystemLab lab(GetParam());
  lab.identity_paging();
  lab.set_page(SystemLab::kData, 0);
  breakpoint(lab, 0, SystemLab::kCode);
  lab.gpr(kEbx) = 0;
  lab.set_flags(eflags::kRf);  // the first time
  lab.place(SystemLab::kCode, {0xA1, 0, 0, 3, 0, 0xF4});
  // #PF handler: count, map the page, drop the error code, return.
  constexpr std::uint32_t kEntry = SystemLab::kPageTable + (SystemLab::kData >> 12) * 4;
  lab.set_idt_gate(vector::kPf, SystemLab::gate(SystemLab::code(0), 0x26000, gate_type::kInterrupt32, 0));
  lab.place(0x26000, {0x43, 0xC7, 0x05, kEntry & 0xFF, (kEntry >> 8) & 0xFF, (kEntry >> 16) & 0xFF, 0, 0x07, 0, 0x03, 0,
                      0x83, 0xC4, 0x04, 0xCF});
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), std::nullopt);
  EXPECT_EQ(lab.gpr(kEbx), 1u);
  EXPECT_EQ(lab.gpr(kEax), 0u);
}

TEST_P(SystemDebug, BreakpointsAreLinearAddresses) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  lab.set_descriptor(sel, SystemLab::kCode, 0xFFFF, attr::kCode | attr::kBig);
  breakpoint(lab, 2, SystemLab::kCode + 0x801);
  lab.place(SystemLab::kCode + 0x800, {0x90, 0x90});
  lab.execute(far_insn(0xEA, sel, 0x800));
  if (lab.vector() != kDb) {
    ASSERT_EQ(lab.run(), engine::StopReason::halted);
  }
  EXPECT_EQ(lab.vector(), kDb);
  EXPECT_EQ(lab.stack(0), 0x801u);
}

TEST_P(SystemDebug, DisabledBreakpointsAreQuiet) {
  SystemLab lab(GetParam());
  lab.state().dr[0] = SystemLab::kCode;
  EXPECT_TRUE(lab.completes({0x90}));
}

TEST_P(SystemDebug, AStepInFrontOfABreakpointComesFirst) {
  SystemLab lab(GetParam());
  lab.set_flags(eflags::kTf);
  breakpoint(lab, 1, SystemLab::kCode + 1);
  EXPECT_EQ(lab.execute({0x90}).handler, kDb);
  EXPECT_NE(lab.state().dr[6] & kBs, 0u);
  EXPECT_EQ(lab.stack(0), SystemLab::kCode + 1);
}

// ---- data breakpoints -------------------------------------------------------------------------------------

enum class Watch : std::uint32_t {
  write = 1,
  access = 3
};

void watch(SystemLab& lab, unsigned n, std::uint32_t address, unsigned length, Watch kind) {
  constexpr std::uint32_t kLengths[] = {0, 0, 1, 0, 3, 0, 0, 0, 2};
  lab.state().dr[n] = address;
  lab.state().dr[7] |= 1U << (2 * n) | (static_cast<std::uint32_t>(kind) | kLengths[length] << 2) << (16 + 4 * n);
  lab.state().refresh_pointers();
}

struct WatchRow {
  const char* what;
  Watch kind;
  unsigned length;
  Bytes bytes;  // ebx is kData + 4, where the watched place is
  bool hit;
};

const WatchRow kWatches[] = {
    {"read, watched for writes", Watch::write, 4, {0x8B, 0x03}, false},  // mov eax, [ebx]
    {"read, watched for both", Watch::access, 4, {0x8B, 0x03}, true},
    {"write, watched for writes", Watch::write, 4, {0x89, 0x03}, true},  // mov [ebx], eax
    {"write, watched for both", Watch::access, 4, {0x89, 0x03}, true},
    {"read-modify-write, watched for writes", Watch::write, 4, {0xFF, 0x03}, true},  // inc dword [ebx]
    {"a byte of it", Watch::write, 4, {0x88, 0x43, 0x03}, true},                     // mov [ebx+3], al
    {"the byte below", Watch::access, 4, {0x88, 0x43, 0xFF}, false},
    {"the byte above", Watch::access, 4, {0x88, 0x43, 0x04}, false},
    {"a doubleword that ends in it", Watch::write, 1, {0x89, 0x43, 0xFD}, true},  // mov [ebx-3], eax
    {"a doubleword in front of it", Watch::write, 1, {0x89, 0x43, 0xFC}, false},
    {"two bytes, the second", Watch::write, 2, {0x88, 0x43, 0x01}, true},
    {"two bytes, behind", Watch::write, 2, {0x88, 0x43, 0x02}, false},
    {"a string store", Watch::write, 4, {0xAB}, true},                        // stosd
    {"a string load", Watch::access, 4, {0xAD}, true},                        // lodsd
    {"an SSE store", Watch::write, 1, {0x0F, 0x11, 0x43, 0xF8}, true},        // movups [ebx-8], xmm0
    {"an x87 load", Watch::access, 4, {0xD9, 0x03}, true},                    // fld dword [ebx]
    {"a compare that does not store", Watch::write, 4, {0x39, 0x03}, false},  // cmp [ebx], eax
};

TEST_P(SystemDebug, DataBreakpointsTrapBehindTheAccess) {
  SystemLab lab(GetParam());
  for (const WatchRow& row : kWatches) {
    for (const unsigned cpl : {0U, 3U}) {
      SCOPED_TRACE(testing::Message() << row.what << ", ring " << cpl);
      lab.reset(cpl);
      lab.gpr(kEbx) = lab.gpr(kEdi) = lab.gpr(kEsi) = SystemLab::kData + 4;
      watch(lab, 2, SystemLab::kData + 4, row.length, row.kind);
      if (!row.hit) {
        EXPECT_TRUE(lab.completes(row.bytes));
        continue;
      }
      EXPECT_EQ(lab.execute(row.bytes).handler, kDb);
      EXPECT_EQ(lab.stack(0), SystemLab::kCode + row.bytes.size()) << "a trap";
      EXPECT_EQ(lab.state().dr[6], kDr6Rest | 1U << 2);
    }
  }
}

TEST_P(SystemDebug, DataBreakpointsWorkOnTheStackAndArmedByTheGuest) {
  SystemLab lab(GetParam());
  lab.place(SystemLab::kCode, {0x0F, 0x23, 0xC0,    // mov dr0, eax
                               0x0F, 0x23, 0xFB,    // mov dr7, ebx
                               0x90, 0x51, 0x90});  // nop; push ecx; nop
  lab.gpr(kEax) = lab.esp() - 4;
  lab.gpr(kEbx) = 0x1 | 0xD0000;  // L0, write, 4 bytes
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), kDb);
  EXPECT_EQ(lab.stack(0), SystemLab::kCode + 8);
  EXPECT_EQ(lab.state().dr[6], kDr6Rest | 1U);
  // Disarmed, the same code runs through.
  lab.set_cpl(0);
  lab.state().halted = 0;
  lab.gpr(kEbx) = 0;
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), std::nullopt);
}

TEST_P(SystemDebug, ARepeatedStoreTrapsBehindTheIterationThatHits) {
  SystemLab lab(GetParam());
  lab.gpr(kEdi) = SystemLab::kData;
  lab.gpr(kEcx) = 8;
  watch(lab, 0, SystemLab::kData + 8, 4, Watch::write);
  lab.place(SystemLab::kCode, {0xF3, 0xAB});  // rep stosd
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), kDb);
  EXPECT_EQ(lab.stack(0), SystemLab::kCode) << "the instruction goes on behind the handler";
  EXPECT_EQ(lab.gpr(kEcx), 5u);
  EXPECT_EQ(lab.gpr(kEdi), SystemLab::kData + 12);
}

TEST_P(SystemDebug, AnAccessThatFaultsTrapsNot) {
  SystemLab lab(GetParam(), 3);
  lab.identity_paging();
  lab.set_page(SystemLab::kData + 0x1000, 0);
  watch(lab, 0, SystemLab::kData + 0xFFC, 4, Watch::access);
  lab.gpr(kEsi) = SystemLab::kData + 0xFFC;
  lab.gpr(kEdi) = SystemLab::kData + 0x1000;
  // movsd: the load hits, the store faults.
  EXPECT_TRUE(lab.faults({0xA5}, vector::kPf, mmu::pf::kUser | mmu::pf::kWrite));
  EXPECT_TRUE(lab.completes({0x90})) << "nothing is left over";
}

TEST_P(SystemDebug, MovSsHoldsADataBreakpointForOneInstruction) {
  SystemLab lab(GetParam());
  lab.poke<std::uint16_t>(SystemLab::kData, SystemLab::data(0));
  lab.gpr(kEbx) = SystemLab::kData;
  watch(lab, 0, SystemLab::kData, 2, Watch::access);
  lab.place(SystemLab::kCode, {0x8E, 0x13, 0x90, 0x90, 0xF4});  // mov ss, [ebx]; nop; nop
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), kDb);
  EXPECT_EQ(lab.stack(0), SystemLab::kCode + 3);
}

TEST_P(SystemDebug, AStepAndADataBreakpointAreOneTrap) {
  SystemLab lab(GetParam());
  lab.gpr(kEbx) = SystemLab::kData;
  watch(lab, 3, SystemLab::kData, 4, Watch::write);
  lab.set_flags(eflags::kTf);
  EXPECT_EQ(lab.execute({0x89, 0x03}).handler, kDb);
  EXPECT_EQ(lab.state().dr[6], kDr6Rest | kBs | 1U << 3);
}

// ---- debug registers --------------------------------------------------------------------------------------

TEST_P(SystemDebug, Dr6AndDr7HaveFixedBits) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = 0;
  ASSERT_TRUE(lab.completes({0x0F, 0x23, 0xF0}));  // mov dr6, eax
  ASSERT_TRUE(lab.completes({0x0F, 0x23, 0xF8}));  // mov dr7, eax
  ASSERT_TRUE(lab.completes({0x0F, 0x21, 0xF1}));  // mov ecx, dr6
  ASSERT_TRUE(lab.completes({0x0F, 0x21, 0xFA}));  // mov edx, dr7
  EXPECT_EQ(lab.gpr(kEcx), kDr6Rest);
  EXPECT_EQ(lab.gpr(kEdx), 0x400u);
}

TEST_P(SystemDebug, Dr4AndDr5AreAliasesUnlessDebugExtensionsAreOn) {
  SystemLab lab(GetParam());
  ASSERT_TRUE(lab.completes({0x0F, 0x21, 0xE0}));  // mov eax, dr4
  EXPECT_EQ(lab.gpr(kEax), lab.state().dr[6]);
  ASSERT_TRUE(lab.completes({0x0F, 0x21, 0xE8}));  // mov eax, dr5
  EXPECT_EQ(lab.gpr(kEax), lab.state().dr[7]);
  lab.state().cr4 |= cr4::kDe;
  EXPECT_TRUE(lab.faults({0x0F, 0x21, 0xE0}, vector::kUd));
  EXPECT_TRUE(lab.faults({0x0F, 0x23, 0xE8}, vector::kUd));
}

TEST_P(SystemDebug, GeneralDetectFaultsOnAnyAccessAndIsThenOff) {
  SystemLab lab(GetParam());
  for (const Bytes& access : {Bytes{0x0F, 0x21, 0xC0}, Bytes{0x0F, 0x23, 0xF8}, Bytes{0x0F, 0x21, 0xF0}}) {
    lab.reset(0);
    lab.state().dr[7] |= kGd;
    EXPECT_EQ(lab.execute(access).handler, kDb);
    EXPECT_EQ(lab.stack(0), SystemLab::kCode) << "a fault";
    EXPECT_NE(lab.state().dr[6] & kBd, 0u);
    EXPECT_EQ(lab.state().dr[7] & kGd, 0u) << "the handler may use them";
  }
}

TEST_P(SystemDebug, Int1IsATrapThatLeavesDr6) {
  SystemLab lab(GetParam(), 3);
  const std::uint32_t eip = lab.eip();
  EXPECT_EQ(lab.execute({0xF1}).handler, kDb);
  EXPECT_EQ(lab.stack(0), eip + 1);
  EXPECT_EQ(lab.state().dr[6], kDr6Rest);
}

}  // namespace
}  // namespace ringshift::test
