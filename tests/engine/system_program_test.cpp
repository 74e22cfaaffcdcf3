// Programs that change ring, segments, mode and page tables in loops, so that translated code is entered again in each
// state that it was made for, and in none that it was not.
#include "tests/engine/guest_program.h"

namespace ringshift::test {
namespace {

class SystemProgram : public SystemTest {};
INSTANTIATE_TEST_SUITE_P(Engines, SystemProgram, kEngines, engine_name);

TEST_P(SystemProgram, SystemCallsThroughInt80) {
  SystemLab lab(GetParam(), 3);
  Program kernel(kKernel);
  kernel.op({0x40}).iret();  // inc eax
  kernel.place(lab);
  set_handler(lab, 0x80, kKernel);
  Program user(SystemLab::kCode);
  user.mov(kEax, 0).mov(kEsi, 500);
  const std::uint32_t again = user.here();
  user.int_n(0x80).loop(kEsi, again).hlt().place(lab);
  expect_user_halt(lab);
  EXPECT_EQ(lab.gpr(kEax), 500u);
}

TEST_P(SystemProgram, SystemCallsThroughACallGate) {
  SystemLab lab(GetParam(), 3);
  const std::uint16_t gate = SystemLab::free_selector(0, 3);
  lab.set_gdt_gate(gate, SystemLab::gate(SystemLab::code(0), kKernel, gate_type::kCall32, 3, 1));
  lab.place(kKernel, {0x03, 0x44, 0x24, 0x08, 0xCA, 0x04, 0x00});  // add eax, [esp+8]; retf 4
  Program user(SystemLab::kCode);
  user.mov(kEax, 0).mov(kEsi, 200);
  const std::uint32_t again = user.here();
  user.op({0x56}).op(far_insn(0x9A, gate, 0)).loop(kEsi, again).hlt().place(lab);  // push esi
  expect_user_halt(lab);
  EXPECT_EQ(lab.gpr(kEax), 200u * 201 / 2);
  EXPECT_EQ(lab.stack(4), SystemLab::stack_top(3)) << "the user's stack is balanced";
}

TEST_P(SystemProgram, OneCodePageInTwoRings) {
  SystemLab lab(GetParam());
  // The same bytes in rings 0 and 3: mov eax, cs; and eax, 3; add ebx, eax; then back by a way of each ring.
  constexpr std::uint32_t kShared = 0x24000;
  lab.place(kShared, {0x8C, 0xC8, 0x83, 0xE0, 0x03, 0x01, 0xC3, 0xC3});  // ... ret
  Program kernel(kKernel);
  kernel.call(kShared).iret();
  kernel.place(lab);
  set_handler(lab, 0x80, kKernel);
  lab.set_cpl(3);
  Program user(SystemLab::kCode);
  user.mov(kEbx, 0).mov(kEsi, 50);
  const std::uint32_t again = user.here();
  user.call(kShared).int_n(0x80).loop(kEsi, again).hlt().place(lab);
  expect_user_halt(lab);
  EXPECT_EQ(lab.gpr(kEbx), 150u);
}

// ---- segments ---------------------------------------------------------------------------------------------

TEST_P(SystemProgram, DataSegmentsWithAndWithoutABase) {
  SystemLab lab(GetParam());
  const std::uint16_t based = SystemLab::free_selector(0);
  lab.set_descriptor(based, 0x1000, 0xFFFFF, attr::kData | attr::kFlat);
  lab.poke<std::uint32_t>(SystemLab::kData, 1);
  lab.poke<std::uint32_t>(SystemLab::kData + 0x1000, 100);
  Program p(SystemLab::kCode);
  p.mov(kEbx, 0).mov(kEsi, 50);
  const std::uint32_t again = p.here();
  p.load_segment(Seg::ds, based).load(kEcx, SystemLab::kData).add(kEbx, kEcx);
  p.load_segment(Seg::ds, SystemLab::data(0)).load(kEcx, SystemLab::kData).add(kEbx, kEcx);
  p.loop(kEsi, again).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), std::nullopt);
  EXPECT_EQ(lab.gpr(kEbx), 50u * 101);
}

TEST_P(SystemProgram, ASegmentThatBecomesNullOrReadOnlyFaultsInCodeThatRanBefore) {
  constexpr std::uint16_t kReadOnly = SystemLab::free_selector(0), kShort = SystemLab::free_selector(1);
  const struct {
    std::uint16_t selector;
    std::uint32_t vec;
  } rows[] = {{0, vector::kGp}, {kReadOnly, vector::kGp}, {kShort, vector::kGp}};
  SystemLab lab(GetParam());
  for (const auto& row : rows) {
    lab.reset(0);
    lab.set_descriptor(kReadOnly, 0, 0xFFFFF, attr::kReadOnly | attr::kFlat);
    lab.set_descriptor(kShort, 0, 0xFFF, attr::kData | attr::kBig);
    constexpr std::uint32_t kStore = 0x24000;
    lab.place(kStore, {0x89, 0x1D, 0x00, 0x00, 0x03, 0x00, 0xC3});  // mov [30000h], ebx; ret
    Program p(SystemLab::kCode);
    p.mov(kEbx, 7).call(kStore);
    p.load_segment(Seg::ds, row.selector).mov(kEbx, 8).call(kStore).hlt().place(lab);
    ASSERT_EQ(lab.run(), engine::StopReason::halted);
    EXPECT_EQ(lab.vector(), row.vec) << row.selector;
    EXPECT_EQ(lab.stack(1), kStore);
    EXPECT_EQ(lab.peek<std::uint32_t>(SystemLab::kData), 7u);
  }
}

TEST_P(SystemProgram, StackSegmentsWithAndWithoutABase) {
  SystemLab lab(GetParam());
  const std::uint16_t based = SystemLab::free_selector(0);
  lab.set_descriptor(based, 0x20000, 0xFFFFF, attr::kData | attr::kFlat);
  Program p(SystemLab::kCode);
  p.mov(kEsi, 20).mov(kEbx, 0);
  const std::uint32_t again = p.here();
  p.load_segment(Seg::ss, based).mov(kEsp, 0x40000).push(11).op({0x59}).add(kEbx, kEcx);  // pop ecx
  p.load_segment(Seg::ss, SystemLab::data(0)).mov(kEsp, SystemLab::stack_top(0)).push(17).op({0x59}).add(kEbx, kEcx);
  p.loop(kEsi, again).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), std::nullopt);
  EXPECT_EQ(lab.gpr(kEbx), 20u * 28);
  EXPECT_EQ(lab.peek<std::uint32_t>(0x5FFFC), 11u);
}

// The stack pointer wraps within the segment, but one push may not cross its end; nor can the fault then be delivered.
TEST_P(SystemProgram, APushAcrossTheEndOfA16BitStackShutsDown) {
  SystemLab lab(GetParam());
  const std::uint16_t small = SystemLab::free_selector(1);
  lab.set_descriptor(small, 0x60000, 0xFFFF, attr::kData);
  Program p(SystemLab::kCode);
  p.load_segment(Seg::ss, small).mov(kEsp, 2).push(13).hlt().place(lab);
  EXPECT_EQ(lab.run(), engine::StopReason::shutdown);
}

TEST_P(SystemProgram, A16BitStackKeepsTheUpperHalfOfEsp) {
  SystemLab lab(GetParam());
  const std::uint16_t small = SystemLab::free_selector(1);
  lab.set_descriptor(small, 0x60000, 0xFFFF, attr::kData);
  Program p(SystemLab::kCode);
  p.mov(kEsi, 20).mov(kEbx, 0);
  const std::uint32_t again = p.here();
  p.load_segment(Seg::ss, small).mov(kEsp, 0xABCD0000).push(13).op({0x89, 0xE5}).op({0x59}).add(kEbx, kEcx);
  p.load_segment(Seg::ss, SystemLab::data(0)).mov(kEsp, SystemLab::stack_top(0)).push(17).op({0x59}).add(kEbx, kEcx);
  p.loop(kEsi, again).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), std::nullopt);
  EXPECT_EQ(lab.gpr(kEbx), 20u * 30);
  EXPECT_EQ(lab.gpr(kEbp), 0xABCDFFFCu);
  EXPECT_EQ(lab.peek<std::uint32_t>(0x6FFFC), 13u);
}

TEST_P(SystemProgram, SixteenBitCodeAndBack) {
  SystemLab lab(GetParam());
  Program p(SystemLab::kCode);
  p.mov(kEsi, 20).mov(kEbx, 0);
  const std::uint32_t again = p.here();
  p.jump_far(SystemLab::kCode16, 0x7000);
  const std::uint32_t back = p.here();
  p.op({0x43}).loop(kEsi, again).hlt().place(lab);  // inc ebx
  // 16-bit: add bx, 2; jmp dword code32:back
  Bytes small = {0x83, 0xC3, 0x02, 0x66};
  const Bytes jump = far_insn(0xEA, SystemLab::code(0), back);
  small.insert(small.end(), jump.begin(), jump.end());
  lab.place(0x7000, small);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.gpr(kEbx), 60u);
  EXPECT_EQ(lab.eip(), p.here());
}

TEST_P(SystemProgram, RealModeAndBack) {
  SystemLab lab(GetParam());
  Program p(SystemLab::kCode);
  p.mov(kEsi, 10).mov(kEbx, 0);
  const std::uint32_t again = p.here();
  p.jump_far(SystemLab::kCode16, 0x7000);
  const std::uint32_t back = p.here();
  p.op({0x43}).loop(kEsi, again).hlt().place(lab);
  // 16-bit code at 0:7000: mov eax, cr0; and al, ~1; mov cr0, eax; jmp 0:7010 - and from there in real mode
  lab.place(0x7000, {0x0F, 0x20, 0xC0, 0x24, 0xFE, 0x0F, 0x22, 0xC0, 0xEA, 0x10, 0x70, 0x00, 0x00});
  // add bx, 2; mov cx, cs; or bp, cx; mov eax, cr0; or al, 1; mov cr0, eax; jmp dword code32:back
  Bytes real = {0x83, 0xC3, 0x02, 0x8C, 0xC9, 0x09, 0xCD, 0x0F, 0x20, 0xC0, 0x0C, 0x01, 0x0F, 0x22, 0xC0, 0x66};
  const Bytes jump = far_insn(0xEA, SystemLab::code(0), back);
  real.insert(real.end(), jump.begin(), jump.end());
  lab.place(0x7010, real);
  lab.gpr(kEbp) = 0;
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.gpr(kEbx), 30u);
  EXPECT_EQ(lab.gpr(kEbp), 0u) << "CS was 0 in real mode";
  EXPECT_EQ(lab.eip(), p.here());
}

TEST_P(SystemProgram, V86AndBack) {
  SystemLab lab(GetParam());
  Program kernel(kKernel);  // of int 80h: count, and leave the V86 program at the third call
  kernel.op({0x43, 0x83, 0xFB, 0x1E, 0x74, 0x01}).iret().hlt();  // inc ebx; cmp ebx, 30; je +1; iret; hlt
  kernel.place(lab);
  set_handler(lab, 0x80, kKernel);
  lab.gpr(kEbx) = 0;
  lab.enter_v86(3);
  lab.place(SystemLab::v86_base(Seg::cs) + 0x100, {0xCD, 0x80, 0xEB, 0xFC});  // again: int 80h; jmp again
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.gpr(kEbx), 30u);
  EXPECT_EQ(lab.eip(), kernel.here());
  EXPECT_EQ(lab.state().cpl(), 0u);
}

// ---- flags that change what code means --------------------------------------------------------------------

TEST_P(SystemProgram, AlignmentIsCheckedFromThePopfOn) {
  SystemLab lab(GetParam());
  for (unsigned cpl = 0; cpl < 4; ++cpl) {
    for (const bool mask : {false, true}) {
      SCOPED_TRACE(testing::Message() << "ring " << cpl << ", AM " << mask);
      lab.reset(cpl);
      if (mask) lab.state().cr0 |= cr0::kAm;
      Program p(SystemLab::kCode);
      p.load(kEax, SystemLab::kData + 1).push(eflags::kAc).op({0x9D});  // popf
      const std::uint32_t access = p.here();
      p.load(kEax, SystemLab::kData + 1).hlt().place(lab);
      ASSERT_EQ(lab.run(), engine::StopReason::halted);
      if (cpl == 3 && mask) {
        EXPECT_EQ(lab.vector(), unsigned{vector::kAc});
        EXPECT_EQ(lab.stack(0), 0u);
        EXPECT_EQ(lab.stack(1), access);
      } else {
        EXPECT_EQ(lab.vector(), cpl == 0 ? std::nullopt : std::optional<unsigned>(vector::kGp));
      }
    }
  }
}

TEST_P(SystemProgram, IoplDecidesAboutCodeThatRanBefore) {
  SystemLab lab(GetParam(), 3);
  // int 80h gives ring 3 IOPL 3, int 81h takes it away: by the EFLAGS image in the frame.
  lab.place(kKernel, {0x80, 0x4C, 0x24, 0x09, 0x30, 0xCF});          // or byte [esp+9], 30h; iret
  lab.place(kKernel + 0x100, {0x80, 0x64, 0x24, 0x09, 0xCF, 0xCF});  // and byte [esp+9], ~30h; iret
  set_handler(lab, 0x80, kKernel);
  set_handler(lab, 0x81, kKernel + 0x100);
  constexpr std::uint32_t kCli = 0x24000;
  lab.place(kCli, {0xFA, 0xC3});  // cli; ret
  Program p(SystemLab::kCode);
  p.mov(kEsi, 10);
  const std::uint32_t again = p.here();
  p.int_n(0x80).call(kCli).loop(kEsi, again);
  p.int_n(0x81).call(kCli).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), unsigned{vector::kGp});
  EXPECT_EQ(lab.stack(1), kCli);
  EXPECT_EQ(lab.gpr(kEsi), 0u);
}

TEST_P(SystemProgram, ControlRegistersDecideAboutCodeThatRanBefore) {
  SystemLab lab(GetParam());
  constexpr std::uint32_t kSub = 0x24000;
  const struct {
    const char* what;
    Bytes insn;
    std::uint8_t cr;
    std::uint32_t bits;
    unsigned vec;
  } rows[] = {{"x87 and TS", {0xD9, 0xE8, 0xDD, 0xD8}, 0, cr0::kTs, vector::kNm},
              {"SSE and EM", {0x0F, 0x57, 0xC0}, 0, cr0::kEm, vector::kUd},
              {"SSE and OSFXSR", {0x0F, 0x57, 0xC0}, 4, cr4::kOsfxsr, vector::kUd}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    lab.reset(0);
    lab.place(kSub, row.insn);
    lab.place(kSub + static_cast<std::uint32_t>(row.insn.size()), {0xC3});
    const auto cr = static_cast<std::uint8_t>(0xC0 + 8 * row.cr);
    Program p(SystemLab::kCode);
    p.mov(kEsi, 5);
    const std::uint32_t again = p.here();
    p.call(kSub).loop(kEsi, again);
    p.op({0x0F, 0x20, cr}).op({0x35}).imm(row.bits).op({0x0F, 0x22, cr});  // mov eax, cr; xor eax, bits; mov cr, eax
    p.call(kSub).hlt().place(lab);
    ASSERT_EQ(lab.run(), engine::StopReason::halted);
    EXPECT_EQ(lab.vector(), row.vec);
    EXPECT_EQ(lab.stack(0), kSub);
  }
}

TEST_P(SystemProgram, TsdStopsRdtscThatRanBefore) {
  SystemLab lab(GetParam(), 3);
  lab.place(kKernel, {0x0F, 0x20, 0xE0, 0x0C, 0x04, 0x0F, 0x22, 0xE0, 0xCF});  // cr4 |= TSD; iret
  set_handler(lab, 0x80, kKernel);
  constexpr std::uint32_t kSub = 0x24000;
  lab.place(kSub, {0x0F, 0x31, 0xC3});
  Program p(SystemLab::kCode);
  p.call(kSub).call(kSub).int_n(0x80);
  p.call(kSub).hlt().place(lab);
  ASSERT_EQ(lab.run(), engine::StopReason::halted);
  EXPECT_EQ(lab.vector(), unsigned{vector::kGp});
  EXPECT_EQ(lab.stack(1), kSub);
}

// Interrupts come between any two instructions of a loop, and nothing of the program shows it.
TEST_P(SystemProgram, InterruptsDoNotDisturbALoop) {
  SystemLab lab(GetParam(), 3);
  lab.place(kKernel, {0x36, 0xFF, 0x05, 0x00, 0x00, 0x03, 0x00, 0xCF});  // inc dword ss:[30000h]; iret
  set_handler(lab, 0x40, kKernel);
  Program p(SystemLab::kCode);
  p.mov(kEsi, 100).mov(kEbx, 0);
  const std::uint32_t again = p.here();
  p.op({0x01, 0xF3, 0x9C, 0x59}).loop(kEsi, again).hlt().place(lab);  // add ebx, esi; pushf; pop ecx
  lab.set_flags(eflags::kIf);
  lab.interrupt(0x40);
  expect_user_halt(lab);
  EXPECT_EQ(lab.gpr(kEbx), 5050u);
  EXPECT_EQ(lab.peek<std::uint32_t>(SystemLab::kData), 1u);
  EXPECT_NE(lab.gpr(kEcx) & eflags::kIf, 0u);
}

}  // namespace
}  // namespace ringshift::test
