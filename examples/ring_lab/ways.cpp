#include "examples/ring_lab/ways.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace ringshift::ring_lab {
namespace {

constexpr std::uint32_t kPage = 0x1000;
constexpr std::uint8_t kHlt = 0xF4;

// jmp far 33h:gate
constexpr std::array<std::uint8_t, 7> kWayBack{0xEA,
                                               static_cast<std::uint8_t>(testkit::kNativeGate),
                                               static_cast<std::uint8_t>(testkit::kNativeGate >> 8),
                                               static_cast<std::uint8_t>(testkit::kNativeGate >> 16),
                                               static_cast<std::uint8_t>(testkit::kNativeGate >> 24),
                                               testkit::kUserCode64,
                                               0};

Sight fault(std::uint8_t vector, std::uint32_t error) { return {Sight::Kind::fault, vector, error}; }

}  // namespace

Sight Guest::run(const Probe& probe) {
  namespace attr = testkit::attr;
  using Machine = testkit::TestMachine;
  static_assert(Machine::kCode == kCode && Machine::kData == kData && Machine::kGdt == kGdtBase &&
                Machine::kIdt == kIdtBase && Machine::kTssSelector == kTss && Machine::code(0) == kKernelCode &&
                Machine::data(0) == kKernelData);
  machine_.reset(0);
  constexpr std::uint16_t kRing3 = attr::kFlat | segment::kAccessed | attr::dpl(3);
  machine_.set_descriptor(kUserCode, 0, 0xFFFFF, attr::kCode | kRing3);
  machine_.set_descriptor(kUserData, 0, 0xFFFFF, attr::kData | kRing3);
  CpuState& state = machine_.state();
  state.ldtr = SegmentRegister{kLdt, attr::kLdt, Machine::kLdtBase, 0xFF};
  state.cr0 = kCr0;
  state.gpr[kEbx] = kData;
  state.gpr[kEsp] = kStack;
  machine_.set_flags(probe.eflags);
  machine_.place(kCode, probe.code);

  switch (machine_.run_code(kCode, static_cast<std::uint32_t>(probe.code.size()))) {
    case Machine::Stop::filler:
      return {Sight::Kind::value, 0, state.gpr[kEax]};
    case Machine::Stop::handler: {
      const auto vector = static_cast<std::uint8_t>(*machine_.vector());
      if (vector >= 0x20) return {Sight::Kind::handler, vector, 0};
      return fault(vector, machine_.has_error_code(vector) ? machine_.frame(true).error : 0);
    }
    case Machine::Stop::halted:
    case Machine::Stop::shutdown:
      break;
  }
  return {Sight::Kind::hung, 0, 0};
}

std::unique_ptr<Native> Native::create(std::string& why) {
  auto ring3 = testkit::NativeRing3::create(why);
  if (!ring3) return nullptr;
  std::unique_ptr<Native> native(new Native);
  native->ring3_ = std::move(ring3);
  native->has_code_ = testkit::map_fixed(kCode, kPage, PROT_READ | PROT_WRITE);
  native->has_data_ = testkit::map_fixed(kData, kPage, PROT_READ | PROT_WRITE);
  if (!native->has_code_ || !native->has_data_) {
    why = "the host does not map addresses as low as these";
    return nullptr;
  }
  const Probe trial{"MOV", "mov eax, 42", {0xB8, 42, 0, 0, 0}, 0x202, {Sight::Kind::value, 0, 42}, ""};
  if (native->run(trial) != trial.must_see) {
    why = "the host's kernel does not run 32-bit code";
    return nullptr;
  }
  why.clear();
  return native;
}

Native::~Native() {
  if (has_code_) munmap(testkit::low_pointer(kCode), kPage);
  if (has_data_) munmap(testkit::low_pointer(kData), kPage);
}

Sight Native::run(const Probe& probe) {
  auto* const code = testkit::low_pointer(kCode);
  mprotect(code, kPage, PROT_READ | PROT_WRITE);
  std::fill_n(code, kPage, kHlt);
  std::copy(probe.code.begin(), probe.code.end(), code);
  std::copy(kWayBack.begin(), kWayBack.end(), code + probe.code.size());
  mprotect(code, kPage, PROT_READ | PROT_EXEC);
  std::memset(testkit::low_pointer(kData), 0, kPage);

  testkit::NativeContext& c = ring3_->context();
  c.use_fx = 0;
  c.gpr = {0, 0, 0, kData, kStack, 0, 0, 0};
  c.ds = c.es = testkit::kUserData;
  c.fs = c.gs = 0;
  c.frame = {kCode, testkit::kUserCode, probe.eflags, kStack, testkit::kUserData};
  ring3_->begin();
  ring3_->run();
  ring3_->end();
  switch (c.vector) {
    case testkit::kNativeEnd:
      return {Sight::Kind::value, 0, c.gpr[kEax]};
    case testkit::kNativeHung:
      return {Sight::Kind::hung, 0, 0};
    case testkit::kNativeRefused:
      return {Sight::Kind::refused, 0, 0};
    default:
      return fault(static_cast<std::uint8_t>(c.vector), c.error);
  }
}

}  // namespace ringshift::ring_lab
