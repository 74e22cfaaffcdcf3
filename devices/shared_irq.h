// A wired-OR of several sources onto one interrupt line: PCI interrupt pins that share a request.
#pragma once

#include <cstdint>
#include <deque>

#include "devices/irq_line.h"

namespace ringshift::devices {

class SharedIrq {
 public:
  explicit SharedIrq(IrqLine& out) : out_(out) {}

  // One more source; the reference stays valid as long as this object.
  IrqLine& add_source() { return sources_.emplace_back(*this); }

 private:
  class Source final : public IrqLine {
   public:
    explicit Source(SharedIrq& owner) : owner_(owner) {}
    void set(bool asserted) override {
      if (asserted == asserted_) return;
      asserted_ = asserted;
      owner_.count_ += asserted ? 1U : ~0U;
      if (owner_.count_ == (asserted ? 1U : 0U)) owner_.out_.set(asserted);
    }

   private:
    SharedIrq& owner_;
    bool asserted_ = false;
  };

  IrqLine& out_;
  std::deque<Source> sources_;
  std::uint32_t count_ = 0;
};

}  // namespace ringshift::devices
