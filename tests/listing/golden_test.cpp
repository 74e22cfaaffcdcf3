// The host code of single guest instructions. A change here is a change of generated code: review it.
#include <gtest/gtest.h>

#include <ostream>

#include "tests/listing/host_code.h"

namespace ringshift::testing {
namespace {

struct Golden {
  const char* name;
  const char* bytes;
  const char* host;
  bool user = false;
};
void PrintTo(const Golden& g, std::ostream* out) { *out << g.name; }

const Golden kGoldens[] = {
    // esp is r12, memory is gs:[32-bit address]
    {"AddEspAh", "00 64 24 04", "rorx r10d, eax, 8\nadd byte ptr gs:[r12d + 4], r10b\n"},
    {"MovAhEsp", "8A 24 24", "xchg al, ah\nmov al, byte ptr gs:[r12d]\nxchg al, ah\n"},
    {"XaddChAddressUsesEcx", "0FC0 2C 0C",
     "lea r8d, [r12 + rcx]\nxchg cl, ch\nxadd byte ptr gs:[r8d], cl\nxchg cl, ch\n"},
    {"AddEaxAh", "00 20", "add byte ptr gs:[eax], ah\n"},
    {"AddEspEbp", "01 EC", "add r12d, ebp\n"},
    {"MovzxEspAh", "0FB6 E4", "rorx r10d, eax, 8\nmovzx r12d, r10b\n"},
    {"MovAbsolute", "8B 1D 78563412", "mov ebx, dword ptr gs:[0x12345678]\n"},
    {"MovMoffs", "A3 00F0FFFF", "mov dword ptr gs:[0xfffffffffffff000], eax\n"},
    {"MovEspImm", "BC 44332211", "mov r12d, 0x11223344\n"},
    {"XchgEaxEsp", "94", "xchg eax, r12d\n"},
    {"BswapEsp", "0FCC", "bswap r12d\n"},
    {"LockCmpxchg", "F0 0FB1 0B", "lock cmpxchg dword ptr gs:[ebx], ecx\n"},
    {"RepPrefixOfBsfIsDropped", "F3 0FBC C1", "bsf eax, ecx\n"},
    {"IncEsp", "44", "inc r12d\n"},
    {"Alias82", "82 C4 01", "add ah, 1\n"},
    {"LeaEsp", "8D 64 24 FC", "lea r12d, [r12 - 4]\n"},
    {"Lea16", "67 8D 40 FF", "lea eax, [rbx + rsi - 1]\nmovzx eax, ax\n"},
    {"BtsRegister", "0FAB 08",
     "lea r8d, [rax]\nmov r10d, 5\nsarx r9d, ecx, r10d\nmov r10d, 0x1f\npext r10d, ecx, r10d\n"
     "bts dword ptr gs:[r8d + r9d*4], r10d\n"},
    {"Xlat", "D7", "movzx r8d, al\nmov al, byte ptr gs:[ebx + r8d]\n"},
    // segments with a base, 16-bit addresses
    {"GsAbsolute", "65 A1 14000000",
     "mov r9, qword ptr [gs_base_pointer]\nmov r9d, dword ptr [r9]\nmov eax, dword ptr gs:[r9d + 0x14]\n"},
    {"FsBaseIndex", "64 8B 1C 8B",
     "lea r8d, [rbx + rcx*4]\nmovzx r9d, byte ptr [r13 + r8 + 0x7ffff7]\nmov r9, qword ptr [fs_base_pointer]\n"
     "mov r9d, dword ptr [r9]\nmov ebx, dword ptr gs:[r8d + r9d]\n"},
    {"FsByte", "64 8A 5B 08",
     "mov r9, qword ptr [fs_base_pointer]\nmov r9d, dword ptr [r9]\nmov bl, byte ptr gs:[ebx + r9d + 8]\n"},
    {"GsBtsRegister", "65 0FAB 08",
     "lea r8d, [rax]\nmov r10d, 5\nsarx r9d, ecx, r10d\nlea r8d, [r8 + r9*4]\n"
     "movzx r9d, byte ptr [r13 + r8 + 0x7ffff7]\nmov r9, qword ptr [gs_base_pointer]\nmov r9d, dword ptr [r9]\n"
     "mov r10d, 0x1f\npext r10d, ecx, r10d\nbts dword ptr gs:[r8d + r9d], r10d\n"},
    {"GsBeyondTheEnd", "65 A1 FDFFFFFF", "mov r8d, 0x8048000\njmp exit_interpret\n"},
    {"Address16", "67 8B 40 08", "lea r8d, [rbx + rsi + 8]\nmovzx r8d, r8w\nmov eax, dword ptr gs:[r8d]\n"},
    // the stack
    {"PushEsp", "54", "mov dword ptr gs:[r12d - 4], r12d\n"},
    {"PushMemory", "FF 74 24 08", "mov r8d, dword ptr gs:[r12d + 8]\nmov dword ptr gs:[r12d - 4], r8d\n"},
    {"PushWord", "66 50", "mov word ptr gs:[r12d - 2], ax\n"},
    {"PushImm", "6A FF", "mov dword ptr gs:[r12d - 4], 0xffffffff\n"},
    {"PopEsp", "5C", "mov r8d, dword ptr gs:[r12d]\nmov r12d, r8d\n"},
    {"PopMemoryAtEsp", "8F 04 24", "mov r10d, dword ptr gs:[r12d]\nmov dword ptr gs:[r12d + 4], r10d\n"},
    {"Leave", "C9", "mov r8d, dword ptr gs:[ebp]\nlea r12d, [rbp + 4]\nmov ebp, r8d\n"},
    // r12d follows a run of them once
    {"Prologue", "55 89E5 57 56 83EC 1C",
     "mov dword ptr gs:[r12d - 4], ebp\nlea ebp, [r12 - 4]\nmov dword ptr gs:[r12d - 8], edi\n"
     "mov dword ptr gs:[r12d - 0xc], esi\nlea r12d, [r12 - 0xc]\nsub r12d, 0x1c\n"},
    {"Epilogue", "5B 5E 5F C3",
     "mov ebx, dword ptr gs:[r12d]\nmov esi, dword ptr gs:[r12d + 4]\nmov edi, dword ptr gs:[r12d + 8]\n"
     "mov r8d, dword ptr gs:[r12d + 0xc]\nlea r12d, [r12 + 0x10]\nret\n"},
    {"ArgumentsOfACall", "52 8B442408 50 FFD0",
     "mov dword ptr gs:[r12d - 4], edx\nmov eax, dword ptr gs:[r12d + 4]\nmov dword ptr gs:[r12d - 8], eax\n"
     "mov r8d, eax\nmov dword ptr gs:[r12d - 0xc], 0x8048008\nlea r12d, [r12 - 0xc]\n"
     "shrx r10d, r8d, r13d\nmov r10, qword ptr [r13 + r10*8 - 0xc]\nmov r9d, dword ptr [r10 + r8*4]\nlea r9, [r9 + "
     "r14]\ncall r9\nmov r10, rcx\nlea ecx, [r8 - 0x8048008]\n"
     "jrcxz +0x4e\njmp return_mismatch\nmov rcx, r10\n"},
    {"LeaEspAfterPush", "50 8D6424F8", "mov dword ptr gs:[r12d - 4], eax\nlea r12d, [r12 - 0xc]\n"},
    // control flow
    {"Ret", "C2 0800", "mov r8d, dword ptr gs:[r12d]\nlea r12d, [r12 + 0xc]\nret\n"},
    {"JmpIndirect", "FF 24 85 00104008",
     "mov r8d, dword ptr gs:[eax*4 + 0x8401000]\nshrx r10d, r8d, r13d\nmov r10, qword ptr [r13 + r10*8 - 0xc]\nmov "
     "r9d, dword ptr [r10 + r8*4]\nlea r9, [r9 + r14]\njmp r9\n"},
    {"CallEspIsReadBeforeThePush", "FF D4",
     "mov r8d, r12d\nmov dword ptr gs:[r12d - 4], 0x8048002\nlea r12d, [r12 - 4]\n"
     "shrx r10d, r8d, r13d\nmov r10, qword ptr [r13 + r10*8 - 0xc]\nmov r9d, dword ptr [r10 + r8*4]\nlea r9, [r9 + "
     "r14]\ncall r9\nmov r10, rcx\nlea ecx, [r8 - 0x8048002]\n"
     "jrcxz +0x39\njmp return_mismatch\nmov rcx, r10\n"},
    // strings
    {"RepMovsd", "F3 A5",
     "mov r8, qword ptr [window_base]\nlea rdi, [rdi + r8]\nlea rsi, [rsi + r8]\n"
     "rep movsd dword ptr [rdi], dword ptr [rsi]\nmov edi, edi\nmov esi, esi\n"},
    {"Lodsw", "66 AD",
     "mov r8, qword ptr [window_base]\nlea rsi, [rsi + r8]\nlodsw ax, word ptr [rsi]\nmov esi, esi\n"},
    // the host's own instructions
    {"FldMemory", "DD 04 24", "fld qword ptr gs:[r12d]\n"},
    {"Cvtsi2sdEsp", "F2 0F2A C4", "cvtsi2sd xmm0, r12d\n"},
    {"MovdXmm4Esp", "66 0F6E E4", "movd xmm4, r12d\n"},
    {"MovapsXmm4", "0F28 E4", "movaps xmm4, xmm4\n"},
    {"PextrdEsp", "66 0F3A16 CC 01", "pextrd r12d, xmm1, 1\n"},
    // sensitive
    {"Cli", "FA", "mov byte ptr [interrupt_flag], 0\n"},
    {"CliUser", "FA", "mov r8d, 0x8048000\njmp exit_interpret\n", true},
    {"MovFromSegment", "8C DC", "movzx r12d, word ptr [ds_selector]\n"},
    {"PopfKernel", "9D",
     "mov r8d, dword ptr gs:[r12d]\npushfq\npop r10\nmov r9d, r8d\nxor r9d, dword ptr [system_flags]\n"
     "test r9d, 0x247100\njne +0x54\ntest r8d, 0x200\nje +0x31\ncmp byte ptr [pending], 0\njne +0x62\n"
     "mov r9d, r8d\nand r9d, 0xcd5\npush r9\nshr r8d, 9\nand r8d, 1\nmov byte ptr [interrupt_flag], r8b\n"
     "popfq\n"},
    {"PopfUserKeepsIfAndIopl", "9D",
     "mov r8d, dword ptr gs:[r12d]\npushfq\npop r10\nmov r9d, r8d\nxor r9d, dword ptr [system_flags]\n"
     "test r9d, 0x244100\njne +0x34\nmov r9d, r8d\nand r9d, 0xcd5\npush r9\npopfq\n",
     true},
    {"Pushf", "9C",
     "pushfq\npop r8\nmovzx r8d, r8w\nmovzx r9d, byte ptr [interrupt_flag]\nlea r9d, [r9*8]\nlea r9d, [r9*8]\n"
     "lea r8d, [r8 + r9*8 - 0x200]\nmov r9d, dword ptr [system_flags]\nmov r10d, 0x3c7100\npext r9d, r9d, r10d\n"
     "pdep r9d, r9d, r10d\nlea r8d, [r8 + r9]\nmov dword ptr gs:[r12d - 4], r8d\n"},
    {"Rdtsc", "0F31",
     "rdtsc\nmov r8d, 0x20\nshlx rdx, rdx, r8\nmov r8, qword ptr [tsc_offset]\nlea rax, [rax + rdx]\n"
     "lea rax, [rax + r8]\nrorx rdx, rax, 0x20\nmov edx, edx\nmov eax, eax\n"},
    {"Hlt", "F4", "mov r8d, 0x8048000\njmp exit_interpret\n"},
    {"FnstenvIsLeft", "D9 30", "mov r8d, 0x8048000\njmp exit_interpret\n"},
};

class HostCodeOf : public ::testing::TestWithParam<Golden> {};

TEST_P(HostCodeOf, IsAsReviewed) {
  const Golden& g = GetParam();
  EXPECT_EQ(main_path(translate({.bytes = hex(g.bytes), .mode = g.user ? user_mode() : kernel_mode()})), g.host);
}

INSTANTIATE_TEST_SUITE_P(Golden, HostCodeOf, ::testing::ValuesIn(kGoldens),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace ringshift::testing
