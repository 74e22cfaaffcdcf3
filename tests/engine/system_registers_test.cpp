// Control registers, model-specific registers, CPUID (SDM vol. 3, 2.5; vol. 2, CPUID).
#include "runtime/semantics/system_registers.h"

#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

class SystemRegisters : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemRegisters, kEngines, engine_name);

const Bytes kMovToCr0 = {0x0F, 0x22, 0xC0}, kMovFromCr0 = {0x0F, 0x20, 0xC0}, kMovToCr4 = {0x0F, 0x22, 0xE0},
            kRdmsr = {0x0F, 0x32}, kWrmsr = {0x0F, 0x30}, kRdtsc = {0x0F, 0x31}, kRdpmc = {0x0F, 0x33},
            kCpuid = {0x0F, 0xA2};

// ---- CR0 -----------------------------------------------------------------------------------------

TEST_P(SystemRegisters, Cr0RefusesImpossibleCombinations) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = cr0::kPg;  // paging without protection
  EXPECT_TRUE(lab.faults(kMovToCr0, vector::kGp, 0));
  lab.gpr(kEax) = cr0::kPe | cr0::kNw;  // not write-through without cache disable
  EXPECT_TRUE(lab.faults(kMovToCr0, vector::kGp, 0));
}

TEST_P(SystemRegisters, Cr0ReservedBitsAreIgnoredAndEtIsFixed) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = 0x1FFAFFC0 | cr0::kPe;
  ASSERT_TRUE(lab.completes(kMovToCr0));
  EXPECT_EQ(lab.state().cr0, cr0::kPe | cr0::kEt);
  ASSERT_TRUE(lab.completes(kMovFromCr0));
  EXPECT_EQ(lab.gpr(kEax), cr0::kPe | cr0::kEt);
}

TEST_P(SystemRegisters, OtherControlRegistersDoNotExist) {
  SystemLab lab(GetParam());
  for (const unsigned n : {1U, 5U, 6U, 7U}) {
    const auto modrm = static_cast<std::uint8_t>(0xC0 | n << 3);
    EXPECT_TRUE(lab.faults({0x0F, 0x20, modrm}, vector::kUd)) << n;
    EXPECT_TRUE(lab.faults({0x0F, 0x22, modrm}, vector::kUd)) << n;
  }
}

TEST_P(SystemRegisters, MovCrIgnoresTheModField) {
  SystemLab lab(GetParam());
  ASSERT_TRUE(lab.completes({0x0F, 0x20, 0x00}));  // mod 0: still mov eax, cr0
  EXPECT_EQ(lab.gpr(kEax), lab.state().cr0);
}

TEST_P(SystemRegisters, Cr2IsPlain) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = 0x89ABCDEF;
  ASSERT_TRUE(lab.completes({0x0F, 0x22, 0xD0}));
  ASSERT_TRUE(lab.completes({0x0F, 0x20, 0xD1}));  // mov ecx, cr2
  EXPECT_EQ(lab.gpr(kEcx), 0x89ABCDEFu);
}

// ---- CR4 -----------------------------------------------------------------------------------------

TEST_P(SystemRegisters, Cr4TakesExactlyWhatCpuidPromises) {
  constexpr struct {
    CpuModel model;
    std::uint32_t bits;
  } kRows[] = {
      {CpuModel::pentium, cr4::kTsd | cr4::kDe | cr4::kPse},
      {CpuModel::pentium3,
       cr4::kTsd | cr4::kDe | cr4::kPse | cr4::kPae | cr4::kPge | cr4::kPce | cr4::kOsfxsr | cr4::kOsxmmexcpt},
      {CpuModel::core2,
       cr4::kTsd | cr4::kDe | cr4::kPse | cr4::kPae | cr4::kPge | cr4::kPce | cr4::kOsfxsr | cr4::kOsxmmexcpt},
  };
  SystemLab lab(GetParam());
  for (const auto& row : kRows) {
    lab.cpu().model = row.model;
    for (unsigned bit = 0; bit < 32; ++bit) {
      lab.gpr(kEax) = 1U << bit;
      const bool offered = (row.bits & (1U << bit)) != 0;
      EXPECT_TRUE(offered ? lab.completes(kMovToCr4) : lab.faults(kMovToCr4, vector::kGp, 0)) << "bit " << bit;
    }
  }
}

TEST_P(SystemRegisters, A486HasNoCr4) {
  SystemLab lab(GetParam());
  lab.cpu().model = CpuModel::i486;
  EXPECT_TRUE(lab.faults(kMovToCr4, vector::kUd));
  EXPECT_TRUE(lab.faults({0x0F, 0x20, 0xE0}, vector::kUd));
}

// ---- PAE: the four top-level entries are loaded and checked with CR3, CR0 and CR4 --------------------

void pae_tables(SystemLab& lab) {
  constexpr std::uint32_t kDirectory = 0x85000;
  for (unsigned i = 0; i < 4; ++i) lab.poke<std::uint64_t>(SystemLab::kPageDirectory + i * 8, 0);
  lab.poke<std::uint64_t>(SystemLab::kPageDirectory, kDirectory | 1U);
  for (unsigned i = 0; i < 512; ++i) lab.poke<std::uint64_t>(kDirectory + i * 8, 0);
  lab.poke<std::uint64_t>(kDirectory, 0x87U);  // 2 MiB, present, writable, user
  lab.state().cr3 = SystemLab::kPageDirectory;
}

TEST_P(SystemRegisters, EnablingPaePagingLoadsThePdptes) {
  SystemLab lab(GetParam());
  pae_tables(lab);
  lab.state().cr4 |= cr4::kPae;
  lab.gpr(kEax) = lab.state().cr0 | cr0::kPg;
  ASSERT_TRUE(lab.completes(kMovToCr0));
  EXPECT_EQ(lab.state().pdpte[0], 0x85001u);
  // The directory pointer table may now change without effect, until CR3 is loaded again.
  lab.poke<std::uint64_t>(SystemLab::kPageDirectory, 0);
  ASSERT_TRUE(lab.completes({0x90}));
}

TEST_P(SystemRegisters, ReservedBitsInAPdpteFault) {
  SystemLab lab(GetParam());
  for (const std::uint64_t reserved : {0x2ULL, 0x4ULL, 0x20ULL, 0x100ULL, 1ULL << 36, 1ULL << 63}) {
    lab.reset(0);
    pae_tables(lab);
    lab.poke<std::uint64_t>(SystemLab::kPageDirectory + 24, 0x85001U | reserved);
    lab.state().cr4 |= cr4::kPae;
    lab.gpr(kEax) = lab.state().cr0 | cr0::kPg;
    EXPECT_TRUE(lab.faults(kMovToCr0, vector::kGp, 0)) << std::hex << reserved;
    lab.poke<std::uint64_t>(SystemLab::kPageDirectory + 24, reserved);  // absent: nothing is reserved
    ASSERT_TRUE(lab.completes(kMovToCr0));
    lab.poke<std::uint64_t>(SystemLab::kPageDirectory + 24, 0x85001U | reserved);
    lab.gpr(kEax) = SystemLab::kPageDirectory;
    EXPECT_TRUE(lab.faults({0x0F, 0x22, 0xD8}, vector::kGp, 0)) << "mov cr3";
  }
}

// ---- SMSW, LMSW, CLTS ----------------------------------------------------------------------------

TEST_P(SystemRegisters, SmswGivesCr0InAnyRing) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    lab.reset(cpl);
    lab.state().cr0 |= cr0::kAm | cr0::kMp;
    ASSERT_TRUE(lab.completes({0x0F, 0x01, 0xE0}));  // smsw eax
    EXPECT_EQ(lab.gpr(kEax), lab.state().cr0);
    lab.gpr(kEax) = 0xAAAAAAAA;
    ASSERT_TRUE(lab.completes({0x66, 0x0F, 0x01, 0xE0}));
    EXPECT_EQ(lab.gpr(kEax), 0xAAAA0000u | (lab.state().cr0 & 0xFFFFU));
    lab.poke<std::uint32_t>(SystemLab::kData, 0xAAAAAAAA);
    lab.gpr(kEbx) = SystemLab::kData;
    ASSERT_TRUE(lab.completes({0x0F, 0x01, 0x23}));  // smsw [ebx]: always a word
    EXPECT_EQ(lab.peek<std::uint32_t>(SystemLab::kData), 0xAAAA0000u | (lab.state().cr0 & 0xFFFFU));
  }
}

TEST_P(SystemRegisters, LmswSetsFourBitsAndCannotClearPe) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = 0xFFFF;
  ASSERT_TRUE(lab.completes({0x0F, 0x01, 0xF0}));
  EXPECT_EQ(lab.state().cr0, cr0::kPe | cr0::kMp | cr0::kEm | cr0::kTs | cr0::kEt | cr0::kNe);
  lab.gpr(kEax) = 0;
  ASSERT_TRUE(lab.completes({0x0F, 0x01, 0xF0}));
  EXPECT_EQ(lab.state().cr0, cr0::kPe | cr0::kEt | cr0::kNe);
}

TEST_P(SystemRegisters, LmswEntersProtectedMode) {
  SystemLab lab(GetParam());
  lab.real_mode();
  lab.gpr(kEax) = 1;
  ASSERT_TRUE(lab.completes({0x0F, 0x01, 0xF0}));
  EXPECT_TRUE(lab.state().protected_mode());
  EXPECT_EQ(lab.state().cpl(), 0u);
}

TEST_P(SystemRegisters, TsAndEmStopFloatingPoint) {
  constexpr struct {
    std::uint32_t cr0;
    int x87, wait, sse, mmx;  // vectors; -1: completes
  } kRows[] = {
      {0, -1, -1, -1, -1},
      {cr0::kMp, -1, -1, -1, -1},
      {cr0::kTs, vector::kNm, -1, vector::kNm, vector::kNm},
      {cr0::kTs | cr0::kMp, vector::kNm, vector::kNm, vector::kNm, vector::kNm},
      {cr0::kEm, vector::kNm, -1, vector::kUd, vector::kUd},
      {cr0::kEm | cr0::kMp, vector::kNm, -1, vector::kUd, vector::kUd},
      {cr0::kEm | cr0::kTs, vector::kNm, -1, vector::kUd, vector::kUd},
      {cr0::kEm | cr0::kTs | cr0::kMp, vector::kNm, vector::kNm, vector::kUd, vector::kUd},
  };
  SystemLab lab(GetParam(), 3);
  for (const auto& row : kRows) {
    SCOPED_TRACE(testing::Message() << std::hex << row.cr0);
    lab.state().cr0 = cr0::kPe | cr0::kEt | cr0::kNe | row.cr0;
    const auto expect = [&](const Bytes& bytes, int vec) {
      return vec < 0 ? lab.completes(bytes) : lab.faults(bytes, static_cast<unsigned>(vec));
    };
    EXPECT_TRUE(expect({0xD9, 0xE8}, row.x87));        // fld1
    EXPECT_TRUE(expect({0x9B}, row.wait));             // fwait
    EXPECT_TRUE(expect({0x0F, 0x57, 0xC0}, row.sse));  // xorps xmm0, xmm0
    EXPECT_TRUE(expect({0x0F, 0x77}, row.mmx));        // emms
  }
}

TEST_P(SystemRegisters, CltsLetsFloatingPointThroughAgain) {
  SystemLab lab(GetParam());
  lab.state().cr0 |= cr0::kTs;
  EXPECT_TRUE(lab.faults({0xD9, 0xE8}, vector::kNm));
  ASSERT_TRUE(lab.completes({0x0F, 0x06}));
  EXPECT_TRUE(lab.completes({0xD9, 0xE8}));
}

TEST_P(SystemRegisters, SseNeedsOsfxsr) {
  SystemLab lab(GetParam());
  lab.state().cr4 &= ~cr4::kOsfxsr;
  EXPECT_TRUE(lab.faults({0x0F, 0x57, 0xC0}, vector::kUd));
  EXPECT_TRUE(lab.completes({0x0F, 0x77})) << "emms needs it not";
}

// ---- time, counters, MSRs ----------------------------------------------------------------------------

TEST_P(SystemRegisters, TsdKeepsTheTimeStampForRing0) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    lab.reset(cpl);
    EXPECT_TRUE(lab.completes(kRdtsc));
    lab.state().cr4 |= cr4::kTsd;
    EXPECT_TRUE(cpl == 0 ? lab.completes(kRdtsc) : lab.faults(kRdtsc, vector::kGp, 0)) << cpl;
  }
}

TEST_P(SystemRegisters, ThereAreNoPerformanceCounters) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    lab.reset(cpl);
    lab.gpr(kEcx) = 0;
    EXPECT_TRUE(lab.faults(kRdpmc, vector::kGp, 0));
    lab.state().cr4 |= cr4::kPce;
    EXPECT_TRUE(lab.faults(kRdpmc, vector::kGp, 0)) << "allowed, but no such counter";
  }
}

TEST_P(SystemRegisters, UnknownMsrsFaultAndAreReportedOnce) {
  SystemLab lab(GetParam());
  lab.gpr(kEcx) = 0x12345;
  EXPECT_TRUE(lab.faults(kRdmsr, vector::kGp, 0));
  EXPECT_TRUE(lab.faults(kRdmsr, vector::kGp, 0));
  EXPECT_EQ(lab.platform().reports.size(), 1u);
}

struct MsrRow {
  const char* what;
  std::uint32_t msr;
  std::uint64_t value;
  bool accepted;
};

TEST_P(SystemRegisters, MsrsCheckWhatIsWritten) {
  constexpr MsrRow kRows[] = {
      {"SYSENTER_CS", 0x174, 0x60, true},
      {"SYSENTER_ESP", 0x175, 0xC0001000, true},
      {"SYSENTER_EIP", 0x176, 0xC0100000, true},
      {"PAT", 0x277, 0x0007040600070406, true},
      {"PAT with a reserved type", 0x277, 0x0007040600070402, false},
      {"PAT with a reserved bit", 0x277, 0x0007040600070486, false},
      {"EFER.NXE", 0xC0000080, kEferNxe, true},
      {"EFER.LME", 0xC0000080, 0x100, false},
      {"EFER.SCE", 0xC0000080, 0x1, false},
      {"the platform's id is read-only", 0x17, 0, false},
      {"TSC_ADJUST", 0x3B, 0x123456789, true},
      {"an APIC is not there", 0x1B, 0xFEE00900, false},
  };
  SystemLab lab(GetParam());
  for (const MsrRow& row : kRows) {
    SCOPED_TRACE(row.what);
    lab.reset(0);
    lab.gpr(kEcx) = row.msr;
    lab.gpr(kEax) = static_cast<std::uint32_t>(row.value);
    lab.gpr(kEdx) = static_cast<std::uint32_t>(row.value >> 32);
    if (!row.accepted) {
      EXPECT_TRUE(lab.faults(kWrmsr, vector::kGp, 0));
      continue;
    }
    ASSERT_TRUE(lab.completes(kWrmsr));
    lab.gpr(kEax) = lab.gpr(kEdx) = 0xDEADBEEF;
    ASSERT_TRUE(lab.completes(kRdmsr));
    EXPECT_EQ(lab.gpr(kEax), static_cast<std::uint32_t>(row.value));
    EXPECT_EQ(lab.gpr(kEdx), static_cast<std::uint32_t>(row.value >> 32));
  }
}

TEST_P(SystemRegisters, TheTimeStampCounterCanBeWritten) {
  SystemLab lab(GetParam());
  lab.gpr(kEcx) = 0x10;
  lab.gpr(kEax) = 0x1000;
  lab.gpr(kEdx) = 0x77;
  ASSERT_TRUE(lab.completes(kWrmsr));
  ASSERT_TRUE(lab.completes(kRdtsc));
  EXPECT_EQ(lab.gpr(kEdx), 0x77u);
  EXPECT_GE(lab.gpr(kEax), 0x1000u);
}

// ---- CPUID -------------------------------------------------------------------------------------------

TEST_P(SystemRegisters, CpuidIsForEveryRing) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    lab.reset(cpl);
    lab.gpr(kEax) = 0;
    ASSERT_TRUE(lab.completes(kCpuid));
    EXPECT_EQ(lab.gpr(kEbx), 0x756E6547u);  // "Genu"
    EXPECT_EQ(lab.gpr(kEdx), 0x49656E69u);  // "ineI"
    EXPECT_EQ(lab.gpr(kEcx), 0x6C65746Eu);  // "ntel"
  }
}

std::uint32_t features_edx(SystemLab& lab) {
  lab.gpr(kEax) = 1;
  EXPECT_TRUE(lab.completes(kCpuid));
  return lab.gpr(kEdx);
}

// What CPUID promises is there, and what it denies is not: probed through the instructions themselves.
TEST_P(SystemRegisters, CpuidTellsTheTruthAboutInstructions) {
  SystemLab lab(GetParam());
  for (const CpuModel model : {CpuModel::i486, CpuModel::pentium, CpuModel::pentium3, CpuModel::core2}) {
    SCOPED_TRACE(static_cast<int>(model));
    lab.cpu().model = model;
    lab.reset(0);
    const std::uint32_t edx = features_edx(lab);
    const auto exists = [&](const Bytes& bytes) {
      const Registers before = lab.registers();
      const auto outcome = lab.execute(bytes);
      lab.restore(before);
      return outcome.handler != unsigned{vector::kUd};
    };
    lab.gpr(kEcx) = 0x174;
    lab.gpr(kEbx) = lab.gpr(kEsi) = SystemLab::kData;
    EXPECT_EQ(exists({0x0F, 0x31}), (edx & feature::kTsc) != 0) << "rdtsc";
    EXPECT_EQ(exists({0x0F, 0x32}), (edx & feature::kMsr) != 0) << "rdmsr";
    EXPECT_EQ(exists({0x0F, 0xC7, 0x0E}), (edx & feature::kCx8) != 0) << "cmpxchg8b [esi]";
    EXPECT_EQ(exists({0x0F, 0x34}), (edx & feature::kSep) != 0) << "sysenter";
    EXPECT_EQ(exists({0x0F, 0x44, 0xC8}), (edx & feature::kCmov) != 0) << "cmovz ecx, eax";
    EXPECT_EQ(exists({0x0F, 0x77}), (edx & feature::kMmx) != 0) << "emms";
    EXPECT_EQ(exists({0x0F, 0xAE, 0x06}), (edx & feature::kFxsr) != 0) << "fxsave [esi]";
    EXPECT_EQ(exists({0x0F, 0x57, 0xC0}), (edx & feature::kSse) != 0) << "xorps";
    EXPECT_EQ(exists({0x66, 0x0F, 0x57, 0xC0}), (edx & feature::kSse2) != 0) << "xorpd";
    EXPECT_EQ(exists({0x0F, 0xAE, 0x3E}), (edx & feature::kClfsh) != 0) << "clflush [esi]";
    constexpr std::uint32_t kNotOffered = 1U << 1 | 1U << 7 | 1U << 9 | 1U << 12 | 1U << 14 | 1U << 28;
    EXPECT_EQ(edx & kNotOffered, 0u) << "VME, MCE, APIC, MTRR, MCA, HTT";
  }
}

TEST_P(SystemRegisters, CpuidBeyondTheLastLeafAnswersForTheLastBasicOne) {
  SystemLab lab(GetParam());
  lab.gpr(kEax) = 0;
  ASSERT_TRUE(lab.completes(kCpuid));
  const std::uint32_t last = lab.gpr(kEax);
  lab.gpr(kEax) = last;
  lab.gpr(kEcx) = 0;
  ASSERT_TRUE(lab.completes(kCpuid));
  const auto expected = lab.state().gpr;
  for (const std::uint32_t leaf : {last + 1, 0x3FFFFFFFU, 0x80000009U, 0xFFFFFFFFU}) {
    lab.gpr(kEax) = leaf;
    lab.gpr(kEcx) = 0;
    ASSERT_TRUE(lab.completes(kCpuid));
    EXPECT_EQ(lab.state().gpr, expected) << std::hex << leaf;
  }
}

TEST_P(SystemRegisters, CpuidGivesABrandString) {
  SystemLab lab(GetParam());
  std::string brand;
  for (std::uint32_t leaf = 0x80000002; leaf <= 0x80000004; ++leaf) {
    lab.gpr(kEax) = leaf;
    ASSERT_TRUE(lab.completes(kCpuid));
    for (const Gpr r : {kEax, kEbx, kEcx, kEdx}) {
      const std::uint32_t value = lab.gpr(r);
      brand.append(reinterpret_cast<const char*>(&value), 4);
    }
  }
  EXPECT_EQ(std::string(brand.c_str()), "Ringshift virtual CPU");
}

}  // namespace
}  // namespace ringshift::test
