// One power cycle of a machine: memory, devices and CPU, wired and with the guest's images loaded. A reset
// makes a new one.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "devices/acpi_pm.h"
#include "devices/clock.h"
#include "devices/debug_port.h"
#include "devices/dma8237.h"
#include "devices/hpet.h"
#include "devices/i8042.h"
#include "devices/io_apic.h"
#include "devices/isa_debug_exit.h"
#include "devices/isa_irqs.h"
#include "devices/local_apic.h"
#include "devices/parallel.h"
#include "devices/pci.h"
#include "devices/pic.h"
#include "devices/pit.h"
#include "devices/port92.h"
#include "devices/port_bus.h"
#include "devices/post_port.h"
#include "devices/reset_control.h"
#include "devices/rtc.h"
#include "devices/timer_line.h"
#include "devices/uart.h"
#include "mmu/mmu.h"
#include "runtime/machine/machine.h"
#include "runtime/machine/pc_hardware.h"
#include "runtime/machine/tsc_meter.h"
#include "runtime/semantics/cpu.h"

namespace ringshift::machine {

// What a reset leaves.
struct BoardRemains {
  std::optional<mmu::GuestMemory> memory;
  std::optional<devices::Rtc::Contents> cmos;
};

class Board final : public Platform {
 public:
  using Log = std::function<void(std::string_view)>;

  // The configuration must outlive the board. `wake` is called by other threads when there is something to do. The
  // error is one readable line.
  static std::variant<std::unique_ptr<Board>, std::string> create(const MachineConfig& config,
                                                                  const devices::Clock& clock, Log log,
                                                                  std::function<void()> wake, BoardRemains remains);

  [[nodiscard]] Cpu& cpu() { return *cpu_; }
  [[nodiscard]] engine::Engine& engine() { return *engine_; }
  [[nodiscard]] devices::EventQueue& events() { return events_; }
  [[nodiscard]] const mmu::GuestMemory& memory() const { return memory_; }

  // For the next board. This one is only to be destroyed then.
  [[nodiscard]] BoardRemains remains() { return {std::move(memory_), rtc_.contents()}; }
  // Restarts the CPU alone (INIT: SDM vol. 3, table 10-1), as the reset pin of an AT's CPU does.
  void reset_cpu();
  // The guest was stopped for so many ticks of the host's time-stamp counter, which it is not to see.
  void skip_tsc(std::uint64_t ticks) { state_.tsc_offset -= ticks; }
  void press_power_button() { acpi_pm_.press_power_button(); }
  [[nodiscard]] const devices::Pic& pic() const { return pic_; }
  // Non-maskable interrupts reach the CPU through LINT1, or without an APIC through its pin.
  void inject_nmi();
  // Between two instructions. False: the delivery ended in a triple fault.
  [[nodiscard]] bool deliver_nmi();
  [[nodiscard]] PcHardware* pc() { return pc_.get(); }  // null without firmware

  [[nodiscard]] devices::PowerRequest power_request() const { return power_; }
  [[nodiscard]] std::optional<std::uint32_t> debug_exit_code() const { return debug_exit_code_; }

  void receive_serial(std::span<const std::uint8_t> bytes) { uart_.receive(bytes); }
  [[nodiscard]] std::size_t serial_unread() const { return uart_.unread(); }
  void flush_serial();
  void type(std::span<const Key> keys);
  void move_pointer(const devices::PointerMove& move) { i8042_.move_pointer(move); }
  void deliver_blocks() {
    if (pc_) pc_->deliver_blocks();
  }
  void settle_window() {
    if (pc_) pc_->settle_window();
  }
  void show_screen() {
    if (pc_) pc_->show_screen();
  }
  void watch_screen(bool on) {
    if (pc_) pc_->watch_screen(on);
  }
  [[nodiscard]] std::optional<devices::Picture> picture() const {
    return pc_ ? std::optional(pc_->picture()) : std::nullopt;
  }
  [[nodiscard]] engine::Stats stats() const;

  // ---- Platform: what instructions see ---------------------------------------------------------
  std::uint32_t port_read(std::uint16_t port, unsigned size) override;
  void port_write(std::uint16_t port, unsigned size, std::uint32_t value) override;
  bool interrupt_pending() override { return local_apic_ ? local_apic_->pending() : pic_.pending(); }
  std::uint8_t interrupt_acknowledge() override;
  std::uint64_t tsc() override;
  void apic_base_changed(std::uint64_t value) override;
  void mode_changed() override {}  // the engine looks at the mode itself after every callout
  void report(const char* message) override;

 private:
  // Collects the guest's output, so that a line costs the host one write.
  class SerialBuffer final : public devices::SerialBackend {
   public:
    SerialBuffer(const MachineConfig& config, devices::EventQueue& events);
    void transmit(std::span<const std::uint8_t> bytes) override;
    void flush();

   private:
    const MachineConfig& config_;
    devices::EventQueue& events_;
    devices::EventQueue::TimerId timer_;
    bool timer_armed_ = false;
    std::vector<std::uint8_t> bytes_;
  };

  Board(const MachineConfig& config, const devices::Clock& clock, Log log, std::function<void()> wake,
        mmu::GuestMemory memory);
  std::unique_ptr<PcHardware> make_pc();
  void claim_ports();
  // What firmware would do, on a board without.
  void set_up_chipset();
  void fill_cmos();
  void write_bios_data();
  std::optional<std::string> make_cpu();
  std::optional<std::string> load_images();
  void type_next();
  void request_power(devices::PowerRequest request);
  // Ends the current engine run soon: something for the machine to do.
  void request_service();
  void update_interrupt_pin();
  void raise_nmi();
  std::unique_ptr<devices::LocalApic> make_local_apic();
  void make_hpet();
  void map_system_devices();

  const MachineConfig& config_;
  const devices::Clock& clock_;
  TscMeter tsc_meter_;
  Log log_;
  std::function<void()> wake_;
  std::set<std::string> reported_;
  MemoryLayout layout_;
  mmu::GuestMemory memory_;
  mmu::PhysicalMap physical_;
  mmu::CodePages code_pages_;
  CpuState state_;

  devices::EventQueue events_;
  devices::PortBus bus_;
  devices::Pic pic_;
  std::unique_ptr<devices::LocalApic> local_apic_;  // both or none
  std::unique_ptr<devices::IoApic> io_apic_;
  devices::IsaIrqs irqs_;
  devices::TimerLine irq0_, irq8_;
  devices::A20Gate a20_;
  devices::PowerCallback on_power_;
  devices::Pit pit_;
  devices::Port61 port61_;
  SerialBuffer serial_;
  devices::Uart uart_;
  std::optional<devices::ParallelPort> parallel_;
  devices::I8042 i8042_;
  std::deque<Key> typed_;  // not yet given to the keyboard
  devices::EventQueue::TimerId typing_timer_;
  devices::Port92 port92_;
  devices::Dma8237 dma_;
  devices::PostPort post_;
  devices::DebugPort debug_port_;
  std::string debug_line_;
  devices::IsaDebugExit debug_exit_;
  devices::ResetControl reset_control_;
  devices::PciHost pci_;
  devices::Rtc rtc_;
  std::unique_ptr<devices::Hpet> hpet_;
  std::unique_ptr<PcHardware> pc_;  // with firmware; else the three functions below stand for it
  devices::AcpiPm acpi_pm_;
  devices::HostBridge host_bridge_;
  devices::IsaBridge isa_bridge_;
  devices::PowerManagementFunction power_management_;

  boot::BootPlan plan_;
  devices::PowerRequest power_ = devices::PowerRequest::none;
  std::optional<std::uint32_t> debug_exit_code_;
  std::uint64_t interrupts_ = 0;
  std::uint64_t apic_interrupts_ = 0;  // of them, those that the local APIC gave
  std::uint64_t nmis_ = 0;
  bool nmi_waits_ = false;
  std::uint64_t port_accesses_ = 0;

  std::optional<mmu::Mmu> mmu_;
  std::optional<Cpu> cpu_;
  std::unique_ptr<engine::Engine> engine_;
};

}  // namespace ringshift::machine
