// The local APIC's part of the CPU: CPUID, IA32_APIC_BASE (SDM vol. 3, 11.4.3 and 11.4.4), and NMIs (6.7.1).
#include "runtime/semantics/events.h"
#include "runtime/semantics/system_registers.h"
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

class SystemApic : public SystemTest {
 protected:
  static constexpr std::uint32_t kApicBase = 0x1B;
  static const inline Bytes kCpuid{0x0F, 0xA2}, kRdmsr{0x0F, 0x32}, kWrmsr{0x0F, 0x30};

  bool cpuid_has_apic() {
    lab.gpr(kEax) = 1;
    EXPECT_TRUE(lab.completes(kCpuid));
    return (lab.gpr(kEdx) & feature::kApic) != 0;
  }

  SystemLab lab{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Engines, SystemApic, kEngines, engine_name);

TEST_P(SystemApic, IsNotThereWithoutABoardThatHasOne) {
  EXPECT_FALSE(cpuid_has_apic());
  lab.gpr(kEcx) = kApicBase;
  EXPECT_TRUE(lab.faults(kRdmsr, vector::kGp, 0));
}

TEST_P(SystemApic, CpuidFollowsItsEnableBit) {
  lab.cpu().has_apic = true;
  EXPECT_TRUE(cpuid_has_apic());
  lab.gpr(kEcx) = kApicBase;
  ASSERT_TRUE(lab.completes(kRdmsr));
  EXPECT_EQ(lab.gpr(kEax), 0xFEE00900U);
  EXPECT_EQ(lab.gpr(kEdx), 0U);
  lab.gpr(kEax) = 0xFEE00000;
  ASSERT_TRUE(lab.completes(kWrmsr));
  EXPECT_EQ(lab.cpu().apic_base, 0xFEE00100U) << "it stays the processor that boots";
  EXPECT_FALSE(cpuid_has_apic());
}

TEST_P(SystemApic, BaseHasReservedBits) {
  lab.cpu().has_apic = true;
  lab.gpr(kEcx) = kApicBase;
  constexpr std::uint64_t kRefused[] = {0xFEE00901, 0xFEE00A00, 0xFEE00D00, 0x10FEE00900};
  for (const std::uint64_t value : kRefused) {
    lab.gpr(kEax) = static_cast<std::uint32_t>(value);
    lab.gpr(kEdx) = static_cast<std::uint32_t>(value >> 32);
    EXPECT_TRUE(lab.faults(kWrmsr, vector::kGp, 0)) << std::hex << value;
  }
  lab.gpr(kEax) = 0xE0000800;
  lab.gpr(kEdx) = 0xF;
  EXPECT_TRUE(lab.completes(kWrmsr));
  EXPECT_EQ(lab.cpu().apic_base, 0xFE0000900U);
}

TEST_P(SystemApic, ThePentiumHasOneWithoutTheRegister) {
  lab.cpu().has_apic = true;
  lab.cpu().model = CpuModel::pentium;
  EXPECT_TRUE(cpuid_has_apic());
  lab.gpr(kEcx) = kApicBase;
  EXPECT_TRUE(lab.faults(kRdmsr, vector::kGp, 0));
}

TEST_P(SystemApic, AnNmiBlocksOthersUntilIret) {
  ASSERT_TRUE(deliver_nmi(lab.cpu()));
  EXPECT_EQ(lab.vector(), unsigned{vector::kNmi});
  EXPECT_TRUE(lab.cpu().nmi_blocked);
  EXPECT_TRUE(lab.transfers({0xCF}));
  EXPECT_FALSE(lab.cpu().nmi_blocked);
}

// Leaf 15h: what Linux computes with 32 bits is the frequency, to a millionth.
TEST_P(SystemApic, CrystalClocksTheTsc) {
  for (const std::uint32_t kilohertz : {1'000'000U, 2'096'061U, 2'999'999U, 3'300'017U, 5'123'457U}) {
    lab.cpu().tsc_kilohertz = kilohertz;
    lab.gpr(kEax) = 0x15;
    ASSERT_TRUE(lab.completes(kCpuid));
    EXPECT_EQ(lab.gpr(kEcx), 25'000'000U);
    const std::uint64_t product = std::uint64_t{lab.gpr(kEcx) / 1000} * lab.gpr(kEbx);
    EXPECT_LE(product, 0xFFFFFFFFU);
    const double told = static_cast<double>(product) / lab.gpr(kEax);
    EXPECT_NEAR(told / kilohertz, 1.0, 1e-6) << kilohertz;
  }
}

}  // namespace
}  // namespace ringshift::test
