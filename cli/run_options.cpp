#include "cli/run_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

#include "cli/cpu_option.h"
#include "cli/sizes.h"

namespace ringshift::cli {
namespace {

using Error = std::optional<std::string>;

// Debian's package seabios.
constexpr const char* kSeaBios = "/usr/share/seabios/bios-256k.bin";
constexpr const char* kVgaBios = "/usr/share/seabios/vgabios-stdvga.bin";

Error check_missing_features(const RunText& text) {
  if (text.cpus != "1") {
    if (!parse_number(text.cpus) || *parse_number(text.cpus) == 0) {
      return fmt::format("--cpus '{}': not a positive number", text.cpus);
    }
    return fmt::format("--cpus {}: only one virtual CPU is supported by this version", text.cpus);
  }
  return std::nullopt;
}

// vnc, vnc=[HOST]:DISPLAY; QEMU's vnc:DISPLAY too.
Error check_vnc(std::string_view text, VncOptions& vnc) {
  constexpr unsigned kMostDisplay = 65535 - 5900;
  std::string_view where = text.substr(3);
  if (where.starts_with('=')) where.remove_prefix(1);
  if (where.empty()) return std::nullopt;
  const std::size_t colon = where.rfind(':');
  const auto display = colon == std::string_view::npos ? std::nullopt : parse_number(where.substr(colon + 1));
  if (!display || *display > kMostDisplay) {
    return fmt::format("--display '{}': not vnc=HOST:DISPLAY with a DISPLAY up to {}", text, kMostDisplay);
  }
  vnc.display = static_cast<unsigned>(*display);
  const std::string_view host = where.substr(0, colon);
  if (!host.empty()) vnc.host = host == "localhost" ? "127.0.0.1" : std::string(host);
  return std::nullopt;
}

Error check_display(const RunText& text, PcOptions& pc) {
  pc.screen_text = text.screen_text.value_or("");
  pc.screen_picture = text.screen_picture.value_or("");
  pc.terminal = text.display == "terminal";
  if (text.display == "vnc" || text.display.starts_with("vnc=") || text.display.starts_with("vnc:")) {
    if (auto error = check_vnc(text.display, pc.vnc.emplace())) return error;
    pc.vnc->web = text.vnc_web.value_or("");
    pc.vnc_password_file = text.vnc_password_file.value_or("");
  } else if (text.display != "none" && !pc.terminal) {
    return fmt::format("--display '{}': none of none, terminal, vnc=HOST:DISPLAY", text.display);
  }
  if (!pc.vnc && text.vnc_web) return "--vnc-web without --display vnc: nobody would use it";
  if (!pc.vnc && text.vnc_password_file) return "--vnc-password-file without --display vnc: nobody would use it";
  return std::nullopt;
}

Error check_boot_device(std::string_view text, machine::BootDevice& boot) {
  if (text == "disk") {
    boot = machine::BootDevice::disk;
  } else if (text == "cdrom") {
    boot = machine::BootDevice::cdrom;
  } else if (text == "floppy") {
    boot = machine::BootDevice::floppy;
  } else {
    return fmt::format("--boot '{}': none of disk, cdrom, floppy", text);
  }
  return std::nullopt;
}

// FILE[,format=raw|qcow2][,snapshot][,readonly]; commas in FILE are not possible.
Error check_disk(std::string_view option, std::string_view text, DriveOption& drive) {
  const std::size_t end = text.find(',');
  drive.path = std::string(text.substr(0, end));
  std::string_view rest = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  if (drive.path.empty()) return fmt::format("{} '{}': the file is missing", option, text);
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    if (item == "snapshot") {
      drive.options.snapshot = true;
    } else if (item == "readonly") {
      drive.options.read_only = true;
    } else if (constexpr std::string_view kFormat = "format="; item.starts_with(kFormat)) {
      drive.options.format = machine::format_named(item.substr(kFormat.size()));
      if (!drive.options.format) return fmt::format("{} '{}': the formats are raw and qcow2", option, text);
    } else {
      return fmt::format("{} '{}': knows only format=raw|qcow2, snapshot and readonly", option, text);
    }
  }
  return std::nullopt;
}

Error check_drives(const RunText& text, PcOptions& pc) {
  for (const std::string& disk : text.disks) {
    if (auto error = check_disk("--disk", disk, pc.disks.emplace_back())) return error;
  }
  if (text.floppy) {
    if (auto error = check_disk("--floppy", *text.floppy, pc.floppy.emplace())) return error;
  }
  pc.cdrom = text.cdrom;
  const std::size_t most = text.cdrom ? 3 : 4;
  if (pc.disks.size() > most) return fmt::format("--disk: there is room for {}", most);
  return std::nullopt;
}

// Firmware starts if anything is given that only it can use.
Error check_pc(const RunText& text, RunOptions& options) {
  const std::array<std::pair<std::string_view, bool>, 11> signs{
      {{"--disk", !text.disks.empty()},
       {"--cdrom", text.cdrom.has_value()},
       {"--floppy", text.floppy.has_value()},
       {"--boot", text.boot.has_value()},
       {"--firmware", text.firmware.has_value()},
       {"--display", text.display != "none"},
       {"--screen-text", text.screen_text.has_value()},
       {"--screen-picture", text.screen_picture.has_value()},
       {"--vnc-web", text.vnc_web.has_value()},
       {"--vnc-password-file", text.vnc_password_file.has_value()},
       {"--firmware-log", text.firmware_log}}};
  const auto* sign = std::ranges::find_if(signs, [](const auto& s) { return s.second; });
  if (sign == signs.end()) return std::nullopt;
  if (text.kernel) return fmt::format("{} with --kernel: a kernel is started without firmware", sign->first);
  PcOptions& pc = options.pc.emplace();
  if (auto error = check_drives(text, pc)) return error;
  pc.bios = text.firmware.value_or(kSeaBios);
  pc.vga_bios = kVgaBios;
  pc.log = text.firmware_log;
  if (auto error = check_display(text, pc)) return error;
  // The terminal is the keyboard and the screen.
  if (pc.terminal && options.serial.kind == SerialTarget::Kind::stdio) options.serial = {SerialTarget::Kind::none};
  // The first kind of drive that there is, unless the user says what.
  if (text.disks.empty()) {
    pc.boot = text.cdrom && text.cdrom != "none" ? machine::BootDevice::cdrom
              : text.floppy                      ? machine::BootDevice::floppy
                                                 : machine::BootDevice::disk;
  }
  if (options.engine == EngineChoice::lockstep)
    return fmt::format("{} with --engine lockstep: not supported", sign->first);
  return text.boot ? check_boot_device(*text.boot, pc.boot) : std::nullopt;
}

Error check_images(const RunText& text, RunOptions& options) {
  if (!text.kernel && text.initrd) return "--initrd without --kernel: nothing would read it";
  if (!text.kernel && text.append) return "--append without --kernel: nothing would read it";
  options.kernel = text.kernel;
  options.initrd = text.initrd;
  options.append = text.append.value_or("");
  return std::nullopt;
}

Error check_serial(std::string_view text, SerialTarget& serial) {
  using Kind = SerialTarget::Kind;
  const auto with_path = [&](std::string_view prefix, Kind kind) {
    if (!text.starts_with(prefix)) return false;
    serial = {kind, std::string(text.substr(prefix.size()))};
    return true;
  };
  if (text == "stdio") {
    serial = {Kind::stdio};
  } else if (text == "none" || text == "null") {
    serial = {Kind::none};
  } else if (!with_path("file:", Kind::file) && !with_path("unix:", Kind::unix_socket)) {
    return fmt::format("--serial '{}': none of stdio, file:PATH, unix:PATH, none", text);
  }
  const bool needs_path = serial.kind == Kind::file || serial.kind == Kind::unix_socket;
  if (needs_path && serial.path.empty()) return fmt::format("--serial '{}': the path is missing", text);
  return std::nullopt;
}

// PORT, tcp:[HOST]:PORT with a host that is this one, or unix:PATH; and behind it what QEMU needs to be told.
Error check_socket(std::string_view option, std::string_view text, SocketAddress& address) {
  constexpr std::array<std::string_view, 4> kSaid{"server", "server=on", "nowait", "wait=off"};
  std::string_view rest = text.substr(0, text.find(','));
  for (std::string_view items = text.substr(rest.size()); !items.empty();) {
    items.remove_prefix(1);
    const std::string_view item = items.substr(0, items.find(','));
    items.remove_prefix(item.size());
    if (std::ranges::find(kSaid, item) == kSaid.end()) return fmt::format("{} '{}': what is '{}'?", option, text, item);
  }
  if (rest.starts_with("unix:")) {
    address.unix_path = rest.substr(5);
    if (address.unix_path.empty()) return fmt::format("{} '{}': the path is missing", option, text);
    return std::nullopt;
  }
  for (const std::string_view prefix : {"tcp::", "tcp:localhost:", "tcp:127.0.0.1:"}) {
    if (rest.starts_with(prefix)) rest.remove_prefix(prefix.size());
  }
  const auto port = parse_number(rest);
  if (!port || *port == 0 || *port > 0xFFFF) {
    return fmt::format("{} '{}': neither a port of this host nor unix:PATH", option, text);
  }
  address.port = static_cast<std::uint16_t>(*port);
  return std::nullopt;
}

Error check_controls(const RunText& text, RunOptions& options) {
  ControlOptions& controls = options.controls;
  if (text.gdb) {
    if (auto error = check_socket("--gdb", *text.gdb, controls.gdb.emplace())) return error;
  }
  if (text.qmp) {
    if (auto error = check_socket("--qmp", *text.qmp, controls.qmp.emplace())) return error;
  }
  if (text.wait_for_gdb && !text.gdb) return "--wait-for-gdb without --gdb: no debugger could come";
  controls.wait_for_gdb = text.wait_for_gdb;
  controls.start_stopped = text.start_stopped;
  const bool any = text.gdb || text.qmp || text.start_stopped;
  if (any && options.engine == EngineChoice::lockstep) {
    return "--gdb, --qmp and --start-stopped with --engine lockstep: not supported";
  }
  return std::nullopt;
}

Error check_engine(std::string_view text, EngineChoice& engine) {
  if (text == "translate") {
    engine = EngineChoice::translate;
  } else if (text == "interpret") {
    engine = EngineChoice::interpret;
  } else if (text == "lockstep") {
    engine = EngineChoice::lockstep;
  } else {
    return fmt::format("--engine '{}': none of translate, interpret, lockstep", text);
  }
  return std::nullopt;
}

Error check_timeout(const std::string& text, std::optional<std::uint64_t>& timeout_ns) {
  constexpr double kMostSeconds = 1e9;
  double seconds = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seconds, std::chars_format::fixed);
  if (error != std::errc{} || rest != end || !std::isfinite(seconds) || seconds <= 0 || seconds > kMostSeconds) {
    return fmt::format("--timeout '{}': not a positive number of seconds", text);
  }
  timeout_ns = static_cast<std::uint64_t>(seconds * 1e9);
  return std::nullopt;
}

Error check_debug_exit(std::string_view text, machine::DebugExitPort& port) {
  const auto fail = [&](std::string_view why) { return fmt::format("--debug-exit '{}': {}", text, why); };
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) return fail("needs iobase=PORT and iosize=BYTES");
    const auto value = parse_number(item.substr(equals + 1));
    const std::string_view key = item.substr(0, equals);
    if (key == "iobase") {
      if (!value || *value > 0xFFFF) return fail("iobase is not a port number");
      port.base = static_cast<std::uint16_t>(*value);
    } else if (key == "iosize") {
      if (!value || (*value != 1 && *value != 2 && *value != 4)) return fail("iosize is none of 1, 2, 4");
      port.size = static_cast<std::uint16_t>(*value);
    } else {
      return fail("knows only iobase and iosize");
    }
  }
  if (port.base + port.size > 0x10000) return fail("leaves the 65536 ports");
  return std::nullopt;
}

// The default: what a PC with firmware has.
Error check_presence(std::string_view option, std::string_view text, bool by_default, bool& present) {
  if (text != "auto" && text != "on" && text != "off") {
    return fmt::format("{} '{}': none of auto, on, off", option, text);
  }
  present = text == "auto" ? by_default : text == "on";
  return std::nullopt;
}

Error check_hardware(const RunText& text, RunOptions& options) {
  if (auto error = check_presence("--apic", text.apic, options.pc.has_value(), options.apic)) return error;
  if (auto error = check_presence("--hpet", text.hpet, options.pc.has_value(), options.hpet)) return error;
  constexpr std::string_view kFile = "file:";
  if (text.parallel == "none") return std::nullopt;
  if (!text.parallel.starts_with(kFile)) return fmt::format("--parallel '{}': none of none, file:PATH", text.parallel);
  options.parallel_file = text.parallel.substr(kFile.size());
  if (options.parallel_file->empty()) return fmt::format("--parallel '{}': the path is missing", text.parallel);
  return std::nullopt;
}

}  // namespace

void add_run_options(CLI::App& app, RunText& text) {
  app.add_option("--kernel", text.kernel, "Linux bzImage, multiboot or ELF kernel, or boot sector")->type_name("FILE");
  app.add_option("--initrd", text.initrd, "Initial RAM disk, or the multiboot kernel's module")->type_name("FILE");
  app.add_option("--append", text.append, "The kernel's command line")->type_name("TEXT");
  app.add_option("--memory", text.memory, "Guest RAM, with K, M or G (a plain number is MiB)")
      ->type_name("SIZE")
      ->capture_default_str();
  app.add_option("--serial", text.serial, "First serial port: stdio, file:PATH, unix:PATH or none")
      ->type_name("WHERE")
      ->capture_default_str();
  app.add_option("--display", text.display,
                 "Screen and keyboard: none, terminal (--serial stdio is then none) or vnc=HOST:DISPLAY")
      ->type_name("WHICH")
      ->capture_default_str();
  app.add_option("--engine", text.engine, "translate, interpret, or lockstep (both, compared)")
      ->type_name("WHICH")
      ->capture_default_str();
  app.add_option("--cpu", text.cpu, kCpuHelp)->type_name("MODEL")->capture_default_str();
  app.add_option("--timeout", text.timeout, "End the run after so many seconds, with exit status 124")
      ->type_name("SECONDS");
  app.add_flag("--no-reboot", text.no_reboot, "End the run when the guest resets, instead of booting again");
  app.add_flag("--stats", text.stats, "Print statistics at the end");
  app.add_flag("--verify", text.verify, "Check all translated code before it runs");
  app.add_flag("--perf-map", text.perf_map, "Name translated code for perf(1), in /tmp/perf-PID.map");
  app.add_option("--debug-exit", text.debug_exit_ports,
                 "A port that ends the run with exit status (value << 1) | 1 [iobase=0x501,iosize=4]")
      ->type_name("PORTS")
      ->expected(0, 1);
  app.callback([&app, &text] { text.debug_exit = app.count("--debug-exit") != 0; });

  app.add_option("--apic", text.apic, "Local and I/O APIC: on, off, or auto: with firmware")->type_name("WHEN");
  app.add_option("--hpet", text.hpet, "High precision event timers: on, off, or auto: with firmware")
      ->type_name("WHEN");
  app.add_option("--parallel", text.parallel, "First parallel port: none, or file:PATH for what is printed")
      ->type_name("WHERE");

  const std::string pc = "A machine that starts with firmware";
  app.add_option("--disk", text.disks, "Hard disk [format=raw|qcow2,snapshot,readonly]")
      ->type_name("FILE[,OPTIONS]")
      ->allow_extra_args(false)
      ->group(pc);
  app.add_option("--cdrom", text.cdrom, "CD-ROM; none: an empty drive")->type_name("FILE")->group(pc);
  app.add_option("--floppy", text.floppy, "Floppy disk [format=raw|qcow2,snapshot,readonly]")
      ->type_name("FILE[,OPTIONS]")
      ->group(pc);
  app.add_option("--boot", text.boot, "What to boot from first: disk, cdrom or floppy")->type_name("WHICH")->group(pc);
  app.add_option("--firmware", text.firmware, "BIOS image (default: Debian's SeaBIOS)")->type_name("FILE")->group(pc);
  app.add_flag("--firmware-log", text.firmware_log, "Show what the firmware says on its debug port")->group(pc);

  app.add_option("--screen-text", text.screen_text, "Keep the characters of the screen in this file")
      ->type_name("FILE")
      ->group(pc);
  app.add_option("--screen-picture", text.screen_picture, "Keep the screen as a picture in this PNG file")
      ->type_name("FILE")
      ->group(pc);
  app.add_option("--vnc-password-file", text.vnc_password_file,
                 "The password of --display vnc is this file's first line")
      ->type_name("FILE")
      ->group(pc);
  app.add_option("--vnc-web", text.vnc_web,
                 "Serve this directory, a viewer for browsers such as noVNC, on port 5800 + DISPLAY")
      ->type_name("DIR")
      ->group(pc);

  const std::string control = "Control from outside";
  app.add_option("--gdb", text.gdb, "Wait for gdb on a port of this host, or unix:PATH")
      ->type_name("PORT")
      ->group(control);
  app.add_flag("--wait-for-gdb", text.wait_for_gdb, "Start the guest only when gdb lets it run")->group(control);
  app.add_option("--qmp", text.qmp, "QMP, as QEMU has it, on a socket")->type_name("unix:PATH")->group(control);
  app.add_flag("--start-stopped", text.start_stopped, "Start the guest only when a monitor or gdb lets it run")
      ->group(control);

  const std::string later = "Not supported yet";
  app.add_option("--cpus", text.cpus, "Virtual CPUs: 1")->type_name("N")->group(later);
}

std::variant<RunOptions, std::string> check_run_options(const RunText& text) {
  RunOptions options;
  if (auto error = check_missing_features(text)) return *error;
  if (auto error = check_images(text, options)) return *error;
  auto memory = parse_memory_size(text.memory);
  if (auto* error = std::get_if<std::string>(&memory)) return *error;
  options.memory_bytes = std::get<std::uint64_t>(memory);
  if (auto error = check_serial(text.serial, options.serial)) return *error;
  if (auto error = check_engine(text.engine, options.engine)) return *error;
  if (auto error = check_controls(text, options)) return *error;
  if (auto error = check_cpu(text.cpu, options.cpu)) return *error;
  if (auto error = check_pc(text, options)) return *error;
  if (auto error = check_hardware(text, options)) return *error;
  if (text.timeout) {
    if (auto error = check_timeout(*text.timeout, options.timeout_ns)) return *error;
  }
  if (text.debug_exit) {
    if (auto error = check_debug_exit(text.debug_exit_ports, options.debug_exit.emplace())) return *error;
  }
  if (text.verify && options.engine == EngineChoice::interpret) {
    return "--verify with --engine interpret: there is no translated code to check";
  }
  options.stats = text.stats;
  options.no_reboot = text.no_reboot;
  options.verify = text.verify;
  options.perf_map = text.perf_map;
  return options;
}

}  // namespace ringshift::cli
