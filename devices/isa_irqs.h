// The interrupt lines of ISA, each of which leads to the 8259s and, if there is one, to the I/O APIC.
#pragma once

#include <array>

#include "devices/io_apic.h"
#include "devices/irq_line.h"
#include "devices/pic.h"

namespace ringshift::devices {

class IsaIrqs {
 public:
  // IRQ 0 is on pin 2 of the I/O APIC, all others are on the pin of their number.
  static constexpr unsigned pin_of(unsigned irq) { return irq == 0 ? 2 : irq; }

  // `apic` may be null.
  IsaIrqs(Pic& pic, IoApic* apic) {
    for (unsigned irq = 0; irq < lines_.size(); ++irq) {
      lines_[irq].pic = &pic.line(irq);
      // The cascade has no line of its own.
      if (apic != nullptr && irq != 2) lines_[irq].apic = &apic->pin(pin_of(irq));
    }
  }
  IsaIrqs(const IsaIrqs&) = delete;
  IsaIrqs& operator=(const IsaIrqs&) = delete;

  IrqLine& line(unsigned irq) { return lines_[irq & 15]; }

 private:
  class Line final : public IrqLine {
   public:
    void set(bool asserted) override {
      pic->set(asserted);
      if (apic != nullptr) apic->set(asserted);
    }
    IrqLine* pic = nullptr;
    IrqLine* apic = nullptr;
  };
  std::array<Line, 16> lines_;
};

}  // namespace ringshift::devices
