// ACPI fixed hardware: PM1 event and control registers, PM2 control, PM timer, GPE0 block, and the SMI command port.
// Source: ACPI specification 2.0, chapter 4.7; the layout within the block is the PIIX4's.
#pragma once

#include <cstdint>

#include "devices/byte_device.h"
#include "devices/clock.h"
#include "devices/irq_line.h"
#include "devices/signals.h"
#include "devices/tick_rate.h"

namespace ringshift::devices {

// What the tables tell the guest about this hardware.
namespace acpi {
inline constexpr std::uint16_t kPmBase = 0x600;
inline constexpr std::uint16_t kPmSize = 0x40;  // decoded; the registers fill the first 16 bytes
inline constexpr std::uint16_t kPm1Event = 0x0, kPm1Control = 0x4, kPmTimer = 0x8, kGpe0 = 0xC;  // offsets
// PM2 control stands where ISA Plug and Play cards take their commands. There is no ISA slot, and a system that finds
// the port taken does not look for cards: for Linux 0.36 s of waiting.
inline constexpr std::uint16_t kPm2Control = 0xA79;
inline constexpr std::uint16_t kSmiCommand = 0xB2;
inline constexpr std::uint8_t kEnable = 0xF1, kDisable = 0xF0;  // values for the SMI command port
inline constexpr std::uint8_t kSciIrq = 9;                      // level-triggered
inline constexpr std::uint8_t kSleepTypeS5 = 0;                 // "soft off", as in the PIIX4
inline constexpr std::uint32_t kTimerHertz = 3'579'545;
}  // namespace acpi

class AcpiPm {
 public:
  enum class TimerWidth : std::uint8_t {
    bits24 = 24,
    bits32 = 32
  };

  AcpiPm(EventQueue& events, IrqLine& sci, PowerCallback on_power, TimerWidth width = TimerWidth::bits24);
  AcpiPm(const AcpiPm&) = delete;
  AcpiPm& operator=(const AcpiPm&) = delete;

  PortDevice& pm_ports() { return pm_; }    // acpi::kPmSize ports at acpi::kPmBase
  PortDevice& pm2_port() { return pm2_; }   // one port at acpi::kPm2Control
  PortDevice& smi_ports() { return smi_; }  // two ports at B2h

  void press_power_button();
  // A general-purpose event, 0-15.
  void raise_gpe(unsigned number);
  void reset();

  [[nodiscard]] bool acpi_mode() const { return (control_ & 1) != 0; }
  // Sleep states other than S5, unknown SMI commands, undefined offsets.
  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }

 private:
  std::uint8_t read_pm(std::uint16_t offset);
  void write_pm(std::uint16_t offset, std::uint8_t value);
  std::uint8_t read_pm2(std::uint16_t) { return pm2_control_; }
  void write_pm2(std::uint16_t, std::uint8_t value) { pm2_control_ = value & 1; }
  std::uint8_t read_smi(std::uint16_t offset);
  void write_smi(std::uint16_t offset, std::uint8_t value);
  void write_control_high(std::uint8_t value);
  [[nodiscard]] std::uint64_t ticks() const { return rate_.ticks_at(events_.clock().now_ns()); }
  void sync_timer();
  void update();

  EventQueue& events_;
  IrqLine& sci_;
  PowerCallback on_power_;
  EventQueue::TimerId timer_;
  TickRate rate_{acpi::kTimerHertz};
  unsigned width_;
  std::uint64_t carries_ = 0;  // half-periods of the timer accounted for in TMR_STS
  std::uint16_t status_ = 0, enable_ = 0, control_ = 0;
  std::uint16_t gpe_status_ = 0, gpe_enable_ = 0;
  std::uint8_t pm2_control_ = 0;  // ARB_DIS: matters to C3 only, which is not offered
  std::uint8_t smi_command_ = 0, smi_status_ = 0;
  std::uint64_t odd_ = 0;
  BytePorts<AcpiPm> pm2_{*this, &AcpiPm::read_pm2, &AcpiPm::write_pm2};
  BytePorts<AcpiPm> smi_{*this, &AcpiPm::read_smi, &AcpiPm::write_smi};

  // The timer must be read in one go: byte reads would tear it.
  class PmPorts final : public PortDevice {
   public:
    explicit PmPorts(AcpiPm& owner) : owner_(owner) {}
    std::uint32_t port_read(std::uint16_t offset, unsigned size) override;
    void port_write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

   private:
    AcpiPm& owner_;
  };
  PmPorts pm_{*this};
};

}  // namespace ringshift::devices
