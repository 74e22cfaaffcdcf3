// The options of `ringshift run`: as given, and as checked values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/controls.h"
#include "cli/vnc_server.h"
#include "runtime/machine/machine.h"

namespace CLI {
class App;
}

namespace ringshift::cli {

enum class EngineChoice : std::uint8_t {
  translate,
  interpret,
  lockstep
};

// The other end of the guest's first serial port.
struct SerialTarget {
  enum class Kind : std::uint8_t {
    stdio,
    file,
    unix_socket,
    none
  };
  Kind kind = Kind::stdio;
  std::string path{};  // of a file or socket
};

// What the command line says.
struct RunText {
  std::optional<std::string> kernel{}, initrd{}, append{};
  std::string memory = "256M";
  std::string serial = "stdio";
  std::string display = "none";
  std::string engine = "translate";
  std::string cpu = "core2";
  std::string apic = "auto", hpet = "auto";
  std::string parallel = "none";
  std::optional<std::string> timeout{};
  bool debug_exit = false;
  std::string debug_exit_ports{};  // "iobase=0x501,iosize=4", or nothing
  bool stats = false, no_reboot = false, verify = false, perf_map = false;
  std::vector<std::string> disks{};
  std::optional<std::string> cdrom{}, floppy{}, boot{}, firmware{};
  bool firmware_log = false;
  std::optional<std::string> screen_text{}, screen_picture{};
  std::optional<std::string> vnc_password_file{}, vnc_web{};
  std::optional<std::string> gdb{}, qmp{};
  bool wait_for_gdb = false, start_stopped = false;
  // Part of the command, but not built yet.
  std::string cpus = "1";
};

struct DriveOption {
  std::string path;
  machine::DiskImage::Options options;
};

// A machine that starts with firmware and boots from its drives.
struct PcOptions {
  std::string bios, vga_bios;  // files
  machine::BootDevice boot = machine::BootDevice::disk;
  bool log = false;
  bool terminal = false;         // the screen and keyboard are the terminal
  std::string screen_text{};     // file for the screen's characters
  std::string screen_picture{};  // and for its pixels
  std::optional<VncOptions> vnc{};
  std::string vnc_password_file{};  // its first line is the password; empty: none
  std::vector<DriveOption> disks{};
  std::optional<std::string> cdrom{};
  std::optional<DriveOption> floppy{};
};

// What it means.
struct RunOptions {
  std::optional<PcOptions> pc;
  std::optional<std::string> kernel, initrd;  // neither kernel nor pc: the embedded guest
  std::string append;
  std::uint64_t memory_bytes = 256 * machine::kMiB;
  SerialTarget serial;
  EngineChoice engine = EngineChoice::translate;
  CpuModel cpu = CpuModel::core2;
  bool apic = false, hpet = false;
  std::optional<std::string> parallel_file{};  // nothing: there is no parallel port
  std::optional<std::uint64_t> timeout_ns;
  std::optional<machine::DebugExitPort> debug_exit;
  bool stats = false, no_reboot = false, verify = false, perf_map = false;
  ControlOptions controls{};
};

void add_run_options(CLI::App& app, RunText& text);

// The error is one readable line.
[[nodiscard]] std::variant<RunOptions, std::string> check_run_options(const RunText& text);

}  // namespace ringshift::cli
