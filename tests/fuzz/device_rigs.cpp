#include "tests/fuzz/device_rigs.h"

#include <array>
#include <cstdlib>

#include "devices/acpi_pm.h"
#include "devices/debug_port.h"
#include "devices/dma8237.h"
#include "devices/i8042.h"
#include "devices/isa_debug_exit.h"
#include "devices/key_names.h"
#include "devices/pci.h"
#include "devices/pic.h"
#include "devices/pit.h"
#include "devices/port92.h"
#include "devices/post_port.h"
#include "devices/reset_control.h"
#include "devices/rtc.h"
#include "devices/uart.h"
#include "tests/fuzz/apic_rigs.h"
#include "tests/fuzz/pc_rigs.h"

namespace ringshift::fuzz {

using namespace devices;

void require(bool condition) {
  if (!condition) std::abort();
}

void Rig::claim(std::uint16_t first, std::uint16_t count, PortDevice& device) {
  bus.claim(first, count, device);
  for (std::uint16_t i = 0; i < count; ++i) ports.push_back(static_cast<std::uint16_t>(first + i));
}

namespace {

constexpr std::int64_t kEpoch = 1'709'251'198;

// Whatever the guest programs, no timer is due twice at the same time: the virtual CPU would never run again.
void check_timers(FakeTime& time) { require(time.events().next_deadline() > time.now()); }

void check_pic(const Pic& pic, bool intr) {
  require(pic.pending() == intr);
  for (const Pic::Chip* chip : {&pic.master(), &pic.slave()}) {
    const unsigned cascade = chip == &pic.master() ? 0x04 : 0x00;
    const unsigned level = (chip->all_level ? 0xFFU : chip->elcr) & ~cascade;
    require(((chip->irr ^ chip->lines) & level) == 0);
    require(chip->lowest < 8 && (chip->base & 7) == 0);
  }
}

void acknowledge(Pic& pic) {
  const bool pending = pic.pending();
  const std::uint64_t spurious = pic.spurious();
  const std::uint8_t vector = pic.acknowledge();
  require((pic.spurious() == spurious) == pending);
  require((vector & 0xF8) == pic.master().base || (vector & 0xF8) == pic.slave().base);
}

struct PicRig final : Rig {
  PicRig() {
    claim(0x20, 2, pic.master_ports());
    claim(0xA0, 2, pic.slave_ports());
    claim(0x4D0, 2, pic.elcr_ports());
  }
  void event(std::uint8_t kind, std::uint8_t value) override {
    if (kind < 64) {
      acknowledge(pic);
    } else {
      pic.line(kind).set((value & 1) != 0);
    }
  }
  void check() override { check_pic(pic, intr); }

  bool intr = false;
  Pic pic{[this](bool level) { intr = level; }};
};

struct PitRig final : Rig {
  PitRig() {
    claim(0x40, 4, pit);
    claim(0x61, 1, port61);
  }
  void event(std::uint8_t, std::uint8_t value) override { pit.set_gate2((value & 1) != 0); }
  void check() override {
    check_timers(time);
    for (unsigned i = 0; i < 3; ++i) require(pit.channel(i).mode() <= 5 && pit.channel(i).period() <= 65536);
  }

  FakeLine irq;
  Pit pit{time.events(), irq};
  Port61 port61{pit, time.clock()};
};

struct RtcRig final : Rig {
  RtcRig() {
    claim(0x70, 2, rtc.ports());
    claim(0x72, 2, rtc.extended_ports());
  }
  void event(std::uint8_t, std::uint8_t) override { rtc.reset(); }
  void check() override {
    check_timers(time);
    const unsigned enabled = rtc.byte(0x0B), flags = rtc.byte(0x0C);
    require(irq.level == ((enabled & flags & 0x70) != 0));
    require(((flags & 0x80) != 0) == irq.level);
  }

  FakeLine irq;
  Rtc rtc{time.events(), irq, kEpoch};
};

struct UartRig final : Rig {
  UartRig() { claim(0x3F8, 8, uart); }
  ~UartRig() override {
    // A driver that wants everything gets it and comes to an end.
    bus.write(0x3FB, 1, 0x03);
    bus.write(0x3FC, 1, 0x0B);
    bus.write(0x3F9, 1, 0x01);
    const std::size_t unread = uart.unread();
    for (std::size_t i = 0; i < unread; ++i) {
      require(irq.level && (bus.read(0x3FD, 1) & 1) != 0);
      bus.read(0x3F8, 1);
    }
    require(uart.unread() == 0 && (bus.read(0x3FD, 1) & 1) == 0);
  }
  void event(std::uint8_t kind, std::uint8_t value) override {
    const std::array<std::uint8_t, 40> bytes{value};
    switch (kind % 5) {
      case 0:
        uart.receive_break();
        break;
      case 1:
        uart.set_modem_inputs(value);
        break;
      case 2:
        uart.wait_for_listener();
        break;
      default:
        uart.receive(std::span(bytes).first(kind % bytes.size()));
        break;
    }
  }
  void check() override {
    require(host.sent.size() <= 1U << 20);
    if ((bus.read(0x3FC, 1) & 0x08) == 0) require(!irq.level);  // OUT2
  }

  FakeLine irq;
  FakeSerial host;
  Uart uart{irq, host};
};

struct I8042Rig final : Rig {
  I8042Rig() {
    claim(0x60, 1, i8042.data_port());
    claim(0x64, 1, i8042.command_port());
  }
  ~I8042Rig() override {
    unsigned reads = 0;
    for (; (bus.read(0x64, 1) & 1) != 0; ++reads) bus.read(0x60, 1);
    require(reads <= 512);
    require(!irq1.level && !irq12.level);
  }
  void event(std::uint8_t kind, std::uint8_t value) override {
    if ((kind & 4) != 0) {
      const int way = static_cast<std::int8_t>(value);
      i8042.move_pointer({way, -way * (kind >> 5), (kind >> 3 & 3) - 1, value & 0x1FU});
    } else if ((kind & 8) != 0) {
      i8042.key(kPauseKey, (kind & 2) != 0);
    } else {
      i8042.key(static_cast<std::uint16_t>((kind & 1) != 0 ? 0xE000 | value : value), (kind & 2) != 0);
    }
  }
  void check() override {
    const std::uint32_t status = bus.read(0x64, 1);
    require((status & 0x02) == 0);  // the controller is never busy
    require((status & 0x01) != 0 || (!irq1.level && !irq12.level));
    require(!(irq1.level && irq12.level));
  }

  FakeLine irq1, irq12;
  A20Gate a20;
  I8042 i8042{irq1, irq12, a20, {}, I8042::AuxPort::mouse, &time.events()};
};

struct Card final : PciFunction {
  Card() : PciFunction({0x1234, 0x5678, 0, 0x010101, false}) {
    add_bar(0, BarKind::io, 16);
    add_bar(1, BarKind::memory, 0x10000);
    set_interrupt(1, 10);
  }
};

struct PciRig final : Rig {
  PciRig() {
    host.add(0, 0, bridge);
    host.add(1, 0, isa);
    host.add(1, 3, power_management);
    host.add(2, 0, card);
    claim(0xCF8, 8, host);
  }
  // Most random addresses find nothing: this one selects a register that exists.
  void event(std::uint8_t kind, std::uint8_t value) override {
    constexpr std::array<std::uint32_t, 4> kFunctions = {0x0000, 0x0800, 0x0B00, 0x1000};
    bus.write(0xCF8, 4, 0x80000000U | kFunctions[kind % kFunctions.size()] | (value & 0xFC));
  }
  void check() override {
    require(bridge.config_dword(0) == 0x12378086 && isa.config_dword(0) == 0x70008086);
    require(power_management.config_dword(0x40) == 0x601);
    require(card.config_dword(0) == 0x56781234);
    require((card.config_dword(0x10) & 0x0F) == 0x01 && (card.config_dword(0x14) & 0xFFFF) == 0);
    require(card.config_dword(0x18) == 0 && card.config_dword(0x30) == 0);
  }

  ResetControl reset_control{{}};
  PciHost host{&reset_control};
  HostBridge bridge;
  IsaBridge isa;
  PowerManagementFunction power_management{0x600};
  Card card;
};

struct DmaRig final : Rig {
  DmaRig() {
    claim(0x00, 16, dma.low_ports());
    claim(0x81, 15, dma.page_ports());
    claim(0xC0, 32, dma.high_ports());
  }
  void event(std::uint8_t kind, std::uint8_t value) override {
    const auto before = dma.channel(kind & 7);
    const bool terminal = dma.advance(kind & 7, 1U + value);
    require(terminal == (1U + value >= before.remaining));
  }
  void check() override {
    for (unsigned n = 0; n < 8; ++n) {
      const auto channel = dma.channel(n);
      require(channel.remaining >= 1 && channel.remaining <= 65536);
      require(channel.address < 1U << 24);
      require(channel.address % channel.unit == 0);
    }
  }

  Dma8237 dma;
};

struct AcpiRig final : Rig {
  AcpiRig() {
    claim(acpi::kPmBase, acpi::kPmSize, pm.pm_ports());
    claim(acpi::kPm2Control, 1, pm.pm2_port());
    claim(acpi::kSmiCommand, 2, pm.smi_ports());
  }
  void event(std::uint8_t kind, std::uint8_t value) override {
    if ((kind & 1) != 0) {
      pm.raise_gpe(value);
    } else {
      pm.press_power_button();
    }
  }
  void check() override {
    check_timers(time);
    const auto word = [this](unsigned offset) {
      return bus.read(static_cast<std::uint16_t>(acpi::kPmBase + offset), 2);
    };
    const bool event =
        (word(acpi::kPm1Event) & word(acpi::kPm1Event + 2)) != 0 || (word(acpi::kGpe0) & word(acpi::kGpe0 + 2)) != 0;
    require(sci.level == (event && pm.acpi_mode()));
    require((word(acpi::kPm1Control) & 0x2000) == 0);
  }

  FakeLine sci;
  AcpiPm pm{time.events(), sci, {}};
};

// Wired as on the board: devices meet in the PIC and in the queue of timers.
struct AllRig final : Rig {
  AllRig() {
    pci.add(0, 0, bridge);
    pci.add(1, 0, isa);
    claim(0x00, 16, dma.low_ports());
    claim(0x20, 2, pic.master_ports());
    claim(0x40, 4, pit);
    claim(0x60, 1, i8042.data_port());
    claim(0x61, 1, port61);
    claim(0x64, 1, i8042.command_port());
    claim(0x70, 2, rtc.ports());
    claim(0x72, 2, rtc.extended_ports());
    claim(0x80, 1, post);
    claim(0x81, 15, dma.page_ports());
    claim(0x92, 1, port92);
    claim(0xA0, 2, pic.slave_ports());
    claim(acpi::kSmiCommand, 2, pm.smi_ports());
    claim(0xC0, 32, dma.high_ports());
    claim(DebugPort::kPort, 1, debug_port);
    claim(0x3F8, 8, uart);
    claim(0x4D0, 2, pic.elcr_ports());
    claim(IsaDebugExit::kPort, IsaDebugExit::kPorts, debug_exit);
    claim(acpi::kPmBase, acpi::kPmSize, pm.pm_ports());
    claim(0xCF8, 8, pci);
    ports.push_back(0x300);  // nobody
    ports.push_back(0xFFFF);
    // Vectors 20h and 28h, all open: a machine that runs.
    for (const auto& [port, value] : std::array<std::array<std::uint16_t, 2>, 10>{{{0x20, 0x11},
                                                                                   {0x21, 0x20},
                                                                                   {0x21, 0x04},
                                                                                   {0x21, 0x01},
                                                                                   {0x21, 0x00},
                                                                                   {0xA0, 0x11},
                                                                                   {0xA1, 0x28},
                                                                                   {0xA1, 0x02},
                                                                                   {0xA1, 0x01},
                                                                                   {0xA1, 0x00}}}) {
      bus.write(port, 1, value);
    }
  }
  void event(std::uint8_t kind, std::uint8_t value) override {
    const std::array<std::uint8_t, 1> byte{value};
    switch (kind % 5) {
      case 0:
      case 1:
        acknowledge(pic);
        break;
      case 2:
        uart.receive(byte);
        break;
      case 3:
        i8042.key(value, (kind & 8) != 0);
        break;
      default:
        pm.press_power_button();
        break;
    }
  }
  void check() override {
    check_timers(time);
    check_pic(pic, intr);
  }

  bool intr = false;
  Pic pic{[this](bool level) { intr = level; }};
  A20Gate a20;
  PowerCallback power = [](PowerRequest) {};
  FakeSerial host;
  Pit pit{time.events(), pic.line(0)};
  Port61 port61{pit, time.clock()};
  Rtc rtc{time.events(), pic.line(8), kEpoch};
  Uart uart{pic.line(4), host};
  I8042 i8042{pic.line(1), pic.line(12), a20, power};
  Port92 port92{a20, power};
  AcpiPm pm{time.events(), pic.line(acpi::kSciIrq), power};
  Dma8237 dma;
  PostPort post;
  DebugPort debug_port{{}};
  IsaDebugExit debug_exit{{}};
  ResetControl reset_control{power};
  PciHost pci{&reset_control};
  HostBridge bridge;
  IsaBridge isa;
};

}  // namespace

std::unique_ptr<Rig> make_rig(unsigned number) {
  switch (number) {
    case 0:
      return std::make_unique<PicRig>();
    case 1:
      return std::make_unique<PitRig>();
    case 2:
      return std::make_unique<RtcRig>();
    case 3:
      return std::make_unique<UartRig>();
    case 4:
      return std::make_unique<I8042Rig>();
    case 5:
      return std::make_unique<PciRig>();
    case 6:
      return std::make_unique<DmaRig>();
    case 7:
      return std::make_unique<AcpiRig>();
    case 8:
      return std::make_unique<AllRig>();
    case 14:
    case 15:
    case 16:
      return make_apic_rig(number - 14);
    default:
      return make_pc_rig(number - 9);
  }
}

}  // namespace ringshift::fuzz
