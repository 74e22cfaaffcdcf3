// The PC's two cascaded 8259A programmable interrupt controllers, with the ELCR registers of PCI chip sets.
// Sources: Intel 8259A data sheet (231468); 82371SB (PIIX3) data sheet for ELCR.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "devices/byte_device.h"
#include "devices/irq_line.h"

namespace ringshift::devices {

// IRQ 0-7 are the master's inputs, 8-15 the slave's; input 2 belongs to the cascade.
//
// In edge mode a request stays latched after its line falls, until it is acknowledged: the data sheet asks devices to
// hold the line, and answers with IRQ 7 where they do not, but a virtual machine cannot keep a guest from being late.
// In level mode a request follows its line, and IRQ 7 or 15 is what an acknowledge finds when it has been withdrawn.
class Pic {
 public:
  // Called with the level of the INTR pin whenever it changes.
  using OnChange = std::function<void(bool asserted)>;

  explicit Pic(OnChange on_change = {});
  Pic(const Pic&) = delete;
  Pic& operator=(const Pic&) = delete;

  IrqLine& line(unsigned irq) { return lines_[irq & 15]; }
  // The INTR pin.
  [[nodiscard]] bool pending() const { return intr_; }
  // The processor's INTA cycles: the vector of the highest-priority request, which comes into service. Without a
  // request it is the vector of the spurious IRQ 7, and nothing comes into service.
  std::uint8_t acknowledge();
  // Both chips as after power-up: nothing is delivered until they are initialized. Lines keep their levels.
  void reset();

  PortDevice& master_ports() { return master_ports_; }  // two ports at 20h
  PortDevice& slave_ports() { return slave_ports_; }    // two ports at A0h
  PortDevice& elcr_ports() { return elcr_ports_; }      // two ports at 4D0h

  // Modes the PC wiring gives no meaning to, unexpected cascade masks, uses of line 2.
  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }
  // Acknowledges that found no request.
  [[nodiscard]] std::uint64_t spurious() const { return spurious_; }

  struct Chip {
    std::uint8_t lines = 0;  // input levels
    std::uint8_t irr = 0, isr = 0, imr = 0xFF;
    std::uint8_t elcr = 0;    // level-triggered inputs, by ELCR
    std::uint8_t base = 0;    // vector of input 0
    std::uint8_t lowest = 7;  // input with the lowest priority
    std::uint8_t expect = 0;  // the ICW that the next write to the odd port is: 2, 3, 4; 0 is OCW1
    bool ready = false;       // has been initialized
    bool all_level = false;   // ICW1.LTIM
    bool single = false, wants_icw4 = false;
    bool auto_eoi = false, rotate_on_auto_eoi = false;
    bool special_fully_nested = false, special_mask = false;
    bool read_isr = false, poll = false;
  };
  [[nodiscard]] const Chip& master() const { return chips_[0]; }
  [[nodiscard]] const Chip& slave() const { return chips_[1]; }

 private:
  class Line final : public IrqLine {
   public:
    void set(bool asserted) override { pic->set_line(irq, asserted); }
    Pic* pic = nullptr;
    unsigned irq = 0;
  };

  void set_line(unsigned irq, bool asserted);
  void update();
  std::uint8_t read(unsigned chip, std::uint16_t offset);
  void write(unsigned chip, std::uint16_t offset, std::uint8_t value);
  void write_icw1(unsigned chip, std::uint8_t value);
  void write_ocw2(Chip& chip, std::uint8_t value);
  void write_ocw3(Chip& chip, std::uint8_t value);
  void write_data(unsigned chip, std::uint8_t value);

  std::uint8_t read_master(std::uint16_t offset) { return read(0, offset); }
  std::uint8_t read_slave(std::uint16_t offset) { return read(1, offset); }
  std::uint8_t read_elcr(std::uint16_t offset) { return chips_[offset & 1].elcr; }
  void write_master(std::uint16_t offset, std::uint8_t value) { write(0, offset, value); }
  void write_slave(std::uint16_t offset, std::uint8_t value) { write(1, offset, value); }
  void write_elcr(std::uint16_t offset, std::uint8_t value);

  OnChange on_change_;
  std::array<Chip, 2> chips_;
  std::array<Line, 16> lines_;
  bool intr_ = false;
  std::uint64_t odd_ = 0;
  std::uint64_t spurious_ = 0;
  BytePorts<Pic> master_ports_{*this, &Pic::read_master, &Pic::write_master};
  BytePorts<Pic> slave_ports_{*this, &Pic::read_slave, &Pic::write_slave};
  BytePorts<Pic> elcr_ports_{*this, &Pic::read_elcr, &Pic::write_elcr};
};

}  // namespace ringshift::devices
