#include "testkit/guest_lab.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "translator/assemble/assemble.h"
#include "translator/mode_key.h"

namespace ringshift::testkit {
namespace {

constexpr std::string_view kCalloutPrefix = "callouts: ";
constexpr std::uint8_t kHlt = 0xF4;
constexpr std::uint32_t kXmm = 160, kXmmBytes = 16;  // in the FXSAVE area

std::map<std::string, std::uint64_t> callouts_of(const engine::Stats& stats) {
  std::map<std::string, std::uint64_t> all;
  for (const engine::Counter& counter : stats) {
    if (counter.name.starts_with(kCalloutPrefix)) all[counter.name.substr(kCalloutPrefix.size())] += counter.value;
  }
  return all;
}

}  // namespace

// ---- mode and ring ---------------------------------------------------------------------------------

GuestLab& GuestLab::protected_mode() {
  machine_.reset(0);
  return *this;
}

GuestLab& GuestLab::real_mode() {
  machine_.reset(0);
  machine_.real_mode();
  return *this;
}

GuestLab& GuestLab::v86_mode(unsigned io_privilege) {
  machine_.enter_v86(io_privilege);
  return *this;
}

GuestLab& GuestLab::cpl(unsigned ring) {
  if (ring > 3) throw LabError(fmt::format("there is no ring {}", ring));
  if (!machine_.state().protected_mode()) throw LabError("rings need protected mode");
  machine_.set_cpl(ring);
  return *this;
}

GuestLab& GuestLab::iopl(unsigned level) {
  if (level > 3) throw LabError(fmt::format("there is no I/O privilege level {}", level));
  machine_.set_iopl(level);
  return *this;
}

// ---- registers -------------------------------------------------------------------------------------

GuestLab& GuestLab::reg(Gpr r, std::uint32_t value) {
  machine_.gpr(r) = value;
  return *this;
}

GuestLab& GuestLab::eip(std::uint32_t value) {
  machine_.state().eip = value;
  return *this;
}

GuestLab& GuestLab::eflags(std::uint32_t value) {
  machine_.set_flags(value);
  return *this;
}

GuestLab& GuestLab::xmm(unsigned n, const std::array<std::uint32_t, 4>& value) {
  if (n > 7) throw LabError(fmt::format("there is no xmm{}", n));
  std::memcpy(machine_.state().fx.data() + kXmm + n * kXmmBytes, value.data(), kXmmBytes);
  return *this;
}

// ---- memory ----------------------------------------------------------------------------------------

std::uint32_t GuestLab::physical(std::uint32_t linear) const {
  const auto at = machine_.physical(linear);
  if (!at) throw LabError(fmt::format("there is no memory at linear address {:#x}", linear));
  return *at;
}

GuestLab& GuestLab::store(std::uint32_t address, const Bytes& bytes) {
  for (std::uint32_t i = 0; i < bytes.size(); ++i) machine_.poke<std::uint8_t>(physical(address + i), bytes[i]);
  return *this;
}

GuestLab& GuestLab::store16(std::uint32_t address, std::uint16_t value) {
  return store(address, {static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8)});
}

GuestLab& GuestLab::store32(std::uint32_t address, std::uint32_t value) {
  return store16(address, static_cast<std::uint16_t>(value))
      .store16(address + 2, static_cast<std::uint16_t>(value >> 16));
}

GuestLab& GuestLab::push16(std::uint16_t value) {
  machine_.cpu().add_esp(-2);
  const std::uint32_t offset = machine_.esp() & machine_.cpu().stack_mask();
  return store16(machine_.segment(Seg::ss).base + offset, value);
}

GuestLab& GuestLab::push32(std::uint32_t value) {
  return push16(static_cast<std::uint16_t>(value >> 16)).push16(static_cast<std::uint16_t>(value));
}

// ---- paging and segmentation -------------------------------------------------------------------------

GuestLab& GuestLab::paging() {
  machine_.identity_paging();
  return *this;
}

GuestLab& GuestLab::map(std::uint32_t linear, std::uint32_t to, Rights rights) {
  constexpr std::uint32_t kMapped = 4U << 20;
  constexpr std::uint32_t kBits[] = {0, 1, 3, 5, 7};  // present, writable, user
  if (!machine_.state().paging()) throw LabError("map() needs paging()");
  if (linear >= kMapped) throw LabError(fmt::format("linear address {:#x} is not in the first 4 MiB", linear));
  machine_.set_page(linear, (to & ~mmu::kPageMask) | kBits[static_cast<unsigned>(rights)]);
  return *this;
}

GuestLab& GuestLab::descriptor(std::uint16_t selector, std::uint32_t base, std::uint32_t limit,
                               std::uint16_t attributes) {
  if ((selector | 7U) > kGdtLimit) throw LabError(fmt::format("selector {:#x} is beyond the GDT", selector));
  machine_.set_descriptor(selector, base, limit, attributes);
  return *this;
}

GuestLab& GuestLab::interrupt(std::uint8_t vector) {
  machine_.interrupt(vector);
  return *this;
}

// ---- running -------------------------------------------------------------------------------------------

Bytes GuestLab::assembled(std::string_view text) const {
  auto result = assemble::assemble(text, machine_.state().segment(Seg::cs).big() ? 32 : 16, machine_.eip());
  if (const auto* error = std::get_if<std::string>(&result)) throw LabError(*error);
  return std::get<assemble::Code>(std::move(result)).bytes;
}

HostCode GuestLab::host_code(const Bytes& code) const {
  const CpuState& state = machine_.state();
  translator::Options options;
  if (machine_.engine_kind() == EngineKind::one_instruction) options.max_instructions = 1;
  return HostCode(listing::translate_all(code, state.segment(Seg::cs).base + state.eip, translator::mode_key(state),
                                         options, !translator::translatable(state)));
}

Outcome::Snapshot GuestLab::snapshot() const {
  const CpuState& state = machine_.state();
  const auto ram = machine_.ram();
  return {machine_.registers(), state.fx, state.gdtr, state.idtr, Bytes(ram.begin(), ram.end())};
}

// Takes the event back as its handler could, so that the registers are those of the code that it came to.
void GuestLab::leave_handler(Outcome& out, Bytes& before) {
  const unsigned vec = *machine_.vector();
  const bool has_error = machine_.has_error_code(vec);
  const auto frame = machine_.frame(has_error);
  out.event = Event{vec, has_error ? std::optional(frame.error) : std::nullopt, machine_.state().cr2};
  const std::uint32_t stack = machine_.segment(Seg::ss).base + (machine_.esp() & machine_.cpu().stack_mask());
  // What has been pushed is no change by the code.
  const auto ram = machine_.ram();
  for (std::uint32_t i = 0; i < frame.bytes; ++i) {
    if (const auto at = machine_.physical(stack + i)) before[*at] = ram[*at];
  }
  machine_.return_from(frame);
}

Outcome GuestLab::run(const Bytes& code) {
  if (code.empty()) throw LabError("there is no code to run");
  const std::uint32_t linear = machine_.segment(Seg::cs).base + machine_.eip();
  const auto bytes = static_cast<std::uint32_t>(code.size());
  store(linear, code);
  store(linear + bytes, Bytes(16, kHlt));

  Outcome out;
  out.expected_eip_ = machine_.eip() + bytes;
  Outcome::Snapshot before = snapshot();
  const auto callouts_before = callouts_of(machine_.stats());
  const std::uint64_t brief_before = machine_.counter("brief callouts");

  out.stop = machine_.run_code(linear, bytes);

  for (const auto& [operation, count] : callouts_of(machine_.stats())) {
    const auto earlier = callouts_before.find(operation);
    const std::uint64_t now = count - (earlier == callouts_before.end() ? 0 : earlier->second);
    // The chained engine stops at a HLT that is not the code's.
    const bool not_ours = operation == "hlt" && machine_.engine_kind() == EngineKind::linked_blocks &&
                          out.stop != TestMachine::Stop::halted;
    if (now > (not_ours ? 1U : 0U)) out.callouts[operation] = now - (not_ours ? 1U : 0U);
  }
  out.brief_callouts = machine_.counter("brief callouts") - brief_before;
  for (std::uint32_t i = 0; i < machine_.filler_frame().bytes; ++i) {
    const std::uint32_t at = machine_.filler_frame().address + i;
    before.memory[at] = machine_.peek<std::uint8_t>(at);
  }
  if (out.stop == TestMachine::Stop::handler) leave_handler(out, before.memory);
  for (std::uint32_t page = 0; page < (4U << 20) >> mmu::kPageShift; ++page) {
    if (const auto at = machine_.physical(page << mmu::kPageShift)) out.pages_[page] = *at >> mmu::kPageShift;
  }
  out.set_registers(before, snapshot());
  return out;
}

}  // namespace ringshift::testkit
