// QEMU's firmware configuration device: named blobs that the machine hands to its firmware.
// Source: QEMU, docs/specs/fw_cfg.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "devices/port_bus.h"
#include "mmu/physical_map.h"

namespace ringshift::devices {

class FwCfg final : public PortDevice {
 public:
  static constexpr std::uint16_t kPort = 0x510, kPorts = 12;

  // The memory is that of the DMA interface.
  explicit FwCfg(mmu::PhysicalMap& memory);

  // A file of the directory. The name has at most 55 bytes.
  void add_file(std::string_view name, std::vector<std::uint8_t> contents);

  std::uint32_t port_read(std::uint16_t offset, unsigned size) override;
  void port_write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

  // Unknown keys, accesses to nothing, DMA to what is no memory.
  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }

 private:
  struct File {
    std::string name;
    std::uint16_t key;
  };

  void select(std::uint16_t key);
  [[nodiscard]] std::uint8_t next();
  [[nodiscard]] std::vector<std::uint8_t> directory() const;
  void transfer(std::uint64_t descriptor);
  bool copy(std::uint32_t control, std::uint32_t length, std::uint64_t address);

  mmu::PhysicalMap& memory_;
  std::map<std::uint16_t, std::vector<std::uint8_t>> items_;
  std::vector<File> files_;
  const std::vector<std::uint8_t>* selected_ = nullptr;
  std::size_t position_ = 0;
  std::uint32_t dma_high_ = 0;
  std::uint64_t odd_ = 0;
};

}  // namespace ringshift::devices
