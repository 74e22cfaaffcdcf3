#include "runtime/machine/board.h"

#include <fmt/format.h>
#include <x86intrin.h>

#include <algorithm>
#include <ctime>

#include "devices/acpi_tables.h"
#include "runtime/machine/boot/boot_plan.h"
#include "runtime/semantics/events.h"
#include "runtime/semantics/system_registers.h"

namespace ringshift::machine {
namespace {

constexpr std::size_t kFlushAt = 1024;
// How long a line without an end, such as a prompt, waits for the rest.
constexpr std::uint64_t kFlushDelayNs = 5'000'000;
// Between two key events: programs that look at the keyboard only now and then lose none.
constexpr std::uint64_t kKeyNs = 10'000'000;
constexpr std::uint32_t kVirtualTscKilohertz = 1'000'000;
// What the guest's real-time clock shows at the start of a run in virtual time: 2025-01-01, 00:00.
constexpr std::int64_t kVirtualEpoch = 1'735'689'600;

// Seconds since 1970 at the clock's zero.
std::int64_t epoch(const MachineConfig& config, const devices::Clock& clock) {
  if (config.virtual_time) return kVirtualEpoch;
  return static_cast<std::int64_t>(std::time(nullptr)) - static_cast<std::int64_t>(clock.now_ns() / 1'000'000'000);
}

std::unique_ptr<devices::IoApic> make_io_apic(devices::LocalApic* local) {
  if (local == nullptr) return nullptr;
  return std::make_unique<devices::IoApic>(
      [local](const devices::ApicMessage& message) { return local->receive(message); });
}

// The end of what may hold code: with firmware, ROM and video memory too.
std::uint64_t code_tracked(const MachineConfig& config, const MemoryLayout& layout) {
  if (layout.above_hole() != 0 || config.firmware) return MemoryLayout::kAboveHole + layout.above_hole();
  return layout.low_end();
}

}  // namespace

std::variant<std::unique_ptr<Board>, std::string> Board::create(const MachineConfig& config,
                                                                const devices::Clock& clock, Log log,
                                                                std::function<void()> wake, BoardRemains remains) {
  if (!remains.memory) {
    const std::uint64_t extra = config.firmware ? PcHardware::extra_memory(config) : 0;
    auto memory = mmu::GuestMemory::create(config.memory_bytes + extra);
    if (auto* error = std::get_if<std::string>(&memory)) return std::move(*error);
    remains.memory = std::move(std::get<mmu::GuestMemory>(memory));
  }
  std::unique_ptr<Board> board(new Board(config, clock, std::move(log), std::move(wake), std::move(*remains.memory)));
  if (remains.cmos) board->rtc_.restore(*remains.cmos);
  if (auto error = board->make_cpu()) return std::move(*error);
  if (auto error = board->load_images()) return std::move(*error);
  board->cpu_->tsc_kilohertz = config.virtual_time ? kVirtualTscKilohertz : board->tsc_meter_.kilohertz();
  return board;
}

Board::Board(const MachineConfig& config, const devices::Clock& clock, Log log, std::function<void()> wake,
             mmu::GuestMemory memory)
    : config_(config),
      clock_(clock),
      tsc_meter_(clock),
      log_(std::move(log)),
      wake_(std::move(wake)),
      layout_(config.memory_bytes),
      memory_(std::move(memory)),
      physical_(memory_),
      code_pages_(code_tracked(config, layout_)),
      events_(clock),
      pic_([this](bool asserted) {
        if (local_apic_) {
          local_apic_->set_lint0(asserted);
        } else {
          update_interrupt_pin();
        }
      }),
      local_apic_(make_local_apic()),
      io_apic_(make_io_apic(local_apic_.get())),
      irqs_(pic_, io_apic_.get()),
      irq0_(irqs_.line(0)),
      irq8_(irqs_.line(8)),
      a20_([this](bool enabled) {
        if (mmu_) mmu_->mask_a20(!enabled);
      }),
      on_power_([this](devices::PowerRequest request) { request_power(request); }),
      pit_(events_, irq0_.of_timer()),
      port61_(pit_, clock),
      serial_(config, events_),
      uart_(irqs_.line(4), serial_),
      i8042_(irqs_.line(1), irqs_.line(12), a20_, on_power_,
             config.firmware ? devices::I8042::AuxPort::mouse : devices::I8042::AuxPort::absent, &events_),
      typing_timer_(events_.add([this](std::uint64_t) { type_next(); })),
      port92_(a20_, on_power_),
      debug_port_([this](std::uint8_t byte) {
        if (byte != '\n') {
          debug_line_.push_back(static_cast<char>(byte));
          return;
        }
        log_("debug port: " + debug_line_);
        debug_line_.clear();
      }),
      debug_exit_([this](std::uint32_t code) {
        debug_exit_code_ = code;
        request_service();
      }),
      reset_control_(on_power_),
      pci_(&reset_control_),
      rtc_(events_, irq8_.of_timer(), epoch(config, clock)),
      pc_(make_pc()),
      acpi_pm_(events_, pc_ ? pc_->sci() : irqs_.line(devices::acpi::kSciIrq), on_power_),
      power_management_(devices::acpi::kPmBase) {
  uart_.wait_for_listener();
  make_hpet();
  if (config.parallel_output) parallel_.emplace(irqs_.line(devices::ParallelPort::kIrq), config.parallel_output);
  claim_ports();
  fill_cmos();
  if (pc_) {
    pc_->attach_power(acpi_pm_);
  } else {
    set_up_chipset();
  }
  map_system_devices();
}

std::unique_ptr<PcHardware> Board::make_pc() {
  if (!config_.firmware) return nullptr;
  return std::make_unique<PcHardware>(
      PcSockets{config_, layout_, physical_, code_pages_, bus_, events_, irqs_, pci_, dma_, rtc_,
                [this](PhysAddr base, std::uint64_t size) {
                  if (mmu_) mmu_->physical_map_changed(base, size);
                },
                [this](PhysAddr page) {
                  if (mmu_) mmu_->protect_code(page);
                },
                [this] { request_service(); }, log_, config_.virtual_time ? nullptr : wake_});
}

std::unique_ptr<devices::LocalApic> Board::make_local_apic() {
  if (!has_apic(config_)) return nullptr;
  return std::make_unique<devices::LocalApic>(
      events_, devices::LocalApic::Wiring{[this] { update_interrupt_pin(); }, [this] { raise_nmi(); },
                                          [this](std::uint8_t vector) { io_apic_->end_of_interrupt(vector); }});
}

void Board::make_hpet() {
  if (!config_.hpet) return;
  devices::Hpet::Wiring wiring;
  wiring.legacy = {&irq0_.of_hpet(), &irq8_.of_hpet()};
  wiring.legacy_changed = [this](bool on) {
    irq0_.give_to_hpet(on);
    irq8_.give_to_hpet(on);
  };
  if (io_apic_) wiring.pin = [this](unsigned pin) { return &io_apic_->pin(pin); };
  hpet_ = std::make_unique<devices::Hpet>(events_, std::move(wiring));
}

// Behind all memory, so that they win over it.
void Board::map_system_devices() {
  if (local_apic_) {
    physical_.add_mmio(devices::LocalApic::kBase, devices::LocalApic::kBytes, *local_apic_);
    physical_.add_mmio(devices::IoApic::kBase, devices::IoApic::kBytes, *io_apic_);
  }
  if (hpet_) physical_.add_mmio(devices::Hpet::kBase, devices::Hpet::kBytes, *hpet_);
}

void Board::claim_ports() {
  bus_.claim(0x00, 16, dma_.low_ports());
  bus_.claim(0x20, 2, pic_.master_ports());
  bus_.claim(0x40, 4, pit_);
  bus_.claim(0x60, 1, i8042_.data_port());
  bus_.claim(0x61, 1, port61_);
  bus_.claim(0x64, 1, i8042_.command_port());
  bus_.claim(0x70, 2, rtc_.ports());
  bus_.claim(0x72, 2, rtc_.extended_ports());
  bus_.claim(0x80, 1, post_);
  bus_.claim(0x81, 15, dma_.page_ports());
  bus_.claim(0x92, 1, port92_);
  bus_.claim(0xA0, 2, pic_.slave_ports());
  bus_.claim(devices::acpi::kSmiCommand, 2, acpi_pm_.smi_ports());
  bus_.claim(0xC0, 32, dma_.high_ports());
  bus_.claim(devices::DebugPort::kPort, 1, debug_port_);
  if (parallel_) bus_.claim(devices::ParallelPort::kPort, devices::ParallelPort::kPorts, *parallel_);
  bus_.claim(0x3F8, 8, uart_);
  bus_.claim(0x4D0, 2, pic_.elcr_ports());
  bus_.claim(devices::acpi::kPm2Control, 1, acpi_pm_.pm2_port());
  bus_.claim(0xCF8, 8, pci_);
  if (config_.debug_exit) bus_.claim(config_.debug_exit->base, config_.debug_exit->size, debug_exit_);
}

void Board::set_up_chipset() {
  layout_.map(physical_);
  pci_.add(0, 0, host_bridge_);
  pci_.add(1, 0, isa_bridge_);
  pci_.add(1, 3, power_management_);
  bus_.claim(devices::acpi::kPmBase, devices::acpi::kPmSize, acpi_pm_.pm_ports());
  // The SCI and the PCI interrupts are level-triggered (ELCR, IRQ 8-15).
  bus_.write(0x4D1, 1, 1U << (devices::acpi::kSciIrq - 8) | 1U << (10 - 8) | 1U << (11 - 8));
  write_bios_data();
}

// Memory sizes where a PC's firmware leaves them.
void Board::fill_cmos() {
  const auto put16 = [this](std::uint8_t index, std::uint64_t value) {
    rtc_.set_byte(index, static_cast<std::uint8_t>(value));
    rtc_.set_byte(static_cast<std::uint8_t>(index + 1), static_cast<std::uint8_t>(value >> 8));
  };
  const std::uint64_t extended_kib = (layout_.low_end() - MemoryLayout::kHigh) / kKiB;
  put16(0x15, 640);
  put16(0x17, std::min<std::uint64_t>(extended_kib, 0xFFFF));
  put16(0x30, std::min<std::uint64_t>(extended_kib, 0xFFFF));
  constexpr PhysAddr kFrom16 = 16 * kMiB;
  put16(0x34, layout_.low_end() > kFrom16 ? (layout_.low_end() - kFrom16) / (64 * kKiB) : 0);
  rtc_.set_byte(0x14, static_cast<std::uint8_t>(rtc_.byte(0x14) | 0x02));  // equipment: an x87
}

// The words of the BIOS data area that kernels look at even when no BIOS has run.
void Board::write_bios_data() {
  physical_.write(0x400, 2, 0x3F8);                               // COM1
  physical_.write(0x40E, 2, MemoryLayout::kExtendedBios >> 4);    // segment of the extended area
  physical_.write(0x410, 2, 0x0202);                              // equipment: one serial port, an x87
  physical_.write(0x413, 2, MemoryLayout::kExtendedBios / kKiB);  // KiB of conventional memory
  physical_.write(MemoryLayout::kExtendedBios, 1, 1);             // KiB of the extended area
}

std::optional<std::string> Board::make_cpu() {
  std::unique_ptr<mmu::WindowPool> windows;
  if (config_.engine == EngineKind::translate) {
    auto created = mmu::WindowPool::create(physical_, code_pages_);
    if (auto* error = std::get_if<std::string>(&created)) return std::move(*error);
    windows = std::move(std::get<std::unique_ptr<mmu::WindowPool>>(created));
  }
  mmu_.emplace(physical_, code_pages_, std::move(windows));
  reset(state_);
  cpu_.emplace(state_, *mmu_, *this);
  cpu_->model = config_.cpu;
  cpu_->has_apic = local_apic_ != nullptr;
  state_.gpr[kEdx] = cpu_signature(config_.cpu);  // as reset leaves it
  state_.tsc_offset = 0 - tsc();
  if (config_.engine == EngineKind::interpret) {
    engine_ = engine::make_interpreter(*cpu_);
    return std::nullopt;
  }
  std::string error;
  engine_ = engine::make_translator(*cpu_, config_.translate, error);
  if (!engine_) return error;
  return std::nullopt;
}

std::optional<std::string> Board::load_images() {
  if (pc_) return std::nullopt;  // the CPU starts at the reset vector
  devices::AcpiConfig acpi;
  acpi.base = MemoryLayout::kFirmware;
  acpi.apic = local_apic_ != nullptr;
  acpi.hpet = hpet_ != nullptr;
  acpi.parallel = parallel_.has_value();
  const auto tables = devices::build_acpi_tables(acpi);
  if (!physical_.copy_in(acpi.base, tables.bytes.data(), tables.bytes.size())) return "the ACPI tables do not fit";

  auto planned = boot::plan_boot({config_.kernel, config_.modules, config_.command_line, layout_, PhysAddr{acpi.base}});
  if (auto* error = std::get_if<std::string>(&planned)) return std::move(*error);
  plan_ = std::move(std::get<boot::BootPlan>(planned));
  boot::apply(plan_, physical_, state_);
  return std::nullopt;
}

// ---- Platform ---------------------------------------------------------------------------------

std::uint32_t Board::port_read(std::uint16_t port, unsigned size) {
  ++port_accesses_;
  return bus_.read(port, size);
}

void Board::port_write(std::uint16_t port, unsigned size, std::uint32_t value) {
  ++port_accesses_;
  bus_.write(port, size, value);
}

std::uint8_t Board::interrupt_acknowledge() {
  ++interrupts_;
  if (local_apic_) {
    if (const auto vector = local_apic_->acknowledge()) {
      ++apic_interrupts_;
      return *vector;
    }
  }
  return pic_.acknowledge();
}

void Board::apic_base_changed(std::uint64_t value) {
  local_apic_->set_enabled((value & Cpu::kApicEnabled) != 0);
  physical_.remove_mmio(*local_apic_);
  const PhysAddr base = value & ~std::uint64_t{mmu::kPageMask};
  if (local_apic_->enabled()) physical_.add_mmio(base, devices::LocalApic::kBytes, *local_apic_);
  mmu_->physical_map_changed(base, devices::LocalApic::kBytes);
}

std::uint64_t Board::tsc() {
  // kVirtualTscKilohertz in virtual time; else the host's, which translated code also reads by itself.
  return config_.virtual_time ? clock_.now_ns() : __rdtsc();
}

void Board::report(const char* message) {
  if (reported_.insert(message).second) log_(message);
}

void Board::update_interrupt_pin() {
  // Other threads set other bits.
  if (interrupt_pending()) {
    __atomic_fetch_or(&state_.pending, kInterruptWaiting, __ATOMIC_SEQ_CST);
  } else {
    __atomic_fetch_and(&state_.pending, static_cast<std::uint8_t>(~kInterruptWaiting), __ATOMIC_SEQ_CST);
  }
}

void Board::inject_nmi() {
  if (!local_apic_) return raise_nmi();
  local_apic_->set_lint1(true);
  local_apic_->set_lint1(false);
}

void Board::raise_nmi() {
  nmi_waits_ = true;
  request_service();
}

bool Board::deliver_nmi() {
  if (!nmi_waits_ || cpu_->nmi_blocked) return true;  // IRET asks for service then
  if (state_.interrupt_shadow != 0) {
    request_service();
    return true;
  }
  nmi_waits_ = false;
  ++nmis_;
  return ringshift::deliver_nmi(*cpu_);
}

// ---- requests ---------------------------------------------------------------------------------

void Board::reset_cpu() {
  power_ = devices::PowerRequest::none;
  CpuState fresh;
  reset(fresh);
  fresh.gpr[kEdx] = cpu_signature(config_.cpu);
  fresh.host = state_.host;
  fresh.fx = state_.fx;
  fresh.msr = state_.msr;
  fresh.tsc_offset = state_.tsc_offset;
  fresh.watched = state_.watched;
  // Somebody may have kicked meanwhile: look again soon.
  fresh.pending = static_cast<std::uint8_t>(kStopRequest | (interrupt_pending() ? kInterruptWaiting : 0));
  state_ = fresh;
  state_.refresh_pointers();
  if (local_apic_) local_apic_->reset();
  nmi_waits_ = cpu_->nmi_blocked = false;
  a20_.set(true);  // else the CPU would not find the reset vector
  cpu_->watch_hits = 0;
  cpu_->no_debug_trap = false;
  update_paging(*cpu_);
}

void Board::request_service() {
  if (engine_) engine_->kick();
}

void Board::request_power(devices::PowerRequest request) {
  power_ = request;
  request_service();
}

// ---- serial port ------------------------------------------------------------------------------

Board::SerialBuffer::SerialBuffer(const MachineConfig& config, devices::EventQueue& events)
    : config_(config), events_(events), timer_(events.add([this](std::uint64_t) {
        timer_armed_ = false;
        flush();
      })) {}

void Board::SerialBuffer::transmit(std::span<const std::uint8_t> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  if (bytes_.size() >= kFlushAt || (!bytes.empty() && bytes.back() == '\n')) flush();
  // In virtual time a slice is short, and a timer would be one more event of the guest's.
  if (bytes_.empty() || timer_armed_ || config_.virtual_time) return;
  timer_armed_ = true;
  events_.arm(timer_, events_.clock().now_ns() + kFlushDelayNs);
}

void Board::SerialBuffer::flush() {
  if (bytes_.empty()) return;
  if (config_.serial_output) config_.serial_output(bytes_);
  bytes_.clear();
}

void Board::flush_serial() { serial_.flush(); }

// ---- keyboard ---------------------------------------------------------------------------------

void Board::type(std::span<const Key> keys) {
  if (keys.empty()) return;
  const bool first = typed_.empty();
  typed_.insert(typed_.end(), keys.begin(), keys.end());
  if (first) type_next();
}

void Board::type_next() {
  if (typed_.empty()) return;
  if (i8042_.wants_key()) {
    i8042_.key(typed_.front().code, typed_.front().pressed);
    typed_.pop_front();
  }
  if (!typed_.empty()) events_.arm(typing_timer_, clock_.now_ns() + kKeyNs);
}

engine::Stats Board::stats() const {
  engine::Stats stats{{"external interrupts", interrupts_},
                      {"of them from the local APIC", apic_interrupts_},
                      {"NMIs", nmis_},
                      {"port accesses", port_accesses_},
                      {"reads of unmapped memory", physical_.unmapped_reads()},
                      {"writes to unmapped memory", physical_.unmapped_writes()},
                      {"timer ticks coalesced", pit_.coalesced_ticks()},
                      {"software TLB misses", mmu_->stats().tlb_misses},
                      {"page faults found by software", mmu_->stats().page_faults}};
  for (const auto& [port, count] : bus_.unclaimed()) {
    if (count.reads != 0) stats.push_back({fmt::format("reads of unclaimed port {:#06x}", port), count.reads});
    if (count.writes != 0) stats.push_back({fmt::format("writes to unclaimed port {:#06x}", port), count.writes});
  }
  return stats;
}

}  // namespace ringshift::machine
