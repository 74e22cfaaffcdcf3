#include "runtime/machine/pc_hardware.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "devices/acpi_loader.h"
#include "devices/ata_disk.h"
#include "devices/atapi_cdrom.h"

namespace ringshift::machine {
namespace {

constexpr PhysAddr kTop = 0x100000000;  // firmware ends at 4 GiB
constexpr std::uint64_t kLegacyBios = 128 * kKiB;
constexpr std::uint64_t kPciEnd = 0xFEC00000;  // the memory of PCI devices ends
constexpr unsigned kVgaSlot = 2;
constexpr std::uint16_t kFirmwareLogPort = 0x402;
constexpr unsigned kFloppy = 4;  // in media_
// Where SeaBIOS begins to place the memory of PCI devices.
constexpr std::uint32_t kPciBelow2G = 0x80000000, kPciBelow3G = 0xC0000000;

std::uint64_t rounded(std::uint64_t bytes) { return (bytes + mmu::kPageMask) & ~std::uint64_t{mmu::kPageMask}; }

// Of the expansion ROM's decoder.
std::uint32_t rom_bytes(const std::vector<std::uint8_t>& image) {
  return image.empty() ? 0 : std::bit_ceil(std::max(static_cast<std::uint32_t>(image.size()), 4096U));
}

template <class T>
void append(std::vector<std::uint8_t>& out, T value) {
  for (unsigned i = 0; i < sizeof value; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

}  // namespace

std::uint64_t PcHardware::extra_memory(const MachineConfig& config) {
  return rounded(config.firmware->bios.size()) + devices::VgaState::kMemoryBytes + rom_bytes(config.firmware->vga_bios);
}

PcHardware::PcHardware(PcSockets sockets)
    : s_(std::move(sockets)),
      bios_at_(s_.layout.bytes()),
      video_at_(bios_at_ + rounded(s_.config.firmware->bios.size())),
      vga_bios_at_(video_at_ + devices::VgaState::kMemoryBytes),
      irq9_(s_.irqs.line(devices::acpi::kSciIrq)),
      sci_(irq9_.add_source()),
      pci_irq9_(irq9_.add_source()),
      router_([this](unsigned irq) -> devices::IrqLine& {
        return irq == devices::acpi::kSciIrq ? pci_irq9_ : s_.irqs.line(irq);
      }),
      bridge_(*this),
      isa_(router_),
      power_function_([this](std::optional<std::uint16_t> base) { move_power(base); }),
      fw_cfg_(s_.physical),
      firmware_log_([this](std::uint8_t byte) {
        if (byte == '\n') {
          s_.log("firmware: " + std::exchange(log_line_, {}));
        } else {
          log_line_.push_back(static_cast<char>(byte));
        }
      }),
      uart2_(s_.irqs.line(3), no_serial_),
      vga_(s_.events.clock(), {s_.physical.memory().data() + video_at_, devices::VgaState::kMemoryBytes},
           [this] { vga_changed(); }),
      vga_function_(rom_bytes(s_.config.firmware->vga_bios),
                    [this](const auto& before, const auto& after) { map_vga(before, after); }),
      frame_(s_.code_pages, s_.protect),
      screen_(s_.config, vga_, s_.events, frame_),
      primary_(s_.physical, s_.irqs.line(14)),
      secondary_(s_.physical, s_.irqs.line(15)),
      ide_(primary_, secondary_, [this](std::optional<std::uint16_t> base) { move_bus_master(base); }),
      floppy_(s_.physical, s_.dma, s_.irqs.line(6)),
      worker_(s_.wake, s_.log) {
  map_memory();
  fill_fw_cfg();
  fill_cmos();
  s_.bus.claim(devices::FwCfg::kPort, devices::FwCfg::kPorts, fw_cfg_);
  s_.bus.claim(0x2F8, 8, uart2_);
  if (s_.config.firmware->log) s_.bus.claim(kFirmwareLogPort, 1, firmware_log_);
  attach_drives();
  s_.bus.claim(0x3F0, 6, floppy_.ports());
  s_.bus.claim(0x3F7, 1, floppy_.change_port());
  s_.bus.claim(0x1F0, 8, primary_.command_ports());
  s_.bus.claim(0x3F6, 1, primary_.control_port());
  s_.bus.claim(0x170, 8, secondary_.command_ports());
  s_.bus.claim(0x376, 1, secondary_.control_port());
  s_.bus.claim(devices::Vga::kPort, devices::Vga::kPorts, vga_.ports());
  s_.bus.claim(devices::Vga::kDispiPort, devices::Vga::kDispiPorts, vga_.dispi_ports());
  s_.pci.add(0, 0, bridge_);
  s_.pci.add(1, 0, isa_);
  s_.pci.add(1, 1, ide_);
  s_.pci.add(1, 3, power_function_);
  s_.pci.add(kVgaSlot, 0, vga_function_);
}

// ---- memory -----------------------------------------------------------------------------------

void PcHardware::map_memory() {
  mmu::PhysicalMap& map = s_.physical;
  s_.layout.map_unshadowed(map);

  const auto& bios = s_.config.firmware->bios;
  std::memcpy(map.memory().data() + bios_at_, bios.data(), bios.size());
  map.add_rom(kTop - bios.size(), bios.size(), bios_at_);
  const std::uint64_t legacy = std::min<std::uint64_t>(kLegacyBios, bios.size());
  map.add_rom(MemoryLayout::kHigh - legacy, legacy, bios_at_ + bios.size() - legacy);

  const auto& vga_bios = s_.config.firmware->vga_bios;
  std::copy(vga_bios.begin(), vga_bios.end(), map.memory().data() + vga_bios_at_);
  map.add_mmio(MemoryLayout::kVideo, MemoryLayout::kOptionRom - MemoryLayout::kVideo, vga_.window());

  for (const auto& area : devices::I440Fx::kArea) shadow_writes_.emplace_back(map.memory().data() + area.base);
}

void PcHardware::ShadowWrites::mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) {
  std::memcpy(ram_ + offset, &value, size);
}

void PcHardware::shadow_changed(unsigned area, devices::I440Fx::Shadow shadow) {
  const auto [base, size] = devices::I440Fx::kArea[area];
  mmu::PhysicalMap& map = s_.physical;
  map.remove_memory(base, size);
  map.remove_mmio(shadow_writes_[area]);
  // RAM stands in the file at its address.
  if (shadow.read && shadow.write) {
    map.add_ram(base, size, base);
  } else if (shadow.read) {
    map.add_rom(base, size, base);
  } else if (shadow.write) {
    const mmu::PhysPage below = map.page(base);
    if (below.kind == mmu::PageKind::rom) {
      map.add_rom(base, size, below.file_offset, &shadow_writes_[area]);
    } else {
      map.add_mmio(base, size, shadow_writes_[area]);
    }
  }
  s_.remapped(base, size);
}

// So many writes are worth a change of the memory map, which costs as much as some hundred of them.
constexpr unsigned kWorthMapping = 256;

// The VGA's registers, or its memory through the window.
void PcHardware::vga_changed() {
  screen_.changed();
  const auto direct = vga_.direct_window();
  if (window_at_ ? direct != window_at_ : direct && ++window_writes_ == kWorthMapping) s_.service();
}

void PcHardware::settle_window() {
  const auto direct = smram_open_ ? std::nullopt : vga_.direct_window();
  constexpr std::uint32_t kBytes = devices::VgaMemory::kDirectBytes;
  if (window_at_ && direct != window_at_) {
    s_.physical.remove_memory(MemoryLayout::kVideo, kBytes);
    s_.remapped(MemoryLayout::kVideo, kBytes);
    screen_.unheard(false);
    window_at_.reset();
    window_writes_ = 0;
  }
  if (!window_at_ && direct && window_writes_ >= kWorthMapping) {
    s_.physical.add_ram(MemoryLayout::kVideo, kBytes, video_at_ + *direct);
    s_.remapped(MemoryLayout::kVideo, kBytes);
    screen_.unheard(true);
    window_at_ = direct;
  }
}

void PcHardware::smram_changed(bool open) {
  smram_open_ = open;
  if (window_at_) s_.service();
  constexpr std::uint64_t kSize = MemoryLayout::kOptionRom - MemoryLayout::kVideo;
  if (open) {
    s_.physical.add_ram(MemoryLayout::kVideo, kSize, MemoryLayout::kVideo);
  } else {
    s_.physical.remove_memory(MemoryLayout::kVideo, kSize);
  }
  s_.remapped(MemoryLayout::kVideo, kSize);
}

void PcHardware::map_vga(const devices::VgaPci::Places& before, const devices::VgaPci::Places& after) {
  mmu::PhysicalMap& map = s_.physical;
  const std::uint32_t rom = rom_bytes(s_.config.firmware->vga_bios);
  // What lies elsewhere, over RAM or the firmware, is a BAR that is being sized, or is nonsense.
  const auto fits = [this](std::uint32_t base, std::uint64_t size) {
    return base != 0 && base >= s_.layout.low_end() && base + size <= kPciEnd;
  };
  const auto change = [&](std::uint32_t from, std::uint32_t to, std::uint64_t size, auto add, auto remove) {
    if (from == to) return;
    if (fits(from, size)) {
      remove(from);
      s_.remapped(from, size);
    }
    if (fits(to, size)) {
      add(to);
      s_.remapped(to, size);
    }
  };
  constexpr std::uint32_t kMemory = devices::VgaState::kMemoryBytes, kRegisters = devices::VgaPci::kRegisterBytes;
  change(
      before.memory, after.memory, kMemory,
      [&](PhysAddr at) {
        map.add_ram(at, kMemory, video_at_);
        frame_.place(at);
      },
      [&](PhysAddr at) {
        frame_.place(0);
        map.remove_memory(at, kMemory);
      });
  change(
      before.registers, after.registers, kRegisters,
      [&](PhysAddr at) { map.add_mmio(at, kRegisters, vga_.registers()); },
      [&](PhysAddr) { map.remove_mmio(vga_.registers()); });
  change(
      before.rom, after.rom, rom, [&](PhysAddr at) { map.add_rom(at, rom, vga_bios_at_); },
      [&](PhysAddr at) { map.remove_memory(at, rom); });
}

// ---- ports ------------------------------------------------------------------------------------

void PcHardware::move_power(std::optional<std::uint16_t> base) {
  s_.bus.release(power_->pm_ports());
  if (base) s_.bus.claim_unused(*base, devices::acpi::kPmSize, power_->pm_ports());
}

void PcHardware::move_bus_master(std::optional<std::uint16_t> base) {
  s_.bus.release(ide_.bus_master_ports());
  if (base) s_.bus.claim_unused(*base, devices::Piix3Ide::kBusMasterPorts, ide_.bus_master_ports());
}

void PcHardware::attach_drives() {
  for (unsigned position = 0; position < s_.config.ide.size(); ++position) {
    const IdeUnit& unit = s_.config.ide[position];
    if (!unit.image && !unit.cdrom) continue;
    if (unit.image) media_[position] = worker_.medium(unit.image);
    if (unit.cdrom) {
      auto cdrom = std::make_unique<devices::AtapiCdrom>(media_[position].get());
      cdroms_[position] = cdrom.get();
      drives_.push_back(std::move(cdrom));
    } else {
      drives_.push_back(std::make_unique<devices::AtaDisk>(*media_[position], fmt::format("RS{:05}", position + 1)));
    }
    (position < 2 ? primary_ : secondary_).attach(position & 1, *drives_.back());
  }
  if (s_.config.floppy) change_medium(kFloppy, s_.config.floppy);
}

void PcHardware::change_medium(unsigned drive, std::shared_ptr<DiskImage> image) {
  auto medium = image ? worker_.medium(std::move(image)) : nullptr;
  if (drive == kFloppy) {
    floppy_.insert(0, medium.get());
  } else {
    cdroms_[drive]->change(medium.get());
  }
  media_[drive] = std::move(medium);  // what has been asked of the old one is done without it
}

// ---- what firmware asks for -------------------------------------------------------------------

void PcHardware::fill_fw_cfg() {
  std::vector<std::uint8_t> e820;
  for (const E820Entry& range : s_.layout.ram()) {
    append(e820, range.base);
    append(e820, range.size);
    append(e820, range.type);
  }
  fw_cfg_.add_file("etc/e820", std::move(e820));

  devices::AcpiConfig acpi;
  acpi.vga = true;
  acpi.mouse = true;
  acpi.apic = has_apic(s_.config);
  acpi.hpet = s_.config.hpet;
  acpi.parallel = s_.config.parallel_output != nullptr;
  acpi.serial_ports = {{0x3F8, 4}, {0x2F8, 3}};
  acpi.pci_memory_first = s_.layout.low_end() <= kPciBelow2G ? kPciBelow2G : kPciBelow3G;
  auto files = devices::build_acpi_files(acpi);
  fw_cfg_.add_file("etc/acpi/rsdp", std::move(files.rsdp));
  fw_cfg_.add_file("etc/acpi/tables", std::move(files.tables));
  fw_cfg_.add_file("etc/table-loader", std::move(files.loader));
}

void PcHardware::fill_cmos() {
  // RAM above 4 GiB in units of 64 KiB.
  const std::uint64_t above = s_.layout.above_hole() / (64 * kKiB);
  for (std::uint8_t i = 0; i < 3; ++i) {
    s_.rtc.set_byte(static_cast<std::uint8_t>(0x5B + i), static_cast<std::uint8_t>(above >> (8 * i)));
  }
  if (s_.config.floppy) {
    s_.rtc.set_byte(0x10,
                    static_cast<std::uint8_t>(devices::floppy_geometry(s_.config.floppy->bytes()).cmos_type << 4));
    s_.rtc.set_byte(0x14, static_cast<std::uint8_t>(s_.rtc.byte(0x14) | 0x01));
  }
  // The order of boot devices, a nibble each: 1 floppy, 2 hard disk, 3 CD-ROM. 38h also says: check no signature.
  constexpr std::uint8_t kOrders[][3] = {{2, 3, 1}, {3, 2, 1}, {1, 2, 3}};
  const auto& order = kOrders[static_cast<unsigned>(s_.config.firmware->boot)];
  s_.rtc.set_byte(0x3D, static_cast<std::uint8_t>(order[0] | order[1] << 4));
  s_.rtc.set_byte(0x38, static_cast<std::uint8_t>(order[2] << 4));
}

}  // namespace ringshift::machine
