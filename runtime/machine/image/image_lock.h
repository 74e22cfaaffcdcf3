// Locks on image files, by QEMU's protocol, so that it and Ringshift keep off each other's disks.
#pragma once

#include <cstdint>

namespace ringshift::machine {

enum class LockOutcome : std::uint8_t {
  locked,
  in_use,
  unsupported  // the file system knows no locks
};

// Readers share, a writer is alone. The lock belongs to the open file and ends with its last descriptor.
[[nodiscard]] LockOutcome lock_image(int fd, bool writes);

}  // namespace ringshift::machine
