#include "cli/monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "cli/monitor_info.h"
#include "cli/png_file.h"
#include "devices/key_names.h"
#include "runtime/machine/disk_image.h"

namespace ringshift::cli {
namespace {

using machine::Machine;

struct Call {
  Machine& machine;
  const std::function<void()>& quit;
  std::string_view arguments;
};

// Takes the next word; empty: there is none.
std::string_view next_word(std::string_view& text) {
  const std::size_t first = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(first);
  const std::string_view word = text.substr(0, text.find_first_of(" \t"));
  text.remove_prefix(word.size());
  return word;
}

std::string told(const std::optional<std::string>& error) { return error ? "Error: " + *error + "\n" : ""; }

std::string do_help(const Call&);

std::string do_info(const Call& call) {
  std::string_view rest = call.arguments;
  return monitor_info(call.machine, next_word(rest));
}

std::string do_stop(const Call& call) {
  call.machine.stop();
  return "";
}

std::string do_cont(const Call& call) {
  call.machine.resume();
  return "";
}

std::string do_reset(const Call& call) {
  call.machine.press_reset();
  return "";
}

std::string do_powerdown(const Call& call) {
  call.machine.press_power_button();
  return "";
}

std::string do_quit(const Call& call) {
  call.quit();
  return "";
}

std::string do_screendump(const Call& call) {
  std::string_view rest = call.arguments;
  const std::string path(next_word(rest));
  return path.empty() ? "screendump: the file is missing\n" : told(screendump(call.machine, path));
}

std::string do_sendkey(const Call& call) {
  std::string_view rest = call.arguments;
  const std::string_view names = next_word(rest);
  const auto codes = devices::key_combination(names);
  if (!codes) return fmt::format("sendkey: no such keys: '{}'\n", names);
  std::vector<machine::Key> keys;
  for (const std::uint16_t code : *codes) keys.push_back({code, true});
  for (std::size_t i = codes->size(); i-- > 0;) keys.push_back({(*codes)[i], false});
  call.machine.keyboard_input(keys);
  return "";
}

std::string do_eject(const Call& call) {
  std::string_view rest = call.arguments;
  std::string_view drive = next_word(rest);
  const bool force = drive == "-f";
  if (force) drive = next_word(rest);
  return told(call.machine.change_medium(drive, nullptr, "", force));
}

// change [-f] DRIVE FILE [FORMAT [read-only|read-write]]
std::string do_change(const Call& call) {
  std::string_view rest = call.arguments;
  std::string_view drive = next_word(rest);
  const bool force = drive == "-f";
  if (force) drive = next_word(rest);
  const std::string file(next_word(rest));
  machine::DiskImage::Options options;
  if (const std::string_view format = next_word(rest); !format.empty()) {
    options.format = machine::format_named(format);
    if (!options.format) return "change: the formats are raw and qcow2\n";
  }
  options.read_only = next_word(rest) == "read-only";
  if (file.empty()) return "change: needs a drive and a file\n";
  return told(insert_medium(call.machine, drive, file, options, force));
}

std::string do_x(const Call& call) { return monitor_memory(call.machine, call.arguments, false); }
std::string do_xp(const Call& call) { return monitor_memory(call.machine, call.arguments, true); }

struct Command {
  std::string_view name, other_name, usage, help;
  std::string (*run)(const Call&);
};
constexpr Command kCommands[] = {
    {"help", "?", "", "these lines", do_help},
    {"info", "", "status|registers|mem|tlb|pic|block|version|cpus|name", "look at the machine", do_info},
    {"stop", "s", "", "stop the guest", do_stop},
    {"cont", "c", "", "let it run on", do_cont},
    {"system_reset", "", "", "reset the machine", do_reset},
    {"system_powerdown", "", "", "press the power button", do_powerdown},
    {"quit", "q", "", "end the run", do_quit},
    {"screendump", "", "FILE", "write the screen to a PNG file", do_screendump},
    {"sendkey", "", "KEYS", "press keys, such as ctrl-alt-delete", do_sendkey},
    {"eject", "", "[-f] DRIVE", "take the medium out; -f: even if the guest has locked the drive", do_eject},
    {"change", "", "[-f] DRIVE FILE [FORMAT [read-only]]", "put a medium in", do_change},
    {"x", "", "/FMT ADDRESS", "memory by linear address; FMT: count, format xduoc, size bhwg", do_x},
    {"xp", "", "/FMT ADDRESS", "memory by physical address", do_xp},
};

std::string do_help(const Call&) {
  std::string text;
  for (const Command& command : kCommands) {
    text += fmt::format("{} {} -- {}\n", command.name, command.usage, command.help);
  }
  return text;
}

}  // namespace

std::string Monitor::execute(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  std::string_view name = next_word(line);
  if (name.empty()) return "";
  // x/8i is written without a space.
  if (const std::size_t slash = name.find('/'); slash != std::string_view::npos) {
    line = {name.data() + slash, name.size() - slash + line.size()};
    name = name.substr(0, slash);
  }
  const auto* found = std::ranges::find_if(
      kCommands, [name](const Command& command) { return command.name == name || command.other_name == name; });
  if (found == std::end(kCommands)) return fmt::format("unknown command: '{}'\n", name);
  return found->run({machine_, quit_, line});
}

std::optional<std::string> screendump(Machine& machine, const std::string& path) {
  const auto picture = machine.picture();
  if (!picture) return "there is no screen without firmware";
  return write_png(*picture, path);
}

std::optional<std::string> insert_medium(Machine& machine, std::string_view drive, const std::string& path,
                                         machine::DiskImage::Options options, bool force) {
  const auto drives = machine.drives();
  const auto found = std::ranges::find(drives, drive, &machine::DriveInfo::name);
  if (found == drives.end()) return fmt::format("Device '{}' not found", drive);
  if (drive.find("-cd") != std::string_view::npos) {
    options.read_only = true;
    if (!options.format) options.format = machine::ImageFormat::raw;
  }
  auto image = machine::DiskImage::open(path, options);
  if (auto* error = std::get_if<std::string>(&image)) return std::move(*error);
  return machine.change_medium(drive, std::get<std::shared_ptr<machine::DiskImage>>(std::move(image)), path, force);
}

std::string_view version_text() { return RINGSHIFT_VERSION; }

}  // namespace ringshift::cli
