// A test of guest code that reads as one fact, on any engine:
//
//     GuestLab lab(EngineKind::linked_blocks);
//     lab.cpl(3).iopl(0).push32(eflags::kIf | eflags::kZf);
//     const Outcome out = lab.run("popf");
//     EXPECT_EQ(out.eflags, 0x42u);       // IF is not for ring 3
//     EXPECT_EQ(out.esp_delta(), 4);
//     EXPECT_TRUE(out.rest_unchanged());
//
// The guest has one megabyte of RAM, a GDT with flat segments of every ring, an IDT whose handlers halt, a TSS, and no
// devices. It begins in flat 32-bit protected mode, in ring 0, without paging. Choose mode and ring first: that sets
// all segments, esp and eip. docs/TESTKIT.md has examples.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "testkit/host_code.h"
#include "testkit/outcome.h"
#include "testkit/test_machine.h"

namespace ringshift::testkit {

class GuestLab {
 public:
  // Where the code begins and where a page of zeros is; the rest of memory is full of HLTs.
  static constexpr std::uint32_t kCode = TestMachine::kCode, kData = TestMachine::kData;
  static constexpr std::uint32_t kGdt = TestMachine::kGdt, kIdt = TestMachine::kIdt, kTss = TestMachine::kTss;
  static constexpr std::uint32_t kGdtLimit = TestMachine::kGdtEntries * 8 - 1, kIdtLimit = 256 * 8 - 1;
  static constexpr std::uint16_t kTssSelector = TestMachine::kTssSelector;
  // Selectors of flat code and data of each ring.
  static constexpr std::uint16_t code_selector(unsigned ring) { return TestMachine::code(ring); }
  static constexpr std::uint16_t data_selector(unsigned ring) { return TestMachine::data(ring); }
  static constexpr std::uint32_t stack_top(unsigned ring) { return TestMachine::stack_top(ring); }

  // Throws LabError if the host lacks what the engine needs.
  explicit GuestLab(EngineKind kind) : machine_(kind) {}

  // ---- mode and ring -----------------------------------------------------------------------------
  GuestLab& protected_mode();                 // everything as at first
  GuestLab& real_mode();                      // 16-bit code at cs:0
  GuestLab& v86_mode(unsigned io_privilege);  // 16-bit code at cs:100h
  GuestLab& cpl(unsigned ring);
  GuestLab& iopl(unsigned level);

  // ---- registers ---------------------------------------------------------------------------------
  GuestLab& reg(Gpr r, std::uint32_t value);
  GuestLab& eax(std::uint32_t value) { return reg(kEax, value); }
  GuestLab& ecx(std::uint32_t value) { return reg(kEcx, value); }
  GuestLab& edx(std::uint32_t value) { return reg(kEdx, value); }
  GuestLab& ebx(std::uint32_t value) { return reg(kEbx, value); }
  GuestLab& esp(std::uint32_t value) { return reg(kEsp, value); }
  GuestLab& ebp(std::uint32_t value) { return reg(kEbp, value); }
  GuestLab& esi(std::uint32_t value) { return reg(kEsi, value); }
  GuestLab& edi(std::uint32_t value) { return reg(kEdi, value); }
  GuestLab& eip(std::uint32_t value);
  GuestLab& eflags(std::uint32_t value);
  GuestLab& xmm(unsigned n, const std::array<std::uint32_t, 4>& value);

  // ---- memory, by linear address as it is mapped; LabError where nothing is ---------------------------
  GuestLab& store8(std::uint32_t address, std::uint8_t value) { return store(address, {value}); }
  GuestLab& store16(std::uint32_t address, std::uint16_t value);
  GuestLab& store32(std::uint32_t address, std::uint32_t value);
  GuestLab& store(std::uint32_t address, const Bytes& bytes);
  GuestLab& push16(std::uint16_t value);
  GuestLab& push32(std::uint32_t value);

  // ---- paging and segmentation -----------------------------------------------------------------------
  enum class Rights : std::uint8_t {
    absent,
    supervisor_read_only,
    supervisor,
    read_only,
    writable
  };
  // On, with CR0.WP: the first four megabytes are identical, writable and for every ring.
  GuestLab& paging();
  // One page of these: where it is, and what may be done with it. LabError without paging().
  GuestLab& map(std::uint32_t linear, std::uint32_t physical, Rights rights = Rights::writable);
  GuestLab& protect(std::uint32_t linear, Rights rights) { return map(linear, linear, rights); }
  GuestLab& unmap(std::uint32_t linear) { return map(linear, linear, Rights::absent); }
  // An entry of the GDT: `attributes` as bytes 5 and 6 of a descriptor (namespace attr), limit in units of granularity.
  GuestLab& descriptor(std::uint16_t selector, std::uint32_t base, std::uint32_t limit, std::uint16_t attributes);

  // An external interrupt waits; it comes when the guest accepts interrupts.
  GuestLab& interrupt(std::uint8_t vector);

  // For all that has no word here.
  [[nodiscard]] TestMachine& machine() { return machine_; }

  // ---- running -----------------------------------------------------------------------------------------
  // Places the code at cs:eip and runs it to its end, or to where it goes or faults. Intel syntax, with ';' between
  // lines; LabError if it cannot be assembled, or does not stop.
  Outcome run(std::string_view text) { return run(assembled(text)); }
  Outcome run(std::initializer_list<std::uint8_t> code) { return run(Bytes(code)); }
  Outcome run(const Bytes& code);

  // What the code becomes in the present mode.
  [[nodiscard]] HostCode host_code(std::string_view text) const { return host_code(assembled(text)); }
  [[nodiscard]] HostCode host_code(const Bytes& code) const;

 private:
  [[nodiscard]] Bytes assembled(std::string_view text) const;
  [[nodiscard]] std::uint32_t physical(std::uint32_t linear) const;
  [[nodiscard]] Outcome::Snapshot snapshot() const;
  void leave_handler(Outcome& out, Bytes& before);

  TestMachine machine_;
};

// A test class whose tests run on every engine.
//
//     class Popf : public EveryEngine {};
//     INSTANTIATE_TEST_SUITE_P(Engines, Popf, kEveryEngine, engine_name);
//     TEST_P(Popf, IgnoresIfInRing3) { lab.cpl(3) ... }
class EveryEngine : public testing::TestWithParam<EngineKind> {
 protected:
  GuestLab lab{GetParam()};
};
inline const auto kEveryEngine = testing::ValuesIn(kAllEngines);
[[nodiscard]] inline std::string engine_name(const testing::TestParamInfo<EngineKind>& info) {
  return std::string(name(info.param));
}

}  // namespace ringshift::testkit
