// A fragment is for one mode: the same bytes at the same address mean something else when any part of the translator's
// mode key is different, and translated code for the one must not run in the other.
#include "translator/mode_key.h"

#include <gtest/gtest.h>

#include <functional>
#include <string_view>
#include <vector>

#include "runtime/semantics/fault.h"
#include "tests/isa/guest_machine.h"
#include "tests/isa/layout.h"

namespace ringshift::test {
namespace {

using translator::ModeKey;
using Bytes = std::vector<std::uint8_t>;

constexpr auto kEs = static_cast<unsigned>(Seg::es), kCs = static_cast<unsigned>(Seg::cs),
               kSs = static_cast<unsigned>(Seg::ss), kDs = static_cast<unsigned>(Seg::ds);

struct Row {
  std::string_view field;
  unsigned ring;
  Bytes code;
  std::function<void(Case&, CpuState&)> change;
  bool ModeKey::*member = nullptr;
};

void segment(Case& c, unsigned which, std::uint16_t selector) { c.before.sel[which] = selector; }

const std::vector<Row>& rows() {
  static const std::vector<Row> kRows{
      {"cpl",
       0,
       {0xF4, 0x90},
       [](Case& c, CpuState&) { c.before.sel = {kUserData, kUserCode, kUserData, kUserData, kUserData, kUserData}; }},
      {"code32",
       3,
       {0xB8, 1, 0, 0, 0, 0x90},  // mov eax, 1, or mov ax, 1; add [bx+si], al
       [](Case& c, CpuState&) {
         segment(c, kCs, local_selector(kLdtCode16));
         c.before.eip -= kCode;
       },
       &ModeKey::code32},
      {"stack32",
       3,
       {0x50, 0x59},
       [](Case& c, CpuState&) { segment(c, kSs, local_selector(kLdtSmall)); },
       &ModeKey::stack32},
      {"flat_cs",
       3,
       {0xFF, 0xD2},  // call edx: kCode + 80h, or 80h in the segment
       [](Case& c, CpuState&) {
         segment(c, kCs, local_selector(kLdtCodeBased));
         c.before.eip -= kCode;
       },
       &ModeKey::flat_cs},
      {"flat_ds",
       3,
       {0x8B, 0x03},
       [](Case& c, CpuState&) { segment(c, kDs, local_selector(kLdtBased)); },
       &ModeKey::flat_ds},
      {"flat_es", 3, {0xAB}, [](Case& c, CpuState&) { segment(c, kEs, local_selector(kLdtBased)); }, &ModeKey::flat_es},
      {"flat_ss",
       3,
       {0x50, 0x59},
       [](Case& c, CpuState&) { segment(c, kSs, local_selector(kLdtBased)); },
       &ModeKey::flat_ss},
      {"fp_trap", 0, {0xD9, 0xE8}, [](Case&, CpuState& s) { s.cr0 |= cr0::kTs; }, &ModeKey::fp_trap},
      {"iopl_ok", 3, {0xFA}, [](Case& c, CpuState&) { c.before.eflags |= eflags::kIopl; }, &ModeKey::iopl_ok},
      {"time_stamp_trap",
       3,
       {0x0F, 0x31, 0x31, 0xC0, 0x31, 0xD2},
       [](Case&, CpuState& s) { s.cr4 |= cr4::kTsd; },
       &ModeKey::time_stamp_trap},
      {"sse_trap", 3, {0x0F, 0x57, 0xC0}, [](Case&, CpuState& s) { s.cr4 &= ~cr4::kOsfxsr; }, &ModeKey::sse_trap},
  };
  return kRows;
}

class ModeKeys : public ::testing::TestWithParam<Row> {
 protected:
  static Case base() {
    Case c;
    c.offset = 0x40;
    c.bytes = GetParam().code;
    c.before.eip = case_address(c);
    c.before.eflags = eflags::kFixed | eflags::kIf;
    const bool kernel = GetParam().ring == 0;
    const std::uint16_t data = kernel ? kKernelData : kUserData;
    c.before.sel = {data, kernel ? kKernelCode : kUserCode, data, data, data, data};
    c.before.gpr[kEsp] = kData + 0x1100;  // with a 16-bit stack: 1100h
    c.before.gpr[kEbx] = kData + 0x200;
    c.before.gpr[kEdi] = kData + 0x300;
    c.before.gpr[kEdx] = kCode + 0x80;
    c.before.gpr[kEax] = 0x12345678;
    return c;
  }

  GuestMachine::SystemOutcome run(GuestMachine& machine, bool changed) {
    Case c = base();
    CpuState ignored;
    if (changed) GetParam().change(c, ignored);
    machine.begin_system(c);
    if (changed) {
      Case again = base();
      machine.change_state([&](CpuState& s) { GetParam().change(again, s); });
    }
    engine::RunOutcome ran;
    for (int i = 0; i < 50 && ran.reason == engine::StopReason::budget; ++i) ran = machine.step(100);
    GuestMachine::SystemOutcome out;
    machine.finish_system(ran.reason, out);
    return out;
  }
};

bool same(const GuestMachine::SystemOutcome& a, const GuestMachine::SystemOutcome& b) {
  return a.reason == b.reason && a.state.eip == b.state.eip && a.state.gpr == b.state.gpr && a.changes == b.changes &&
         a.state.fx == b.state.fx;
}

TEST_P(ModeKeys, AFragmentServesOneModeOnly) {
  const MemoryTemplate memory(20);
  GuestMachine interpreter(EngineKind::interpret, memory, false, {}, CodeAccess::writable);
  GuestMachine translator(EngineKind::translate, memory, false, {.verify = true}, CodeAccess::writable);
  CodeImage code;
  code.place(base());
  interpreter.load(code);
  translator.load(code);
  EXPECT_FALSE(same(run(interpreter, false), run(interpreter, true))) << "the modes do not differ in this code";
  // The code stays as it is: what was translated in one mode is there when the other comes.
  for (const bool changed : {false, true, false, false, true, true, false}) {
    EXPECT_TRUE(same(run(interpreter, changed), run(translator, changed))) << changed;
  }
}

std::string name(const ::testing::TestParamInfo<Row>& info) { return std::string(info.param.field); }
INSTANTIATE_TEST_SUITE_P(Fields, ModeKeys, ::testing::ValuesIn(rows()), name);

// A number of its own for each mode.
TEST(ModeKey, EveryFieldIsInTheNumber) {
  const ModeKey zero;
  std::uint32_t seen = 0;
  for (const Row& row : rows()) {
    if (row.member == nullptr) continue;
    ModeKey key;
    key.*row.member = true;
    EXPECT_NE(key.packed(), zero.packed()) << row.field;
    EXPECT_EQ(key.packed() & seen, 0U) << row.field << " shares a bit";
    EXPECT_LT(key.packed(), translator::kModeKeyCount);
    seen |= key.packed();
  }
  for (const std::uint8_t cpl : {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}}) {
    EXPECT_EQ(ModeKey{.cpl = cpl}.packed() & seen, 0U);
    EXPECT_EQ(ModeKey{.cpl = cpl}.packed(), cpl);
  }
  // Whoever adds a field adds a row above, or to the test below: the number has no bit to spare, and the struct no
  // byte.
  EXPECT_EQ(seen | 3U, translator::kModeKeyCount - 1);
  constexpr std::size_t kOfOtherModes = sizeof(bool) + sizeof(std::uint8_t) + 2 * sizeof(std::uint32_t);
  EXPECT_EQ(sizeof(ModeKey), (rows().size() + kOfOtherModes + 3) / 4 * 4);
}

TEST(ModeKey, OfPlainModesSaysNothingOfSegments) {
  CpuState s;
  s.cr0 |= cr0::kPe;
  constexpr auto kFlat = static_cast<std::uint16_t>(segment::kPresent | segment::kNonSystem | segment::kWritable |
                                                    segment::kAccessed | segment::kBig | segment::kGranular);
  for (unsigned i = 0; i < kSegCount; ++i) s.set_segment(static_cast<Seg>(i), {8, kFlat, 0, 0xFFFFFFFF});
  s.set_segment(Seg::cs, {8, static_cast<std::uint16_t>(kFlat | segment::kCode), 0, 0xFFFFFFFF});
  const ModeKey plain = translator::mode_key(s);
  EXPECT_TRUE(plain.plain());
  s.set_segment(Seg::gs, {0x33, kFlat, 0x12345000, 0xFFFFFFFF});
  EXPECT_EQ(translator::mode_key(s), plain);
  s.set_segment(Seg::cs, {8, static_cast<std::uint16_t>(kFlat | segment::kCode), 0x1000, 0xFFFFFFFF});
  EXPECT_FALSE(translator::mode_key(s).plain());
  EXPECT_EQ(translator::mode_key(s).cs_base, 0x1000U);
}

}  // namespace
}  // namespace ringshift::test
