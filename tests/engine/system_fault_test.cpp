// Faults while faults are delivered, page faults and their error codes, limits (SDM vol. 3, 6.15, 4.7, 5.3).
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

using attr::dpl;
using attr::kAbsent;
namespace pf = mmu::pf;

class SystemFault : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemFault, kEngines, engine_name);

const Bytes kUd2 = {0x0F, 0x0B};
constexpr std::uint32_t kPage = SystemLab::kData;  // a page that tests map in special ways

std::uint64_t absent_gate() {
  return SystemLab::gate(SystemLab::code(0), 0, gate_type::kInterrupt32, 0) ^ SystemLab::kGatePresent;
}

// ---- double and triple faults (SDM table 6-5) -------------------------------------------------------------

struct FirstRow {
  const char* what;
  unsigned vec;
  Bytes bytes;
  bool contributory;
};

const FirstRow kFirst[] = {
    {"#DE", vector::kDe, {0xF7, 0xF1}, true},                // div ecx, ecx is 0
    {"#UD", vector::kUd, {0x0F, 0x0B}, false},               // ud2
    {"#NM", vector::kNm, {0xD9, 0xE8}, false},               // fld1, TS is set
    {"#BR", vector::kBr, {0x62, 0x03}, false},               // bound eax, [ebx]
    {"#NP", vector::kNp, {0x8E, 0xDE}, true},                // mov ds, si
    {"#SS", vector::kSs, {0x8E, 0xD6}, true},                // mov ss, si
    {"#GP", vector::kGp, {0x8E, 0xDF}, true},                // mov ds, di
    {"#PF", vector::kPf, {0xA1, 0x00, 0x00, 0x07, 0}, true}  // mov eax, [70000h]
};

void prepare(SystemLab& lab) {
  lab.reset(0);
  lab.identity_paging();
  lab.set_page(0x70000, 0);
  lab.state().cr0 |= cr0::kTs;
  lab.set_descriptor(SystemLab::free_selector(0), 0, 0xFFFFF, attr::kData & kAbsent);
  lab.gpr(kEbx) = SystemLab::kData;  // bounds 0 and 0
  lab.gpr(kEcx) = 0;
  lab.gpr(kEsi) = SystemLab::free_selector(0);
  lab.gpr(kEdi) = SystemLab::kNoEntry;
}

// The gate of the first exception is absent: #NP, a contributory exception, comes second.
TEST_P(SystemFault, AContributorySecondExceptionDoublesContributoryOnesAndPageFaults) {
  SystemLab lab(GetParam());
  for (const FirstRow& row : kFirst) {
    SCOPED_TRACE(row.what);
    if (row.vec == vector::kNp) continue;  // its own gate would be the absent one
    prepare(lab);
    lab.set_idt_gate(row.vec, absent_gate());
    if (row.contributory) {
      EXPECT_TRUE(lab.faults(row.bytes, vector::kDf, 0));
    } else {
      EXPECT_TRUE(lab.faults(row.bytes, vector::kNp, row.vec * 8 + 3));
    }
  }
}

// The gates from the first exception's on, and so that of #PF, are on a missing page: #DF, if its gate is there.
TEST_P(SystemFault, AMissingIdtPageDoubleFaultsOrShutsDown) {
  SystemLab lab(GetParam());
  for (const FirstRow& row : kFirst) {
    SCOPED_TRACE(row.what);
    prepare(lab);
    lab.state().idtr.base = 0x78000 - row.vec * 8;
    for (unsigned v = 0; v < row.vec; ++v) {
      lab.poke<std::uint64_t>(lab.state().idtr.base + v * 8, lab.peek<std::uint64_t>(SystemLab::kIdt + v * 8));
    }
    lab.set_page(0x78000, 0);
    const auto outcome = lab.execute(row.bytes);
    EXPECT_EQ(outcome.shutdown, row.vec < vector::kDf);
    if (!outcome.shutdown) {
      EXPECT_EQ(outcome.handler, unsigned{vector::kDf});
    }
  }
}

TEST_P(SystemFault, ABenignFirstExceptionIsReplacedByThePageFault) {
  SystemLab lab(GetParam());
  for (const bool paging_first : {false, true}) {
    prepare(lab);
    // The handler's code segment has its descriptor in the LDT, on a page that is missing.
    lab.state().ldtr = SegmentRegister{SystemLab::free_selector(1), attr::kLdt, 0x78000, 0xFFF};
    lab.set_page(0x78000, 0);
    const unsigned vec = paging_first ? vector::kPf : vector::kUd;
    lab.set_idt_gate(vec, SystemLab::gate(0x0C, 0, gate_type::kInterrupt32, 0));
    if (paging_first) {
      EXPECT_TRUE(lab.faults({0xA1, 0x00, 0x00, 0x07, 0}, vector::kDf, 0));
      EXPECT_EQ(lab.execute({0xA1, 0x00, 0x00, 0x07, 0}).handler, unsigned{vector::kDf});
    } else {
      EXPECT_TRUE(lab.faults(kUd2, vector::kPf, 0));
      EXPECT_EQ(lab.execute(kUd2).handler, unsigned{vector::kPf});
    }
    EXPECT_EQ(lab.state().cr2, 0x78008u) << "of the second fault";
  }
}

TEST_P(SystemFault, APageFaultDuringAContributoryExceptionIsServedAsSuch) {
  SystemLab lab(GetParam());
  prepare(lab);
  lab.state().ldtr = SegmentRegister{SystemLab::free_selector(1), attr::kLdt, 0x78000, 0xFFF};
  lab.set_page(0x78000, 0);
  lab.set_idt_gate(vector::kGp, SystemLab::gate(0x0C, 0, gate_type::kInterrupt32, 0));
  EXPECT_TRUE(lab.faults({0x8E, 0xDF}, vector::kPf, 0));
}

TEST_P(SystemFault, AFaultWhileDeliveringADoubleFaultShutsDown) {
  SystemLab lab(GetParam());
  for (const FirstRow& row : kFirst) {
    SCOPED_TRACE(row.what);
    if (!row.contributory || row.vec == vector::kNp) continue;
    prepare(lab);
    lab.set_idt_gate(row.vec, absent_gate());
    lab.set_idt_gate(vector::kDf, absent_gate());
    EXPECT_TRUE(lab.execute(row.bytes).shutdown);
  }
}

TEST_P(SystemFault, NoIdtAtAllShutsDown) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    lab.reset(cpl);
    lab.state().idtr.limit = 0;
    EXPECT_TRUE(lab.execute(kUd2).shutdown);
  }
  lab.reset(0);
  lab.state().idtr.limit = 0;
  lab.interrupt(0x40);
  lab.set_flags(eflags::kIf);
  EXPECT_EQ(lab.run(), engine::StopReason::shutdown);
}

TEST_P(SystemFault, ADoubleFaultPushesAZeroErrorCode) {
  SystemLab lab(GetParam(), 3);
  lab.set_idt_gate(vector::kGp, absent_gate());
  EXPECT_TRUE(lab.faults({0xFA}, vector::kDf, 0));
}

TEST_P(SystemFault, AKernelStackThatOverflowsIntoAMissingPageDoubleFaults) {
  SystemLab lab(GetParam());
  lab.identity_paging();
  lab.set_page(kPage, 0);
  lab.set_page(kPage + 0x1000, SystemLab::kData | 0x1007U);
  lab.gpr(kEsp) = kPage + 0x1000;
  // #DF needs a stack of its own: a task gate.
  constexpr std::uint16_t kTask = SystemLab::free_selector(0);
  for (std::uint32_t i = 0; i < 0x68; i += 4) lab.poke<std::uint32_t>(SystemLab::kSecondTss + i, 0);
  lab.poke<std::uint32_t>(SystemLab::kSecondTss + 0x1C, lab.state().cr3);
  lab.poke<std::uint32_t>(SystemLab::kSecondTss + 0x20, 0x25000);
  lab.poke<std::uint32_t>(SystemLab::kSecondTss + 0x24, 2);
  lab.poke<std::uint32_t>(SystemLab::kSecondTss + 0x38, 0x70000);
  for (const std::uint32_t seg : {0x48U, 0x50U, 0x54U, 0x58U, 0x5CU}) {
    lab.poke<std::uint32_t>(SystemLab::kSecondTss + seg, SystemLab::data(0));
  }
  lab.poke<std::uint32_t>(SystemLab::kSecondTss + 0x4C, SystemLab::code(0));
  lab.set_descriptor(kTask, SystemLab::kSecondTss, 0x67, attr::kTss32);
  lab.set_idt_gate(vector::kDf, SystemLab::gate(kTask, 0, gate_type::kTask, 0));
  ASSERT_TRUE(lab.execute({0x50}));  // push eax
  EXPECT_EQ(lab.eip(), 0x25000u);
  EXPECT_EQ(lab.stack(0), 0u) << "error code";
  EXPECT_EQ(lab.peek<std::uint32_t>(SystemLab::kTss + 0x20), SystemLab::kCode) << "the push has not happened";
  EXPECT_EQ(lab.peek<std::uint32_t>(SystemLab::kTss + 0x28 + 4 * kEsp), kPage + 0x1000);
  EXPECT_EQ(lab.state().cr2, kPage + 0xFFC) << "where the push, and then the frame of #PF, did not fit";
}

// ---- page faults ------------------------------------------------------------------------------------------

struct PageRow {
  const char* what;
  unsigned cpl;
  std::uint32_t entry;  // of kPage, without its address
  bool write_protect;   // CR0.WP
  int read, write;      // error codes; -1: allowed
};

constexpr PageRow kPages[] = {
    {"absent, supervisor", 0, 0, true, 0, pf::kWrite},
    {"absent, user", 3, 0, true, pf::kUser, pf::kUser | pf::kWrite},
    {"absent, ring 1 is a supervisor", 1, 0, true, 0, pf::kWrite},
    {"absent, ring 2 is a supervisor", 2, 0, true, 0, pf::kWrite},
    {"supervisor page, supervisor", 0, 3, true, -1, -1},
    {"supervisor page, ring 2", 2, 3, true, -1, -1},
    {"supervisor page, user", 3, 3, true, pf::kPresent | pf::kUser, pf::kPresent | pf::kUser | pf::kWrite},
    {"user page, user", 3, 7, true, -1, -1},
    {"read-only user page, user", 3, 5, true, -1, pf::kPresent | pf::kUser | pf::kWrite},
    {"read-only user page, user, WP clear", 3, 5, false, -1, pf::kPresent | pf::kUser | pf::kWrite},
    {"read-only page, supervisor", 0, 5, true, -1, pf::kPresent | pf::kWrite},
    {"read-only page, supervisor, WP clear", 0, 5, false, -1, -1},
    {"read-only supervisor page", 0, 1, true, -1, pf::kPresent | pf::kWrite},
};

TEST_P(SystemFault, PageRightsFollowRingAndWp) {
  SystemLab lab(GetParam());
  for (const PageRow& row : kPages) {
    SCOPED_TRACE(row.what);
    lab.reset(row.cpl);
    lab.identity_paging();
    if (!row.write_protect) lab.state().cr0 &= ~cr0::kWp;
    update_paging(lab.cpu());
    lab.set_page(kPage, kPage | row.entry);
    const Bytes read = {0xA1, 0x10, 0, 3, 0}, write = {0xA3, 0x10, 0, 3, 0}, modify = {0xFF, 0x05, 0x10, 0, 3, 0};
    const auto check = [&](const Bytes& bytes, int error) {
      return error < 0 ? lab.completes(bytes) : lab.faults(bytes, vector::kPf, static_cast<std::uint32_t>(error));
    };
    EXPECT_TRUE(check(read, row.read));
    EXPECT_TRUE(check(write, row.write));
    EXPECT_TRUE(check(modify, row.write)) << "read-modify-write faults as a write";
    if (row.read >= 0) {
      lab.execute(read);
      EXPECT_EQ(lab.state().cr2, kPage + 0x10);
    }
  }
}

TEST_P(SystemFault, CodePagesFaultOnFetch) {
  SystemLab lab(GetParam(), 3);
  lab.identity_paging();
  lab.set_page(kPage, kPage | 3U);
  const std::uint32_t eip = lab.eip();
  lab.gpr(kEax) = kPage;
  EXPECT_EQ(lab.execute({0xFF, 0xE0}).handler.value_or(vector::kPf), unsigned{vector::kPf});  // jmp eax
  if (lab.vector() != unsigned{vector::kPf}) {
    EXPECT_EQ(lab.eip(), kPage) << eip;
    ASSERT_EQ(lab.step().handler, unsigned{vector::kPf});
  }
  EXPECT_EQ(lab.stack(0), pf::kPresent | pf::kUser) << "no fetch bit without NXE";
  EXPECT_EQ(lab.stack(1), kPage);
  EXPECT_EQ(lab.state().cr2, kPage);
}

TEST_P(SystemFault, AnInstructionAcrossAMissingPageFaultsAtThatPage) {
  SystemLab lab(GetParam(), 3);
  lab.identity_paging();
  lab.set_page(kPage, 0);
  lab.state().eip = kPage - 2;
  lab.poke<std::uint8_t>(kPage - 2, 0xB8);  // mov eax, imm32
  ASSERT_EQ(lab.step().handler, unsigned{vector::kPf});
  EXPECT_EQ(lab.stack(0), pf::kUser);
  EXPECT_EQ(lab.stack(1), kPage - 2);
  EXPECT_EQ(lab.state().cr2, kPage);
}

// ---- PAE, no-execute and reserved bits ----------------------------------------------------------------------

constexpr std::uint32_t kPaeDirectory = 0x84000, kPaeTable = 0x85000;
constexpr std::uint64_t kNx = 1ULL << 63;

// Identity for the first 2 MiB in pages of 4 KiB.
void pae_paging(SystemLab& lab, bool no_execute) {
  for (std::uint32_t i = 0; i < 4; ++i) lab.poke<std::uint64_t>(SystemLab::kPageDirectory + i * 8, 0);
  for (std::uint32_t i = 0; i < 512; ++i) {
    lab.poke<std::uint64_t>(kPaeDirectory + i * 8, 0);
    lab.poke<std::uint64_t>(kPaeTable + i * 8, i << 12 | 7U);
  }
  lab.poke<std::uint64_t>(SystemLab::kPageDirectory, kPaeDirectory | 1U);
  lab.poke<std::uint64_t>(kPaeDirectory, kPaeTable | 7U);
  lab.state().cr3 = SystemLab::kPageDirectory;
  lab.state().pdpte = {kPaeDirectory | 1U, 0, 0, 0};
  lab.state().cr4 |= cr4::kPae;
  lab.state().msr.efer = no_execute ? kEferNxe : 0;
  lab.state().cr0 |= cr0::kPg | cr0::kWp;
  update_paging(lab.cpu());
}

void set_pae_page(SystemLab& lab, std::uint32_t linear, std::uint64_t entry) {
  lab.poke<std::uint64_t>(kPaeTable + (linear >> 12) * 8, entry);
  lab.mmu().invlpg(linear);
}

struct PaeRow {
  const char* what;
  bool no_execute;
  std::uint64_t entry;  // of kPage, without its address
  int read, fetch;      // error codes for the supervisor; -1: allowed
};

TEST_P(SystemFault, NoExecuteAndReservedBitsShowInTheErrorCode) {
  constexpr PaeRow kRows[] = {
      {"plain", true, 7, -1, -1},
      {"no execute", true, 7 | kNx, -1, pf::kPresent | pf::kFetch},
      {"absent", true, 0, 0, pf::kFetch},
      {"absent, without NXE", false, 0, 0, 0},
      {"bit 63 is reserved without NXE", false, 7 | kNx, pf::kPresent | pf::kReserved, pf::kPresent | pf::kReserved},
      {"address beyond 36 bits", true, 7 | 1ULL << 36, pf::kPresent | pf::kReserved,
       pf::kPresent | pf::kReserved | pf::kFetch},
      {"bit 62", true, 7 | 1ULL << 62, pf::kPresent | pf::kReserved, pf::kPresent | pf::kReserved | pf::kFetch},
      {"reserved bits of an absent entry", true, 1ULL << 62, 0, pf::kFetch},
  };
  SystemLab lab(GetParam());
  for (const PaeRow& row : kRows) {
    for (const unsigned cpl : {0U, 3U}) {
      SCOPED_TRACE(testing::Message() << row.what << ", ring " << cpl);
      lab.reset(cpl);
      pae_paging(lab, row.no_execute);
      lab.poke<std::uint8_t>(kPage, 0x90);
      set_pae_page(lab, kPage, kPage | row.entry);
      const std::uint32_t user = cpl == 3 ? pf::kUser : 0;
      const auto error = [&](int code) { return static_cast<std::uint32_t>(code) | user; };
      const Bytes load = {0xA1, 0x10, 0, 3, 0};
      EXPECT_TRUE(row.read < 0 ? lab.completes(load) : lab.faults(load, vector::kPf, error(row.read)));
      lab.state().eip = kPage;
      const auto outcome = lab.step();
      if (row.fetch < 0) {
        EXPECT_TRUE(outcome);
        continue;
      }
      EXPECT_EQ(outcome.handler, unsigned{vector::kPf});
      EXPECT_EQ(lab.stack(0), error(row.fetch));
      EXPECT_EQ(lab.state().cr2, kPage);
    }
  }
}

// PSE-36 takes bits 13 to 16 of a 4 MiB page's entry as bits 32 to 35 of its address; those above are reserved.
TEST_P(SystemFault, LargePagesHaveReservedBits) {
  SystemLab lab(GetParam());
  lab.identity_paging();
  lab.state().cr4 |= cr4::kPse;
  update_paging(lab.cpu());
  const Bytes load = {0xA1, 0x10, 0x00, 0x43, 0x00};  // mov eax, [430010h]
  lab.poke<std::uint32_t>(SystemLab::kPageDirectory + 4, 0x87U);
  EXPECT_TRUE(lab.completes(load)) << "4 MiB at 0";
  lab.poke<std::uint32_t>(SystemLab::kPageDirectory + 4, 0x87U | 1U << 13);
  lab.mmu().invlpg(0x430000);
  EXPECT_TRUE(lab.completes(load));
  EXPECT_EQ(lab.gpr(kEax), 0xFFFFFFFFu) << "nobody answers above 4 GiB";
  for (const std::uint32_t bit : {17U, 21U}) {
    lab.poke<std::uint32_t>(SystemLab::kPageDirectory + 4, 0x87U | 1U << bit);
    lab.mmu().invlpg(0x430000);
    EXPECT_TRUE(lab.faults(load, vector::kPf, pf::kPresent | pf::kReserved)) << bit;
  }
}

// The Pentium has 4 MiB pages without PSE-36 and PAT.
TEST_P(SystemFault, LargePagesOfAPentiumHaveMoreReservedBits) {
  SystemLab lab(GetParam());
  lab.cpu().model = CpuModel::pentium;
  lab.identity_paging();
  lab.state().cr4 |= cr4::kPse;
  update_paging(lab.cpu());
  const Bytes load = {0xA1, 0x10, 0x00, 0x43, 0x00};  // mov eax, [430010h]
  for (unsigned bit = 12; bit < 22; ++bit) {
    lab.poke<std::uint32_t>(SystemLab::kPageDirectory + 4, 0x87U | 1U << bit);
    lab.mmu().invlpg(0x430000);
    EXPECT_TRUE(lab.faults(load, vector::kPf, pf::kPresent | pf::kReserved)) << bit;
  }
}

// ---- implicit accesses ----------------------------------------------------------------------------------------

// Descriptor tables, TSS and inner stacks are accessed as the supervisor, whatever the ring (SDM vol. 3, 4.6).
TEST_P(SystemFault, ImplicitAccessesAreTheSupervisors) {
  SystemLab lab(GetParam());
  const auto start = [&] {
    lab.reset(3);
    lab.identity_paging();
    lab.gpr(kEax) = SystemLab::data(3);
  };
  start();
  lab.set_page(SystemLab::kGdt, SystemLab::kGdt | 3U);
  lab.set_page(SystemLab::kIdt, SystemLab::kIdt | 3U);
  lab.set_page(SystemLab::kTss, SystemLab::kTss | 3U);
  lab.set_page(SystemLab::stack_top(0) - 0x1000, (SystemLab::stack_top(0) - 0x1000) | 3U);
  EXPECT_TRUE(lab.completes({0x8E, 0xD8})) << "ring 3 loads a segment from a supervisor's GDT";
  EXPECT_EQ(lab.execute({0xCD, 0x50}).handler, 0x50u) << "and takes an interrupt";

  start();
  lab.state().ldtr = SegmentRegister{SystemLab::free_selector(1), attr::kLdt, 0x78000, 0xFFF};
  lab.set_page(0x78000, 0);
  lab.gpr(kEax) = 0x0F;
  EXPECT_TRUE(lab.faults({0x8E, 0xD8}, vector::kPf, 0)) << "U/S is clear";
  EXPECT_TRUE(lab.faults({0x0F, 0x02, 0xC8}, vector::kPf, 0)) << "lar";
  EXPECT_TRUE(lab.faults({0x0F, 0x00, 0xE0}, vector::kPf, 0)) << "verr";
  EXPECT_TRUE(lab.faults(far_insn(0xEA, 0x0F, 0), vector::kPf, 0)) << "jmp far";
  EXPECT_TRUE(lab.faults(far_insn(0x9A, 0x0F, 0), vector::kPf, 0)) << "call far";
}

TEST_P(SystemFault, AFrameOnAMissingInnerStackPageIsASupervisorWrite) {
  SystemLab lab(GetParam(), 3);
  lab.identity_paging();
  lab.set_idt_gate(0x50, SystemLab::gate(SystemLab::code(1), 0x25000, gate_type::kInterrupt32, 3));
  lab.set_page(SystemLab::stack_top(1) - 0x1000, 0);
  EXPECT_TRUE(lab.faults({0xCD, 0x50}, vector::kPf, pf::kWrite));
  lab.execute({0xCD, 0x50});
  EXPECT_EQ(lab.state().cr2, SystemLab::stack_top(1) - 4);
}

TEST_P(SystemFault, AccessesAcrossPagesFaultAtTheSecondAndWriteNothing) {
  SystemLab lab(GetParam(), 3);
  lab.identity_paging();
  lab.set_page(kPage + 0x1000, 0);
  lab.poke<std::uint32_t>(kPage + 0xFFC, 0x11111111);
  lab.gpr(kEbx) = kPage + 0xFFE;
  lab.gpr(kEax) = 0xDEADBEEF;
  EXPECT_TRUE(lab.faults({0x89, 0x03}, vector::kPf, pf::kUser | pf::kWrite));  // mov [ebx], eax
  EXPECT_EQ(lab.peek<std::uint32_t>(kPage + 0xFFC), 0x11111111u);
  EXPECT_TRUE(lab.faults({0x8B, 0x0B}, vector::kPf, pf::kUser));
  lab.execute({0x8B, 0x0B});
  EXPECT_EQ(lab.state().cr2, kPage + 0x1000);
}

// ---- segment limits ---------------------------------------------------------------------------------------

struct LimitRow {
  const char* what;
  std::uint16_t attributes;
  std::uint32_t limit, first, last;  // of the offsets that may be accessed, inclusive; limit as in the descriptor
};

TEST_P(SystemFault, LimitsBoundEveryByteOfAnAccess) {
  constexpr LimitRow kRows[] = {
      {"bytes", attr::kData, 0x4FFF, 0, 0x4FFF},
      {"pages", attr::kData | attr::kGran, 4, 0, 0x4FFF},
      {"one byte", attr::kData, 0, 0, 0},
      {"readable code", attr::kCode, 0x4FFF, 0, 0x4FFF},
      {"expand-down, 16-bit", attr::kExpandDown, 0x4FFF, 0x5000, 0xFFFF},
      {"expand-down, 32-bit", attr::kExpandDown | attr::kBig, 0x4FFF, 0x5000, 0xFFFFFFFF},
      {"expand-down, pages", attr::kExpandDown | attr::kBig | attr::kGran, 4, 0x5000, 0xFFFFFFFF},
      {"expand-down over everything", attr::kExpandDown | attr::kBig | attr::kGran, 0xFFFFF, 1, 0},
  };
  constexpr std::uint32_t kSizes[] = {1, 2, 4};
  SystemLab lab(GetParam());
  for (const LimitRow& row : kRows) {
    lab.reset(0);
    const std::uint16_t sel = SystemLab::free_selector(0);
    lab.set_descriptor(sel, 0x20000, row.limit, row.attributes);
    lab.gpr(kEax) = sel;
    ASSERT_TRUE(lab.completes({0x8E, 0xE8}));  // mov gs, ax
    for (const std::uint32_t size : kSizes) {
      const Bytes read = size == 1   ? Bytes{0x65, 0x8A, 0x13}
                         : size == 2 ? Bytes{0x65, 0x66, 0x8B, 0x13}
                                     : Bytes{0x65, 0x8B, 0x13};  // mov dl|dx|edx, gs:[ebx]
      for (const std::uint32_t offset :
           {row.first - 1, row.first, row.last - size + 1, row.last - size + 2, row.last, row.last + 1}) {
        SCOPED_TRACE(testing::Message() << row.what << std::hex << ", " << offset << ", size " << size);
        const std::uint32_t end = offset + size - 1;
        const bool inside = row.first <= row.last && offset >= row.first && end <= row.last && end >= offset;
        // What is inside but beyond RAM reads as ones; the wrap is the linear address's business.
        lab.gpr(kEbx) = offset;
        EXPECT_TRUE(inside ? lab.completes(read) : lab.faults(read, vector::kGp, 0));
      }
    }
  }
}

TEST_P(SystemFault, WritesNeedAWritableSegment) {
  SystemLab lab(GetParam());
  const std::uint16_t sel = SystemLab::free_selector(0);
  for (const std::uint16_t attributes : {attr::kReadOnly, attr::kCode, attr::kConforming}) {
    lab.set_descriptor(sel, 0, 0xFFFFF, static_cast<std::uint16_t>(attributes | attr::kFlat));
    lab.gpr(kEax) = sel;
    ASSERT_TRUE(lab.completes({0x8E, 0xD8}));  // mov ds, ax
    EXPECT_TRUE(lab.completes({0x8A, 0x0D, 0, 0, 3, 0}));
    EXPECT_TRUE(lab.faults({0x88, 0x0D, 0, 0, 3, 0}, vector::kGp, 0));
    EXPECT_TRUE(lab.faults({0xFE, 0x05, 0, 0, 3, 0}, vector::kGp, 0)) << "inc byte";
    EXPECT_TRUE(lab.faults({0x2E, 0x88, 0x0D, 0, 0, 3, 0}, vector::kGp, 0)) << "cs: is never writable";
  }
}

TEST_P(SystemFault, TheStackSegmentRaisesItsOwnFault) {
  SystemLab lab(GetParam(), 3);
  lab.set_descriptor(SystemLab::free_selector(0, 3), 0, 0xFFFF, attr::kData | attr::kBig | dpl(3));
  lab.gpr(kEax) = SystemLab::free_selector(0, 3);
  ASSERT_TRUE(lab.completes({0x8E, 0xD0}));
  lab.gpr(kEsp) = 0x10004;
  lab.gpr(kEbp) = 0xFFFD;
  EXPECT_TRUE(lab.faults({0x50}, vector::kSs, 0)) << "push eax";
  EXPECT_TRUE(lab.faults({0x58}, vector::kSs, 0)) << "pop eax";
  EXPECT_TRUE(lab.faults({0xC3}, vector::kSs, 0)) << "ret";
  EXPECT_TRUE(lab.faults({0xE8, 0, 0, 0, 0}, vector::kSs, 0)) << "call";
  EXPECT_TRUE(lab.faults({0x8B, 0x45, 0x00}, vector::kSs, 0)) << "mov eax, [ebp]";
  EXPECT_TRUE(lab.faults({0x9C}, vector::kSs, 0)) << "pushf";
}

TEST_P(SystemFault, CodeEndsAtItsLimit) {
  SystemLab lab(GetParam(), 3);
  const std::uint16_t sel = SystemLab::free_selector(0, 3);
  lab.set_descriptor(sel, SystemLab::kCode, 0xFFF, attr::kCode | attr::kBig | dpl(3));
  lab.place(SystemLab::kCode + 0xFFE, {0x40, 0x90});  // inc eax; nop; and the limit
  lab.gpr(kEax) = 1;
  lab.execute(far_insn(0xEA, sel, 0xFFE));
  EXPECT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), unsigned{vector::kGp});
  EXPECT_EQ(lab.stack(0), 0u);
  EXPECT_EQ(lab.stack(1), 0x1000u);
  EXPECT_EQ(lab.stack(2), sel);
  EXPECT_EQ(lab.gpr(kEax), 2u);
}

TEST_P(SystemFault, BranchesOutOfTheSegmentFaultAtTheBranchTarget) {
  SystemLab lab(GetParam(), 3);
  const std::uint16_t sel = SystemLab::free_selector(0, 3);
  lab.set_descriptor(sel, SystemLab::kCode, 0xFFF, attr::kCode | attr::kBig | dpl(3));
  lab.place(SystemLab::kCode + 0x800, {0xE9, 0xFB, 0x07, 0x00, 0x00});  // jmp 1000h
  lab.execute(far_insn(0xEA, sel, 0x800));
  EXPECT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), unsigned{vector::kGp});
  EXPECT_EQ(lab.stack(1), 0x800u) << "the jump itself faults";
}

}  // namespace
}  // namespace ringshift::test
