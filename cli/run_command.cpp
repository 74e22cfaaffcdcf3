#include "cli/run_command.h"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "cli/controls.h"
#include "cli/exit_code.h"
#include "cli/files.h"
#include "cli/host_side.h"
#include "cli/lockstep_run.h"
#include "cli/message.h"
#include "cli/stats_table.h"
#include "examples/embedded.h"

namespace ringshift::cli {
namespace {

using machine::Machine;
using machine::MachineConfig;
using machine::RunEnd;

MachineConfig machine_config(const RunOptions& options) {
  MachineConfig config;
  config.memory_bytes = options.memory_bytes;
  config.reboot = !options.no_reboot;
  config.translate.verify = options.verify;
  config.translate.perf_map = options.perf_map;
  config.translate.count_retired = options.stats;
  if (options.engine == EngineChoice::interpret) config.engine = machine::EngineKind::interpret;
  config.cpu = options.cpu;
  config.apic = options.apic;
  config.hpet = options.hpet;
  config.debug_exit = options.debug_exit;
  config.command_line = options.append;
  config.log = say;
  return config;
}

std::optional<std::string> load_firmware(const PcOptions& pc, MachineConfig& config) {
  constexpr std::size_t kMostBios = 16 * machine::kMiB;
  auto bios = read_image("firmware", pc.bios);
  if (auto* error = std::get_if<std::string>(&bios)) return *error;
  auto vga_bios = read_image("VGA BIOS", pc.vga_bios);
  if (auto* error = std::get_if<std::string>(&vga_bios)) return *error;
  machine::Firmware& firmware = config.firmware.emplace();
  firmware.bios = std::get<machine::boot::Image>(std::move(bios)).bytes;
  firmware.vga_bios = std::get<machine::boot::Image>(std::move(vga_bios)).bytes;
  if (firmware.bios.empty() || firmware.bios.size() % 4096 != 0 || firmware.bios.size() > kMostBios) {
    return "firmware '" + pc.bios + "': its size is not a multiple of 4 KiB up to 16 MiB";
  }
  firmware.boot = pc.boot;
  firmware.log = pc.log;
  return std::nullopt;
}

// Opens the drives' images.
std::optional<std::string> load_drives(const PcOptions& pc, MachineConfig& config) {
  const auto attach = [&config](std::size_t position, const DriveOption& drive, bool cdrom) {
    auto image = machine::DiskImage::open(drive.path, drive.options);
    if (auto* error = std::get_if<std::string>(&image)) return std::optional(*error);
    config.ide[position] = {std::get<std::shared_ptr<machine::DiskImage>>(std::move(image)), cdrom, drive.path};
    return std::optional<std::string>{};
  };
  constexpr std::size_t kCdromPosition = 2;
  if (pc.cdrom == "none") {
    config.ide[kCdromPosition].cdrom = true;  // empty, for a medium that comes later
  } else if (pc.cdrom) {
    if (auto error =
            attach(kCdromPosition, {*pc.cdrom, {.read_only = true, .format = machine::ImageFormat::raw}}, true))
      return error;
  }
  if (pc.floppy) {
    auto image = machine::DiskImage::open(pc.floppy->path, pc.floppy->options);
    if (auto* error = std::get_if<std::string>(&image)) return *error;
    config.floppy = std::get<std::shared_ptr<machine::DiskImage>>(std::move(image));
    config.floppy_file = pc.floppy->path;
  }
  std::size_t position = 0;
  for (const DriveOption& disk : pc.disks) {
    if (position == kCdromPosition && pc.cdrom) ++position;
    if (auto error = attach(position++, disk, false)) return error;
  }
  return std::nullopt;
}

// Puts the images into `config`. An error is one line.
std::optional<std::string> load_images(const RunOptions& options, MachineConfig& config) {
  if (options.pc) {
    if (auto error = load_drives(*options.pc, config)) return error;
    return load_firmware(*options.pc, config);
  }
  if (!options.kernel) {
    config.kernel = {"embedded tour", {ringshift_tour_begin, ringshift_tour_end}};
    // It reports a failed check there.
    if (!config.debug_exit) config.debug_exit.emplace();
    return std::nullopt;
  }
  auto kernel = read_image("kernel", *options.kernel);
  if (auto* error = std::get_if<std::string>(&kernel)) return *error;
  config.kernel = std::get<machine::boot::Image>(std::move(kernel));
  if (!options.initrd) return std::nullopt;
  auto initrd = read_image("initrd", *options.initrd);
  if (auto* error = std::get_if<std::string>(&initrd)) return *error;
  config.modules.push_back(std::get<machine::boot::Image>(std::move(initrd)));
  return std::nullopt;
}

GuestSide guest_side(Machine& machine) {
  GuestSide guest;
  guest.input = [&machine](std::span<const std::uint8_t> bytes) { machine.serial_input(bytes); };
  guest.keys = [&machine](std::span<const machine::Key> keys) { machine.keyboard_input(keys); };
  guest.pointer = [&machine](const devices::PointerMove& move) { machine.pointer_input(move); };
  guest.watch_screen = [&machine](bool on) { machine.watch_screen(on); };
  guest.wants_input = [&machine] {
    constexpr std::size_t kEnough = 65536;
    if (machine.serial_backlog() < kEnough) return true;
    machine.serial_input({});  // makes it look again
    return false;
  };
  guest.stop = [&machine] { machine.request_stop(); };
  return guest;
}

int run_one(MachineConfig config, HostSide& host, const RunOptions& options) {
  auto listening = Controls::create(options.controls);
  if (const auto* error = std::get_if<std::string>(&listening)) return bad_usage(*error);
  Controls& controls = *std::get<0>(listening);
  config.start_stopped = options.controls.start_stopped || options.controls.wait_for_gdb;
  config.event = [&controls](const machine::MachineEvent& event) { controls.on_event(event); };
  auto created = Machine::create(std::move(config));
  if (const auto* error = std::get_if<std::string>(&created)) return bad_usage(*error);
  Machine& machine = *std::get<0>(created);
  controls.attach(machine, [&host] { host.quit(); });
  GuestSide guest = guest_side(machine);
  guest.monitor = [&controls](std::string line, std::function<void(const std::string&)> done) {
    controls.monitor(std::move(line), std::move(done));
  };
  auto watches = host.start(std::move(guest));
  std::ranges::move(controls.watches(), std::back_inserter(watches));
  const RunEnd end = machine.run(std::move(watches));
  host.finish();
  if (options.stats) say(stats_table("statistics", machine.stats()));
  if (!end.message.empty()) say(end.message);
  return exit_code(end, host.stopped());
}

// What is printed goes to a file, as it comes.
std::optional<std::string> open_printer(const std::string& path, MachineConfig& config) {
  auto file = std::make_shared<std::ofstream>(path, std::ios::binary | std::ios::trunc);
  if (!*file) return "--parallel '" + path + "': cannot be written";
  config.parallel_output = [file](std::uint8_t byte) { file->put(static_cast<char>(byte)).flush(); };
  return std::nullopt;
}

}  // namespace

int run(const RunOptions& options) {
  // A write that does not fit the limits of the host is an error like others, here and in the programs that we start.
  std::signal(SIGXFSZ, SIG_IGN);
  MachineConfig config = machine_config(options);
  if (const auto error = load_images(options, config)) return bad_usage(*error);
  if (options.parallel_file) {
    if (const auto error = open_printer(*options.parallel_file, config)) return bad_usage(*error);
  }
  auto created = HostSide::create(options);
  if (const auto* error = std::get_if<std::string>(&created)) return bad_usage(*error);
  HostSide& host = *std::get<0>(created);
  config.serial_output = [&host](std::span<const std::uint8_t> bytes) { host.output(bytes); };
  if (options.pc && (options.pc->terminal || !options.pc->screen_text.empty())) {
    config.screen_output = [&host](const devices::TextScreen& screen) { host.show(screen); };
  }
  if (host.takes_pictures()) {
    config.picture_output = [&host](const devices::Picture& picture, devices::Rows changed) {
      host.show(picture, changed);
    };
  }
  if (options.engine == EngineChoice::lockstep) return run_lockstep(std::move(config), host, options.stats);
  return run_one(std::move(config), host, options);
}

}  // namespace ringshift::cli
