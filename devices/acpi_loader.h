// ACPI tables in the form in which firmware takes them through fw_cfg: blobs, and commands that tell it where to put
// them and which pointers and checksums to fix up. Source: QEMU's "etc/table-loader" interface.
#pragma once

#include <cstdint>
#include <vector>

#include "devices/acpi_tables.h"

namespace ringshift::devices {

struct AcpiFiles {
  std::vector<std::uint8_t> rsdp;    // etc/acpi/rsdp
  std::vector<std::uint8_t> tables;  // etc/acpi/tables
  std::vector<std::uint8_t> loader;  // etc/table-loader
};

// config.base is not used: firmware chooses.
AcpiFiles build_acpi_files(AcpiConfig config);

}  // namespace ringshift::devices
