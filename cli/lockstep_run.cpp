#include "cli/lockstep_run.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "cli/exit_code.h"
#include "cli/message.h"
#include "cli/stats_table.h"
#include "runtime/machine/lockstep.h"

namespace ringshift::cli {
namespace {

using machine::Machine;
using machine::MachineConfig;

// What the I/O thread leaves for both machines, which get it between two steps: at the same point of their lives.
class Mailbox {
 public:
  Mailbox(Machine& a, Machine& b) : a_(a), b_(b) {}

  GuestSide guest_side() {
    GuestSide guest;
    guest.input = [this](std::span<const std::uint8_t> bytes) {
      const std::lock_guard lock(mutex_);
      input_.insert(input_.end(), bytes.begin(), bytes.end());
      news_.store(true);
    };
    guest.wants_input = [this] {
      constexpr std::size_t kEnough = 65536;
      const std::lock_guard lock(mutex_);
      return input_.size() + a_.serial_backlog() < kEnough;
    };
    guest.stop = [this] {
      stop_.store(true);
      news_.store(true);
    };
    return guest;
  }

  // On the machines' thread. False: stop.
  bool deliver() {
    if (!news_.exchange(false, std::memory_order_relaxed)) return true;
    if (stop_.load()) return false;
    std::vector<std::uint8_t> input;
    {
      const std::lock_guard lock(mutex_);
      input.swap(input_);
    }
    a_.serial_input(input);
    b_.serial_input(input);
    return true;
  }

 private:
  Machine& a_;
  Machine& b_;
  std::mutex mutex_;
  std::vector<std::uint8_t> input_;
  std::atomic<bool> news_{false};
  std::atomic<bool> stop_{false};
};

}  // namespace

int run_lockstep(MachineConfig config, HostSide& host, bool stats) {
  config.virtual_time = true;
  config.translate.deterministic = true;
  config.translate.count_retired = true;
  MachineConfig second = config;
  second.engine = machine::EngineKind::interpret;
  second.serial_output = nullptr;
  second.log = nullptr;
  auto translated = Machine::create(std::move(config));
  if (const auto* error = std::get_if<std::string>(&translated)) return bad_usage(*error);
  auto interpreted = Machine::create(std::move(second));
  if (const auto* error = std::get_if<std::string>(&interpreted)) return bad_usage(*error);
  Machine& a = *std::get<0>(translated);
  Machine& b = *std::get<0>(interpreted);

  Mailbox mailbox(a, b);
  machine::LockstepEnd result;
  {
    const machine::IoThread io(host.start(mailbox.guest_side()));
    result = machine::run_lockstep(a, b, [&mailbox] { return mailbox.deliver(); });
  }
  host.finish();

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
  return exit_code(result.end, host.stopped());
}

}  // namespace ringshift::cli
