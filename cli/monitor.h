// The human monitor: lines of text that look at a machine and change it, in the words of QEMU's monitor.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "runtime/machine/disk_image.h"
#include "runtime/machine/machine.h"

namespace ringshift::cli {

// On the machine's thread, within its requests.
class Monitor {
 public:
  // `quit` ends the run.
  Monitor(machine::Machine& machine, std::function<void()> quit) : machine_(machine), quit_(std::move(quit)) {}

  // What the command says: whole lines, or nothing.
  [[nodiscard]] std::string execute(std::string_view line);

 private:
  machine::Machine& machine_;
  std::function<void()> quit_;
};

// What several front ends do. An error is one readable line.
[[nodiscard]] std::optional<std::string> screendump(machine::Machine& machine, const std::string& path);
// Opens an image and puts it into a drive.
[[nodiscard]] std::optional<std::string> insert_medium(machine::Machine& machine, std::string_view drive,
                                                       const std::string& path, machine::DiskImage::Options options,
                                                       bool force);
[[nodiscard]] std::string_view version_text();

}  // namespace ringshift::cli
