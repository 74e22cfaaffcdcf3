// What a board that starts with firmware has: the chip set as after reset, ROM, and the devices of a PC.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "devices/acpi_pm.h"
#include "devices/atapi_cdrom.h"
#include "devices/clock.h"
#include "devices/debug_port.h"
#include "devices/dma8237.h"
#include "devices/floppy.h"
#include "devices/fw_cfg.h"
#include "devices/i440fx.h"
#include "devices/ide_channel.h"
#include "devices/isa_irqs.h"
#include "devices/pci.h"
#include "devices/piix.h"
#include "devices/piix3_ide.h"
#include "devices/pirq_router.h"
#include "devices/port_bus.h"
#include "devices/rtc.h"
#include "devices/shared_irq.h"
#include "devices/uart.h"
#include "devices/vga.h"
#include "devices/vga_pci.h"
#include "mmu/physical_map.h"
#include "runtime/machine/block_worker.h"
#include "runtime/machine/frame_watch.h"
#include "runtime/machine/machine.h"
#include "runtime/machine/memory_layout.h"
#include "runtime/machine/screen_feed.h"

namespace ringshift::machine {

// What it is plugged into.
struct PcSockets {
  const MachineConfig& config;
  const MemoryLayout& layout;
  mmu::PhysicalMap& physical;
  mmu::CodePages& code_pages;
  devices::PortBus& bus;
  devices::EventQueue& events;
  devices::IsaIrqs& irqs;
  devices::PciHost& pci;
  devices::Dma8237& dma;
  devices::Rtc& rtc;
  // Other contents stand at these addresses now.
  std::function<void(PhysAddr base, std::uint64_t size)> remapped;
  // The page is to be read-only wherever it is mapped (mmu::Mmu::protect_code).
  std::function<void(PhysAddr page)> protect;
  // Has settle_window() called before the next instruction.
  std::function<void()> service;
  std::function<void(std::string_view)> log;
  // Makes the machine call deliver_blocks(), from any thread. Empty: drives answer at once.
  std::function<void()> wake;
};

class PcHardware final : devices::I440Fx::Memory {
 public:
  // Bytes behind the guest's RAM that the board's memory must have, for ROM and video memory.
  [[nodiscard]] static std::uint64_t extra_memory(const MachineConfig& config);

  // The configuration has firmware.
  explicit PcHardware(PcSockets sockets);
  PcHardware(const PcHardware&) = delete;
  PcHardware& operator=(const PcHardware&) = delete;

  // Interrupt 9 is shared by ACPI and PCI.
  [[nodiscard]] devices::IrqLine& sci() { return sci_; }
  // ACPI's registers, which firmware places.
  void attach_power(devices::AcpiPm& power) { power_ = &power; }

  // Tells the drives what the host has done for them.
  void deliver_blocks() { worker_.deliver(); }

  // Null: no CD-ROM drive at this IDE position.
  [[nodiscard]] devices::AtapiCdrom* cdrom(unsigned position) { return cdroms_[position]; }
  // Of a CD-ROM drive, by its position, or of the floppy drive (4). Null: takes it out.
  void change_medium(unsigned drive, std::shared_ptr<DiskImage> image);

  // Maps the VGA's window as it should be now. Between two instructions of the guest, after PcSockets::service.
  void settle_window();

  // Gives what the screen shows to MachineConfig's outputs, if it may have changed since the last time.
  void show_screen() { screen_.show(); }
  void watch_screen(bool on) { screen_.watch(on); }
  [[nodiscard]] devices::Picture picture() const { return devices::vga_picture(vga_.state()); }

 private:
  // Writes to areas that are RAM for writes alone.
  class ShadowWrites final : public mmu::MmioHandler {
   public:
    explicit ShadowWrites(std::uint8_t* ram) : ram_(ram) {}
    std::uint32_t mmio_read(std::uint64_t, unsigned) override { return 0xFFFFFFFF; }
    void mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) override;

   private:
    std::uint8_t* ram_;
  };
  class NoSerial final : public devices::SerialBackend {
    void transmit(std::span<const std::uint8_t>) override {}
  };

  void shadow_changed(unsigned area, devices::I440Fx::Shadow shadow) override;
  void smram_changed(bool open) override;
  void move_power(std::optional<std::uint16_t> base);
  void move_bus_master(std::optional<std::uint16_t> base);
  void map_memory();
  void vga_changed();
  void map_vga(const devices::VgaPci::Places& before, const devices::VgaPci::Places& after);
  void attach_drives();
  void fill_fw_cfg();
  void fill_cmos();

  PcSockets s_;
  std::uint64_t bios_at_, video_at_, vga_bios_at_;  // in the memory file
  std::vector<ShadowWrites> shadow_writes_;
  devices::AcpiPm* power_ = nullptr;

  devices::SharedIrq irq9_;
  devices::IrqLine& sci_;
  devices::IrqLine& pci_irq9_;
  devices::PirqRouter router_;
  devices::I440Fx bridge_;
  devices::Piix3 isa_;
  devices::Piix4Power power_function_;
  devices::FwCfg fw_cfg_;
  std::string log_line_;
  devices::DebugPort firmware_log_;
  NoSerial no_serial_;
  devices::Uart uart2_;
  devices::Vga vga_;
  devices::VgaPci vga_function_;
  std::optional<std::uint32_t> window_at_;  // where in video memory A0000h leads, without the VGA
  unsigned window_writes_ = 0;              // and registers changed, since it could lead there
  bool smram_open_ = false;
  FrameWatch frame_;
  ScreenFeed screen_;
  devices::IdeChannel primary_, secondary_;
  devices::Piix3Ide ide_;
  devices::Floppy floppy_;
  std::vector<std::unique_ptr<devices::IdeDrive>> drives_;
  std::array<devices::AtapiCdrom*, 4> cdroms_{};
  std::array<std::unique_ptr<devices::BlockMedium>, 5> media_;  // by IDE position; the last is the floppy
  BlockWorker worker_;                                          // ends first
};

}  // namespace ringshift::machine
