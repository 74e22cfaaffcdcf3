// Branches that leave a fragment otherwise than through its exits, and tables that do not fit its code.
#include <cstring>

#include "tests/verify/refused_lab.h"

namespace ringshift::testing {
namespace {

using RefusesBranch = RefusalTest;

// A branch may go to an instruction of the fragment, a stub, or a live fragment: nowhere else.
TEST_F(RefusesBranch, ToNowhere) {
  for (const Source& source : template_sources()) {
    const translator::Fragment fragment = translate(source);
    const Subject subject(fragment);
    const auto starts = instruction_starts(fragment.code);
    const std::int64_t size = static_cast<std::int64_t>(fragment.code.size());
    std::vector<std::int64_t> targets;
    for (std::int64_t to = 0; to < size; ++to) {
      if (!std::ranges::binary_search(starts, static_cast<std::uint32_t>(to))) targets.push_back(to);
    }
    for (const std::uint64_t stub : {kStubs.exit_direct, kStubs.exit_interpret, kStubs.exit_interrupt, kStubs.lookup}) {
      const auto to = static_cast<std::int64_t>(stub) - static_cast<std::int64_t>(kHostAddress);
      targets.insert(targets.end(), {to - 1, to + 1, to + 16});
    }
    targets.insert(targets.end(), {-1, -16, size, size + 1, size + 0x1000, 0x7FFFFF, -0x7FFFFF});
    for (const verify::PatchSite& patch : subject.patches) {
      Code code = fragment.code;
      for (const std::int64_t to : targets) {
        const auto relative = static_cast<std::uint32_t>(to - (std::int64_t{patch.offset} + 4));
        std::memcpy(code.data() + patch.offset, &relative, 4);
        ++count_;
        verify::VerifyRequest request = subject.request(code);
        request.patches = {};  // these would see it too
        EXPECT_THAT(verdict(verifier_, request), ::testing::HasSubstr("branch")) << "to " << to;
      }
    }
  }
  EXPECT_GT(count_, 1'000U);
}

TEST_F(RefusesBranch, MissingAtTheEnd) {
  for (const char* bytes : {"90", "89C8", "6567 8B00", "75FE", "0F85F8FFFFFF", "E8FBFFFFFF"}) {
    EXPECT_NE(of(hex(bytes)), "") << bytes;
  }
  EXPECT_NE(of({}), "");
}

TEST_F(RefusesBranch, BackFromNoCall) {
  const translator::Fragment fragment = translate({.bytes = hex("E8 10000000")});
  Subject subject(fragment);
  const auto starts = instruction_starts(fragment.code);
  for (std::uint32_t offset = 0; offset <= fragment.code.size(); ++offset) {
    subject.return_sites = {fragment.return_sites[0], offset};
    const std::string reason = verdict(verifier_, subject.request(fragment.code));
    EXPECT_EQ(reason.empty(), offset == fragment.return_sites[0]) << offset;
  }
  subject.return_sites.clear();
  EXPECT_THAT(verdict(verifier_, subject.request(fragment.code)), ::testing::HasSubstr("not a return site"));
}

TEST_F(RefusesBranch, PatchOfAnythingElse) {
  const translator::Fragment fragment = translate({.bytes = hex("03 04 24 75 0E")});
  Subject subject(fragment);
  const auto good = subject.patches;
  ASSERT_EQ(good.size(), 2U);
  for (std::uint32_t offset = 0; offset <= fragment.code.size(); ++offset) {
    subject.patches = {{offset, good[0].stub}};
    EXPECT_EQ(verdict(verifier_, subject.request(fragment.code)).empty(), offset == good[0].offset) << offset;
    subject.patches = {{good[0].offset, offset}};
    EXPECT_EQ(verdict(verifier_, subject.request(fragment.code)).empty(), offset == good[0].stub) << offset;
  }
}

// mov r8d, eax ; the lookup of r8d ; jmp r9
Code lookup() { return hex("4189C0 C44213F7D0 4F8B54D5F4 478B0C82 4F8D0C31 41FFE1"); }

TEST_F(RefusesBranch, OtherThanToWhatALookupFound) {
  ASSERT_EQ(of(lookup()), "");
  const struct {
    const char* what;
    const char* bytes;
  } kBad[]{
      {"r8 from nowhere", "C44213F7D0 4F8B54D5F4 478B0C82 4F8D0C31 41FFE1"},
      {"no page number", "4189C0 4F8B54D5F4 478B0C82 4F8D0C31 41FFE1"},
      {"page number by another shift", "4189C0 C4424BF7D0 4F8B54D5F4 478B0C82 4F8D0C31 41FFE1"},
      {"page number of another register", "4189C0 C44213F7D1 4F8B54D5F4 478B0C82 4F8D0C31 41FFE1"},
      {"another part of the directory", "4189C0 C44213F7D0 4F8B54D5FC 478B0C82 4F8D0C31 41FFE1"},
      {"32 bits of the directory", "4189C0 C44213F7D0 478B54D5F4 478B0C82 4F8D0C31 41FFE1"},
      {"no directory", "4189C0 C44213F7D0 478B0C82 4F8D0C31 41FFE1"},
      {"beside the table", "4189C0 C44213F7D0 4F8B54D5F4 478B4C8204 4F8D0C31 41FFE1"},
      {"an index that is not r8", "4189C0 C44213F7D0 4F8B54D5F4 458B0C8A 4F8D0C31 41FFE1"},
      {"r8 changed after the page number", "4189C0 C44213F7D0 4189C8 4F8B54D5F4 478B0C82 4F8D0C31 41FFE1"},
      {"r8 changed after the directory", "4189C0 C44213F7D0 4F8B54D5F4 41FFC0 478B0C82 4F8D0C31 41FFE1"},
      {"r8 is the page number", "4189C0 C44213F7C0 4F8B54C5F4 478B0C82 4F8D0C31 41FFE1"},
      {"a copy of the page number in r8", "4189C0 C44213F7D0 4D89D0 4F8B54C5F4 478B0C82 4F8D0C31 41FFE1"},
      {"not added to the cache's base", "4189C0 C44213F7D0 4F8B54D5F4 478B0C82 41FFE1"},
  };
  for (const auto& bad : kBad) EXPECT_NE(of(hex(bad.bytes)), "") << bad.what;
}

}  // namespace
}  // namespace ringshift::testing
