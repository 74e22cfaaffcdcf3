#include "devices/port_bus.h"

#include <algorithm>
#include <cassert>

namespace ringshift::devices {

namespace {

constexpr std::uint32_t kPorts = 0x10000;

constexpr std::uint32_t ones(unsigned size) { return size == 4 ? ~0U : (1U << (8 * size)) - 1; }

}  // namespace

PortBus::PortBus() : claims_(1), index_(kPorts, 0) {}

std::uint16_t PortBus::number_claim(std::uint16_t first, std::uint32_t count, PortDevice& device) {
  // A BAR that moves again and again takes the same number each time.
  const auto unused = std::find_if(claims_.begin() + 1, claims_.end(), [](const Claim& c) { return !c.device; });
  const auto number = static_cast<std::uint16_t>(unused - claims_.begin());
  if (unused == claims_.end()) {
    assert(claims_.size() < kPorts);
    claims_.push_back({&device, first, count});
  } else {
    *unused = {&device, first, count};
  }
  return number;
}

void PortBus::claim(std::uint16_t first, std::uint32_t count, PortDevice& device) {
  assert(first + count <= kPorts);
  std::fill_n(index_.begin() + first, count, number_claim(first, count, device));
}

void PortBus::claim_unused(std::uint16_t first, std::uint32_t count, PortDevice& device) {
  assert(first + count <= kPorts);
  std::replace(index_.begin() + first, index_.begin() + first + count, std::uint16_t{0},
               number_claim(first, count, device));
}

void PortBus::release(const PortDevice& device) {
  for (std::size_t number = 1; number < claims_.size(); ++number) {
    Claim& claim = claims_[number];
    if (claim.device != &device) continue;
    const auto begin = index_.begin() + claim.first;
    std::replace(begin, begin + claim.count, static_cast<std::uint16_t>(number), std::uint16_t{0});
    claim.device = nullptr;
  }
}

std::uint32_t PortBus::read(std::uint16_t port, unsigned size) {
  const std::uint16_t claim = index_[port];
  bool whole = port + size <= kPorts;
  for (unsigned i = 1; whole && i < size; ++i) whole = index_[port + i] == claim;
  if (!whole) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < size; ++i) value |= read(static_cast<std::uint16_t>(port + i), 1) << (8 * i);
    return value;
  }
  if (claim == 0) {
    ++unclaimed_[port].reads;
    return ones(size);
  }
  const Claim& c = claims_[claim];
  return c.device->port_read(static_cast<std::uint16_t>(port - c.first), size) & ones(size);
}

void PortBus::write(std::uint16_t port, unsigned size, std::uint32_t value) {
  const std::uint16_t claim = index_[port];
  bool whole = port + size <= kPorts;
  for (unsigned i = 1; whole && i < size; ++i) whole = index_[port + i] == claim;
  if (!whole) {
    for (unsigned i = 0; i < size; ++i) write(static_cast<std::uint16_t>(port + i), 1, (value >> (8 * i)) & 0xFF);
    return;
  }
  if (claim == 0) {
    ++unclaimed_[port].writes;
    return;
  }
  const Claim& c = claims_[claim];
  c.device->port_write(static_cast<std::uint16_t>(port - c.first), size, value & ones(size));
}

}  // namespace ringshift::devices
