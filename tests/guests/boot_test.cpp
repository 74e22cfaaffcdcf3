// What the boot loaders make of kernel images: where things go, what the kernel is told, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/machine/boot/boot_plan.h"
#include "runtime/machine/boot/byte_view.h"
#include "tests/support/boot_images.h"

namespace ringshift::machine::boot {
namespace {

using testing::HasSubstr;

struct Scenario {
  Image kernel;
  std::vector<Image> modules;
  std::string command_line;
  MemoryLayout memory{64 * kMiB};

  BootResult plan() const { return plan_boot({kernel, modules, command_line, memory, 0xF0000}); }
};

const Piece* piece_at(const BootPlan& plan, PhysAddr address) {
  for (const Piece& piece : plan.pieces) {
    if (address >= piece.address && address < piece.address + piece.bytes.size()) return &piece;
  }
  return nullptr;
}

ByteView view_at(const BootPlan& plan, PhysAddr address) {
  const Piece* piece = piece_at(plan, address);
  return ByteView(piece == nullptr ? std::span<const std::uint8_t>{} : piece->bytes.subspan(address - piece->address));
}

std::string text_at(const BootPlan& plan, PhysAddr address) {
  const ByteView view = view_at(plan, address);
  std::string text;
  for (std::uint64_t i = 0; view.u8(i) != 0; ++i) text.push_back(static_cast<char>(view.u8(i)));
  return text;
}

std::string error_of(const Scenario& setup) {
  const auto result = setup.plan();
  const auto* error = std::get_if<std::string>(&result);
  return error == nullptr ? "no error" : *error;
}

// ---- Linux ------------------------------------------------------------------------------------

TEST(BootLinux, EntersAtTheLoadAddressWithBootParamsInEsi) {
  const Scenario scenario{{"k", test::small_bzimage()}, {}, "console=ttyS0"};
  const auto result = scenario.plan();
  const auto& plan = std::get<BootPlan>(result);
  EXPECT_EQ(plan.entry.eip, 0x100000U);
  ASSERT_NE(piece_at(plan, 0x100000), nullptr);
  EXPECT_EQ(piece_at(plan, 0x100000)->bytes.size(), 4096U);
  const ByteView params = view_at(plan, plan.entry.gpr[kEsi]);
  EXPECT_EQ(params.u32(0x202), 0x53726448U);
  EXPECT_EQ(params.u8(0x210), 0xFF);
  EXPECT_EQ(params.u32(0x23C), 0U);  // hardware_subarch: a PC
  EXPECT_EQ(params.u64(0x070), 0xF0000U);
  EXPECT_EQ(text_at(plan, params.u32(0x228)), "console=ttyS0");
}

TEST(BootLinux, PassesTheMemoryMap) {
  Scenario setup{{"k", test::small_bzimage()}, {}, ""};
  setup.memory = MemoryLayout(4 * kGiB);
  const auto result = setup.plan();
  const auto& plan = std::get<BootPlan>(result);
  const ByteView params = view_at(plan, plan.entry.gpr[kEsi]);
  const auto map = MemoryLayout(4 * kGiB).e820();
  ASSERT_EQ(params.u8(0x1E8), map.size());
  for (std::uint64_t i = 0; i < map.size(); ++i) {
    EXPECT_EQ(params.u64(0x2D0 + 20 * i), map[i].base);
    EXPECT_EQ(params.u64(0x2D8 + 20 * i), map[i].size);
    EXPECT_EQ(params.u32(0x2E0 + 20 * i), map[i].type);
  }
  EXPECT_EQ(map.back().base, 4 * kGiB);
  EXPECT_EQ(map.back().size, 1 * kGiB);
}

TEST(BootLinux, PutsTheInitrdAtTheTopOfWhatTheKernelReaches) {
  Scenario setup{{"k", test::small_bzimage()}, {{"rd", std::vector<std::uint8_t>(5000, 7)}}, ""};
  auto result = setup.plan();
  EXPECT_NE(piece_at(std::get<BootPlan>(result), 64 * kMiB - 8192), nullptr);
  put<std::uint32_t>(setup.kernel.bytes, 0x22C, 0x1FFFFFF);
  result = setup.plan();
  const auto& plan = std::get<BootPlan>(result);
  ASSERT_NE(piece_at(plan, 32 * kMiB - 8192), nullptr);
  const ByteView params = view_at(plan, plan.entry.gpr[kEsi]);
  EXPECT_EQ(params.u32(0x218), 32 * kMiB - 8192);
  EXPECT_EQ(params.u32(0x21C), 5000U);
}

TEST(BootLinux, MovesARelocatableKernelThatDoesNotFitWhereItPrefers) {
  Scenario setup{{"k", test::small_bzimage()}, {}, ""};
  put<std::uint64_t>(setup.kernel.bytes, 0x258, 0x10000000);
  auto result = setup.plan();
  EXPECT_EQ(std::get<BootPlan>(result).entry.eip, 0x200000U);  // 1 MiB, rounded up to its alignment
  setup.kernel.bytes[0x234] = 0;
  EXPECT_THAT(error_of(setup), HasSubstr("does not fit in memory"));
}

TEST(BootLinux, RefusesATruncatedKernel) {
  Scenario setup{{"vmlinuz", test::small_bzimage()}, {}, ""};
  setup.kernel.bytes.resize(3000);
  EXPECT_EQ(error_of(setup), "kernel 'vmlinuz': truncated: needs 5120 bytes, has 3000");
  setup.kernel.bytes.resize(0x210);
  EXPECT_THAT(error_of(setup), HasSubstr("truncated"));
}

TEST(BootLinux, RefusesAnInitrdLargerThanMemory) {
  Scenario setup{{"k", test::small_bzimage()}, {{"rd", std::vector<std::uint8_t>(2 * kMiB, 7)}}, ""};
  setup.memory = MemoryLayout(4 * kMiB);
  EXPECT_EQ(error_of(setup), "no error");
  setup.memory = MemoryLayout(3 * kMiB);
  EXPECT_THAT(error_of(setup), HasSubstr("initrd 'rd': does not fit in memory"));
}

TEST(BootLinux, RefusesACommandLineThatTheKernelWouldCut) {
  const Scenario setup{{"k", test::small_bzimage()}, {}, std::string(3000, 'x')};
  EXPECT_THAT(error_of(setup), HasSubstr("command line is longer than the 2047 bytes"));
}

// ---- multiboot and ELF ------------------------------------------------------------------------

TEST(BootMultiboot, EntersWithTheMagicAndTheInformation) {
  const Scenario scenario{{"k", test::small_elf(true)}, {}, "one two"};
  const auto result = scenario.plan();
  const auto& plan = std::get<BootPlan>(result);
  EXPECT_EQ(plan.entry.eip, 0x100010U);  // the physical address of a kernel linked at C0100000
  EXPECT_EQ(plan.entry.gpr[kEax], 0x2BADB002U);
  const ByteView info = view_at(plan, plan.entry.gpr[kEbx]);
  EXPECT_EQ(info.u32(4), 639U);
  EXPECT_EQ(info.u32(8), 63 * 1024U);
  EXPECT_EQ(text_at(plan, info.u32(16)), "k one two");
  const ByteView map = view_at(plan, info.u32(48));
  EXPECT_EQ(map.u32(0), 20U);
  EXPECT_EQ(map.u64(12), 0x9FC00U);
}

TEST(BootMultiboot, PutsModulesOnPagesBehindTheKernel) {
  const Scenario scenario{{"k", test::small_elf(true)}, {{"a", {1, 2, 3}}, {"b", {4}}}, ""};
  const auto result = scenario.plan();
  const auto& plan = std::get<BootPlan>(result);
  const ByteView info = view_at(plan, plan.entry.gpr[kEbx]);
  ASSERT_EQ(info.u32(20), 2U);
  const ByteView list = view_at(plan, info.u32(24));
  EXPECT_EQ(list.u32(0), 0x101000U);
  EXPECT_EQ(list.u32(4), 0x101003U);
  EXPECT_EQ(text_at(plan, list.u32(8)), "a");
  EXPECT_EQ(list.u32(16), 0x102000U);
  EXPECT_EQ(view_at(plan, 0x102000).u8(0), 4);
}

TEST(BootMultiboot, LoadsByAddressFields) {
  const Scenario scenario{{"k", test::small_multiboot_addresses()}, {}, ""};
  const auto result = scenario.plan();
  const auto& plan = std::get<BootPlan>(result);
  EXPECT_EQ(plan.entry.eip, 0x100040U);
  ASSERT_NE(piece_at(plan, 0x100000), nullptr);
  EXPECT_EQ(piece_at(plan, 0x100000)->bytes.size(), 256U);
  EXPECT_EQ(piece_at(plan, 0x100000)->zeros, 256U);
}

TEST(BootElf, LoadsSegmentsAndZeroesTheirRest) {
  const Scenario scenario{{"k", test::small_elf(false)}, {}, ""};
  const auto result = scenario.plan();
  const auto& plan = std::get<BootPlan>(result);
  EXPECT_EQ(plan.format, "ELF executable");
  EXPECT_EQ(plan.entry.eip, 0x100010U);
  EXPECT_EQ(piece_at(plan, 0x100000)->zeros, 64U);
}

TEST(BootElf, RefusesWhatTheGuestCannotRun) {
  Scenario setup{{"k", test::small_elf(false)}, {}, ""};
  setup.kernel.bytes[4] = 2;
  EXPECT_EQ(error_of(setup), "kernel 'k': a 64-bit ELF file; the guest's CPU has 32 bits");
  setup.kernel.bytes[4] = 1;
  put<std::uint16_t>(setup.kernel.bytes, 18, 40);
  EXPECT_THAT(error_of(setup), HasSubstr("another processor"));
  put<std::uint16_t>(setup.kernel.bytes, 18, 3);
  put<std::uint32_t>(setup.kernel.bytes, 64, 0xA0000);  // physical address: video memory
  EXPECT_THAT(error_of(setup), HasSubstr("does not fit in memory: needs 0xa0000 to 0xa0080, the guest has 64 MiB"));
}

// ---- the rest ---------------------------------------------------------------------------------

TEST(BootSector, EntersInRealModeAt7C00) {
  std::vector<std::uint8_t> sector(512, 0xF4);
  put<std::uint16_t>(sector, 510, 0xAA55);
  const Scenario scenario{{"k", sector}, {}, ""};
  const auto result = scenario.plan();
  const auto& plan = std::get<BootPlan>(result);
  EXPECT_FALSE(plan.entry.protected_mode);
  EXPECT_EQ(plan.entry.eip, 0x7C00U);
}

TEST(Boot, RefusesWhatIsNoKernel) {
  EXPECT_EQ(error_of(Scenario{{"k", {}}, {}, ""}), "kernel 'k': the file is empty");
  EXPECT_THAT(error_of(Scenario{{"k", std::vector<std::uint8_t>(10000, 0x20)}, {}, ""}), HasSubstr("unknown format"));
}

TEST(Placer, SkipsWhatIsTaken) {
  Placer placer(MemoryLayout(4 * kMiB));
  EXPECT_TRUE(placer.take(0x100000, 0x1000));
  EXPECT_FALSE(placer.take(0x100FFF, 1));
  EXPECT_FALSE(placer.take(0x9F000, 0x2000));  // crosses into video memory
  EXPECT_FALSE(placer.take(~0ULL - 10, 100));
  EXPECT_EQ(placer.take_above(0x100000, 0x10, 0x1000), 0x101000U);
  EXPECT_EQ(placer.take_below(4 * kMiB, 0x10, 0x1000), 4 * kMiB - 0x1000);
  EXPECT_EQ(placer.take_below(4 * kMiB, 0x1000, 0x1000), 4 * kMiB - 0x2000);
  EXPECT_EQ(placer.take_below(4 * kMiB, 8 * kMiB, 0x1000), std::nullopt);
}

}  // namespace
}  // namespace ringshift::machine::boot
