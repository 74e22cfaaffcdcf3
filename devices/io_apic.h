// The 82093AA I/O APIC: 24 interrupt pins, each with an entry that says which message it sends to the local APICs.
// Source: Intel 82093AA data sheet (290566).
//
// Lines are logical: asserted or not. Whether that is a high or a low voltage is nobody's business here, and the
// polarity bit is kept without an effect: PCI's low and ISA's high are the same to a guest that believes its tables.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "devices/irq_line.h"
#include "devices/local_apic.h"
#include "mmu/physical_map.h"

namespace ringshift::devices {

class IoApic final : public mmu::MmioHandler {
 public:
  static constexpr std::uint32_t kBase = 0xFEC00000, kBytes = 4096;
  static constexpr unsigned kPins = 24;

  // `send` gives a message to the local APIC; false: it was not accepted, and a level will be offered again.
  explicit IoApic(std::function<bool(const ApicMessage&)> send);
  IoApic(const IoApic&) = delete;
  IoApic& operator=(const IoApic&) = delete;

  std::uint32_t mmio_read(std::uint64_t offset, unsigned size) override;
  void mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) override;

  IrqLine& pin(unsigned number) { return pins_[number]; }
  // A local APIC has seen the end of the interrupt of this vector.
  void end_of_interrupt(std::uint8_t vector);

  // The redirection table's entry.
  [[nodiscard]] std::uint64_t entry(unsigned pin) const { return entries_[pin]; }
  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }

 private:
  class Pin final : public IrqLine {
   public:
    void set(bool asserted) override { owner->set_pin(number, asserted); }
    IoApic* owner = nullptr;
    unsigned number = 0;
  };

  void set_pin(unsigned number, bool asserted);
  void send(unsigned number);
  void service_level(unsigned number);
  [[nodiscard]] std::uint32_t read() const;
  void write(std::uint32_t value);

  std::function<bool(const ApicMessage&)> send_;
  std::array<Pin, kPins> pins_;
  std::array<bool, kPins> lines_{};
  std::array<std::uint64_t, kPins> entries_;
  std::uint8_t select_ = 0;
  std::uint32_t id_ = 0;
  std::uint64_t odd_ = 0;
};

}  // namespace ringshift::devices
