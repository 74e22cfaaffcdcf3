#include "testkit/bare_machine.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace ringshift::testkit {
namespace {

template <class T>
T take(std::variant<T, std::string> result) {
  if (auto* error = std::get_if<std::string>(&result)) throw LabError(*error);
  return std::move(std::get<T>(result));
}

}  // namespace

void QuietPlatform::report(const char* message) {
  ++reports;
  if (std::string_view(message).starts_with("fragment refused")) throw LabError(message);
}

BareMachine::BareMachine(Execution execution, std::uint64_t ram_bytes, Platform& platform,
                         const engine::TranslateOptions& options)
    : memory(take(mmu::GuestMemory::create(ram_bytes))), physical(memory), code(ram_bytes) {
  physical.add_ram(0, ram_bytes, 0);
  std::unique_ptr<mmu::WindowPool> windows;
  if (execution == Execution::translate) windows = take(mmu::WindowPool::create(physical, code));
  mmu = std::make_unique<mmu::Mmu>(physical, code, std::move(windows));
  cpu = std::make_unique<Cpu>(state, *mmu, platform);
  reset_cpu();
  std::string error;
  engine = execution == Execution::translate ? engine::make_translator(*cpu, options, error)
                                             : engine::make_interpreter(*cpu);
  if (!engine) throw LabError(error);
}

void BareMachine::reset_cpu() {
  const HostContext host = state.host;  // the engine's part
  reset(state);
  state.host = host;
  state.refresh_pointers();
}

void BareMachine::before_write(std::uint32_t address, std::uint32_t bytes) {
  for (std::uint32_t at = address; at < address + bytes;) {
    const std::uint32_t here = std::min(address + bytes - at, mmu::kPageSize - (at & mmu::kPageMask));
    if (code.contains(at)) code.notify_write(at, here);
    at += here;
  }
}

}  // namespace ringshift::testkit
