// Code that may be executed anywhere (Request::place): its host code, and that it is otherwise what code at a fixed
// address is.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "tests/listing/corpus.h"

namespace ringshift::testing {
namespace {

using translator::DirectExit;
using translator::Fixup;
using translator::Fragment;
using translator::Point;

constexpr std::uint32_t kPage = 0xB7333000;
constexpr std::uint32_t kOffset = 0x123;

Fragment translate_movable(std::string_view bytes, const translator::ModeKey& mode = user_mode()) {
  return translate(movable({.bytes = hex(bytes), .mode = mode, .eip = kPage + kOffset}));
}

TEST(Movable, ACallAddsAndSubtractsThePagesAddress) {
  const Fragment f = translate_movable("E8 10000000");
  EXPECT_EQ(main_path(f),
            "mov r10d, dword ptr [r13 - 0x1ffe4]\n"
            "lea r10d, [r10 + 0x128]\n"
            "mov dword ptr gs:[r12d - 4], r10d\n"
            "lea r12d, [r12 - 4]\n"
            "call +0x40\n"
            "mov r10, rcx\n"
            "mov ecx, dword ptr [r13 - 0x1ffe0]\n"
            "lea ecx, [rcx + r8 - 0x128]\n"
            "jrcxz +0x38\n"
            "jmp return_mismatch\n"
            "mov rcx, r10\n");
}

TEST(Movable, AnIndirectCallKeepsItsTarget) {
  const std::string text = main_path(translate_movable("FF D0"));
  EXPECT_TRUE(
      text.starts_with("mov r8d, eax\n"
                       "mov r10d, dword ptr [r13 - 0x1ffe4]\n"
                       "lea r10d, [r10 + 0x125]\n"
                       "mov dword ptr gs:[r12d - 4], r10d\n"
                       "lea r12d, [r12 - 4]\n"
                       "shrx r10d, r8d, r13d\n"))
      << text;
}

TEST(Movable, ACallOfTheNextInstructionPushesItsAddress) {
  EXPECT_EQ(main_path(translate_movable("E8 00000000")),
            "mov r10d, dword ptr [r13 - 0x1ffe4]\n"
            "lea r10d, [r10 + 0x128]\n"
            "mov dword ptr gs:[r12d - 4], r10d\n");
}

TEST(Movable, AnExitTellsWhereItIs) {
  EXPECT_EQ(main_path(translate_movable("90 0F0B")),
            "nop\n"
            "mov r8d, dword ptr [r13 - 0x1ffe4]\n"
            "lea r8d, [r8 + 0x124]\n"
            "jmp exit_interpret\n");
}

TEST(Movable, ABriefCalloutTellsWhereItIs) {
  abi::StubTable stubs = kStubs;
  stubs.exit_brief = kStubs.exit_interpret;
  const std::vector<std::uint8_t> bytes = hex("CD 80");
  const Fragment f = translator::translate({.eip = 0xFFE,
                                            .mode = user_mode(),
                                            .bytes = bytes,
                                            .in_page = 2,
                                            .host_address = kHostAddress,
                                            .brief_number = 7,
                                            .stubs = stubs,
                                            .place = kPlace,
                                            .options = {}});
  ASSERT_TRUE(f.brief);
  EXPECT_EQ(main_path(f),
            "mov r8d, dword ptr [r13 - 0x1ffe4]\n"
            "lea r8d, [r8 + 0xffe]\n"
            "mov r9d, 7\n"
            "jmp exit_interpret\n");
}

TEST(Movable, StiAndPopfTellWhereTheyAre) {
  const std::string place = "mov r8d, dword ptr [r13 - 0x1ffe4]\n";
  const std::string sti = disassemble(translate_movable("FB", kernel_mode()), 0, ~0U);
  EXPECT_NE(sti.find(place + "lea r8d, [r8 + 0x124]\njmp exit_interrupt\n"), std::string::npos) << sti;
  const std::string popf = disassemble(translate_movable("9D"), 0, ~0U);
  EXPECT_NE(popf.find("push r10\npopfq\n" + place + "lea r8d, [r8 + 0x123]\njmp exit_interpret\n"), std::string::npos)
      << popf;
}

TEST(Movable, ReturnSitesAreAsLongAsPromised) {
  const auto expect_length = [](const Source& source) {
    const Fragment f = translate(source);
    ASSERT_EQ(f.return_sites.size(), 1U);
    const auto behind =
        std::ranges::find_if(f.points, [](const Point& p) { return p.boundary && p.guest_offset == 5; });
    ASSERT_NE(behind, f.points.end());
    EXPECT_EQ(behind->host_offset - f.return_sites[0], translator::return_site_bytes(source.place.has_value()))
        << fmt::format("{:#x}", source.eip);
    const DirectExit& call = f.exits[0];
    EXPECT_EQ(call.patch_offset + 4, f.return_sites[0]);
  };
  for (const std::uint32_t eip : {0x0U, 0x10U, 0x7AU, 0x7BU, 0x123U, 0xFFAU, 0xB7333123U, 0xFFFFFF00U, 0xFFFFFFA0U}) {
    Source source{.bytes = hex("E8 10000000 90"), .eip = eip};
    expect_length(source);
    source = movable(source);
    for (const std::uint32_t page : {0U, 5U, abi::kMostPlaces - 1}) {
      source.place = abi::place_offset(page);
      expect_length(source);
    }
  }
}

TEST(Movable, ExitsAreRelativeToThePage) {
  const Fragment f = translate_movable("E8 D8FEFFFF 75 80 E9 00100000");
  ASSERT_EQ(f.exits.size(), 3U);
  EXPECT_EQ(f.exits[0].target, 0U);
  EXPECT_EQ(f.exits[0].return_address, 0x128U);
  EXPECT_EQ(f.exits[1].target, 0xAAU);
  EXPECT_EQ(f.exits[1].return_address, 0U);
  EXPECT_EQ(f.exits[2].target, 0x112FU);
  const Fragment back = translate_movable("E8 D7FEFFFF");
  EXPECT_EQ(back.exits[0].target, 0xFFFFFFFFU);
}

TEST(Movable, ACallAtThePagesEndReturnsBehindIt) {
  for (const std::uint32_t in_page : {1U, 5U}) {
    Source source{.bytes = hex("E8 10000000"), .eip = kPage + 0x1000 - in_page, .in_page = in_page};
    const Fragment f = translate(movable(source));
    ASSERT_FALSE(f.exits.empty());
    EXPECT_EQ(f.exits[0].return_address, 0x1005 - in_page);
  }
}

TEST(Movable, TellsCodeThatLoadsItsReturnAddress) {
  EXPECT_EQ(translate_movable("8B 1C 24 C3").loads_return_address, 3);  // mov ebx, [esp]; ret
}

// Everything that the runtime is told of a block, with addresses as distances from the page.
void expect_same(const Source& source) {
  const Fragment fixed = translate(source);
  const Source moved = movable(source);
  const Fragment f = translate(moved);
  const std::uint32_t page = source.eip - moved.eip;
  const std::string what = fmt::format("{:02X} at {:#x}", fmt::join(source.bytes, ""), source.eip);
  EXPECT_EQ(find_fault(f, moved), "") << what;
  EXPECT_EQ(f.guest_bytes, fixed.guest_bytes) << what;
  EXPECT_EQ(f.guest_instructions, fixed.guest_instructions) << what;
  EXPECT_EQ(f.crosses_page, fixed.crosses_page) << what;
  EXPECT_EQ(f.return_sites.size(), fixed.return_sites.size()) << what;
  EXPECT_EQ(f.loads_return_address, fixed.loads_return_address) << what;
  ASSERT_EQ(f.exits.size(), fixed.exits.size()) << what;
  for (std::size_t i = 0; i < f.exits.size(); ++i) {
    EXPECT_EQ(f.exits[i].target, fixed.exits[i].target - page) << what;
    EXPECT_EQ(f.exits[i].patchable, fixed.exits[i].patchable) << what;
    const bool calls = fixed.exits[i].return_address != 0;
    EXPECT_EQ(f.exits[i].return_address, calls ? fixed.exits[i].return_address - page : 0U) << what;
  }
  ASSERT_EQ(f.points.size(), fixed.points.size()) << what;
  for (std::size_t i = 0; i < f.points.size(); ++i) {
    const Point &point = f.points[i], &other = fixed.points[i];
    EXPECT_GE(point.host_offset, other.host_offset) << what;
    const auto state = [](const Point& p) {
      return std::tuple(p.guest_offset, p.esp_delta, p.index, Fixup{p.fixup}, bool{p.boundary}, bool{p.shadow});
    };
    EXPECT_TRUE(state(point) == state(other)) << what << ": point " << i;
  }
}

TEST(Movable, IsOtherwiseAsAtAFixedAddress) {
  unsigned count = 0;
  visit_random_bytes(20261122, 100'000, [&](Source source) {
    if (!source.mode.plain()) return;
    source.options.count_retired = false;
    ++count;
    expect_same(source);
  });
  EXPECT_GT(count, 10'000U);
}

}  // namespace
}  // namespace ringshift::testing
