// What became of the guest: every register and byte of memory, before and after.
//
// Whatever a test has looked at is accounted for; rest_unchanged() is true if nothing else has changed. So a test says
// what an instruction does, and in one more line that it does nothing else:
//
//     EXPECT_EQ(out.eflags, 0x3202u);
//     EXPECT_EQ(out.esp_delta(), 4);
//     EXPECT_TRUE(out.rest_unchanged());
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "testkit/test_machine.h"

namespace ringshift::testkit {

// A register after the run, which remembers whether the test has looked at it.
class Register {
 public:
  Register() = default;
  Register(std::uint32_t before, std::uint32_t after) : before_(before), value_(after) {}

  operator std::uint32_t() const { return value(); }  // NOLINT(google-explicit-constructor): it reads as a number
  [[nodiscard]] std::uint32_t value() const {
    seen_ = true;
    return value_;
  }
  // The same without looking.
  [[nodiscard]] std::uint32_t after() const { return value_; }
  [[nodiscard]] std::uint32_t before() const { return before_; }
  [[nodiscard]] bool changed() const { return value_ != before_; }
  [[nodiscard]] bool seen() const { return seen_; }

  template <std::integral T>
  friend bool operator==(const Register& r, T expected) {
    return r.value() == static_cast<std::uint32_t>(expected);
  }
  friend std::ostream& operator<<(std::ostream& out, const Register& r);

 private:
  std::uint32_t before_ = 0, value_ = 0;
  mutable bool seen_ = false;
};

// An exception or interrupt that came to the guest's handler. The registers of the outcome are then those that the
// handler finds pushed, or unchanged: the state in which the program was interrupted.
struct Event {
  unsigned vector = 0;
  std::optional<std::uint32_t> error;
  std::uint32_t cr2 = 0;
};
std::ostream& operator<<(std::ostream& out, const Event& event);

class Outcome {
 public:
  Register eax, ecx, edx, ebx, esp, ebp, esi, edi;
  Register eip, eflags;
  Register es, cs, ss, ds, fs, gs;  // selectors
  Register ldtr, tr;                // selectors
  Register gdt_base, gdt_limit, idt_base, idt_limit;
  Register cr0, cr2, cr3, cr4, dr0, dr1, dr2, dr3, dr6, dr7;
  Register fcw, fsw, mxcsr;

  TestMachine::Stop stop = TestMachine::Stop::filler;
  std::optional<Event> event;
  // By the names of `ringshift run --stats`: the instructions that the runtime executed for translated code. Empty if
  // the interpreter ran.
  std::map<std::string, std::uint64_t> callouts;
  std::uint64_t brief_callouts = 0;  // executed without leaving translated code

  // It came to the end of its code, without an exception.
  [[nodiscard]] testing::AssertionResult completed() const;
  [[nodiscard]] std::int32_t esp_delta() const;
  [[nodiscard]] std::int32_t eip_delta() const;

  // Memory by linear address, as it is mapped after the run.
  [[nodiscard]] std::uint8_t memory8(std::uint32_t address) const { return load<std::uint8_t>(address); }
  [[nodiscard]] std::uint16_t memory16(std::uint32_t address) const { return load<std::uint16_t>(address); }
  [[nodiscard]] std::uint32_t memory32(std::uint32_t address) const { return load<std::uint32_t>(address); }
  [[nodiscard]] Bytes memory(std::uint32_t address, std::uint32_t count) const;
  [[nodiscard]] std::array<std::uint32_t, 4> xmm(unsigned n) const;
  [[nodiscard]] long double st(unsigned n) const;

  // Nothing that the test has not looked at has changed. eip is at the end of the code or, after an event, anywhere.
  // Page tables are left out, because the processor writes to them by itself.
  [[nodiscard]] testing::AssertionResult rest_unchanged() const;

 private:
  friend class GuestLab;

  template <class T>
  [[nodiscard]] T load(std::uint32_t address) const {
    T value{};
    const Bytes bytes = memory(address, sizeof(T));
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  [[nodiscard]] std::uint32_t physical(std::uint32_t linear) const;

  struct Snapshot {
    Registers registers;
    std::array<std::uint8_t, 512> fx{};
    TableRegister gdtr, idtr;
    Bytes memory;
  };
  void set_registers(const Snapshot& before, const Snapshot& after);

  std::uint32_t expected_eip_ = 0;
  std::array<std::uint8_t, 512> fx_before_{}, fx_after_{};
  Bytes before_, after_;                          // physical memory
  std::map<std::uint32_t, std::uint32_t> pages_;  // linear to physical page numbers
  mutable std::set<std::uint32_t> seen_bytes_;    // physical
  mutable std::set<unsigned> seen_xmm_;
  mutable bool seen_st_ = false;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome);

}  // namespace ringshift::testkit
