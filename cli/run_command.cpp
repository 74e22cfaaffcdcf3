#include "cli/run_command.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>
#include <utility>

#include "cli/exit_code.h"
#include "cli/files.h"
#include "cli/message.h"
#include "cli/stats_table.h"
#include "examples/embedded.h"
#include "runtime/machine/lockstep.h"

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
  config.translate.count_retired = options.stats;
  if (options.engine == EngineChoice::interpret) config.engine = machine::EngineKind::interpret;
  config.debug_exit = options.debug_exit;
  config.command_line = options.append;
  config.log = say;
  if (options.timeout_ns) config.timeout_ns = *options.timeout_ns;
  return config;
}

// Puts the images into `config`. An error is one line.
std::optional<std::string> load_images(const RunOptions& options, MachineConfig& config) {
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

void write_all(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

int run_lockstep(MachineConfig config, bool stats) {
  config.virtual_time = true;
  config.translate.deterministic = true;
  config.translate.count_retired = true;
  MachineConfig second = config;
  second.engine = machine::EngineKind::interpret;
  second.serial_output = nullptr;
  auto translated = Machine::create(std::move(config));
  if (const auto* error = std::get_if<std::string>(&translated)) {
    say(*error);
    return kExitUsage;
  }
  auto interpreted = Machine::create(std::move(second));
  if (const auto* error = std::get_if<std::string>(&interpreted)) {
    say(*error);
    return kExitUsage;
  }
  Machine& a = *std::get<0>(translated);
  Machine& b = *std::get<0>(interpreted);
  const auto result = machine::run_lockstep(a, b);
  if (stats) {
    say(stats_table("lockstep", {{"steps", result.steps}, {"instructions", result.instructions}}));
    say(stats_table("translated machine", a.stats()));
    say(stats_table("interpreted machine", b.stats()));
  }
  if (result.differs) {
    say("the engines differ " + result.difference);
    return kExitDifference;
  }
  if (!result.end.message.empty()) say(result.end.message);
  return exit_code(result.end);
}

}  // namespace

int run(const RunOptions& options) {
  std::signal(SIGPIPE, SIG_IGN);
  MachineConfig config = machine_config(options);
  if (const auto error = load_images(options, config)) {
    say(*error);
    return kExitUsage;
  }
  config.serial_output = write_all;
  if (options.engine == EngineChoice::lockstep) return run_lockstep(std::move(config), options.stats);
  auto created = Machine::create(std::move(config));
  if (const auto* error = std::get_if<std::string>(&created)) {
    say(*error);
    return kExitUsage;
  }
  Machine& machine = *std::get<0>(created);
  const RunEnd end = machine.run();
  if (options.stats) say(stats_table("statistics", machine.stats()));
  if (!end.message.empty()) say(end.message);
  return exit_code(end);
}

}  // namespace ringshift::cli
