// The examples of docs/TESTKIT.md: each reads as one fact, and runs on every engine.
#include "testkit/matchers.h"

namespace ringshift::testkit {
namespace {

namespace pf = mmu::pf;

class Examples : public EveryEngine {};
INSTANTIATE_TEST_SUITE_P(Engines, Examples, kEveryEngine, engine_name);

// ---- popf, in rings 0 to 3 ------------------------------------------------------------------------

struct PopfRow {
  unsigned cpl;
  std::uint32_t before, popped, after;
};

// Bits that the ring may not change are ignored, not faulted (SDM vol. 2, POPF).
constexpr PopfRow kPopf[] = {
    {0, 0x0002, 0x3202, 0x3202},  // ring 0: IF and IOPL load
    {1, 0x1002, 0x3202, 0x1202},  // CPL <= IOPL: IF loads, IOPL is kept
    {2, 0x0002, 0x3202, 0x0002},  // CPL > IOPL: both are kept
    {3, 0x0202, 0x3002, 0x0202},  // so an interrupt flag cannot be cleared, either
    {3, 0x3202, 0x0002, 0x3002},  // ring 3 with IOPL 3
};

class Popfd : public testing::TestWithParam<std::tuple<EngineKind, PopfRow>> {};
INSTANTIATE_TEST_SUITE_P(Engines, Popfd, testing::Combine(kEveryEngine, testing::ValuesIn(kPopf)));

TEST_P(Popfd, FiltersByCplAndIopl) {
  const auto& [engine, row] = GetParam();
  GuestLab lab(engine);
  lab.cpl(row.cpl).eflags(row.before).push32(row.popped);
  const Outcome out = lab.run("popf");
  EXPECT_EQ(out.eflags, row.after);
  EXPECT_EQ(out.esp_delta(), 4);
  EXPECT_TRUE(out.rest_unchanged());
}

// ---- sgdt -----------------------------------------------------------------------------------------

// A program of any ring reads the guest's register, never the host's; six bytes, not ten.
TEST_P(Examples, SgdtStoresTheGuestsTable) {
  for (unsigned ring = 0; ring < 4; ++ring) {
    lab.cpl(ring).ebx(GuestLab::kData);
    const Outcome out = lab.run("sgdt [ebx]");
    EXPECT_EQ(out.memory16(GuestLab::kData), GuestLab::kGdtLimit);
    EXPECT_EQ(out.memory32(GuestLab::kData + 2), GuestLab::kGdt);
    EXPECT_TRUE(out.rest_unchanged());
    lab.store(GuestLab::kData, Bytes(6));
  }
}

// ---- a read-modify-write that crosses a page --------------------------------------------------------

// Neighbours in linear memory need not be neighbours in physical memory.
TEST_P(Examples, AddCrossesIntoAnotherPhysicalPage) {
  constexpr std::uint32_t kLinear = 0x50FFE, kFirst = 0x40FFE, kSecond = 0x70000;
  lab.paging().map(0x50000, 0x40000).map(0x51000, kSecond);
  lab.store32(kLinear, 0x0001FFFF).ebx(kLinear);
  const Outcome out = lab.run("add dword [ebx], 1");
  EXPECT_EQ(out.memory32(kLinear), 0x00020000u);
  EXPECT_EQ(lab.machine().peek<std::uint16_t>(kFirst), 0x0000);
  EXPECT_EQ(lab.machine().peek<std::uint16_t>(kSecond), 0x0002);
  EXPECT_EQ(out.eflags, eflags::kFixed | eflags::kPf | eflags::kAf);
  EXPECT_TRUE(out.rest_unchanged());
}

// It writes both pages or none; CR2 is where the second page begins (SDM vol. 3, 4.7).
TEST_P(Examples, AddThatCannotWriteTheSecondPageChangesNothing) {
  constexpr std::uint32_t kLinear = 0x50FFE;
  lab.paging().store32(kLinear, 0x0001FFFF).protect(0x51000, GuestLab::Rights::read_only);
  lab.cpl(3).ebx(kLinear);
  const Outcome out = lab.run("add dword [ebx], 1");
  EXPECT_THAT(out, PageFaults(0x51000, pf::kPresent | pf::kWrite | pf::kUser));
  EXPECT_THAT(out, LeavesTheRest());
}

// ---- rep movs that faults in the middle ------------------------------------------------------------

// The registers say how far it has come, and eip is still at the instruction (SDM vol. 2, REP).
TEST_P(Examples, RepMovsStopsWhereItFaults) {
  constexpr std::uint32_t kSource = GuestLab::kData, kTarget = 0x50FF8;
  lab.paging().unmap(0x51000);
  lab.cpl(3).esi(kSource).edi(kTarget).ecx(5);
  for (std::uint32_t i = 0; i < 5; ++i) lab.store32(kSource + 4 * i, 0x11111111 * (i + 1));
  const Outcome out = lab.run("rep movsd");
  EXPECT_THAT(out, PageFaults(0x51000, pf::kWrite | pf::kUser));
  EXPECT_EQ(out.ecx, 3u);
  EXPECT_EQ(out.esi, kSource + 8);
  EXPECT_EQ(out.edi, kTarget + 8);
  EXPECT_EQ(out.eip_delta(), 0);
  EXPECT_EQ(out.memory32(kTarget), 0x11111111u);
  EXPECT_EQ(out.memory32(kTarget + 4), 0x22222222u);
  EXPECT_TRUE(out.rest_unchanged());
}

// ---- more -------------------------------------------------------------------------------------------

TEST_P(Examples, CliIsNotForRing3) {
  lab.cpl(3).iopl(0);
  const Outcome out = lab.run("cli");
  EXPECT_THAT(out, Faults(vector::kGp, 0));
  EXPECT_THAT(out, LeavesTheRest());
}

TEST_P(Examples, IntComesToTheGuestsHandler) {
  lab.cpl(3);
  const Outcome out = lab.run("int 0x80");
  EXPECT_THAT(out, Raises(0x80));
  EXPECT_EQ(out.eip_delta(), 2) << "behind the instruction";
  EXPECT_TRUE(out.rest_unchanged());
}

// An instruction whose bytes lie in two pages.
TEST_P(Examples, CodeMayCrossPages) {
  lab.paging().map(0x51000, 0x70000).eip(0x50FFD);
  const Outcome out = lab.run("mov eax, 0x12345678");
  EXPECT_EQ(out.eax, 0x12345678u);
  EXPECT_TRUE(out.rest_unchanged());
}

TEST_P(Examples, VectorsAddInTheHostsRegisters) {
  lab.xmm(0, {1, 2, 3, 4}).xmm(1, {10, 20, 30, 40});
  const Outcome out = lab.run("paddd xmm0, xmm1");
  EXPECT_EQ(out.xmm(0), (std::array<std::uint32_t, 4>{11, 22, 33, 44}));
  EXPECT_TRUE(out.rest_unchanged());
}

TEST_P(Examples, V86CodePushesItsOwnFlags) {
  lab.v86_mode(3);
  const Outcome out = lab.run("pushf");
  EXPECT_EQ(out.memory16(lab.machine().segment(Seg::ss).base + out.esp), 0x3002u);
  EXPECT_EQ(out.esp_delta(), -2);
  EXPECT_TRUE(out.rest_unchanged());
}

// What the runtime is needed for: the usual POPF is inlined, one that opens interrupts to a waiting one is not.
TEST(HostCodeExample, PopfIsInlinedWithAWayOut) {
  GuestLab lab(EngineKind::whole_blocks);
  const HostCode code = lab.host_code("popf");
  EXPECT_TRUE(code.verified()) << code.violation();
  EXPECT_GT(code.callouts(), 0u);
  EXPECT_LT(code.usual_instructions(), 30u);
  EXPECT_TRUE(code.contains("popfq")) << code.text();
  lab.eflags(0).push32(eflags::kZf);
  EXPECT_THAT(lab.run("popf"), CallsNothingOut());
  lab.push32(eflags::kNt);
  EXPECT_THAT(lab.run("popf"), CallsOut("popf"));
}

TEST(HostCodeExample, AnAddIsOneInstruction) {
  const GuestLab lab(EngineKind::whole_blocks);
  EXPECT_EQ(lab.host_code("add eax, ebx").instructions(), 1u);
  EXPECT_EQ(lab.host_code("add eax, [ebx + 4]").instructions(), 1u);
}

}  // namespace
}  // namespace ringshift::testkit
