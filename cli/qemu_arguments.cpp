#include "cli/qemu_arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace ringshift::cli {
namespace {

enum class Treatment : std::uint8_t {
  option,  // with a value, which `convert` may change
  flag,
  dropped,        // says what is so anyway
  dropped_value,  // the same, with a value
  dropped_none,   // the same, but only with the value "none"
  refused,        // `ours` says why
  device,         // -device
};

using Convert = std::string (*)(std::string_view value);

struct Spelling {
  std::string_view qemu;
  Treatment treatment = Treatment::option;
  std::string_view ours{};
  Convert convert = nullptr;
};

std::string without_prefix(std::string_view value, std::string_view prefix) {
  if (value.starts_with(prefix)) value.remove_prefix(prefix.size());
  return std::string(value);
}

std::string memory_size(std::string_view value) { return without_prefix(value, "size="); }

std::string cpu_count(std::string_view value) { return without_prefix(value, "cpus="); }

// QEMU adds -v1 to some models' names for their version.
std::string cpu_model(std::string_view value) {
  if (value.ends_with("-v1")) value.remove_suffix(3);
  return value == "core2duo" ? "core2" : std::string(value);
}

std::string serial_target(std::string_view value) { return value == "null" ? "none" : without_prefix(value, "mon:"); }

std::string boot_device(std::string_view value) {
  std::string device = without_prefix(value, "order=");
  if (device == "a") return "floppy";
  if (device == "c") return "disk";
  if (device == "d") return "cdrom";
  return device;
}

std::string parallel_target(std::string_view value) { return value == "null" ? "none" : std::string(value); }

std::string vnc_display(std::string_view value) { return fmt::format("vnc={}", value); }

std::string gdb_port(std::string_view value) { return without_prefix(value, "tcp::"); }

constexpr std::array kSpellings{
    Spelling{"-m", Treatment::option, "--memory", memory_size},
    Spelling{"-kernel", Treatment::option, "--kernel"},
    Spelling{"-initrd", Treatment::option, "--initrd"},
    Spelling{"-append", Treatment::option, "--append"},
    Spelling{"-serial", Treatment::option, "--serial", serial_target},
    Spelling{"-display", Treatment::option, "--display"},
    Spelling{"-curses", Treatment::refused, "the screen is chosen by --display terminal"},
    Spelling{"-vnc", Treatment::option, "--display", vnc_display},
    Spelling{"-cpu", Treatment::option, "--cpu", cpu_model},
    Spelling{"-smp", Treatment::option, "--cpus", cpu_count},
    Spelling{"-hda", Treatment::option, "--disk"},
    Spelling{"-hdb", Treatment::option, "--disk"},
    Spelling{"-hdc", Treatment::option, "--disk"},
    Spelling{"-hdd", Treatment::option, "--disk"},
    Spelling{"-cdrom", Treatment::option, "--cdrom"},
    Spelling{"-fda", Treatment::option, "--floppy"},
    Spelling{"-boot", Treatment::option, "--boot", boot_device},
    Spelling{"-bios", Treatment::option, "--firmware"},
    Spelling{"-gdb", Treatment::option, "--gdb", gdb_port},
    Spelling{"-no-reboot", Treatment::flag, "--no-reboot"},
    Spelling{"-help", Treatment::flag, "--help"},
    Spelling{"-version", Treatment::flag, "--version"},
    Spelling{"-device", Treatment::device},
    // The serial port on standard input and output, and no screen: how a run is anyway.
    Spelling{"-nographic", Treatment::dropped},
    Spelling{"-nodefaults", Treatment::dropped},
    Spelling{"-no-user-config", Treatment::dropped},
    Spelling{"-name", Treatment::dropped_value},
    Spelling{"-net", Treatment::dropped_none},
    Spelling{"-nic", Treatment::dropped_none},
    Spelling{"-vga", Treatment::dropped_none},
    Spelling{"-monitor", Treatment::dropped_none},
    Spelling{"-parallel", Treatment::option, "--parallel", parallel_target},
    Spelling{"-no-hpet", Treatment::flag, "--hpet=off"},
    Spelling{"-s", Treatment::flag, "--gdb=1234"},
    Spelling{"-S", Treatment::flag, "--start-stopped"},
    Spelling{"-qmp", Treatment::option, "--qmp"},
    Spelling{"-drive", Treatment::refused, "drives are given by --disk, --cdrom and --floppy"},
    Spelling{"-accel", Treatment::refused, "the engine is chosen by --engine"},
    Spelling{"-enable-kvm", Treatment::refused, "the engine is chosen by --engine"},
    Spelling{"-machine", Treatment::refused, "there is one machine model"},
    Spelling{"-M", Treatment::refused, "there is one machine model"},
    Spelling{"-no-shutdown", Treatment::refused, "a guest that powers off ends the run"},
};

constexpr std::array<std::string_view, 24> kOurOptionsWithValue{"--kernel",  "--initrd",      "--append",
                                                                "--memory",  "--serial",      "--display",
                                                                "--engine",  "--timeout",     "--cpu",
                                                                "--cpus",    "--disk",        "--cdrom",
                                                                "--floppy",  "--boot",        "--firmware",
                                                                "--gdb",     "--screen-text", "--vnc-password-file",
                                                                "--vnc-web", "--qmp",         "--screen-picture",
                                                                "--apic",    "--hpet",        "--parallel"};

// Rewrites one argument after the other.
class Rewriter {
 public:
  explicit Rewriter(std::span<const std::string> arguments) : rest_(arguments) {}

  std::variant<std::vector<std::string>, std::string> run() {
    while (!rest_.empty()) {
      const std::string argument = take();
      if (argument == "--") {  // only operands follow
        out_.push_back(argument);
        out_.insert(out_.end(), rest_.begin(), rest_.end());
        break;
      }
      const auto* spelling = std::ranges::find(kSpellings, argument, &Spelling::qemu);
      if (spelling != kSpellings.end()) {
        if (auto error = replace(*spelling)) return *error;
      } else if (auto error = copy(argument)) {
        return *error;
      }
    }
    return std::move(out_);
  }

 private:
  using Error = std::optional<std::string>;

  std::string take() {
    std::string first = rest_.front();
    rest_ = rest_.subspan(1);
    return first;
  }

  Error missing_value(std::string_view option) const { return fmt::format("{}: the value is missing", option); }

  // One of our options, or something unknown.
  Error copy(const std::string& argument) {
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    if (std::ranges::find(kOurOptionsWithValue, name) == kOurOptionsWithValue.end()) {
      out_.push_back(argument);
      return std::nullopt;
    }
    if (equals == std::string::npos && rest_.empty()) return missing_value(name);
    out_.push_back(name);
    out_.push_back(equals == std::string::npos ? take() : argument.substr(equals + 1));
    return std::nullopt;
  }

  Error replace(const Spelling& spelling) {
    switch (spelling.treatment) {
      case Treatment::flag:
        out_.emplace_back(spelling.ours);
        return std::nullopt;
      case Treatment::dropped:
        return std::nullopt;
      case Treatment::refused:
        return fmt::format("{}: {}", spelling.qemu, spelling.ours);
      default:
        break;
    }
    if (rest_.empty()) return missing_value(spelling.qemu);
    const std::string value = take();
    if (spelling.treatment == Treatment::device) return device(value);
    if (spelling.treatment == Treatment::dropped_none && value != "none") {
      return fmt::format("{} {}: only 'none' is supported by this version", spelling.qemu, value);
    }
    if (spelling.treatment == Treatment::option) {
      out_.emplace_back(spelling.ours);
      out_.push_back(spelling.convert == nullptr ? value : spelling.convert(value));
    }
    return std::nullopt;
  }

  Error device(const std::string& value) {
    constexpr std::string_view kDebugExit = "isa-debug-exit";
    const std::size_t comma = value.find(',');
    if (value.substr(0, comma) != kDebugExit) return fmt::format("-device {}: only {} is known", value, kDebugExit);
    out_.push_back(comma == std::string::npos ? "--debug-exit" : "--debug-exit=" + value.substr(comma + 1));
    return std::nullopt;
  }

  std::span<const std::string> rest_;
  std::vector<std::string> out_;
};

}  // namespace

std::variant<std::vector<std::string>, std::string> rewrite_arguments(std::span<const std::string> arguments) {
  return Rewriter(arguments).run();
}

}  // namespace ringshift::cli
