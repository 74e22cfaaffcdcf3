// More pages of code than there are tables of entries.
#include <gtest/gtest.h>

#include <array>

#include "runtime/engine/jump_table.h"
#include "tests/engine/engine_lab.h"

namespace ringshift::test {
namespace {

TEST(ManyPages, WhenTablesRunOutAllTranslationsAreForgotten) {
  constexpr std::uint32_t kFirst = 0x100000, kPages = engine::EntryTables::kTables + 1000, kStack = 0x8000,
                          kCode = 0x1000;
  EngineLab lab(EngineKind::translate, kFirst + std::uint64_t{kPages} * mmu::kPageSize);
  for (std::uint32_t i = 0; i < kPages; ++i) {
    lab.place(kFirst + i * mmu::kPageSize, std::array<std::uint8_t, 2>{0x43, 0xC3});  // inc ebx; ret
  }
  // again: call eax; add eax, 1000h; dec ecx; jnz again; hlt
  lab.place(kCode, std::array<std::uint8_t, 11>{0xFF, 0xD0, 0x05, 0x00, 0x10, 0x00, 0x00, 0x49, 0x75, 0xF6, 0xF4});
  lab.state().eip = kCode;
  lab.state().gpr = {};
  lab.state().gpr[kEsp] = kStack;
  lab.state().gpr[kEax] = kFirst;
  lab.state().gpr[kEcx] = kPages;
  ASSERT_EQ(lab.engine().run(0).reason, engine::StopReason::halted);
  EXPECT_EQ(lab.state().gpr[kEbx], kPages);
  EXPECT_EQ(counter(lab.engine(), "translation cache flushes"), 1U);
}

}  // namespace
}  // namespace ringshift::test
