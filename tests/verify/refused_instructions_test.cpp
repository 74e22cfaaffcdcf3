// Instructions that must not be in a fragment.
#include "tests/verify/refused_lab.h"

namespace ringshift::testing {
namespace {

using RefusesInstruction = RefusalTest;

struct Named {
  const char* bytes;
  const char* name;
};

// System calls, privileged, sensitive and far instructions, and those whose operands the verifier does not follow.
constexpr Named kForbidden[] = {
    {"0F05", "syscall"},
    {"0F07", "sysret"},
    {"0F34", "sysenter"},
    {"0F35", "sysexit"},
    {"CC", "int3"},
    {"CD80", "int 80h"},
    {"CD03", "int 3"},
    {"F1", "int1"},
    {"0F0B", "ud2"},
    {"0FFF C0", "ud0"},
    {"CF", "iretd"},
    {"48CF", "iretq"},
    {"0FAA", "rsm"},
    {"E460", "in al, 60h"},
    {"E560", "in eax, 60h"},
    {"EC", "in al, dx"},
    {"ED", "in eax, dx"},
    {"E680", "out 80h, al"},
    {"E780", "out 80h, eax"},
    {"EE", "out dx, al"},
    {"EF", "out dx, eax"},
    {"6C", "insb"},
    {"6D", "insd"},
    {"6E", "outsb"},
    {"F36F", "rep outsd"},
    {"F4", "hlt"},
    {"FA", "cli"},
    {"FB", "sti"},
    {"0F01CA", "clac"},
    {"0F01CB", "stac"},
    {"0F06", "clts"},
    {"0F08", "invd"},
    {"0F09", "wbinvd"},
    {"65670F0138", "invlpg"},
    {"65670F0110", "lgdt"},
    {"65670F0118", "lidt"},
    {"65670F0100", "sgdt"},
    {"65670F0108", "sidt"},
    {"0F00C0", "sldt"},
    {"0F00C8", "str"},
    {"0F00D0", "lldt"},
    {"0F00D8", "ltr"},
    {"0F00E0", "verr"},
    {"0F00E8", "verw"},
    {"0F01E0", "smsw"},
    {"0F01F0", "lmsw"},
    {"0F02C1", "lar"},
    {"0F03C1", "lsl"},
    {"0F20C0", "mov rax, cr0"},
    {"0F22D8", "mov cr3, rax"},
    {"440F22C0", "mov cr8, rax"},
    {"0F21C0", "mov rax, dr0"},
    {"0F23F8", "mov dr7, rax"},
    {"0F30", "wrmsr"},
    {"0F32", "rdmsr"},
    {"0F33", "rdpmc"},
    {"0F01F9", "rdtscp"},
    {"0F01F8", "swapgs"},
    {"F30FAEC0", "rdfsbase eax"},
    {"F3480FAEC0", "rdfsbase rax"},
    {"F30FAEC8", "rdgsbase eax"},
    {"F3480FAEC8", "rdgsbase rax"},
    {"F30FAED0", "wrfsbase eax"},
    {"F3480FAED0", "wrfsbase rax"},
    {"F30FAED8", "wrgsbase eax"},
    {"F3480FAED8", "wrgsbase rax"},
    {"F3490FAED8", "wrgsbase r8"},
    {"0F01EE", "rdpkru"},
    {"0F01EF", "wrpkru"},
    {"0F01D0", "xgetbv"},
    {"0F01D1", "xsetbv"},
    {"65670FAE20", "xsave"},
    {"65670FAE28", "xrstor"},
    {"6567480FAE20", "xsave64"},
    {"65670FC720", "xsavec"},
    {"65670FC728", "xsaves"},
    {"65670FC718", "xrstors"},
    {"65670FAE00", "fxsave"},
    {"65670FAE08", "fxrstor"},
    {"6567DD30", "fnsave"},
    {"6567DD20", "frstor"},
    {"6567D930", "fnstenv"},
    {"6567D920", "fldenv"},
    {"0FA2", "cpuid"},
    {"0F01C8", "monitor"},
    {"0F01C9", "mwait"},
    {"0F01FA", "monitorx"},
    {"0F01C1", "vmcall"},
    {"0F01C2", "vmlaunch"},
    {"0F01D4", "vmfunc"},
    {"0F01D9", "vmmcall"},
    {"0F01D8", "vmrun"},
    {"0F01DD", "clgi"},
    {"0F01C0", "enclv"},
    {"0F01CF", "encls"},
    {"0F01D7", "enclu"},
    {"0F01D5", "xend"},
    {"0F01D6", "xtest"},
    {"C7F800000000", "xbegin"},
    {"C6F800", "xabort"},
    {"0F01FC", "clzero"},
    {"0F01FD", "rdpru"},
    {"0F01E8", "serialize"},
    {"F30FC7F8", "rdpid"},
    {"0FC7F0", "rdrand"},
    {"0FC7F8", "rdseed"},
    {"F30F01E8", "setssbsy"},
    {"F30FAEE8", "incsspd"},
    {"F3480F1EC8", "rdsspq"},
    {"F30FC7F0", "senduipi"},
    {"F30F01EC", "uiret"},
    {"0F0F C1 9E", "3DNow! pfadd"},
    {"0F77F4", "emms, hlt"},
    {"0F78C1", "vmread"},
    {"0F0E", "femms"},
    {"0F37", "getsec"},
    {"8ED8", "mov ds, eax"},
    {"8EE0", "mov fs, eax"},
    {"8EE8", "mov gs, eax"},
    {"8ED0", "mov ss, eax"},
    {"8CE8", "mov eax, gs"},
    {"0FA0", "push fs"},
    {"0FA1", "pop fs"},
    {"0FA8", "push gs"},
    {"0FA9", "pop gs"},
    {"65670FB200", "lss"},
    {"65670FB400", "lfs"},
    {"65670FB500", "lgs"},
    {"6567FF28", "jmp far [rax]"},
    {"6567FF18", "call far [rax]"},
    {"6567FF20", "jmp [rax]"},
    {"6567FF10", "call [rax]"},
    {"FFE0", "jmp rax"},
    {"41FFE0", "jmp r8"},
    {"41FFE2", "jmp r10"},
    {"41FFE4", "jmp r12"},
    {"41FFE6", "jmp r14"},
    {"FFD0", "call rax"},
    {"CB", "retf"},
    {"48CB", "retfq"},
    {"CA0400", "retf 4"},
    {"C20400", "ret 4"},
    {"F3C3", "rep ret"},
    {"66C3", "o16 ret"},
    {"C8000000", "enter"},
    {"C9", "leave"},
    {"50", "push rax"},
    {"58", "pop rax"},
    {"4154", "push r12"},
    {"415D", "pop r13"},
    {"415E", "pop r14"},
    {"415F", "pop r15"},
    {"54", "push rsp"},
    {"5C", "pop rsp"},
    {"6A00", "push 0"},
    {"6800000000", "push imm32"},
    {"FF30", "push [rax]"},
    {"8F00", "pop [rax]"},
    {"669D", "popf"},
    {"D7", "xlatb"},
    {"0FF7C1", "maskmovq"},
    {"660FF7C1", "maskmovdqu"},
    {"F348A5", "rep movsq"},
    {"67A4", "addr32 movsb"},
    {"65A4", "gs movsb"},
    {"A00000000000000000", "mov al, moffs64"},
    {"A30000000000000000", "mov moffs64, eax"},
    {"67A000000000", "mov al, moffs32"},
    {"65A30000000000000000", "mov gs:moffs64, eax"},
    {"660FC700", "cmpxchg with a wrong prefix"},
    {"6567480FC708", "cmpxchg16b"},
    {"C5FC2800", "vmovaps ymm0, [rax]"},
    {"C5F877", "vzeroupper"},
    {"C4E27D9204 08", "vgatherdps"},
    {"62F17C48280 0", "vmovaps zmm0"},
    {"8FE97C9000", "XOP"},
    {"C4E2F9F700", "shlx rax, [rax], rax"},
    {"65676667F20FBDC1", "repeated prefixes"},
    {"656765678B00", "gs twice"},
    {"6567F08900", "lock mov"},
    {"6567F03320", "lock xor to a register"},
    {"F001C8", "lock add of registers"},
    {"4545B7C0", "mov r15b behind two REX"},
    {"F2660F2CE0", "cvttsd2si esp, which Capstone takes for cvttpd2pi mm4"},
    {"66F20F2CE0", "the same with 66 in front"},
    {"4865678B00", "REX before gs"},
    {"F2440FE5E0", "pmulhw with a prefix that makes it undefined"},
    {"4048 8BC1", "REX that is not last"},
};

// Those that only their surroundings make right.
constexpr Named kMisplaced[] = {
    {"9C", "pushfq"},      {"9D", "popfq"}, {"A4", "movsb"}, {"F3A5", "rep movsd"}, {"AA", "stosb"},
    {"F3AB", "rep stosd"}, {"AC", "lodsb"}, {"AE", "scasb"}, {"A6", "cmpsb"},
};

TEST_F(RefusesInstruction, OffTheList) {
  for (const Named& n : kForbidden) expect_refused(hex(n.bytes), n.name);
  for (const Named& n : kMisplaced) expect_refused(hex(n.bytes), n.name);
  EXPECT_GT(count_, 180U);
}

// In the middle of real fragments: at every instruction start, over whatever stands there.
TEST_F(RefusesInstruction, OffTheListAnywhereInAFragment) {
  for (const Source& source : template_sources()) {
    const translator::Fragment fragment = translate(source);
    const Subject subject(fragment);
    ASSERT_EQ(verdict(verifier_, subject.request(fragment.code)), "");
    for (const std::uint32_t start : instruction_starts(fragment.code)) {
      for (const Named& n : kForbidden) {
        const Code bad = hex(n.bytes);
        if (start + bad.size() > fragment.code.size()) continue;
        Code code = fragment.code;
        std::ranges::copy(bad, code.begin() + start);
        ++count_;
        EXPECT_NE(verdict(verifier_, subject.request(code)), "") << n.name << " at " << start;
      }
    }
  }
  EXPECT_GT(count_, 100'000U);
}

}  // namespace
}  // namespace ringshift::testing
