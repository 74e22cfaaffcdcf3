// An interrupt line of a PC's old timers (8254: IRQ 0, real-time clock: IRQ 8), which the HPET can take over.
#pragma once

#include "devices/irq_line.h"

namespace ringshift::devices {

class TimerLine {
 public:
  explicit TimerLine(IrqLine& out) : out_(out) {}
  TimerLine(const TimerLine&) = delete;
  TimerLine& operator=(const TimerLine&) = delete;

  IrqLine& of_timer() { return timer_; }
  IrqLine& of_hpet() { return hpet_; }
  void give_to_hpet(bool on) {
    hpet_has_it_ = on;
    drive();
  }

 private:
  class Source final : public IrqLine {
   public:
    explicit Source(TimerLine& owner) : owner_(owner) {}
    void set(bool asserted) override {
      level = asserted;
      owner_.drive();
    }
    bool level = false;

   private:
    TimerLine& owner_;
  };

  void drive() { out_.set(hpet_has_it_ ? hpet_.level : timer_.level); }

  IrqLine& out_;
  Source timer_{*this}, hpet_{*this};
  bool hpet_has_it_ = false;
};

}  // namespace ringshift::devices
