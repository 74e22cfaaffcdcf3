// What stands at a guest physical address, and who gets an access.
#include "tests/mmu/paging_lab.h"

namespace ringshift::mmu {
namespace {

class RecordingListener : public CodeWriteListener {
 public:
  explicit RecordingListener(TestMemory& memory) : memory_(memory) {}
  void on_code_write(PhysAddr address, std::uint32_t size) override {
    writes.emplace_back(address, size);
    before.push_back(memory_.get<std::uint8_t>(address));
  }
  std::vector<std::pair<PhysAddr, std::uint32_t>> writes;
  std::vector<std::uint8_t> before;

 private:
  TestMemory& memory_;
};

TEST(GuestMemory, RefusesASizeThatIsNotInPages) {
  EXPECT_TRUE(std::holds_alternative<std::string>(GuestMemory::create(4097)));
  EXPECT_TRUE(std::holds_alternative<std::string>(GuestMemory::create(0)));
}

TEST(GuestMemory, IsZeroAndSparse) {
  auto memory = std::get<GuestMemory>(GuestMemory::create(std::uint64_t{8} << 30));
  EXPECT_EQ(memory.data()[(std::uint64_t{8} << 30) - 1], 0);
}

TEST(PhysicalMap, RamReadsWhatWasWritten) {
  TestMemory m;
  m.physical.write(0x1234, 4, 0xDEADBEEF);
  EXPECT_EQ(m.physical.read(0x1234, 4), 0xDEADBEEFU);
  EXPECT_EQ(m.physical.read(0x1235, 2), 0xADBEU);
  m.physical.write(0x2000, 8, 0x1122334455667788);
  EXPECT_EQ(m.physical.read(0x2000, 8), 0x1122334455667788U);
}

TEST(PhysicalMap, RomIgnoresWrites) {
  TestMemory m;
  m.put<std::uint32_t>(kRam, 0x12345678);
  m.physical.write(kRomAt, 4, 0);
  EXPECT_EQ(m.physical.read(kRomAt, 4), 0x12345678U);
}

TEST(PhysicalMap, RomMayPassItsWritesOn) {
  TestMemory m;
  struct Behind final : MmioHandler {
    std::uint32_t mmio_read(std::uint64_t, unsigned) override { return 0; }
    void mmio_write(std::uint64_t offset, unsigned, std::uint32_t value) override { last = {offset, value}; }
    std::pair<std::uint64_t, std::uint32_t> last;
  } behind;
  m.put<std::uint32_t>(kRam, 0x12345678);
  m.physical.add_rom(0x4000, kPageSize, kRam, &behind);
  m.physical.write(0x4008, 2, 0xABCD);
  EXPECT_EQ(behind.last, std::make_pair(std::uint64_t{8}, 0xABCDU));
  EXPECT_EQ(m.physical.read(0x4000, 4), 0x12345678U);
}

TEST(PhysicalMap, MemoryTakenBackUncoversWhatLayBelow) {
  TestMemory m;
  m.put<std::uint32_t>(0x4000, 0x11111111);
  m.put<std::uint32_t>(kRam, 0x22222222);
  m.physical.add_rom(0x4000, 2 * kPageSize, kRam);
  EXPECT_EQ(m.physical.read(0x4000, 4), 0x22222222U);
  m.physical.remove_memory(0x4000, kPageSize);
  EXPECT_EQ(m.physical.read(0x4000, 4), 0x22222222U) << "other bounds are another range";
  m.physical.remove_memory(0x4000, 2 * kPageSize);
  EXPECT_EQ(m.physical.read(0x4000, 4), 0x11111111U);
}

TEST(PhysicalMap, BusMastersDoNotWriteRom) {
  TestMemory m;
  m.put<std::uint32_t>(kRam, 0x12345678);
  const std::uint32_t zero = 0;
  EXPECT_TRUE(m.physical.dma_in(kRomAt, &zero, 4));
  EXPECT_EQ(m.physical.read(kRomAt, 4), 0x12345678U);
  EXPECT_TRUE(m.physical.dma_in(0x2000, &zero, 4));
  EXPECT_FALSE(m.physical.dma_in(kMmioAt, &zero, 4));
}

TEST(PhysicalMap, UnmappedReadsAsOnesAndIsCounted) {
  TestMemory m;
  EXPECT_EQ(m.physical.read(0xD0000000, 2), 0xFFFFU);
  EXPECT_EQ(m.physical.read(0xD0000000, 8), ~std::uint64_t{0});
  m.physical.write(0xD0000000, 1, 0);
  EXPECT_EQ(m.physical.unmapped_reads(), 2U);
  EXPECT_EQ(m.physical.unmapped_writes(), 1U);
}

TEST(PhysicalMap, DeviceSeesOffsetsAndAlignedPieces) {
  TestMemory m;
  EXPECT_EQ(m.physical.read(kMmioAt + 0x10, 4), 0x44332211U);
  m.physical.write(kMmioAt + 0x11, 4, 0xAABBCCDD);
  m.physical.write(kMmioAt + 0x20, 8, 0x1111222233334444);
  const std::vector<TestDevice::Call> expected = {
      {0x10, 4, false, 0},   {0x11, 1, true, 0xDD},       {0x12, 2, true, 0xBBCC},
      {0x14, 1, true, 0xAA}, {0x20, 4, true, 0x33334444}, {0x24, 4, true, 0x11112222},
  };
  EXPECT_EQ(m.device.calls, expected);
}

TEST(PhysicalMap, LaterRangesWin) {
  TestMemory m;
  TestDevice over;
  m.physical.add_mmio(0xA0000, 0x20000, over);
  EXPECT_EQ(m.physical.page(0x9F000).kind, PageKind::ram);
  EXPECT_EQ(m.physical.page(0xA0000).kind, PageKind::mmio);
  EXPECT_EQ(m.physical.page(0xBFFFF).kind, PageKind::mmio);
  EXPECT_EQ(m.physical.page(0xC0000).kind, PageKind::ram);
  EXPECT_EQ(m.physical.page(0xC0000).file_offset, 0xC0000U);
  m.physical.read(0xB0000, 1);
  EXPECT_EQ(over.calls[0].offset, 0x10000U);
}

TEST(PhysicalMap, ADeviceCutByAnotherKeepsItsOffsets) {
  TestMemory m;
  TestDevice inner;
  m.physical.add_mmio(kMmioAt + 0x1000, 0x1000, inner);
  m.physical.read(kMmioAt + 0x2004, 4);
  EXPECT_EQ(m.device.calls[0].offset, 0x2004U);
}

TEST(PhysicalMap, RemovingADeviceUncoversWhatWasBelow) {
  TestMemory m;
  TestDevice over;
  const auto before = m.physical.version();
  m.physical.add_mmio(0xA0000, 0x20000, over);
  m.physical.remove_mmio(over);
  EXPECT_EQ(m.physical.page(0xA0000).kind, PageKind::ram);
  EXPECT_NE(m.physical.version(), before);
}

TEST(PhysicalMap, RamRunStopsAtAHole) {
  TestMemory m;
  TestDevice over;
  m.physical.add_mmio(0xA0000, 0x20000, over);
  EXPECT_EQ(m.physical.ram_run(0x9C000, 100), 4U);
  EXPECT_EQ(m.physical.ram_run(0xA0000, 100), 0U);
  EXPECT_EQ(m.physical.ram_run(0xC0000, 100), 100U);
}

TEST(PhysicalMap, RamRunStopsWhereFileOffsetsJump) {
  auto memory = std::get<GuestMemory>(GuestMemory::create(0x10000));
  PhysicalMap map(memory);
  map.add_ram(0, 0x4000, 0);
  map.add_ram(0x4000, 0x4000, 0x4000);
  map.add_ram(0x8000, 0x4000, 0xC000);
  EXPECT_EQ(map.ram_run(0, 100), 8U);
}

TEST(PhysicalMap, RamAboveFourGib) {
  auto memory = std::get<GuestMemory>(GuestMemory::create(0x2000));
  PhysicalMap map(memory);
  map.add_ram(0xF00000000, 0x2000, 0);
  map.write(0xF00001FFC, 4, 7);
  EXPECT_EQ(map.read(0xF00001FFC, 4), 7U);
  EXPECT_EQ(map.page(0xF00002000).kind, PageKind::unmapped);
}

TEST(PhysicalMap, CopiesAllOrNothing) {
  TestMemory m;
  std::vector<std::uint8_t> bytes(0x3000, 0x5A);
  EXPECT_TRUE(m.physical.copy_in(0x1800, bytes.data(), bytes.size()));
  std::vector<std::uint8_t> back(bytes.size());
  EXPECT_TRUE(m.physical.copy_out(0x1800, back.data(), back.size()));
  EXPECT_EQ(back, bytes);
  EXPECT_FALSE(m.physical.copy_in(kRam - 0x1000, bytes.data(), bytes.size()));
  EXPECT_EQ(m.get<std::uint8_t>(kRam - 1), 0);
  EXPECT_TRUE(m.physical.copy_in(kRomAt, bytes.data(), 16)) << "loaders fill ROM";
}

TEST(PhysicalMap, ListenersHearOfACodeWriteBeforeItHappens) {
  TestMemory m;
  RecordingListener listener(m);
  m.code.add_listener(listener);
  m.physical.attach_code(&m.code);
  EXPECT_TRUE(m.code.set(0x5000));
  EXPECT_FALSE(m.code.set(0x5FFF)) << "same page";
  m.physical.write(0x5010, 4, 0xFF);
  m.physical.write(0x6010, 4, 0xFF);
  const std::vector<std::uint8_t> bytes(0x1800, 1);
  m.physical.copy_in(0x4C00, bytes.data(), bytes.size());
  const std::vector<std::pair<PhysAddr, std::uint32_t>> expected = {{0x5010, 4}, {0x5000, 0x1000}};
  EXPECT_EQ(listener.writes, expected);
  EXPECT_EQ(listener.before[0], 0);
}

TEST(CodePages, PagesAboveRamAreNeverFlagged) {
  CodePages code(0x2000);
  EXPECT_FALSE(code.set(0x2000));
  EXPECT_FALSE(code.contains(0x2000));
}

}  // namespace
}  // namespace ringshift::mmu
