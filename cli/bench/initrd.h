// An initial RAM disk for Linux, made in memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ringshift::cli {

struct InitrdEntry {
  std::string path;                          // without a leading slash; its folder is an earlier entry
  std::uint32_t mode = 0100755;              // st_mode: a program, or 040755 for a folder
  std::span<const std::uint8_t> contents{};  // of a file
};

// A cpio archive in the "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst of Linux).
[[nodiscard]] std::vector<std::uint8_t> make_initrd(std::span<const InitrdEntry> entries);

}  // namespace ringshift::cli
