#include "tests/fuzz/pc_rigs.h"

#include <array>
#include <cstdlib>
#include <string>

#include "devices/ata_disk.h"
#include "devices/atapi_cdrom.h"
#include "devices/floppy.h"
#include "devices/fw_cfg.h"
#include "devices/i440fx.h"
#include "devices/piix.h"
#include "devices/piix3_ide.h"
#include "devices/text_screen.h"
#include "devices/vga.h"
#include "devices/vga_pci.h"
#include "devices/vga_picture.h"
#include "tests/devices/fake_medium.h"

namespace ringshift::fuzz {

using namespace devices;

namespace {

constexpr std::uint64_t kRam = 0x40000;

struct Memory {
  Memory() { map.add_ram(0, kRam, 0); }
  mmu::GuestMemory memory = std::get<mmu::GuestMemory>(mmu::GuestMemory::create(kRam));
  mmu::PhysicalMap map{memory};
};

struct FwCfgRig final : Rig, Memory {
  FwCfgRig() {
    claim(FwCfg::kPort, FwCfg::kPorts, device);
    device.add_file("etc/a", std::vector<std::uint8_t>(3000, 1));
    device.add_file("etc/b", {});
  }
  // A descriptor, and its address.
  void event(std::uint8_t kind, std::uint8_t value) override {
    const auto be = [this](std::uint32_t at, std::uint32_t word) { map.write(at, 4, __builtin_bswap32(word)); };
    be(0x100, (0x19U + value % 9) << 16 | (kind & 31));
    be(0x104, value * 300U);
    be(0x108, (kind & 0x40) != 0 ? 0xFFFFFFFF : 0);
    be(0x10C, kind * 1999U);
    bus.write(FwCfg::kPort + 8, 4, __builtin_bswap32((kind & 0x80) != 0 ? 0xFFFFFFF8 : 0x100));
  }
  void check() override { require(bus.read(FwCfg::kPort + 4, 4) == 0x554D4551); }

  FwCfg device{map};
};

struct VgaRig final : Rig {
  VgaRig() {
    claim(Vga::kPort, Vga::kPorts, vga.ports());
    claim(Vga::kDispiPort, Vga::kDispiPorts, vga.dispi_ports());
  }
  ~VgaRig() override {
    require(to_text(text_screen(vga.state())).size() <= 1U << 20);
    draw();
  }
  // The first rows, those around the middle and the last ones: all of them would take most of the fuzzer's time.
  void draw() {
    Picture picture = empty_picture(vga.state());
    require(picture.width != 0 && picture.width <= VgaState::kMostWidth);
    require(picture.height != 0 && picture.height <= VgaState::kMostHeight);
    const unsigned last = picture.height - 1;
    for (const unsigned row : {0U, last / 2, last}) draw_rows(vga.state(), {}, {row, row + 2}, picture);
    const PackedRows packed = packed_rows(vga.state());
    require(packed.first + std::size_t{packed.bytes_per_line} * packed.height <=
            VgaState::kMemoryBytes + packed.bytes_per_line);
  }
  void event(std::uint8_t kind, std::uint8_t value) override {
    const std::uint64_t at = kind * 517ULL + value;
    const unsigned size = 1U << (kind % 3);
    if (kind == 0xF3) {
      draw();
    } else if ((kind & 4) != 0) {
      vga.dispi_ports().port_write(0, 2, kind >> 4);
      vga.dispi_ports().port_write(1, 2, (kind & 8) != 0 ? value * 257U : value);
    } else if ((kind & 8) != 0) {
      vga.registers().mmio_write(0x400 + (at & 0x1FF & ~std::uint64_t{size - 1}), size, value);
      vga.registers().mmio_read(0x400 + (at & 0x1FF & ~std::uint64_t{size - 1}), size);
    } else {
      vga.window().mmio_write(at & 0x1FFFF & ~std::uint64_t{size - 1}, size, value * 0x01010101U);
      vga.window().mmio_read(at & 0x1FFFF & ~std::uint64_t{size - 1}, size);
    }
  }
  void check() override {
    const VgaState::Dispi& d = vga.state().dispi;
    require(d.width <= VgaState::kMostWidth && d.height <= VgaState::kMostHeight);
    require(std::uint64_t{d.bytes_per_line()} * (d.y + d.height) <= VgaState::kMemoryBytes);
    require(d.x + d.width <= std::max(d.virtual_width, d.width));
    require((d.bank + 1U) << 16 <= VgaState::kMemoryBytes);
  }

  struct Free {
    void operator()(void* block) const { std::free(block); }
  };
  std::unique_ptr<std::uint8_t, Free> memory{static_cast<std::uint8_t*>(std::calloc(VgaState::kMemoryBytes, 1))};
  Vga vga{time.clock(), {memory.get(), VgaState::kMemoryBytes}, [] {}};
};

struct IdeRig final : Rig, Memory {
  IdeRig() {
    claim(0x1F0, 8, channel.command_ports());
    claim(0x3F6, 1, channel.control_port());
    claim(0xC000, 8, function.bus_master_ports());
    channel.attach(0, hard_disk);
    channel.attach(1, cdrom);
  }
  void event(std::uint8_t kind, std::uint8_t value) override {
    constexpr std::array<std::uint8_t, 16> kCommands = {0x20, 0x24, 0x25, 0x29, 0x30, 0x35, 0x39, 0xC4,
                                                        0xC5, 0xC6, 0xC8, 0xCA, 0xE7, 0xEC, 0xA1, 0xEF};
    constexpr std::array<std::uint8_t, 12> kPackets = {0x00, 0x03, 0x12, 0x1B, 0x28, 0x43,
                                                       0x46, 0x4A, 0x5A, 0xBE, 0xA8, 0x51};
    switch (kind % 6) {
      case 0:  // a command that may do something
        bus.write(0x1F2, 1, value & 15);
        bus.write(0x1F3, 1, value);
        bus.write(0x1F4, 1, 0);
        bus.write(0x1F5, 1, 0);
        bus.write(0x1F6, 1, 0x40 | (value & 0x10));
        bus.write(0x1F7, 1, kCommands[kind / 6 % kCommands.size()]);
        break;
      case 1:  // a packet
        bus.write(0x1F6, 1, 0x10);
        bus.write(0x1F1, 1, kind >> 7);
        bus.write(0x1F4, 1, value);
        bus.write(0x1F5, 1, value & 7);
        bus.write(0x1F7, 1, 0xA0);
        bus.write(0x1F0, 2, kPackets[kind / 6 % kPackets.size()] | (value & 1) << 8);
        for (const std::uint32_t word : {0x0000U, 0x0000U + value, 0x0000U, 0x0200U, 0x1000U})
          bus.write(0x1F0, 2, word);
        break;
      case 2:  // descriptors
        for (std::uint32_t i = 0; i < 4; ++i) {
          map.write(0x200 + 8 * i, 4, (i * 0x3001 + value * 16) & 0x5FFFF);
          map.write(0x204 + 8 * i, 4, value * 8U | (i == value % 5U ? 0x80000000 : 0));
        }
        bus.write(0xC004, 4, 0x200);
        break;
      case 3:
        bus.write(0xC000, 1, value & 9);
        break;
      case 4:
        disk.answer();
        disc.answer();
        break;
      default:
        disk.slow = (value & 1) != 0;
        disc.slow = (value & 2) != 0;
        disk.broken = (value & 0x30) == 0x30;
        break;
    }
  }
  void check() override {
    require(disk.outside == 0 && disc.outside == 0);
    const std::uint32_t status = bus.read(0x3F6, 1);
    require((status & 0x88) != 0x88);
  }

  FakeLine irq, second_irq;
  FakeMedium disk{512 * 300 + 100}, disc{2048 * 90 + 5};
  AtaDisk hard_disk{disk, "S"};
  AtapiCdrom cdrom{disc};
  IdeChannel channel{map, irq}, second{map, second_irq};
  Piix3Ide function{channel, second, [](std::optional<std::uint16_t>) {}};
};

struct FloppyRig final : Rig, Memory {
  FloppyRig() {
    claim(0x3F0, 6, floppy.ports());
    claim(0x3F7, 1, floppy.change_port());
    claim(0x00, 16, dma.low_ports());
    claim(0x81, 1, dma.page_ports());
    floppy.insert(0, &disk);
    bus.write(0x3F2, 1, 0x1C);
  }
  void event(std::uint8_t kind, std::uint8_t value) override {
    constexpr std::array<std::uint8_t, 8> kCommands = {0x46, 0xE6, 0x45, 0xC5, 0x4D, 0x0F, 0x07, 0x4A};
    switch (kind % 4) {
      case 0:  // the channel
        bus.write(0x0C, 1, 0);
        bus.write(0x0B, 1, (value & 1) != 0 ? 0x46 : 0x4A);
        bus.write(0x04, 1, value);
        bus.write(0x04, 1, kind);
        bus.write(0x81, 1, value & 7);
        bus.write(0x05, 1, 0xFF);
        bus.write(0x05, 1, value & 63);
        bus.write(0x0A, 1, 0x02);
        break;
      case 1:  // to the end of a result, then a command
        for (unsigned i = 0; i < 16 && (bus.read(0x3F4, 1) & 0x40) != 0; ++i) bus.read(0x3F5, 1);
        bus.write(0x3F5, 1, kCommands[kind / 4 % kCommands.size()]);
        for (const unsigned byte : {value & 4U, 0U, value >> 2 & 1U, value % 20U, 2U, 18U, 0x1BU, 0xFFU}) {
          bus.write(0x3F5, 1, byte);
        }
        break;
      case 2:
        disk.answer();
        break;
      default:
        disk.slow = (value & 1) != 0;
        disk.broken = (value & 6) == 6;
        disk.is_writable = (value & 8) == 0;
        break;
    }
  }
  void check() override { require(disk.outside == 0); }

  FakeMedium disk{1474560};
  FakeLine irq;
  Dma8237 dma;
  Floppy floppy{map, dma, irq};
};

struct ChipSetRig final : Rig, I440Fx::Memory {
  ChipSetRig() {
    pci.add(0, 0, bridge);
    pci.add(1, 0, isa);
    pci.add(1, 3, power);
    pci.add(2, 0, vga);
    claim(0xCF8, 8, pci);
  }
  void shadow_changed(unsigned area, I440Fx::Shadow shadow) override {
    require(shadows[area] != shadow);
    shadows[area] = shadow;
  }
  void smram_changed(bool open) override {
    require(smram != open);
    smram = open;
  }
  void event(std::uint8_t kind, std::uint8_t value) override {
    constexpr std::array<std::uint32_t, 4> kFunctions = {0x0000, 0x0800, 0x0B00, 0x1000};
    constexpr std::array<std::uint8_t, 8> kRegisters = {0x04, 0x10, 0x18, 0x30, 0x40, 0x58, 0x60, 0x80};
    bus.write(0xCF8, 4, 0x80000000U | kFunctions[kind & 3] | kRegisters[kind >> 2 & 7]);
    if ((kind & 0x80) != 0) router.connect(value & 31, kind >> 5 & 3).set((kind & 0x20) != 0);
  }
  void check() override {
    for (unsigned area = 0; area < I440Fx::kAreas; ++area) require(bridge.shadow(area) == shadows[area]);
    require(bridge.smram_open() == smram);
    require(power.base() == base);
    for (const unsigned irq : {0U, 1U, 2U, 8U, 13U}) require(!lines[irq].level);
    require((places.memory & 0xFFFFFF) == 0 && (places.registers & 0xFFF) == 0 && (places.rom & 0xFFFF) == 0);
  }

  std::array<I440Fx::Shadow, I440Fx::kAreas> shadows{};
  bool smram = false;
  std::optional<std::uint16_t> base;
  VgaPci::Places places;
  std::array<FakeLine, 16> lines;
  PirqRouter router{[this](unsigned irq) -> IrqLine& { return lines[irq]; }};
  I440Fx bridge{*this};
  Piix3 isa{router};
  Piix4Power power{[this](std::optional<std::uint16_t> now) { base = now; }};
  VgaPci vga{0x10000, [this](const VgaPci::Places&, const VgaPci::Places& now) { places = now; }};
  PciHost pci;
};

}  // namespace

std::unique_ptr<Rig> make_pc_rig(unsigned number) {
  switch (number) {
    case 0:
      return std::make_unique<FwCfgRig>();
    case 1:
      return std::make_unique<VgaRig>();
    case 2:
      return std::make_unique<IdeRig>();
    case 3:
      return std::make_unique<FloppyRig>();
    default:
      return std::make_unique<ChipSetRig>();
  }
}

}  // namespace ringshift::fuzz
