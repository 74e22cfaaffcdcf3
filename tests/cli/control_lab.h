// A machine that does not run, for sessions that control it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>

#include "cli/monitor.h"
#include "runtime/machine/machine.h"
#include "tests/support/boot_images.h"

namespace ringshift::test {

class ControlLab {
 public:
  // With a CD-ROM drive and a floppy drive, both empty, if it has firmware.
  explicit ControlLab(bool firmware = false) {
    machine::MachineConfig config;
    config.memory_bytes = 2 * machine::kMiB;
    config.engine = machine::EngineKind::interpret;
    config.virtual_time = true;
    config.kernel = {"kernel", small_multiboot_addresses()};
    if (firmware) {
      config.firmware.emplace().bios.assign(4096, 0xF4);
      config.ide[2].cdrom = true;
    }
    config.event = [this](const machine::MachineEvent& event) {
      if (on_event) on_event(event);
    };
    auto created = machine::Machine::create(std::move(config));
    if (auto* error = std::get_if<std::string>(&created)) throw std::runtime_error(*error);
    machine = std::get<std::unique_ptr<machine::Machine>>(std::move(created));
    monitor.emplace(*machine, [this] { quit = true; });
  }
  std::string execute(std::string_view line) { return monitor->execute(line); }

  std::unique_ptr<machine::Machine> machine;
  std::optional<cli::Monitor> monitor;
  std::function<void(const machine::MachineEvent&)> on_event;
  bool quit = false;
};

}  // namespace ringshift::test
