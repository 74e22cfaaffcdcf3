// The PIIX3's PCI interrupt router: four PIRQ# pins, each steered to one of the PICs' inputs or to none.
// Source: 82371SB data sheet, PIRQRC.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "devices/irq_line.h"
#include "devices/shared_irq.h"

namespace ringshift::devices {

class PirqRouter {
 public:
  static constexpr unsigned kPins = 4;

  // `line(irq)` gives the input of the PICs. A line that other devices drive too must be a source of a SharedIrq.
  explicit PirqRouter(std::function<IrqLine&(unsigned irq)> line) : line_(std::move(line)) {
    pins_.reserve(kPins);
    for (unsigned pin = 0; pin < kPins; ++pin) pins_.emplace_back(*this, pin);
    for (unsigned pin = 0; pin < kPins; ++pin) shared_[pin] = std::make_unique<SharedIrq>(pins_[pin]);
  }
  PirqRouter(const PirqRouter&) = delete;
  PirqRouter& operator=(const PirqRouter&) = delete;

  // A new source for the pin that PCI slot `slot`'s INTA# (`pin` 0) to INTD# (3) is wired to.
  IrqLine& connect(unsigned slot, unsigned pin) { return shared_[(slot + pin + 3) & 3]->add_source(); }

  // PIRQRC: bit 7 disables, bits 3-0 are the IRQ; 0-2, 8 and 13 are reserved.
  void route(unsigned pin, std::uint8_t control) {
    const bool level = levels_[pin];
    drive(pin, false);
    const unsigned irq = control & 15U;
    const bool reserved = irq < 3 || irq == 8 || irq == 13;
    irq_[pin] = (control & 0x80) != 0 || reserved ? kNowhere : irq;
    drive(pin, level);
  }

 private:
  static constexpr unsigned kNowhere = 16;

  class Pin final : public IrqLine {
   public:
    Pin(PirqRouter& owner, unsigned number) : owner_(owner), number_(number) {}
    void set(bool asserted) override { owner_.drive(number_, asserted); }

   private:
    PirqRouter& owner_;
    unsigned number_;
  };

  void drive(unsigned pin, bool level) {
    levels_[pin] = level;
    const unsigned irq = irq_[pin];
    if (irq == kNowhere) return;
    bool any = false;
    for (unsigned other = 0; other < kPins; ++other) any |= irq_[other] == irq && levels_[other];
    line_(irq).set(any);
  }

  std::function<IrqLine&(unsigned)> line_;
  std::vector<Pin> pins_;
  std::array<std::unique_ptr<SharedIrq>, kPins> shared_;
  std::array<unsigned, kPins> irq_{kNowhere, kNowhere, kNowhere, kNowhere};
  std::array<bool, kPins> levels_{};
};

}  // namespace ringshift::devices
