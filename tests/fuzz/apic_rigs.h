// APICs, HPET and the parallel port, for the fuzzer of devices. Registers in memory are ports here, one each.
#pragma once

#include <memory>

#include "tests/fuzz/device_rigs.h"

namespace ringshift::fuzz {

// 0 local and I/O APIC with the 8259s, 1 HPET, 2 parallel port.
std::unique_ptr<Rig> make_apic_rig(unsigned number);

}  // namespace ringshift::fuzz
