// `ringshift translate`: what it lists of guest code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/translate_command.h"

namespace ringshift::cli {
namespace {

using testing::HasSubstr;
using translator::plan::Treatment;

TranslateRequest request_of(const TranslateText& text) {
  auto result = check_translate_options(text);
  if (const auto* error = std::get_if<std::string>(&result)) {
    ADD_FAILURE() << *error;
    return {};
  }
  return std::get<TranslateRequest>(std::move(result));
}

Translation translation_of(const std::string& hex, const std::string& cpl = "0") {
  TranslateText text;
  text.hex.emplace(hex);
  text.cpl = cpl;
  return translate_all(request_of(text));
}

std::string error_of(const TranslateText& text) {
  const auto result = check_translate_options(text);
  const auto* error = std::get_if<std::string>(&result);
  return error == nullptr ? "no error" : *error;
}

// ---- input ------------------------------------------------------------------------------------

TEST(TranslateOptions, NeedOneSourceOfCode) {
  TranslateText text;
  EXPECT_EQ(error_of(text), "translate needs one of --hex, --asm, --file");
  text.hex.emplace("90");
  text.file.emplace("/dev/null");
  EXPECT_EQ(error_of(text), "translate needs one of --hex, --asm, --file");
  text.file.reset();
  text.offset.emplace("1");
  EXPECT_EQ(error_of(text), "--offset and --length go with --file");
}

TEST(TranslateOptions, CheckTheirNumbers) {
  TranslateText text;
  text.hex.emplace("90");
  text.mode = "64";
  EXPECT_EQ(error_of(text), "--mode '64': none of 32, 16, prot16, real, v86");
  text.mode = "32";
  text.cpl = "4";
  EXPECT_EQ(error_of(text), "--cpl '4': not a number from 0 to 3");
  text.cpl = "3";
  text.address = "0x100000000";
  EXPECT_EQ(error_of(text), "--address '0x100000000': not a number from 0 to 4294967295");
}

// ---- listings ---------------------------------------------------------------------------------

TEST(Translation, ShowsEachInstructionWithItsHostCode) {
  const Translation all = translation_of("01 d8 01 d9");
  ASSERT_EQ(all.blocks.size(), 1U);
  const auto& guest = all.blocks[0].listing.guest;
  ASSERT_EQ(guest.size(), 2U);
  EXPECT_EQ(guest[0].eip, 0x100000U);
  EXPECT_EQ(guest[0].text, "add eax, ebx");
  EXPECT_EQ(guest[0].treatment, Treatment::copy);
  ASSERT_EQ(guest[0].host.size(), 1U);
  EXPECT_EQ(guest[0].host[0].text, "add eax, ebx");
  EXPECT_EQ(guest[1].eip, 0x100002U);
  EXPECT_FALSE(all.blocks[0].listing.epilogue.empty());
}

TEST(Translation, AccountsForEveryHostByteAndPassesTheVerifier) {
  for (const char* hex : {"9c fa 9d", "8b 45 08 c3", "e8 00 10 00 00", "0f a2", "75 10", "f3 a5 cd 80", "fb f4"}) {
    const Translation all = translation_of(hex);
    for (const auto& block : all.blocks) {
      std::size_t bytes = 0;
      const auto count = [&bytes](const std::vector<listing::HostLine>& lines) {
        for (const auto& line : lines) bytes += line.bytes.size();
      };
      for (const auto& line : block.listing.guest) {
        count(line.host);
        count(line.out_of_line);
      }
      count(block.listing.epilogue);
      EXPECT_EQ(bytes, block.listing.host_bytes) << hex;
      EXPECT_EQ(block.violation, std::nullopt) << hex;
    }
  }
}

TEST(Translation, CountsTheWaysIntoTheRuntime) {
  EXPECT_EQ(translation_of("01 d8").blocks[0].listing.guest[0].callouts, 0U);
  EXPECT_EQ(translation_of("0f 01 10").blocks[0].listing.guest[0].callouts, 1U);  // lgdt
}

TEST(Translation, DependsOnThePrivilegeLevel) {
  EXPECT_EQ(translation_of("fa", "0").blocks[0].listing.guest[0].treatment, Treatment::expand);
  EXPECT_EQ(translation_of("fa", "3").blocks[0].listing.guest[0].treatment, Treatment::interpret);
}

TEST(Translation, LeavesToTheRuntimeWhatTheCpuModelMayLack) {
  TranslateText text;
  text.hex.emplace("0f 44 c8");  // cmovz ecx, eax
  text.cpu = "pentium";
  EXPECT_EQ(translate_all(request_of(text)).blocks[0].listing.guest[0].treatment, Treatment::interpret);
  text.cpu = "pentium3";
  EXPECT_EQ(translate_all(request_of(text)).blocks[0].listing.guest[0].treatment, Treatment::copy);
  text.cpu = "386";
  EXPECT_EQ(error_of(text), "--cpu '386': none of 486, pentium, pentium3, core2");
}

TEST(Translation, GoesOnBehindTheEndOfABlock) {
  const Translation all = translation_of("c3 90 c3");
  ASSERT_EQ(all.blocks.size(), 2U);
  EXPECT_EQ(all.blocks[1].listing.guest[0].eip, 0x100001U);
}

TEST(Translation, StopsAtWhatIsNoInstruction) {
  const Translation all = translation_of("90 0f");
  EXPECT_EQ(all.blocks.size(), 1U);
  EXPECT_EQ(all.undecodable, 1U);
}

TEST(Translation, OfSixteenBitCodeInEachMode) {
  for (const std::string_view mode : {"16", "prot16", "real", "v86"}) {
    TranslateText text;
    text.hex.emplace("b8 34 12");
    text.mode = std::string(mode);
    const Translation all = translate_all(request_of(text));
    ASSERT_EQ(all.blocks.size(), 1U);
    EXPECT_EQ(all.blocks[0].violation, std::nullopt);
    EXPECT_EQ(all.blocks[0].listing.guest[0].text, "mov ax, 0x1234");
    ASSERT_EQ(all.blocks[0].listing.guest[0].host.size(), 1U);
    EXPECT_EQ(all.blocks[0].listing.guest[0].host[0].text, "mov ax, 0x1234");
  }
}

TEST(Translation, LoadsSegmentsInlineInRealModeOnly) {
  for (const auto& [mode, treatment] : {std::pair{"real", Treatment::expand}, {"prot16", Treatment::interpret}}) {
    TranslateText text;
    text.hex.emplace("8e d8");  // mov ds, ax
    text.mode = std::string(mode);
    EXPECT_EQ(translate_all(request_of(text)).blocks[0].listing.guest[0].treatment, treatment);
  }
}

TEST(Translation, AsTextPutsBothSidesOnOneLine) {
  const std::string text = as_text(translation_of("01 d8"));
  EXPECT_THAT(text, HasSubstr("00100000  01d8  add eax, ebx"));
  EXPECT_THAT(text, testing::ContainsRegex("add eax, ebx +\\| \\+000  add eax, ebx\n"));
  EXPECT_THAT(text, HasSubstr("identical, copy, 2 -> 2 bytes"));
  EXPECT_THAT(text, HasSubstr(", verified\n"));
}

// The inlined form and the ways into the runtime can be seen at once.
TEST(Translation, OfPopfFitsOnAScreen) {
  for (const char* cpl : {"0", "3"}) {
    const std::string text = as_text(translation_of("9d", cpl), assemble::Assembler::zydis);
    EXPECT_THAT(text, HasSubstr("assembled by Zydis\n"));
    EXPECT_THAT(text, HasSubstr("popfq\n"));
    EXPECT_THAT(text, testing::ContainsRegex("\ncallout +\\+[0-9a-f]+  .*jmp exit_interpret\n"));
    EXPECT_LE(std::ranges::count(text, '\n'), 24) << text;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  }
}

TEST(Translation, AsJsonHasTheSame) {
  const auto json = nlohmann::json::parse(as_json(translation_of("9c")));
  EXPECT_EQ(json["mode"], 32);
  EXPECT_EQ(json["cpl"], 0);
  EXPECT_EQ(json["assembler"], nullptr);
  EXPECT_EQ(json["undecodable"], nullptr);
  const auto& block = json["blocks"][0];
  EXPECT_EQ(block["guest_bytes"], 1);
  EXPECT_EQ(block["violation"], nullptr);
  const auto& line = block["instructions"][0];
  EXPECT_EQ(line["bytes"], "9c");
  EXPECT_EQ(line["sensitive"], true);
  EXPECT_FALSE(line["host"].empty());
}

}  // namespace
}  // namespace ringshift::cli
