#include "runtime/semantics/descriptor.h"

#include "runtime/semantics/cpu_memory.h"

namespace ringshift {

namespace {

constexpr std::uint32_t kAccessedBit = 1U << 8;  // in the upper half of a descriptor
constexpr std::uint32_t kBusyBit = 1U << 9;
constexpr std::uint32_t kTypeByte = 5;  // offset of the byte that holds the type

}  // namespace

Fetch fetch_descriptor(Cpu& cpu, std::uint16_t sel, Descriptor& descriptor) {
  const std::uint32_t offset = sel & 0xFFF8U;
  std::uint32_t base = cpu.state.gdtr.base;
  std::uint32_t limit = cpu.state.gdtr.limit;
  if (selector::in_ldt(sel)) {
    if (!cpu.state.ldtr.usable()) return Fetch::outside;
    base = cpu.state.ldtr.base;
    limit = cpu.state.ldtr.limit;
  }
  if (offset + 7 > limit) return Fetch::outside;
  descriptor.address = base + offset;
  const auto entry = cpu.read_linear<std::uint64_t>(descriptor.address, false);
  if (!entry) return Fetch::fault;
  descriptor.low = static_cast<std::uint32_t>(*entry);
  descriptor.high = static_cast<std::uint32_t>(*entry >> 32);
  return Fetch::ok;
}

bool fetch_descriptor_or_raise(Cpu& cpu, std::uint16_t sel, Descriptor& descriptor, std::uint8_t vec,
                               std::uint32_t ext) {
  const Fetch result = fetch_descriptor(cpu, sel, descriptor);
  if (result == Fetch::outside) cpu.raise(vec, selector::error(sel, ext));
  return result == Fetch::ok;
}

bool set_accessed(Cpu& cpu, Descriptor& descriptor) {
  if ((descriptor.high & kAccessedBit) != 0) return true;
  const std::uint32_t high = descriptor.high | kAccessedBit;
  if (!cpu.write_linear<std::uint8_t>(descriptor.address + kTypeByte, static_cast<std::uint8_t>(high >> 8), false)) {
    return false;
  }
  descriptor.high = high;
  return true;
}

bool set_busy(Cpu& cpu, Descriptor& descriptor, bool busy) {
  const std::uint32_t high = busy ? descriptor.high | kBusyBit : descriptor.high & ~kBusyBit;
  if (!cpu.write_linear<std::uint8_t>(descriptor.address + kTypeByte, static_cast<std::uint8_t>(high >> 8), false)) {
    return false;
  }
  descriptor.high = high;
  return true;
}

}  // namespace ringshift
