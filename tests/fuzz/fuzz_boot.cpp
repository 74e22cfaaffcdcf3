// Any bytes at all are either a bootable image whose pieces lie in RAM, or an error of one line.
#include "tests/fuzz/fuzz_boot.h"

#include <cstdlib>

#include "runtime/machine/boot/boot_plan.h"

namespace {

using namespace ringshift::machine;

void require(bool condition) {
  if (!condition) std::abort();
}

bool in_ram(const MemoryLayout& memory, PhysAddr base, std::uint64_t size) {
  for (const E820Entry& range : memory.loadable()) {
    if (base >= range.base && base + size >= base && base + size <= range.base + range.size) return true;
  }
  return false;
}

void check(const boot::BootResult& result, const MemoryLayout& memory) {
  if (const auto* error = std::get_if<std::string>(&result)) {
    require(!error->empty() && error->find('\n') == std::string::npos);
    return;
  }
  for (const boot::Piece& piece : std::get<boot::BootPlan>(result).pieces) {
    require(in_ram(memory, piece.address, piece.bytes.size() + piece.zeros));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryLayout memory(16 * kMiB);
  const boot::Image kernel{"fuzz", {data, data + size}};
  const boot::Image module{"module", {1, 2, 3}};
  check(boot::plan_boot({kernel, {}, "", memory, 0}), memory);
  check(boot::plan_boot({kernel, {&module, 1}, "console=ttyS0", memory, 0xF0000}), memory);
  return 0;
}
