// Stack frames of far transfers and interrupts: written all at once or not at all.
#pragma once

#include <array>
#include <cstdint>

#include "runtime/semantics/cpu.h"
#include "runtime/semantics/descriptor.h"

namespace ringshift {

// Collects pushes onto a stack that need not be the current one.
class FrameWriter {
 public:
  // Pushes go to `stack` from `esp` down, with the page rights of `cpl`. `error` is the error code of
  // the #SS if the frame does not fit.
  FrameWriter(const SegmentRegister& stack, std::uint32_t esp, unsigned cpl, std::uint32_t error)
      : stack_(stack), esp_(esp), user_(cpl == 3), error_(error) {}

  // size is 2 or 4.
  void push(std::uint32_t value, unsigned size) {
    const std::uint32_t mask = stack_.big() ? 0xFFFFFFFFU : 0xFFFFU;
    esp_ = (esp_ & ~mask) | ((esp_ - size) & mask);
    slots_[count_++] = Slot{esp_ & mask, value, static_cast<std::uint8_t>(size)};
  }
  // Limits and page rights of every slot. False: #SS or #PF, in Cpu::fault.
  [[nodiscard]] bool check(Cpu& cpu) const;
  // Call only after check(): cannot fault.
  void write(Cpu& cpu) const;
  [[nodiscard]] std::uint32_t esp() const { return esp_; }

 private:
  struct Slot {
    std::uint32_t offset;
    std::uint32_t value;
    std::uint8_t size;
  };
  static constexpr unsigned kMaxSlots = 40;  // call gate: 31 parameters and 4 words
  SegmentRegister stack_;
  std::uint32_t esp_;
  bool user_;
  std::uint32_t error_;
  unsigned count_ = 0;
  std::array<Slot, kMaxSlots> slots_;
};

// Pops from the current stack without moving esp, so that a fault changes nothing.
class FrameReader {
 public:
  explicit FrameReader(Cpu& cpu) : cpu_(cpu), esp_(cpu.state.gpr[kEsp]) {}
  // size is 2 or 4. After a failure (in Cpu::fault) further pops fail, too.
  std::uint32_t pop(unsigned size);
  void skip(std::uint32_t bytes) { advance(bytes); }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::uint32_t esp() const { return esp_; }

 private:
  void advance(std::uint32_t bytes) {
    const std::uint32_t mask = cpu_.stack_mask();
    esp_ = (esp_ & ~mask) | ((esp_ + bytes) & mask);
  }
  Cpu& cpu_;
  std::uint32_t esp_;
  bool ok_ = true;
};

// The stack that the current TSS holds for privilege level `cpl` (0 to 2), checked.
struct InnerStack {
  SegmentRegister ss;
  std::uint32_t esp = 0;
};
[[nodiscard]] bool fetch_inner_stack(Cpu& cpu, unsigned cpl, std::uint32_t ext, InnerStack& stack);

// Loads a popped stack pointer: a 16-bit stack segment takes the low half only.
inline void set_esp(Cpu& cpu, std::uint32_t esp) {
  const std::uint32_t mask = cpu.stack_mask();
  cpu.state.gpr[kEsp] = (cpu.state.gpr[kEsp] & ~mask) | (esp & mask);
}

}  // namespace ringshift
