// A library of three pages that address spaces have at different linear pages, as Linux places them at random: one
// translation serves all.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tests/engine/engine_lab.h"

namespace ringshift::test {
namespace {

constexpr std::uint32_t kCode = 0x1000, kCounter = 0x3000, kStack = 0x8000, kLibrary = 0x10000, kTables = 0x20000;
constexpr std::uint32_t kAdded = 0x01020304;
constexpr std::uint32_t kFunction = 0x100;
using Bytes = std::vector<std::uint8_t>;

Bytes with32(Bytes bytes, std::uint32_t value, const Bytes& rest = {}) {
  for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> 8 * i));
  bytes.insert(bytes.end(), rest.begin(), rest.end());
  return bytes;
}

class Anywhere : public ::testing::Test {
 protected:
  Anywhere() {
    // function: call add; jmp across
    place(kFunction, with32({0xE8}, 0x1200 - (kFunction + 5)));
    place(kFunction + 5, with32({0xE9}, 0xFFD - (kFunction + 10)));
    // across, on two pages: add ecx, kAdded; ret
    place(0xFFD, with32({0x81, 0xC1}, kAdded, {0xC3}));
    // add: call eip_to_ebx; add eax, ebx; ret
    place(0x1200, with32({0xE8}, 0x2300 - 0x1205, {0x01, 0xD8, 0xC3}));
    // eip_to_ebx: mov ebx, [esp]; ret
    place(0x2300, {0x8B, 0x1C, 0x24, 0xC3});
  }

  void place(std::uint32_t offset, const Bytes& bytes) { lab_.place(kLibrary + offset, bytes); }
  void put32(std::uint32_t address, std::uint32_t value) { std::memcpy(lab_.ram().data() + address, &value, 4); }

  // An address space with the lowest 4 MiB as they are, and the library at `base`, within 4 MiB; returns its CR3.
  std::uint32_t add_space(std::uint32_t base) {
    constexpr std::uint32_t kPresentWritable = 0x63;  // with A and D
    const std::uint32_t directory = kTables + 0x3000 * spaces_++, low = directory + 0x1000, high = directory + 0x2000;
    put32(directory, low | kPresentWritable);
    put32(directory + (base >> 22) * 4, high | kPresentWritable);
    for (std::uint32_t i = 0; i < 1024; ++i) put32(low + 4 * i, (i << 12) | kPresentWritable);
    for (std::uint32_t i = 0; i < 3; ++i)
      put32(high + ((base >> 12 & 1023) + i) * 4, (kLibrary + i * 4096) | kPresentWritable);
    return directory;
  }

  // Calls the function in each of the spaces in turn, `rounds` times, and halts.
  void run(const std::vector<std::uint32_t>& bases, std::uint32_t rounds) {
    Bytes program;
    const auto add = [&program](const Bytes& bytes) { program.insert(program.end(), bytes.begin(), bytes.end()); };
    const std::uint32_t first = add_space(bases[0]);
    // mov edx, first; mov cr3, edx; mov edx, cr0; or edx, PG; mov cr0, edx
    add(with32({0xBA}, first, {0x0F, 0x22, 0xDA, 0x0F, 0x20, 0xC2}));
    add(with32({0x81, 0xCA}, 0x80000000, {0x0F, 0x22, 0xC2}));
    const std::size_t again = program.size();
    for (std::size_t i = 0; i < bases.size(); ++i) {
      // mov edx, space; mov cr3, edx; mov edx, function; call edx
      add(with32({0xBA}, i == 0 ? first : add_space(bases[i]), {0x0F, 0x22, 0xDA}));
      add(with32({0xBA}, bases[i] + kFunction, {0xFF, 0xD2}));
    }
    add(with32({0xFF, 0x0D}, kCounter));  // dec dword [kCounter]
    add(with32({0x0F, 0x85}, static_cast<std::uint32_t>(again - (program.size() + 6)), {0xF4}));  // jnz again; hlt
    lab_.place(kCode, program);
    put32(kCounter, rounds);
    lab_.state().gpr = {};
    lab_.state().gpr[kEsp] = kStack;
    lab_.state().eip = kCode;
    ASSERT_EQ(lab_.engine().run(0).reason, engine::StopReason::halted);
    std::uint32_t sum = 0;
    for (const std::uint32_t base : bases) sum += base + 0x1205;
    EXPECT_EQ(lab_.state().gpr[kEax], static_cast<std::uint32_t>(sign_) * sum * rounds);
    EXPECT_EQ(lab_.state().gpr[kEcx], kAdded * rounds * static_cast<std::uint32_t>(bases.size()));
    EXPECT_EQ(lab_.state().gpr[kEsp], kStack);
  }
  [[nodiscard]] std::uint64_t count(std::string_view name) const { return counter(lab_.engine(), name); }

  mutable EngineLab lab_{EngineKind::translate, 4U << 20};
  std::uint32_t spaces_ = 0;
  int sign_ = 1;
};

TEST_F(Anywhere, ALibraryAtOnePlaceIsTranslatedForIt) {
  run({0xB7000000}, 1000);
  EXPECT_EQ(count("pages of code that may stand anywhere"), 0U);
}

TEST_F(Anywhere, ALibraryAtManyPlacesIsTranslatedOnceMore) {
  run({0xB7000000, 0xB6F55000, 0x00401000, 0xFFFFC000, 0x7FFFD000, 0x08048000}, 500);
  EXPECT_EQ(count("pages of code that may stand anywhere"), 3U);
  // The function and what it calls are six fragments at most, fixed and then movable; the rest is the program's own.
  EXPECT_LT(count("fragments"), 12U + 20U);
  EXPECT_LT(count("lookup misses"), 400U) << "address spaces find what others have translated";
}

TEST_F(Anywhere, AWriteToItIsSeenAtEachPlace) {
  const std::vector<std::uint32_t> bases{0xB7000000, 0xB6F55000, 0x00401000};
  run(bases, 100);
  place(0x1205, {0x29});  // sub eax, ebx
  sign_ = -1;
  lab_.reset_cpu();
  run(bases, 100);
}

// Many pages of calls, in caches of several sizes: what a page is known by changes when all is forgotten.
class AnywhereCalls : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(AnywhereCalls, FlushesLeaveThemRight) {
  constexpr std::uint32_t kPages = 40, kCallsOfPage = 60, kCalled = 0x50000;
  engine::TranslateOptions options;
  options.anywhere_at_once = true;
  options.cache_bytes = GetParam() << 10;
  EngineLab lab(EngineKind::translate, 1U << 20, options);
  lab.place(kCalled, Bytes{0x43, 0xC3});  // inc ebx; ret
  for (std::uint32_t page = 1; page <= kPages; ++page) {
    Bytes code;
    const auto add = [&](std::uint8_t opcode, std::uint32_t target) {
      const auto next = page * 4096 + static_cast<std::uint32_t>(code.size()) + 5;
      const Bytes branch = with32({opcode}, target - next);
      code.insert(code.end(), branch.begin(), branch.end());
    };
    for (std::uint32_t i = 0; i < kCallsOfPage; ++i) add(0xE8, kCalled);
    add(0xE9, (page + 1) * 4096);
    lab.place(page * 4096, code);
  }
  lab.place((kPages + 1) * 4096, Bytes{0xF4});
  lab.state().gpr[kEbx] = 0;
  for (const std::uint32_t first : {1U, kPages / 2, 1U, kPages / 4, 3 * kPages / 4, 1U}) {
    lab.state().eip = first * 4096;
    lab.state().halted = 0;
    lab.state().gpr[kEsp] = 0x80000;
    const std::uint32_t before = lab.state().gpr[kEbx];
    ASSERT_EQ(lab.engine().run(0).reason, engine::StopReason::halted);
    EXPECT_EQ(lab.state().gpr[kEbx] - before, kCallsOfPage * (kPages + 1 - first));
    EXPECT_EQ(lab.state().gpr[kEsp], 0x80000U);
  }
}
INSTANTIATE_TEST_SUITE_P(Caches, AnywhereCalls, ::testing::Values(160, 220, 280, 340));

}  // namespace
}  // namespace ringshift::test
