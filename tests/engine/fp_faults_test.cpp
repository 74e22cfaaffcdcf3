// When x87, MMX and SSE instructions fault instead of running (SDM vol. 3, 2.5, 12.1, 13.1; vol. 1, 8.7, 11.5).
#include <gtest/gtest.h>

#include "tests/engine/fp_lab.h"

namespace ringshift::test {
namespace {

constexpr std::uint32_t kData = 0x10000;

struct AvailabilityRow {
  const char* name;
  std::uint32_t cr0;
  std::uint32_t cr4;
  // The vector for: fld1, paddb mm0 mm1, addps xmm0 xmm1, popcnt eax ecx; 0 for none.
  unsigned x87, mmx, sse, integer;
};

constexpr unsigned kOk = 0;
const AvailabilityRow kAvailability[] = {
    {"plain", cr0::kPe, cr4::kOsfxsr, kOk, kOk, kOk, kOk},
    {"em", cr0::kPe | cr0::kEm, cr4::kOsfxsr, vector::kNm, vector::kUd, vector::kUd, kOk},
    {"ts", cr0::kPe | cr0::kTs, cr4::kOsfxsr, vector::kNm, vector::kNm, vector::kNm, kOk},
    {"em_ts", cr0::kPe | cr0::kEm | cr0::kTs, cr4::kOsfxsr, vector::kNm, vector::kUd, vector::kUd, kOk},
    {"no_osfxsr", cr0::kPe, 0, kOk, kOk, vector::kUd, kOk},
    {"ts_no_osfxsr", cr0::kPe | cr0::kTs, 0, vector::kNm, vector::kNm, vector::kUd, kOk},
};

class Availability : public ::testing::TestWithParam<AvailabilityRow> {
 protected:
  void expect(std::initializer_list<std::uint8_t> bytes, unsigned vec) {
    FpLab lab;
    lab.state.cr0 = GetParam().cr0;
    lab.state.cr4 = GetParam().cr4;
    const auto before = lab.state.fx;
    const auto got = lab.fault(bytes);
    if (vec == kOk) {
      EXPECT_FALSE(got.has_value());
    } else {
      EXPECT_EQ(got, vec);
      EXPECT_EQ(lab.state.fx, before);
    }
  }
};

TEST_P(Availability, X87) { expect({0xD9, 0xE8}, GetParam().x87); }
TEST_P(Availability, X87NoWait) { expect({0xDF, 0xE0}, GetParam().x87); }
TEST_P(Availability, Mmx) { expect({0x0F, 0xFC, 0xC1}, GetParam().mmx); }
TEST_P(Availability, Sse) { expect({0x0F, 0x58, 0xC1}, GetParam().sse); }
TEST_P(Availability, SseWithMmx) { expect({0x0F, 0x2A, 0xC1}, GetParam().sse); }
TEST_P(Availability, Ldmxcsr) { expect({0x0F, 0xAE, 0x1D, 0, 0, 1, 0}, GetParam().sse); }
TEST_P(Availability, Integer) { expect({0xF3, 0x0F, 0xB8, 0xC1}, GetParam().integer); }

INSTANTIATE_TEST_SUITE_P(Fp, Availability, ::testing::ValuesIn(kAvailability),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(FpFaults, FwaitNeedsBothMpAndTs) {
  for (const std::uint32_t bits : {0U, cr0::kMp, cr0::kTs, cr0::kMp | cr0::kTs}) {
    FpLab lab;
    lab.state.cr0 = cr0::kPe | bits;
    EXPECT_EQ(lab.fault({0x9B}).has_value(), bits == (cr0::kMp | cr0::kTs));
  }
}

TEST(FpFaults, FxsaveAndFxrstorRaiseNmForEmAndTs) {
  for (const std::uint32_t bit : {cr0::kEm, cr0::kTs}) {
    FpLab lab;
    lab.state.cr0 |= bit;
    EXPECT_EQ(lab.fault({0x0F, 0xAE, 0x05, 0, 0, 1, 0}), vector::kNm);
    EXPECT_EQ(lab.fault({0x0F, 0xAE, 0x0D, 0, 0, 1, 0}), vector::kNm);
  }
}

// ---- models -------------------------------------------------------------------------------------

TEST(FpFaults, OldModelsLackNewInstructions) {
  FpLab lab;
  lab.cpu.model = CpuModel::i486;
  EXPECT_EQ(lab.fault({0xD9, 0xE8}), std::nullopt);       // fld1
  EXPECT_EQ(lab.fault({0xDB, 0xF1}), vector::kUd);        // fcomi
  EXPECT_EQ(lab.fault({0x0F, 0xFC, 0xC1}), vector::kUd);  // paddb mm0, mm1
  lab.cpu.model = CpuModel::pentium3;
  EXPECT_EQ(lab.fault({0xDB, 0xF1}), std::nullopt);
  EXPECT_EQ(lab.fault({0x0F, 0x58, 0xC1}), std::nullopt);        // addps
  EXPECT_EQ(lab.fault({0xF3, 0x0F, 0x58, 0xC1}), std::nullopt);  // addss
  EXPECT_EQ(lab.fault({0x66, 0x0F, 0x58, 0xC1}), vector::kUd);   // addpd
  EXPECT_EQ(lab.fault({0xF2, 0x0F, 0x58, 0xC1}), vector::kUd);   // addsd
  EXPECT_EQ(lab.fault({0xF3, 0x0F, 0xB8, 0xC1}), vector::kUd);   // popcnt
}

// ---- alignment ----------------------------------------------------------------------------------

TEST(FpFaults, AlignedOperandsRaiseGpByLinearAddress) {
  FpLab lab;
  lab.state.gpr[kEbx] = kData + 8;
  EXPECT_EQ(lab.fault({0x0F, 0x28, 0x03}), vector::kGp);  // movaps xmm0, [ebx]
  EXPECT_EQ(lab.cpu.fault.error, 0U);
  EXPECT_TRUE(lab.cpu.fault.has_error);
  EXPECT_EQ(lab.fault({0x0F, 0x29, 0x03}), vector::kGp);   // movaps [ebx], xmm0
  EXPECT_EQ(lab.fault({0x0F, 0x58, 0x03}), vector::kGp);   // addps xmm0, [ebx]
  EXPECT_EQ(lab.fault({0x0F, 0x10, 0x03}), std::nullopt);  // movups xmm0, [ebx]
  // The segment base counts: 8 more and the same offset is aligned.
  lab.state.set_segment(Seg::ds, FpLab::flat(0, 8));
  EXPECT_EQ(lab.fault({0x0F, 0x28, 0x03}), std::nullopt);
}

TEST(FpFaults, AlignmentCheckAtRing3) {
  FpLab lab;
  lab.ring3();
  lab.state.cr0 |= cr0::kAm;
  lab.state.system_flags |= eflags::kAc;
  lab.state.gpr[kEbx] = kData + 4;
  EXPECT_EQ(lab.fault({0xD9, 0x03}), std::nullopt);  // fld m32
  EXPECT_EQ(lab.fault({0xDD, 0x03}), vector::kAc);   // fld m64
}

TEST(FpFaults, AlignmentBeforeSegmentLimit) {
  FpLab lab;
  SegmentRegister s = FpLab::flat(0, 0);
  s.limit = 0xFFF;
  lab.state.set_segment(Seg::ss, s);
  lab.state.gpr[kEsp] = 0xFF9;
  EXPECT_EQ(lab.fault({0x0F, 0x28, 0x04, 0x24}), vector::kGp);  // movaps xmm0, [esp]
  EXPECT_EQ(lab.fault({0x0F, 0x10, 0x04, 0x24}), vector::kSs);  // movups
}

TEST(FpFaults, ReadOnlySegmentStopsAStore) {
  FpLab lab;
  SegmentRegister s = FpLab::flat(0, 0);
  s.attributes = static_cast<std::uint16_t>(s.attributes & ~segment::kWritable);
  lab.state.set_segment(Seg::ds, s);
  lab.state.gpr[kEbx] = kData;
  lab.run({0xD9, 0xE8});
  const auto before = lab.state.fx;
  EXPECT_EQ(lab.fault({0xD9, 0x1B}), vector::kGp);  // fstp m32
  EXPECT_EQ(lab.state.fx, before) << "the stack is not popped";
}

// ---- x87 exceptions -----------------------------------------------------------------------------

// 1 / 0 with the zero-divide exception unmasked.
void divide_by_zero(FpLab& lab) {
  fp::set_field<std::uint16_t>(lab.state, fp::kFcw, 0x37B);
  EXPECT_EQ(lab.run({0xD9, 0xE8}), Flow::next);  // fld1
  EXPECT_EQ(lab.run({0xD9, 0xEE}), Flow::next);  // fldz
  EXPECT_EQ(lab.run({0xD8, 0xF9}), Flow::next);  // fdivr st0, st1: 1 / 0
}

TEST(FpFaults, UnmaskedX87ExceptionWaitsForTheNextInstruction) {
  FpLab lab;
  divide_by_zero(lab);
  EXPECT_TRUE(x87_exception_pending(lab.state));
  EXPECT_EQ(fp::fsw(lab.state) & 0x80FFU, 0x8084U);
  EXPECT_EQ(lab.fault({0xD9, 0xE8}), vector::kMf);        // fld1
  EXPECT_EQ(lab.fault({0x9B}), vector::kMf);              // fwait
  EXPECT_EQ(lab.fault({0x0F, 0xFC, 0xC1}), vector::kMf);  // paddb mm0, mm1
  EXPECT_EQ(lab.fault({0x0F, 0x77}), vector::kMf);        // emms
  EXPECT_EQ(lab.fault({0x0F, 0x2A, 0xC1}), vector::kMf);  // cvtpi2ps xmm0, mm1
  EXPECT_EQ(lab.fault({0x0F, 0x58, 0xC1}), std::nullopt) << "addps does not wait";
  EXPECT_TRUE(lab.platform.reports.empty());
}

TEST(FpFaults, NoWaitInstructionsRunWithAnExceptionPending) {
  const std::initializer_list<std::uint8_t> kNoWait[] = {
      {0xDF, 0xE0},                    // fnstsw ax
      {0xDD, 0x3D, 0, 0, 1, 0},        // fnstsw m16
      {0xD9, 0x3D, 0, 0, 1, 0},        // fnstcw m16
      {0xD9, 0x35, 0, 0, 1, 0},        // fnstenv
      {0xDD, 0x35, 0, 0, 1, 0},        // fnsave
      {0xDB, 0xE2},                    // fnclex
      {0xDB, 0xE3},                    // fninit
      {0x0F, 0xAE, 0x05, 0, 0, 1, 0},  // fxsave
  };
  for (const auto& bytes : kNoWait) {
    FpLab lab;
    divide_by_zero(lab);
    EXPECT_EQ(lab.fault(bytes), std::nullopt);
  }
  const std::initializer_list<std::uint8_t> kWait[] = {
      {0xD9, 0x2D, 0, 0, 1, 0},  // fldcw
      {0xD9, 0x25, 0, 0, 1, 0},  // fldenv
      {0xDD, 0x25, 0, 0, 1, 0},  // frstor
  };
  for (const auto& bytes : kWait) {
    FpLab lab;
    divide_by_zero(lab);
    EXPECT_EQ(lab.fault(bytes), vector::kMf);
  }
}

TEST(FpFaults, ExternalErrorReportingIsAdmittedOnce) {
  FpLab lab;
  lab.state.cr0 &= ~cr0::kNe;
  divide_by_zero(lab);
  EXPECT_EQ(lab.fault({0x9B}), vector::kMf);
  EXPECT_EQ(lab.fault({0x9B}), vector::kMf);
  EXPECT_EQ(lab.platform.reports.size(), 1U);
}

TEST(FpFaults, SuppressedStoreLeavesMemoryAlone) {
  FpLab lab;
  lab.store<std::uint32_t>(kData, 0x11223344);
  fp::set_field<std::uint16_t>(lab.state, fp::kFcw, 0x37E);      // invalid unmasked
  EXPECT_EQ(lab.fault({0xDB, 0x1D, 0, 0, 1, 0}), std::nullopt);  // fistp m32 from an empty stack
  EXPECT_EQ(lab.load<std::uint32_t>(kData), 0x11223344U);
  EXPECT_EQ(fp::fsw(lab.state) & 0xFFU, 0xC1U);
}

// ---- SSE exceptions -----------------------------------------------------------------------------

struct SseRow {
  const char* name;
  float a, b;
  std::uint8_t opcode;  // of the F3 0F scalar form
  std::uint32_t mxcsr;
  std::uint32_t after;
  unsigned vector;
};

const SseRow kSse[] = {
    {"zero_divide", 1, 0, 0x5E, 0x1D80, 0x1D84, vector::kXm},
    {"zero_divide_masked", 1, 0, 0x5E, 0x1D00 | 0x280, 0x1F84, kOk},
    {"invalid", 0, 0, 0x5E, 0x1F00, 0x1F01, vector::kXm},
    {"precision", 1, 3, 0x5E, 0x0F80, 0x0FA0, vector::kXm},
    {"exact_with_precision_unmasked", 1, 4, 0x5E, 0x0F80, 0x0F80, kOk},
    {"underflow_exact", 0x1p-126F, 0.5F, 0x59, 0x1780, 0x1790, vector::kXm},
    {"underflow_exact_masked", 0x1p-126F, 0.5F, 0x59, 0x1F00, 0x1F00, kOk},
    {"overflow", 0x1.8p120F, 0x1.8p120F, 0x59, 0x1B80, 0x1BA8, vector::kXm},
    {"denormal", 0x1p-140F, 1, 0x58, 0x1E80, 0x1E82, vector::kXm},
    {"denormals_are_zeros", 0x1p-140F, 1, 0x58, 0x1EC0, 0x1EC0, kOk},
    {"old_flag_is_no_fault", 1, 4, 0x5E, 0x1D84, 0x1D84, kOk},
};

class SseExceptions : public ::testing::TestWithParam<SseRow> {};

TEST_P(SseExceptions, RaiseAndFlag) {
  const SseRow& row = GetParam();
  FpLab lab;
  lab.xmm<float>(0, {row.a, 5, 6, 7});
  lab.xmm<float>(1, {row.b, 5, 6, 7});
  fp::set_mxcsr(lab.state, row.mxcsr);
  const auto got = lab.fault({0xF3, 0x0F, row.opcode, 0xC1});
  EXPECT_EQ(got.value_or(0), row.vector);
  EXPECT_EQ(fp::mxcsr(lab.state), row.after);
  if (row.vector != kOk) {
    EXPECT_EQ(lab.xmm<float>(0)[0], row.a) << "no result";
  }
}

INSTANTIATE_TEST_SUITE_P(Fp, SseExceptions, ::testing::ValuesIn(kSse),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(FpFaults, SseExceptionWithoutOsxmmexcptIsUd) {
  FpLab lab;
  lab.state.cr4 = cr4::kOsfxsr;
  lab.xmm<float>(0, {1, 0, 0, 0});
  fp::set_mxcsr(lab.state, 0x1D80);
  EXPECT_EQ(lab.fault({0xF3, 0x0F, 0x5E, 0xC1}), vector::kUd);
}

TEST(FpFaults, LdmxcsrRefusesReservedBits) {
  for (const std::uint32_t bad : {0x10000U, 0x20000U, 0x80000000U}) {
    FpLab lab;
    lab.store<std::uint32_t>(kData, 0x1F80 | bad);
    EXPECT_EQ(lab.fault({0x0F, 0xAE, 0x15, 0, 0, 1, 0}), vector::kGp);
    EXPECT_EQ(fp::mxcsr(lab.state), 0x1F80U);
  }
  FpLab lab;
  lab.store<std::uint32_t>(kData, 0xFFFF);
  EXPECT_EQ(lab.fault({0x0F, 0xAE, 0x15, 0, 0, 1, 0}), std::nullopt);
  EXPECT_EQ(fp::mxcsr(lab.state), 0xFFFFU);
}

}  // namespace
}  // namespace ringshift::test
