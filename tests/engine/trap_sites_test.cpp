// Instructions that mostly fault become callouts, and translated code again when they do not.
#include "runtime/engine/trap_sites.h"

#include <gtest/gtest.h>

#include "tests/engine/engine_lab.h"
#include "tests/engine/random_program.h"

namespace ringshift::test {
namespace {

using engine::TrapSites;

constexpr mmu::PhysAddr kSite = 0x5123;

unsigned faults_until_it_traps(TrapSites& sites) {
  for (unsigned i = 1; i < 10'000; ++i) {
    if (sites.note_fault(kSite)) return i;
  }
  return 0;
}

TEST(TrapSites, AFewFaultsMakeAnInstructionTrap) {
  TrapSites sites;
  EXPECT_TRUE(sites.on_page(kSite).empty());
  EXPECT_GT(faults_until_it_traps(sites), 1U);
  ASSERT_EQ(sites.on_page(0x5FFF).size(), 1U);
  EXPECT_EQ(sites.on_page(0x5000)[0], 0x123);
  EXPECT_TRUE(sites.on_page(0x6000).empty());
}

TEST(TrapSites, ItTrapsAsLongAsThatIsMostlyNeeded) {
  TrapSites sites;
  faults_until_it_traps(sites);
  for (unsigned i = 0; i < 10'000; ++i) ASSERT_TRUE(sites.note_run(kSite, i % 2 == 0)) << i;
}

TEST(TrapSites, ItEndsWhenItIsWasted) {
  TrapSites sites;
  const unsigned first = faults_until_it_traps(sites);
  for (unsigned i = 0; i < 100'000; ++i) sites.note_run(kSite, true);
  unsigned wasted = 0;
  while (sites.note_run(kSite, false)) ASSERT_LT(++wasted, 10'000U);  // however long it was needed before
  EXPECT_TRUE(sites.on_page(kSite).empty());
  EXPECT_GT(faults_until_it_traps(sites), first);  // and it takes more the next time
}

// A device at 1 MiB that remembers the sum of what was written to it.
class Adder final : public mmu::MmioHandler {
 public:
  std::uint32_t mmio_read(std::uint64_t, unsigned) override { return sum; }
  void mmio_write(std::uint64_t, unsigned, std::uint32_t value) override {
    sum += value;
    ++writes;
  }
  std::uint32_t sum = 0, writes = 0;
};

constexpr std::uint32_t kRam = 64U << 10;
constexpr std::uint32_t kDevice = 0x100000;
constexpr std::uint32_t kCode = 0x1000;
constexpr std::uint32_t kRounds = 1000;

class TrapSite : public ::testing::Test {
 protected:
  TrapSite() {
    lab_.cpu().mmu.physical().add_mmio(kDevice, mmu::kPageSize, device_);
    // mov ecx, rounds; L: mov [edi], ecx; add edi, esi; dec ecx; jnz L; hlt
    const Bytes code{0xB9, 0xE8, 0x03, 0, 0, 0x89, 0x0F, 0x01, 0xF7, 0x49, 0x75, 0xF9, 0xF4};
    lab_.place(kCode, code);
  }
  void run(std::uint32_t edi, std::uint32_t step) {
    CpuState& s = lab_.state();
    s.halted = 0;
    s.gpr[kEdi] = edi;
    s.gpr[kEsi] = step;
    s.eip = kCode;
    for (unsigned i = 0; i < 10'000 && s.halted == 0; ++i) lab_.engine().run(1'000'000);
    ASSERT_NE(s.halted, 0);
    ASSERT_EQ(s.gpr[kEdi], edi + step * kRounds);
  }
  [[nodiscard]] std::uint64_t faults() { return counter(lab_.engine(), "host faults in translated code"); }

  Adder device_;
  EngineLab lab_{EngineKind::translate, kRam};
};

TEST_F(TrapSite, ADriversAccessCostsFewHostFaults) {
  run(kDevice, 0);
  EXPECT_EQ(device_.writes, kRounds);
  EXPECT_EQ(device_.sum, kRounds * (kRounds + 1) / 2);
  EXPECT_LT(faults(), 20U);
}

TEST_F(TrapSite, TheSameCodeOnMemoryIsTranslatedAgain) {
  run(kDevice, 0);
  run(0x8000, 4);
  const std::uint64_t callouts = counter(lab_.engine(), "instructions retired by callouts");
  run(0x8000, 4);
  EXPECT_LT(counter(lab_.engine(), "instructions retired by callouts") - callouts, 10U);
  std::uint32_t last = 0;
  std::memcpy(&last, lab_.ram().data() + 0x8000 + 4 * (kRounds - 1), 4);
  EXPECT_EQ(last, 1U);
}

}  // namespace
}  // namespace ringshift::test
