#include "tests/fuzz/apic_rigs.h"

#include <array>

#include "devices/hpet.h"
#include "devices/io_apic.h"
#include "devices/isa_irqs.h"
#include "devices/local_apic.h"
#include "devices/parallel.h"
#include "devices/pic.h"
#include "devices/timer_line.h"

namespace ringshift::fuzz {

using namespace devices;

namespace {

void check_timers(FakeTime& time) { require(time.events().next_deadline() > time.now()); }

// Ports in front of registers that are `stride` bytes apart. Wide accesses are such; others go to parts of a register.
class RegisterPorts final : public PortDevice {
 public:
  RegisterPorts(mmu::MmioHandler& device, std::uint64_t stride) : device_(device), stride_(stride) {}
  std::uint32_t port_read(std::uint16_t offset, unsigned size) override {
    const std::uint32_t value = device_.mmio_read(offset * stride_, 4);
    return size == 4 ? value : value & ((1U << (8 * size)) - 1);
  }
  void port_write(std::uint16_t offset, unsigned size, std::uint32_t value) override {
    device_.mmio_write(offset * stride_, size == 2 ? 2 : 4, value);
  }

 private:
  mmu::MmioHandler& device_;
  std::uint64_t stride_;
};

struct ApicRig final : Rig {
  ApicRig() {
    claim(0x1000, 0x40, local_ports);
    claim(0x2000, 2, io_ports);
    claim(0x20, 2, pic.master_ports());
    claim(0xA0, 2, pic.slave_ports());
    local.mmio_write(0xF0, 4, 0x1FF);
  }
  void event(std::uint8_t kind, std::uint8_t value) override {
    switch (kind % 8) {
      case 0:
      case 1:
        take();
        break;
      case 2:
        local.mmio_write(0xB0, 4, 0);
        break;
      case 3:  // an entry that means something
        io.mmio_write(0, 4, 0x10 + 2 * (value % 24U));
        io.mmio_write(0x10, 4, (kind & 0xF0U) << 8 | (kind >> 5) << 8 | value);
        break;
      case 4:
        local.set_lint1((value & 1) != 0);
        break;
      case 5:
        local.set_enabled((value & 7) != 0);
        break;
      default:
        irqs.line(kind >> 4).set((value & 1) != 0);
        break;
    }
  }
  void take() {
    if (!local.pending()) return;
    if (const auto vector = local.acknowledge()) {
      require(*vector >= 16);
    } else {
      pic.acknowledge();
    }
  }
  void check() override {
    check_timers(time);
    require(told == local.pending());
    for (unsigned pin = 0; pin < IoApic::kPins; ++pin) {
      const std::uint64_t entry = io.entry(pin);
      require((entry & 0x4000) == 0 || (entry & 0x8000) != 0);  // remote IRR belongs to levels
    }
    // An interrupt in service is a priority.
    if (local.enabled()) {
      const std::uint32_t ppr = local.mmio_read(0xA0, 4);
      for (unsigned i = 0; i < 8; ++i) {
        const std::uint32_t word = local.mmio_read(0x100 + 0x10 * i, 4);
        if (word != 0) require((ppr >> 4) >= (i * 32 + 31 - static_cast<unsigned>(__builtin_clz(word))) >> 4);
      }
    }
    require(local.enabled() ? local.mmio_read(0x390, 4) <= local.mmio_read(0x380, 4) : true);
  }

  bool told = false;
  unsigned nmis = 0;
  LocalApic local{time.events(),
                  {[this] { told = local.pending(); }, [this] { ++nmis; },
                   [this](std::uint8_t vector) { io.end_of_interrupt(vector); }}};
  IoApic io{[this](const ApicMessage& message) { return local.receive(message); }};
  Pic pic{[this](bool level) { local.set_lint0(level); }};
  IsaIrqs irqs{pic, &io};
  RegisterPorts local_ports{local, 16}, io_ports{io, 16};
};

struct HpetRig final : Rig {
  HpetRig() { claim(0x1000, 0x60, ports_of_it); }
  void event(std::uint8_t kind, std::uint8_t value) override {
    if ((kind & 1) != 0) {  // a timer that runs
      const std::uint64_t timer = 0x100 + 0x20 * (kind >> 1 & 3);
      hpet.mmio_write(timer, 4, 0x104U | (kind & 0xFA) | (20U + (kind >> 6)) << 9);
      hpet.mmio_write(timer + 8, 4, value * 77U);
      hpet.mmio_write(timer + 8, 4, value);
      hpet.mmio_write(0x10, 4, 1 | (value & 2));
    } else {
      hpet.mmio_write(0x20, 4, value);
    }
  }
  void check() override {
    check_timers(time);
    const std::uint32_t status = hpet.mmio_read(0x20, 4);
    require(status < 1U << Hpet::kTimers);
    bool any = irq0.level || irq8.level;
    for (const FakeLine& pin : pins) any |= pin.level;
    require(!any || status != 0);  // only a level's line stays
    require(hpet.mmio_read(0, 4) == Hpet::kCapabilities);
  }

  FakeLine irq0, irq8;
  std::array<FakeLine, 24> pins;
  Hpet hpet{time.events(), {{&irq0, &irq8}, {}, [this](unsigned pin) { return &pins.at(pin); }}};
  RegisterPorts ports_of_it{hpet, 4};
};

struct ParallelRig final : Rig {
  ParallelRig() { claim(ParallelPort::kPort, ParallelPort::kPorts, port); }
  void event(std::uint8_t, std::uint8_t value) override {
    const std::size_t before = printed;
    for (const unsigned control : {0x0CU, 0x0DU, 0x0CU})
      bus.write(ParallelPort::kPort + 2, 1, control | (value & 0x10U));
    require(printed > before);
  }
  void check() override { require(!irq.level && (bus.read(ParallelPort::kPort + 1, 1) | 0x40) == 0xDF); }

  FakeLine irq;
  std::size_t printed = 0;
  ParallelPort port{irq, [this](std::uint8_t) { ++printed; }};
};

}  // namespace

std::unique_ptr<Rig> make_apic_rig(unsigned number) {
  switch (number) {
    case 0:
      return std::make_unique<ApicRig>();
    case 1:
      return std::make_unique<HpetRig>();
    default:
      return std::make_unique<ParallelRig>();
  }
}

}  // namespace ringshift::fuzz
