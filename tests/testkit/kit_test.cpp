// The kit itself: what it says of tests that cannot be run, and what it does not overlook.
#include <functional>

#include "testkit/matchers.h"

namespace ringshift::testkit {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const LabError& error) {
    return error.what();
  }
  return "no error";
}

class Kit : public EveryEngine {};
INSTANTIATE_TEST_SUITE_P(Engines, Kit, kEveryEngine, engine_name);

TEST_P(Kit, SeesAnyOtherChange) {
  lab.ebx(GuestLab::kData);
  const Outcome out = lab.run("inc eax; mov byte [ebx], 7; mov edx, 5; mov ds, bx");
  EXPECT_FALSE(out.rest_unchanged());
}

TEST_P(Kit, SaysWhatHasChanged) {
  lab.ebx(GuestLab::kData);
  const Outcome out = lab.run("mov byte [ebx], 7; mov edx, 5");
  EXPECT_THAT(out.rest_unchanged().message(),
              AllOf(HasSubstr("edx is 0x5 (before: 0x2c2c2c2c)"), HasSubstr("address 0x30000 is 0x07 (before: 0x00)")));
  EXPECT_EQ(out.edx, 5u);
  EXPECT_EQ(out.memory8(GuestLab::kData), 7u);
  EXPECT_TRUE(out.rest_unchanged()) << "all has been looked at";
}

TEST_P(Kit, CodeThatGoesElsewhereHasNotCompleted) {
  const Outcome out = lab.run("jmp 0x40000");
  EXPECT_THAT(out, Not(Completes()));
  EXPECT_FALSE(out.rest_unchanged());
  EXPECT_EQ(out.eip_delta(), 0x40000 - static_cast<std::int32_t>(GuestLab::kCode));
}

TEST_P(Kit, RunsLoops) {
  const Outcome out = lab.ecx(1000).run("again: add eax, ecx; dec ecx; jnz again");
  EXPECT_THAT(out, Completes());
  EXPECT_EQ(out.eax, 0x0A0A0A0Au + 1000 * 1001 / 2);
}

TEST_P(Kit, TellsHaltsFromFaultsAndShutdown) {
  EXPECT_THAT(lab.run("hlt"), Halts());
  lab.protected_mode().cpl(3);
  EXPECT_THAT(lab.run("hlt"), Faults(vector::kGp, 0));
  lab.protected_mode().machine().state().idtr.limit = 0;
  EXPECT_THAT(lab.run("ud2"), ShutsDown());
}

TEST_P(Kit, TellsAnIntFromTheExceptionOfItsVector) {
  for (const unsigned ring : {0U, 3U}) {
    lab.protected_mode().cpl(ring);
    EXPECT_THAT(lab.run("int 13"), Raises(vector::kGp)) << ring;
  }
}

TEST_P(Kit, HandlersInRealAndV86ModeAreEvents) {
  lab.real_mode();
  const Outcome real = lab.run("int 0x21");
  EXPECT_THAT(real, Raises(0x21));
  EXPECT_EQ(real.eip_delta(), 2);
  EXPECT_TRUE(real.rest_unchanged());
  lab.protected_mode().v86_mode(0);
  const Outcome v86 = lab.run("cli");
  EXPECT_THAT(v86, Faults(vector::kGp, 0));
  EXPECT_TRUE(v86.rest_unchanged());
}

TEST_P(Kit, DeliversInterrupts) {
  lab.eflags(eflags::kIf).interrupt(0x40);
  EXPECT_THAT(lab.run("nop"), Raises(0x40));
}

TEST(KitErrors, AreOneReadableLine) {
  GuestLab lab(EngineKind::interpreter);
  const std::pair<std::function<void()>, const char*> kErrors[] = {
      {[&] { lab.run("frobnicate eax"); }, "'frobnicate eax': "},
      {[&] { lab.run(""); }, "there is no code to run"},
      {[&] { lab.store8(0x200000, 1); }, "there is no memory at linear address 0x200000"},
      {[&] { lab.eip(0xFFFFF000).run("nop"); }, "there is no memory at linear address 0xfffff000"},
      {[&] { lab.cpl(4); }, "there is no ring 4"},
      {[&] { lab.map(0x1000, 0x2000); }, "map() needs paging()"},
      {[&] { lab.paging().map(0x10000000, 0); }, "linear address 0x10000000 is not in the first 4 MiB"},
      {[&] { lab.paging().unmap(0x5000).store8(0x5000, 1); }, "there is no memory at linear address 0x5000"},
      {[&] { lab.descriptor(0x1000, 0, 0, 0); }, "selector 0x1000 is beyond the GDT"},
  };
  for (const auto& [action, text] : kErrors) {
    const std::string error = error_of(action);
    EXPECT_THAT(error, HasSubstr(text));
    EXPECT_THAT(error, Not(HasSubstr("\n")));
    lab.protected_mode();
  }
}

TEST(KitErrors, MemoryOfAnOutcomeMustBeMapped) {
  GuestLab lab(EngineKind::interpreter);
  const Outcome out = lab.run("nop");
  EXPECT_EQ(error_of([&] { (void)out.memory32(0x400000); }), "there is no memory at linear address 0x400000");
}

TEST(KitHostCode, IsOfThePresentMode) {
  GuestLab lab(EngineKind::whole_blocks);
  EXPECT_TRUE(lab.host_code("cli").contains("mov byte ptr"));
  EXPECT_FALSE(lab.cpl(3).host_code("cli").contains("mov byte ptr"));
  EXPECT_TRUE(lab.real_mode().host_code("cli").contains("mov byte ptr"));
}

}  // namespace
}  // namespace ringshift::testkit
