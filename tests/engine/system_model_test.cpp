// The CPU models: which instructions, registers and bits each has. What one lacks raises what that CPU would raise.
#include <string_view>

#include "runtime/semantics/system_registers.h"
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

class CpuModels : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, CpuModels, kEngines, engine_name);

struct Newcomer {
  std::string_view name;
  Bytes bytes;
  CpuModel first;
};
const std::vector<Newcomer>& newcomers() {
  static const std::vector<Newcomer> rows{
      {"bswap eax", {0x0F, 0xC8}, CpuModel::i486},
      {"xadd eax, ecx", {0x0F, 0xC1, 0xC8}, CpuModel::i486},
      {"cmpxchg eax, ecx", {0x0F, 0xB1, 0xC8}, CpuModel::i486},
      {"invlpg [esi]", {0x0F, 0x01, 0x3E}, CpuModel::i486},
      {"cpuid", {0x0F, 0xA2}, CpuModel::i486},
      {"fld1", {0xD9, 0xE8}, CpuModel::i486},
      {"fucompp", {0xDA, 0xE9}, CpuModel::i486},
      {"fnclex", {0xDB, 0xE2}, CpuModel::i486},
      {"fnstsw ax", {0xDF, 0xE0}, CpuModel::i486},
      {"rdtsc", {0x0F, 0x31}, CpuModel::pentium},
      {"rdmsr", {0x0F, 0x32}, CpuModel::pentium},
      {"cmpxchg8b [esi]", {0x0F, 0xC7, 0x0E}, CpuModel::pentium},
      {"mov eax, cr4", {0x0F, 0x20, 0xE0}, CpuModel::pentium},
      {"movd mm0, eax", {0x0F, 0x6E, 0xC0}, CpuModel::pentium},
      {"paddb mm0, mm1", {0x0F, 0xFC, 0xC1}, CpuModel::pentium},
      {"emms", {0x0F, 0x77}, CpuModel::pentium},
      {"cmovz ecx, eax", {0x0F, 0x44, 0xC8}, CpuModel::pentium3},
      {"fcmovb st, st1", {0xDA, 0xC1}, CpuModel::pentium3},
      {"fucomi st, st1", {0xDB, 0xE9}, CpuModel::pentium3},
      {"fcomip st, st1", {0xDF, 0xF1}, CpuModel::pentium3},
      {"fxsave [esi]", {0x0F, 0xAE, 0x06}, CpuModel::pentium3},
      {"ldmxcsr [esi]", {0x0F, 0xAE, 0x16}, CpuModel::pentium3},
      {"sfence", {0x0F, 0xAE, 0xF8}, CpuModel::pentium3},
      {"prefetchnta [esi]", {0x0F, 0x18, 0x06}, CpuModel::pentium3},
      {"sysenter", {0x0F, 0x34}, CpuModel::pentium3},
      {"xorps xmm0, xmm0", {0x0F, 0x57, 0xC0}, CpuModel::pentium3},
      {"movss xmm0, xmm1", {0xF3, 0x0F, 0x10, 0xC1}, CpuModel::pentium3},
      {"cvtsi2ss xmm0, eax", {0xF3, 0x0F, 0x2A, 0xC0}, CpuModel::pentium3},
      {"pavgb mm0, mm1", {0x0F, 0xE0, 0xC1}, CpuModel::pentium3},
      {"pshufw mm0, mm1, 0", {0x0F, 0x70, 0xC1, 0x00}, CpuModel::pentium3},
      {"xorpd xmm0, xmm0", {0x66, 0x0F, 0x57, 0xC0}, CpuModel::core2},
      {"movsd xmm0, xmm1", {0xF2, 0x0F, 0x10, 0xC1}, CpuModel::core2},
      {"movdqa xmm0, xmm1", {0x66, 0x0F, 0x6F, 0xC1}, CpuModel::core2},
      {"movd xmm0, eax", {0x66, 0x0F, 0x6E, 0xC0}, CpuModel::core2},
      {"cvtps2pd xmm0, xmm1", {0x0F, 0x5A, 0xC1}, CpuModel::core2},
      {"paddq mm0, mm1", {0x0F, 0xD4, 0xC1}, CpuModel::core2},
      {"movnti [esi], eax", {0x0F, 0xC3, 0x06}, CpuModel::core2},
      {"lfence", {0x0F, 0xAE, 0xE8}, CpuModel::core2},
      {"mfence", {0x0F, 0xAE, 0xF0}, CpuModel::core2},
      {"clflush [esi]", {0x0F, 0xAE, 0x3E}, CpuModel::core2},
      {"haddps xmm0, xmm1", {0xF2, 0x0F, 0x7C, 0xC1}, CpuModel::core2},
      {"pabsb mm0, mm1", {0x0F, 0x38, 0x1C, 0xC1}, CpuModel::core2},
      {"pmulld xmm0, xmm1", {0x66, 0x0F, 0x38, 0x40, 0xC1}, CpuModel::core2},
      {"pinsrb xmm0, eax, 0", {0x66, 0x0F, 0x3A, 0x20, 0xC0, 0x00}, CpuModel::core2},
      {"crc32 eax, ecx", {0xF2, 0x0F, 0x38, 0xF1, 0xC1}, CpuModel::core2},
      {"movbe eax, [esi]", {0x0F, 0x38, 0xF0, 0x06}, CpuModel::core2},
      {"popcnt eax, ecx", {0xF3, 0x0F, 0xB8, 0xC1}, CpuModel::core2},
  };
  return rows;
}

TEST_P(CpuModels, InstructionsExistFromTheirFirstModelOn) {
  for (const CpuModel model : kCpuModels) {
    for (const Newcomer& row : newcomers()) {
      SystemLab lab(GetParam());
      lab.cpu().model = model;
      lab.state().cr4 = model >= CpuModel::pentium3 ? cr4::kOsfxsr : 0;
      lab.gpr(kEsi) = SystemLab::kData;
      lab.gpr(kEcx) = 0x10;  // IA32_TIME_STAMP_COUNTER
      const auto outcome = lab.execute(row.bytes);
      EXPECT_EQ(outcome.handler != unsigned{vector::kUd}, model >= row.first)
          << row.name << " on model " << static_cast<int>(model);
    }
  }
}

// EFLAGS.ID, by which software finds CPUID, changes on all models.
TEST_P(CpuModels, AllHaveTheIdFlag) {
  for (const CpuModel model : kCpuModels) {
    SystemLab lab(GetParam());
    lab.cpu().model = model;
    lab.push32(eflags::kFixed | eflags::kId);
    ASSERT_TRUE(lab.completes({0x9D}));  // popf
    ASSERT_TRUE(lab.completes({0x9C}));  // pushf
    ASSERT_TRUE(lab.completes({0x58}));  // pop eax
    EXPECT_EQ(lab.gpr(kEax) & eflags::kId, eflags::kId);
  }
}

TEST_P(CpuModels, CpuidTellsTheFamily) {
  constexpr std::array<std::uint32_t, 4> kFamily{4, 5, 6, 6};
  for (const CpuModel model : kCpuModels) {
    SystemLab lab(GetParam());
    lab.cpu().model = model;
    lab.gpr(kEax) = 1;
    ASSERT_TRUE(lab.completes({0x0F, 0xA2}));
    EXPECT_EQ(lab.gpr(kEax) >> 8 & 0xF, kFamily[static_cast<std::size_t>(model)]);
    EXPECT_EQ(lab.gpr(kEax), cpu_signature(model));
  }
}

TEST_P(CpuModels, ModelSpecificRegistersFollow) {
  constexpr struct {
    std::uint32_t msr;
    CpuModel first;
  } kRows[] = {
      {0x010, CpuModel::pentium},     // IA32_TIME_STAMP_COUNTER
      {0x174, CpuModel::pentium3},    // IA32_SYSENTER_CS
      {0x277, CpuModel::pentium3},    // IA32_PAT
      {0x1A0, CpuModel::core2},       // IA32_MISC_ENABLE
      {0xC0000080, CpuModel::core2},  // IA32_EFER
  };
  for (const CpuModel model : {CpuModel::pentium, CpuModel::pentium3, CpuModel::core2}) {
    for (const auto& row : kRows) {
      SystemLab lab(GetParam());
      lab.cpu().model = model;
      lab.gpr(kEcx) = row.msr;
      const Bytes rdmsr{0x0F, 0x32};
      EXPECT_TRUE(model >= row.first ? lab.completes(rdmsr) : lab.faults(rdmsr, vector::kGp, 0))
          << std::hex << row.msr << " on model " << static_cast<int>(model);
    }
  }
}

}  // namespace
}  // namespace ringshift::test
