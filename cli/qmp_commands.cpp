#include "cli/qmp_commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <span>
#include <vector>

#include "cli/monitor.h"
#include "runtime/machine/disk_image.h"

namespace ringshift::cli {
namespace {

using nlohmann::json;

QmpError generic(std::string text) { return {"GenericError", std::move(text)}; }

QmpResult done(const std::optional<std::string>& error = std::nullopt) {
  if (error) return generic(*error);
  return json::object();
}

std::string text_of(const QmpCall& call, const char* name, std::string otherwise = {}) {
  return call.arguments.value(name, std::move(otherwise));
}

// ---- the run ----------------------------------------------------------------------------------

QmpResult do_query_status(const QmpCall& call) {
  const bool running = !call.machine.stopped();
  return json{{"status", running ? "running" : "paused"}, {"running", running}, {"singlestep", false}};
}

QmpResult do_query_version(const QmpCall&) { return qmp_version(); }

QmpResult do_query_name(const QmpCall&) { return json::object(); }

QmpResult do_query_commands(const QmpCall&) {
  json all = json::array({{{"name", "qmp_capabilities"}}, {{"name", "quit"}}});
  for (const QmpCommand& command : qmp_commands()) all.push_back({{"name", command.name}});
  return all;
}

QmpResult do_query_cpus(const QmpCall&) {
  return json::array(
      {{{"cpu-index", 0}, {"qom-path", "/machine/unattached/device[0]"}, {"thread-id", getpid()}, {"target", "i386"}}});
}

QmpResult do_query_kvm(const QmpCall&) { return json{{"enabled", false}, {"present", false}}; }

QmpResult do_stop(const QmpCall& call) {
  call.machine.stop();
  return done();
}

QmpResult do_cont(const QmpCall& call) {
  call.machine.resume();
  return done();
}

QmpResult do_reset(const QmpCall& call) {
  call.machine.press_reset();
  return done();
}

QmpResult do_powerdown(const QmpCall& call) {
  call.machine.press_power_button();
  return done();
}

QmpResult do_monitor(const QmpCall& call) { return json(call.monitor(text_of(call, "command-line"))); }

// ---- screen and keyboard ----------------------------------------------------------------------

QmpResult do_screendump(const QmpCall& call) {
  if (text_of(call, "format", "png") != "png")
    return generic("Parameter 'format' does not accept value other than png");
  return done(screendump(call.machine, text_of(call, "filename")));
}

QmpResult do_send_key(const QmpCall& call) {
  std::vector<machine::Key> keys;
  for (const json& value : call.arguments["keys"]) {
    const auto key = key_of(value);
    if (const auto* error = std::get_if<std::string>(&key)) return generic(*error);
    keys.push_back({std::get<std::uint16_t>(key), true});
  }
  constexpr std::size_t kMostKeys = 64;
  if (keys.size() > kMostKeys) return generic("too many keys");
  for (std::size_t i = keys.size(); i-- > 0;) keys.push_back({keys[i].code, false});
  call.machine.keyboard_input(keys);
  return done();
}

QmpResult do_input_send_event(const QmpCall& call) {
  const json& events = call.arguments["events"];
  const auto is_absolute = [](const json& event) { return event.is_object() && event.value("type", json()) == "abs"; };
  int width = 0, height = 0;
  if (std::ranges::any_of(events, is_absolute)) {
    if (const auto picture = call.machine.picture()) {
      width = static_cast<int>(picture->width);
      height = static_cast<int>(picture->height);
    }
  }
  const auto read = read_input_events(events, width, height, call.hand);
  if (const auto* error = std::get_if<std::string>(&read)) return generic(*error);
  const auto& input = std::get<InputEvents>(read);
  if (!input.keys.empty()) call.machine.keyboard_input(input.keys);
  for (const devices::PointerMove& move : input.moves) call.machine.pointer_input(move);
  return done();
}

QmpResult do_inject_nmi(const QmpCall& call) {
  call.machine.inject_nmi();
  return done();
}

// ---- drives -----------------------------------------------------------------------------------

// An ImageInfo, and within it that of its backing file.
json image_info(std::span<const machine::DiskImage::File> files) {
  const machine::DiskImage::File& file = files.front();
  json info{{"filename", file.path},
            {"format", machine::format_name(file.format)},
            {"virtual-size", file.bytes},
            {"actual-size", file.allocated},
            {"dirty-flag", false}};
  if (file.cluster_bytes != 0) info["cluster-size"] = file.cluster_bytes;
  if (files.size() > 1) {
    info["backing-filename"] = file.backing_name;
    info["full-backing-filename"] = files[1].path;
    if (!file.backing_format.empty()) info["backing-filename-format"] = file.backing_format;
    info["backing-image"] = image_info(files.subspan(1));
  }
  return info;
}

json block_device_info(const machine::DriveInfo& drive) {
  const auto& files = drive.image->files();
  json info{{"file", drive.file},
            {"ro", !drive.image->writable()},
            {"drv", machine::format_name(files.front().format)},
            {"encrypted", false},
            {"backing_file_depth", files.size() - 1},
            {"image", image_info(files)}};
  if (files.size() > 1) info["backing_file"] = files[1].path;
  return info;
}

// Of the last error: QEMU says ok, nospace or failed.
std::string_view io_status(int error) {
  if (error == 0) return "ok";
  return error == ENOSPC ? "nospace" : "failed";
}

QmpResult do_query_block(const QmpCall& call) {
  json all = json::array();
  for (const machine::DriveInfo& drive : call.machine.drives()) {
    json one{{"device", drive.name}, {"type", "unknown"}, {"removable", drive.removable}, {"locked", drive.locked}};
    if (drive.removable) one["tray_open"] = drive.tray_open;
    if (drive.image) {
      one["io-status"] = io_status(drive.image->error());
      one["inserted"] = block_device_info(drive);
    }
    all.push_back(std::move(one));
  }
  return all;
}

// By either of the names that a command may give a drive.
std::variant<std::string, QmpError> drive_of(const QmpCall& call) {
  std::string name = text_of(call, "device", text_of(call, "id"));
  const auto drives = call.machine.drives();
  if (std::ranges::find(drives, name, &machine::DriveInfo::name) != drives.end()) return name;
  return QmpError{"DeviceNotFound", fmt::format("Device '{}' not found", name)};
}

QmpResult do_eject(const QmpCall& call) {
  const auto drive = drive_of(call);
  if (const auto* error = std::get_if<QmpError>(&drive)) return *error;
  return done(
      call.machine.change_medium(std::get<std::string>(drive), nullptr, "", call.arguments.value("force", false)));
}

QmpResult do_change_medium(const QmpCall& call) {
  const auto drive = drive_of(call);
  if (const auto* error = std::get_if<QmpError>(&drive)) return *error;
  machine::DiskImage::Options options;
  options.read_only = text_of(call, "read-only-mode", "retain") == "read-only";
  if (call.arguments.contains("format")) {
    const std::string format = text_of(call, "format");
    options.format = machine::format_named(format);
    if (!options.format) return generic(fmt::format("Unknown driver '{}'", format));
  }
  return done(insert_medium(call.machine, std::get<std::string>(drive), text_of(call, "filename"), options,
                            call.arguments.value("force", false)));
}

// The old name for it.
QmpResult do_change(const QmpCall& call) {
  const auto drive = drive_of(call);
  if (const auto* error = std::get_if<QmpError>(&drive)) return *error;
  return done(insert_medium(call.machine, std::get<std::string>(drive), text_of(call, "target"), {}, false));
}

constexpr QmpCommand kCommands[] = {
    {"query-status", "", do_query_status},
    {"query-version", "", do_query_version},
    {"query-name", "", do_query_name},
    {"query-commands", "", do_query_commands},
    {"query-cpus-fast", "", do_query_cpus},
    {"query-kvm", "", do_query_kvm},
    {"query-block", "", do_query_block},
    {"stop", "", do_stop},
    {"cont", "", do_cont},
    {"system_reset", "", do_reset},
    {"system_powerdown", "", do_powerdown},
    {"screendump", "filename:s,format:s?", do_screendump},
    {"send-key", "keys:a,hold-time:i?", do_send_key},
    {"input-send-event", "events:a,device:s?,head:i?", do_input_send_event},
    {"inject-nmi", "", do_inject_nmi},
    {"eject", "device:s?,id:s?,force:b?", do_eject},
    {"change", "device:s,target:s,arg:s?", do_change},
    {"blockdev-change-medium", "device:s?,id:s?,filename:s,format:s?,force:b?,read-only-mode:s?", do_change_medium},
    {"human-monitor-command", "command-line:s,cpu-index:i?", do_monitor},
};

// ---- arguments --------------------------------------------------------------------------------

struct Parameter {
  std::string_view name;
  char type = 's';
  bool optional = false;
};

std::vector<Parameter> parameters(std::string_view text) {
  std::vector<Parameter> all;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    const std::size_t colon = one.find(':');
    all.push_back({one.substr(0, colon), one[colon + 1], one.back() == '?'});
  }
  return all;
}

bool fits(const json& value, char type) {
  switch (type) {
    case 's':
      return value.is_string();
    case 'i':
      return value.is_number_integer();
    case 'b':
      return value.is_boolean();
    case 'a':
      return value.is_array();
    default:
      return value.is_object();
  }
}

std::string_view type_name(char type) {
  switch (type) {
    case 's':
      return "string";
    case 'i':
      return "integer";
    case 'b':
      return "boolean";
    case 'a':
      return "array";
    default:
      return "object";
  }
}

}  // namespace

std::span<const QmpCommand> qmp_commands() { return kCommands; }

std::string check_qmp_arguments(const QmpCommand& command, const json& arguments) {
  const auto known = parameters(command.arguments);
  for (const Parameter& parameter : known) {
    const auto found = arguments.find(std::string(parameter.name));
    if (found == arguments.end()) {
      if (!parameter.optional) return fmt::format("Parameter '{}' is missing", parameter.name);
    } else if (!fits(*found, parameter.type)) {
      return fmt::format("Invalid parameter type for '{}', expected: {}", parameter.name, type_name(parameter.type));
    }
  }
  for (const auto& [name, value] : arguments.items()) {
    if (std::ranges::find(known, name, &Parameter::name) == known.end()) {
      return fmt::format("Parameter '{}' is unexpected", name);
    }
  }
  return "";
}

// The numbers are Ringshift's; peers look for them under this name.
json qmp_version() {
  std::array<unsigned, 3> numbers{};
  std::string_view text = version_text();
  for (unsigned& number : numbers) {
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    if (!text.empty()) text.remove_prefix(1);
  }
  return {{"qemu", {{"major", numbers[0]}, {"minor", numbers[1]}, {"micro", numbers[2]}}},
          {"package", fmt::format("ringshift {}", version_text())}};
}

}  // namespace ringshift::cli
