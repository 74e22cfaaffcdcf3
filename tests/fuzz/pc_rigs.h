// The devices of a PC with firmware, for the fuzzer of devices.
#pragma once

#include <memory>

#include "tests/fuzz/device_rigs.h"

namespace ringshift::fuzz {

inline constexpr unsigned kPcRigs = 5;
// 0 fw_cfg, 1 VGA, 2 IDE, 3 floppy, 4 chip set.
std::unique_ptr<Rig> make_pc_rig(unsigned number);

}  // namespace ringshift::fuzz
