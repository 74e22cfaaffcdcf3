// The VGA's window at A0000h-BFFFFh: how a byte of the CPU meets the four planes.
// Source: IBM VGA Technical Reference, "Graphics Controller" and "Sequencer".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "devices/vga_state.h"
#include "mmu/physical_map.h"

namespace ringshift::devices {

class VgaMemory final : public mmu::MmioHandler {
 public:
  // `changed` is called after writes to video memory.
  VgaMemory(VgaState& state, std::function<void()> changed) : s_(state), changed_(std::move(changed)) {}

  // Whether A0000h-AFFFFh shows the memory as it lies, byte for byte, and from which offset on: 256 colours with the
  // planes chained, and the banks of DISPI's modes. (A read through such a mapping loads no latches, which only matter
  // to modes without.)
  [[nodiscard]] std::optional<std::uint32_t> direct() const;
  static constexpr std::uint32_t kDirectBytes = 0x10000;

  // Offsets count from A0000h.
  std::uint32_t mmio_read(std::uint64_t offset, unsigned size) override;
  void mmio_write(std::uint64_t offset, unsigned size, std::uint32_t value) override;

 private:
  static constexpr std::uint32_t kOutside = 0xFFFFFFFF;
  // The offset within the selected part of the window, or kOutside.
  [[nodiscard]] std::uint32_t decode(std::uint64_t offset) const;
  [[nodiscard]] bool linear() const;
  std::uint8_t read8(std::uint32_t at);
  void write8(std::uint32_t at, std::uint8_t value);
  void write_planes(std::uint32_t at, std::uint8_t value);
  [[nodiscard]] std::uint32_t& planes(std::uint32_t at) const;

  VgaState& s_;
  std::function<void()> changed_;
  std::uint32_t latches_ = 0;  // plane 0 in bits 7-0
};

}  // namespace ringshift::devices
