// Text to guest code: what the encoder in the process makes of a line is what nasm makes of it.
#include "translator/assemble/assemble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringshift::assemble {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<std::uint8_t>;

Code code_of(std::string_view text, int bits = 32) {
  auto result = assemble(text, bits);
  if (const auto* error = std::get_if<std::string>(&result)) {
    ADD_FAILURE() << *error;
    return {};
  }
  return std::get<Code>(std::move(result));
}

std::string error_of(std::string_view text) {
  const auto result = assemble(text, 32);
  const auto* error = std::get_if<std::string>(&result);
  return error == nullptr ? "no error" : *error;
}

TEST(Assemble, LinesEndAtSemicolonsToo) {
  const Code code = code_of("pushf; cli\npopf;");
  EXPECT_EQ(code.bytes, (Bytes{0x9C, 0xFA, 0x9D}));
  EXPECT_EQ(code.by, Assembler::zydis);
}

TEST(Assemble, FlagsAndReturnsHaveTheSizeOfTheMode) {
  EXPECT_EQ(code_of("popf; pushf; iret; pusha; popa").bytes, (Bytes{0x9D, 0x9C, 0xCF, 0x60, 0x61}));
  EXPECT_EQ(code_of("popf; pushf; iret; pusha; popa", 16).bytes, (Bytes{0x9D, 0x9C, 0xCF, 0x60, 0x61}));
  EXPECT_EQ(code_of("popfw; pushfw; iretw").bytes, (Bytes{0x66, 0x9D, 0x66, 0x9C, 0x66, 0xCF}));
}

TEST(Assemble, LeavesLabelsAndBranchesToNasm) {
  const Code code = code_of("again: dec ecx; jnz again");
  EXPECT_EQ(code.bytes, (Bytes{0x49, 0x75, 0xFD}));
  EXPECT_EQ(code.by, Assembler::nasm);
  EXPECT_EQ(code_of("call 0x23:0x12345678").bytes, (Bytes{0x9A, 0x78, 0x56, 0x34, 0x12, 0x23, 0}));
}

TEST(Assemble, EncodesAsNasmDoes) {
  constexpr const char* kLines[] = {"mov eax, 5",
                                    "mov ebx, 0xffffffff",
                                    "add eax, -1",
                                    "add ecx, 0x80",
                                    "and ecx, 0xffffff80",
                                    "mov al, 0xff",
                                    "mov byte [ebx], 0xff",
                                    "add dword [ebx + ecx*4 - 8], 1",
                                    "mov [ebx], eax",
                                    "mov ax, [es:edi + 2]",
                                    "mov [ebx], cl",
                                    "mov eax, [0x123456]",
                                    "lock xadd [esi], edx",
                                    "rep movsd",
                                    "rep stosb",
                                    "repne scasb",
                                    "repe cmpsb",
                                    "sgdt [ebx]",
                                    "lidt [eax + 6]",
                                    "smsw ax",
                                    "sldt eax",
                                    "str [ecx]",
                                    "lar eax, ecx",
                                    "lsl ecx, edx",
                                    "verr ax",
                                    "verw [ebp + 4]",
                                    "push cs",
                                    "pop es",
                                    "push fs",
                                    "mov eax, cs",
                                    "mov ds, ax",
                                    "mov cr0, eax",
                                    "mov edx, dr6",
                                    "int 0x80",
                                    "int3",
                                    "retf",
                                    "ret 8",
                                    "sete al",
                                    "cmova ecx, [ebx]",
                                    "movzx eax, byte [edi]",
                                    "lea esi, [eax + eax*2 + 100]",
                                    "shl dword [ebx], cl",
                                    "sal eax, 3",
                                    "shld [ebx], edx, 7",
                                    "imul eax, ecx, 100",
                                    "cmpxchg8b [esi]",
                                    "fld qword [ebx]",
                                    "fnstenv [ebx]",
                                    "fxsave [ebx]",
                                    "movaps xmm1, [ecx]",
                                    "movd xmm0, [ebx]",
                                    "addsd xmm1, xmm2",
                                    "in al, dx",
                                    "out 0x80, al",
                                    "in eax, 0x60",
                                    "cpuid",
                                    "rdtsc",
                                    "enter 16, 1",
                                    "xlatb",
                                    "les eax, [ebx]",
                                    "bound eax, [ebx]",
                                    "arpl ax, cx",
                                    "push 5",
                                    "push dword 0x12345678",
                                    "push dword [ebx]",
                                    "xchg [ebx], cl",
                                    "bswap edi"};
  for (const char* line : kLines) {
    const auto ours = encode_line(line, 32);
    const auto nasm = run_nasm(line, 32);
    ASSERT_TRUE(std::holds_alternative<Bytes>(nasm)) << std::get<std::string>(nasm);
    EXPECT_EQ(ours, std::get<Bytes>(nasm)) << line;
  }
}

TEST(Assemble, RefusesWhatHasNoSize) {
  for (const char* line : {"inc [ebx]", "mov [ebx], 1", "shl [ebx], cl", "movzx eax, [ebx]", "add"}) {
    EXPECT_EQ(encode_line(line, 32), std::nullopt) << line;
  }
}

TEST(Assemble, TellsTheCauseInOneLine) {
  EXPECT_THAT(error_of("frobnicate eax"), HasSubstr("'frobnicate eax': "));
  EXPECT_THAT(error_of("inc [ebx]"), HasSubstr("operation size not specified"));
  EXPECT_THAT(error_of("jmp nowhere"), testing::Not(HasSubstr("\n")));
}

TEST(Hex, IsPairsOfDigits) {
  EXPECT_EQ(parse_hex("9c fa 9D"), (Bytes{0x9C, 0xFA, 0x9D}));
  EXPECT_EQ(parse_hex("9cfa9d"), (Bytes{0x9C, 0xFA, 0x9D}));
  EXPECT_EQ(parse_hex("9c,fa\n9d "), (Bytes{0x9C, 0xFA, 0x9D}));
  EXPECT_EQ(parse_hex(""), Bytes{});
  for (const char* bad : {"9", "9c f", "9 c", "0x9c", "zz", "9c-fa"}) EXPECT_EQ(parse_hex(bad), std::nullopt) << bad;
}

}  // namespace
}  // namespace ringshift::assemble
