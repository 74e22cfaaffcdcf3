// Programs that change page tables in loops, so that translated code is entered again with other memory behind its
// addresses.
#include "tests/engine/guest_program.h"

namespace ringshift::test {
namespace {

namespace pf = mmu::pf;

class PagingProgram : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, PagingProgram, kEngines, engine_name);

constexpr std::uint32_t pte_address(std::uint32_t linear) { return SystemLab::kPageTable + (linear >> 12) * 4; }
constexpr std::uint32_t kPageA = 0x40000, kPageB = 0x41000, kWindow = 0x42000;

TEST_P(PagingProgram, AUserCannotTouchWhatTheKernelTouches) {
  SystemLab lab(GetParam(), 3);
  lab.identity_paging();
  lab.set_page(kPageA, kPageA | 3U);  // the supervisor's
  Program kernel(kKernel);
  kernel.inc(kPageA).iret();
  kernel.place(lab);
  set_handler(lab, 0x80, kKernel);
  lab.poke<std::uint32_t>(kPageA, 0);
  Program p(SystemLab::kCode);
  p.mov(kEsi, 20);
  const std::uint32_t again = p.here();
  p.int_n(0x80).store(SystemLab::kData, kEsi).loop(kEsi, again);
  const std::uint32_t access = p.here();
  p.load(kEax, kPageA).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), unsigned{vector::kPf});
  EXPECT_EQ(lab.stack(0), pf::kPresent | pf::kUser);
  EXPECT_EQ(lab.stack(1), access);
  EXPECT_EQ(lab.state().cr2, kPageA);
  EXPECT_EQ(lab.peek<std::uint32_t>(kPageA), 20u);
}

TEST_P(PagingProgram, InvlpgMakesAChangedEntryVisible) {
  SystemLab lab(GetParam());
  lab.identity_paging();
  lab.poke<std::uint32_t>(kPageA, 1);
  lab.poke<std::uint32_t>(kPageB, 100);
  Program p(SystemLab::kCode);
  p.mov(kEsi, 20).mov(kEbx, 0);
  const std::uint32_t again = p.here();
  for (const std::uint32_t page : {kPageA, kPageB}) {
    p.store(pte_address(kWindow), page | 7U).op({0x0F, 0x01, 0x3D}).imm(kWindow);  // invlpg [kWindow]
    p.load(kEcx, kWindow).add(kEbx, kEcx);
  }
  p.loop(kEsi, again).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), std::nullopt);
  EXPECT_EQ(lab.gpr(kEbx), 20u * 101);
}

TEST_P(PagingProgram, ACr3LoadMakesChangedEntriesVisible) {
  SystemLab lab(GetParam());
  lab.identity_paging();
  lab.poke<std::uint32_t>(kPageA, 1);
  lab.poke<std::uint32_t>(kPageB, 100);
  Program p(SystemLab::kCode);
  p.mov(kEsi, 20).mov(kEbx, 0);
  const std::uint32_t again = p.here();
  for (const std::uint32_t page : {kPageA, kPageB}) {
    p.store(pte_address(kWindow), page | 7U).op({0x0F, 0x20, 0xD8, 0x0F, 0x22, 0xD8});  // mov eax, cr3; mov cr3, eax
    p.load(kEcx, kWindow).add(kEbx, kEcx);
  }
  p.loop(kEsi, again).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.gpr(kEbx), 20u * 101);
}

// The page that code runs from changes under the same linear address.
TEST_P(PagingProgram, RemappedCodeIsExecutedAnew) {
  SystemLab lab(GetParam());
  lab.identity_paging();
  lab.place(kPageA, {0x83, 0xC3, 0x01, 0xC3});  // add ebx, 1; ret
  lab.place(kPageB, {0x83, 0xC3, 0x64, 0xC3});  // add ebx, 100; ret
  Program p(SystemLab::kCode);
  p.mov(kEsi, 20).mov(kEbx, 0);
  const std::uint32_t again = p.here();
  for (const std::uint32_t page : {kPageA, kPageB}) {
    p.store(pte_address(kWindow), page | 7U).op({0x0F, 0x01, 0x3D}).imm(kWindow);
    p.call(kWindow);
  }
  p.loop(kEsi, again).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.gpr(kEbx), 20u * 101);
}

// Two address spaces with their own page at one linear address, as processes have.
TEST_P(PagingProgram, AddressSpacesAreSwitchedWithTheirCode) {
  constexpr std::uint32_t kOtherDirectory = 0x90000, kOtherTable = 0x91000;
  SystemLab lab(GetParam());
  lab.identity_paging();
  for (std::uint32_t i = 0; i < 0x1000; i += 4) {
    lab.poke<std::uint32_t>(kOtherTable + i, lab.peek<std::uint32_t>(SystemLab::kPageTable + i));
    lab.poke<std::uint32_t>(kOtherDirectory + i, 0);
  }
  lab.poke<std::uint32_t>(kOtherDirectory, kOtherTable | 7U);
  lab.poke<std::uint32_t>(kOtherTable + (kWindow >> 12) * 4, kPageB | 7U);
  lab.set_page(kWindow, kPageA | 7U);
  lab.place(kPageA, {0x83, 0xC3, 0x01, 0xC3});
  lab.place(kPageB, {0x83, 0xC3, 0x64, 0xC3});
  Program p(SystemLab::kCode);
  p.mov(kEsi, 30).mov(kEbx, 0);
  const std::uint32_t again = p.here();
  for (const std::uint32_t directory : {kOtherDirectory, SystemLab::kPageDirectory}) {
    p.mov(kEax, directory).op({0x0F, 0x22, 0xD8}).call(kWindow);
  }
  p.loop(kEsi, again).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.gpr(kEbx), 30u * 101);
}

// Code that did not change itself jumps into a page that did, by way of jumps that have been linked.
TEST_P(PagingProgram, CodeBehindAPageThatStaysIsExecutedAnew) {
  constexpr std::uint32_t kStays = kWindow + 0x1000;
  SystemLab lab(GetParam());
  lab.identity_paging();
  lab.place(kPageA, {0x83, 0xC3, 0x01, 0xC3});  // add ebx, 1; ret
  lab.place(kPageB, {0x83, 0xC3, 0x64, 0xC3});  // add ebx, 100; ret
  Program stays(kStays);
  stays.call(kWindow).op({0xE9}).imm(kWindow - (kStays + 10)).place(lab);  // call kWindow; jmp kWindow
  Program p(SystemLab::kCode);
  p.mov(kEsi, 20).mov(kEbx, 0);
  const std::uint32_t again = p.here();
  for (const std::uint32_t page : {kPageA, kPageB}) {
    p.store(pte_address(kWindow), page | 7U).op({0x0F, 0x01, 0x3D}).imm(kWindow);
    for (unsigned i = 0; i < 4; ++i) p.call(kStays);
  }
  p.loop(kEsi, again).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.gpr(kEbx), 20u * 4 * 2 * 101);
}

// Returns go where the stack says, and find what is there by then.
TEST_P(PagingProgram, ACallerThatIsRemappedIsReturnedToAnew) {
  SystemLab lab(GetParam());
  lab.identity_paging();
  Program p(SystemLab::kCode);
  p.mov(kEsi, 20).mov(kEbx, 0);
  const std::uint32_t again = p.here();
  for (const std::uint32_t page : {kPageA, kPageB}) {
    // Called through one page, and the other is there before the return.
    p.store(pte_address(kWindow), page | 7U).op({0x0F, 0x01, 0x3D}).imm(kWindow);
    p.mov(kEdi, kPageA + kPageB - page).call(kWindow);
  }
  p.loop(kEsi, again).hlt();
  const std::uint32_t remap = p.here();
  p.op({0x83, 0xCF, 0x07});  // or edi, 7
  p.store(pte_address(kWindow), kEdi).op({0x0F, 0x01, 0x3D}).imm(kWindow).op({0xC3});
  p.place(lab);
  for (const auto& [page, number] : {std::pair{kPageA, 0x01}, std::pair{kPageB, 0x64}}) {
    Program caller(kWindow);
    caller.call(remap).op({0x83, 0xC3, static_cast<std::uint8_t>(number), 0xC3});  // add ebx, number; ret
    lab.place(page, caller.bytes());
  }
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.gpr(kEbx), 20u * 101);
}

// A process lacks a page that the code it shares with others jumps into.
TEST_P(PagingProgram, SharedCodeFaultsWhereItLeadsNowhere) {
  constexpr std::uint32_t kShared = kWindow + 0x1000, kOtherDirectory = 0x90000, kOtherTable = 0x91000;
  constexpr std::uint32_t kFaults = 0x92000;
  SystemLab lab(GetParam());
  lab.identity_paging();
  lab.place(kPageA, {0x83, 0xC3, 0x01, 0xC3});
  lab.place(kPageB, {0x83, 0xC3, 0x64, 0xC3});
  lab.set_page(kWindow, kPageA | 7U);
  for (std::uint32_t i = 0; i < 0x1000; i += 4) {
    lab.poke<std::uint32_t>(kOtherTable + i, lab.peek<std::uint32_t>(SystemLab::kPageTable + i));
    lab.poke<std::uint32_t>(kOtherDirectory + i, 0);
  }
  lab.poke<std::uint32_t>(kOtherDirectory, kOtherTable | 7U);
  lab.poke<std::uint32_t>(kFaults, 0);
  Program shared(kShared);
  shared.call(kWindow).op({0xC3}).place(lab);
  Program pager(kKernel);  // add esp, 4; [kOtherTable's entry] = kPageB; iret
  pager.op({0x83, 0xC4, 0x04}).inc(kFaults).store(kOtherTable + (kWindow >> 12) * 4, kPageB | 7U).iret().place(lab);
  set_handler(lab, vector::kPf, kKernel);
  Program p(SystemLab::kCode);
  p.mov(kEsi, 20).mov(kEbx, 0);
  const std::uint32_t again = p.here();
  for (unsigned i = 0; i < 3; ++i) p.call(kShared);
  p.store(kOtherTable + (kWindow >> 12) * 4, 0);
  p.mov(kEax, kOtherDirectory).op({0x0F, 0x22, 0xD8}).call(kShared).call(kShared);
  p.mov(kEax, SystemLab::kPageDirectory).op({0x0F, 0x22, 0xD8});
  p.loop(kEsi, again).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.gpr(kEbx), 20u * 203);
  EXPECT_EQ(lab.peek<std::uint32_t>(kFaults), 20u);
}

TEST_P(PagingProgram, WriteProtectionOfTheKernelFollowsWp) {
  SystemLab lab(GetParam());
  lab.identity_paging();
  lab.set_page(kPageA, kPageA | 5U);  // read-only
  lab.poke<std::uint32_t>(kPageA, 0);
  Program p(SystemLab::kCode);
  p.op({0x0F, 0x20, 0xC0}).op({0x25}).imm(~cr0::kWp).op({0x0F, 0x22, 0xC0});  // cr0 &= ~WP
  p.mov(kEsi, 5);
  const std::uint32_t again = p.here();
  p.inc(kPageA).loop(kEsi, again);
  p.op({0x0F, 0x20, 0xC0}).op({0x0D}).imm(cr0::kWp).op({0x0F, 0x22, 0xC0});
  const std::uint32_t access = p.here();
  p.inc(kPageA).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), unsigned{vector::kPf});
  EXPECT_EQ(lab.stack(0), pf::kPresent | pf::kWrite);
  EXPECT_EQ(lab.stack(1), access);
  EXPECT_EQ(lab.peek<std::uint32_t>(kPageA), 5u);
}

TEST_P(PagingProgram, AccessedAndDirtyAreSetAsAccessesNeedThem) {
  SystemLab lab(GetParam(), 3);
  lab.identity_paging();
  lab.set_page(kPageA, kPageA | 7U);
  lab.set_page(kPageB, kPageB | 7U);
  Program p(SystemLab::kCode);
  p.load(kEax, kPageA).store(kPageB, kEax).hlt().place(lab);
  expect_user_halt(lab);
  EXPECT_EQ(lab.peek<std::uint32_t>(pte_address(kPageA)), kPageA | 0x27U) << "accessed";
  EXPECT_EQ(lab.peek<std::uint32_t>(pte_address(kPageB)), kPageB | 0x67U) << "accessed and dirty";
}

TEST_P(PagingProgram, ADemandPagerFillsMissingPages) {
  SystemLab lab(GetParam(), 3);
  lab.identity_paging();
  constexpr std::uint32_t kFirst = 0xA0000, kPages = 16;
  for (std::uint32_t i = 0; i < kPages; ++i) lab.set_page(kFirst + i * 0x1000, 0);
  // #PF: pusha; mov eax, cr2; shr eax, 12; mov ecx, eax; shl ecx, 12; or ecx, 7; mov [eax*4 + table], ecx; popa;
  //      add esp, 4; iret
  Program kernel(kKernel);
  kernel.op({0x60, 0x0F, 0x20, 0xD0, 0xC1, 0xE8, 0x0C, 0x89, 0xC1, 0xC1, 0xE1, 0x0C, 0x83, 0xC9, 0x07})
      .op({0x89, 0x0C, 0x85})
      .imm(SystemLab::kPageTable)
      .op({0x61, 0x83, 0xC4, 0x04})
      .iret()
      .place(lab);
  set_handler(lab, vector::kPf, kKernel);
  Program p(SystemLab::kCode);
  p.mov(kEdi, kFirst).mov(kEsi, kPages).mov(kEax, 0x11111111);
  const std::uint32_t again = p.here();
  p.op({0x89, 0x07, 0x81, 0xC7}).imm(0x1000).loop(kEsi, again);  // mov [edi], eax; add edi, 1000h
  // And one string store over a fresh stretch of two pages.
  p.mov(kEdi, kFirst + 0xFF0).mov(kEcx, 0x20).op({0xF3, 0xAA}).hlt().place(lab);
  expect_user_halt(lab);
  for (std::uint32_t i = 0; i < kPages; ++i) EXPECT_EQ(lab.peek<std::uint32_t>(kFirst + i * 0x1000), 0x11111111u) << i;
  EXPECT_EQ(lab.gpr(kEcx), 0u);
}

}  // namespace
}  // namespace ringshift::test
