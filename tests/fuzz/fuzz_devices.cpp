// A guest that does anything at all to a device: accesses of every size to its ports, time that passes, keys and bytes
// from outside. The first byte chooses the devices, each four bytes behind it are one step.
#include "tests/fuzz/fuzz_devices.h"

#include <algorithm>
#include <memory>

#include "tests/fuzz/device_rigs.h"

namespace {

using ringshift::fuzz::require;
using ringshift::fuzz::Rig;

constexpr unsigned kTimersAStep = 1000;  // then the host is late

void pass_time(Rig& rig, std::uint64_t ns, bool late) {
  const std::uint64_t end = rig.time.now() + ns;
  for (unsigned i = 0; !late && i < kTimersAStep; ++i) {
    const std::uint64_t next = rig.time.events().next_deadline();
    if (next > end) break;
    rig.time.advance_late(next - rig.time.now());
  }
  rig.time.advance_late(end - rig.time.now());
}

// What the guest sees, folded.
class Trace {
 public:
  void add(std::uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001B3; }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325;
};

std::uint64_t play(const std::uint8_t* data, std::size_t size) {
  const std::unique_ptr<Rig> rig = ringshift::fuzz::make_rig(data[0] % ringshift::fuzz::kRigs);
  Trace trace;
  for (std::size_t at = 1; at + 4 <= size; at += 4) {
    const std::uint8_t step = data[at], where = data[at + 1];
    const std::uint32_t value = data[at + 2] | static_cast<std::uint32_t>(data[at + 3]) << 8;
    const std::uint16_t port = rig->ports[where % rig->ports.size()];
    const unsigned width = 1U << std::min(step >> 3 & 3, 2);
    switch (step & 7) {
      case 0:
        trace.add(rig->bus.read(port, 1));
        break;
      case 1: {
        const std::uint32_t got = rig->bus.read(port, width);
        require(width == 4 || got >> (8 * width) == 0);
        trace.add(got);
        break;
      }
      case 2:
        rig->bus.write(port, width, value * 0x10001);
        break;
      case 3:
        pass_time(*rig, std::uint64_t{value} << (where % 24), (step & 8) != 0);
        break;
      case 4:
        rig->event(where, static_cast<std::uint8_t>(value));
        break;
      default:
        rig->bus.write(port, 1, value & 0xFF);
        break;
    }
    rig->check();
  }
  return trace.value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // Twice: a device that remembers another machine, or reads what it never wrote, shows.
  require(play(data, size) == play(data, size));
  return 0;
}
