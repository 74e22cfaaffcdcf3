// 8086:1237, the host bridge of an Intel 440FX as it is after reset: all of C0000h-FFFFFh is ROM until software turns
// it into RAM. Source: Intel 440FX PCIset data sheet (82441FX), PAM0-PAM6 and SMRAM.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "devices/pci.h"

namespace ringshift::devices {

class I440Fx final : public PciFunction {
 public:
  // An area with attributes of its own. Offsets from the start of memory.
  struct Area {
    std::uint32_t base;
    std::uint32_t size;
  };
  static constexpr unsigned kAreas = 13;
  static constexpr std::array<Area, kAreas> kArea = {{{0xF0000, 0x10000},
                                                      {0xC0000, 0x4000},
                                                      {0xC4000, 0x4000},
                                                      {0xC8000, 0x4000},
                                                      {0xCC000, 0x4000},
                                                      {0xD0000, 0x4000},
                                                      {0xD4000, 0x4000},
                                                      {0xD8000, 0x4000},
                                                      {0xDC000, 0x4000},
                                                      {0xE0000, 0x4000},
                                                      {0xE4000, 0x4000},
                                                      {0xE8000, 0x4000},
                                                      {0xEC000, 0x4000}}};

  // What answers in an area: RAM or, where a flag is off, the PCI bus.
  struct Shadow {
    bool read = false;
    bool write = false;
    friend bool operator==(const Shadow&, const Shadow&) = default;
  };
  // Told of every change.
  struct Memory {
    virtual ~Memory() = default;
    virtual void shadow_changed(unsigned area, Shadow shadow) = 0;
    // Whether the CPU outside of SMM sees RAM at A0000h-BFFFFh.
    virtual void smram_changed(bool open) = 0;
  };

  explicit I440Fx(Memory& memory);

  void config_write(std::uint8_t reg, unsigned size, std::uint32_t value) override;

  [[nodiscard]] Shadow shadow(unsigned area) const;
  [[nodiscard]] bool smram_open() const;

 private:
  Memory& memory_;
};

}  // namespace ringshift::devices
