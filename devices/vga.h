// The VGA's ports: miscellaneous, sequencer, graphics controller, CRT controller, attribute controller, DAC; and the
// registers of the Bochs VBE interface.
// Sources: IBM VGA Technical Reference; Bochs VBE interface, VBE_DISPI_* as the VGA BIOS uses them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "devices/byte_device.h"
#include "devices/clock.h"
#include "devices/vga_memory.h"
#include "devices/vga_state.h"

namespace ringshift::devices {

class Vga {
 public:
  // `memory` has VgaState::kMemoryBytes. `changed` is called when what the screen shows may have changed.
  Vga(const Clock& clock, std::span<std::uint8_t> memory, std::function<void()> changed);
  Vga(const Vga&) = delete;
  Vga& operator=(const Vga&) = delete;

  PortDevice& ports() { return ports_; }          // 3B0h-3DFh
  PortDevice& dispi_ports() { return dispi_; }    // 1CEh-1D0h
  mmu::MmioHandler& window() { return window_; }  // A0000h-BFFFFh
  [[nodiscard]] std::optional<std::uint32_t> direct_window() const { return window_.direct(); }
  mmu::MmioHandler& registers() { return registers_; }  // BAR 2, 4 KiB: the same ports in memory
  static constexpr std::uint16_t kPort = 0x3B0, kPorts = 0x30, kDispiPort = 0x1CE, kDispiPorts = 3;

  [[nodiscard]] const VgaState& state() const { return s_; }
  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }

 private:
  class DispiPorts final : public PortDevice {
   public:
    explicit DispiPorts(Vga& owner) : owner_(owner) {}
    std::uint32_t port_read(std::uint16_t offset, unsigned size) override;
    void port_write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

   private:
    Vga& owner_;
  };
  class Registers final : public mmu::MmioHandler {
   public:
    explicit Registers(Vga& owner) : owner_(owner) {}
    std::uint32_t mmio_read(std::uint64_t offset, unsigned size) override;
    void mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) override;

   private:
    Vga& owner_;
  };

  std::uint8_t read(std::uint16_t offset);
  void write(std::uint16_t offset, std::uint8_t value);
  std::uint8_t read_crtc(bool data);
  void write_crtc(bool data, std::uint8_t value);
  void write_attribute(std::uint8_t value);
  std::uint8_t read_palette();
  void write_palette(std::uint8_t value);
  [[nodiscard]] std::uint8_t status1();
  [[nodiscard]] std::uint16_t read_dispi(unsigned index) const;
  void write_dispi(unsigned index, std::uint16_t value);
  void enable_dispi(std::uint16_t value);
  void limit_dispi();

  const Clock& clock_;
  std::function<void()> changed_;
  VgaState s_;
  std::uint8_t feature_ = 0, sequencer_index_ = 0, graphics_index_ = 0, crtc_index_ = 0, attribute_index_ = 0;
  bool attribute_data_ = false;  // what the next write to 3C0h is
  std::uint8_t read_color_ = 0, write_color_ = 0, component_ = 0;
  bool reading_palette_ = false;
  std::uint16_t dispi_index_ = 0;
  std::uint64_t odd_ = 0;
  BytePorts<Vga> ports_{*this, &Vga::read, &Vga::write};
  DispiPorts dispi_{*this};
  Registers registers_{*this};
  VgaMemory window_;
};

}  // namespace ringshift::devices
