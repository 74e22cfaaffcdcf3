#include "runtime/machine/lockstep.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "runtime/machine/register_dump.h"

namespace ringshift::machine {
namespace {

// Steps between two comparisons of all of memory, which cost far more than a step.
constexpr std::uint64_t kMemoryInterval = 1U << 21;

template <class T>
void compare(std::string& out, std::string_view name, const T& translated, const T& interpreted) {
  if (translated == interpreted) return;
  fmt::format_to(std::back_inserter(out), "  {}: translated {:x}, interpreted {:x}\n", name, translated, interpreted);
}

std::string compare_registers(const CpuState& a, const CpuState& b) {
  static constexpr std::array<std::string_view, kGprCount> kGpr{"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
  static constexpr std::array<std::string_view, kSegCount> kSeg{"es", "cs", "ss", "ds", "fs", "gs"};
  std::string out;
  for (unsigned i = 0; i < kGprCount; ++i) compare(out, kGpr[i], a.gpr[i], b.gpr[i]);
  compare(out, "eip", a.eip, b.eip);
  compare(out, "eflags", a.eflags(), b.eflags());
  compare(out, "interrupt shadow", a.interrupt_shadow, b.interrupt_shadow);
  compare(out, "halted", a.halted, b.halted);
  for (unsigned i = 0; i < kSegCount; ++i) {
    if (a.seg[i] != b.seg[i]) fmt::format_to(std::back_inserter(out), "  segment register {} differs\n", kSeg[i]);
  }
  compare(out, "cr0", a.cr0, b.cr0);
  compare(out, "cr2", a.cr2, b.cr2);
  compare(out, "cr3", a.cr3, b.cr3);
  compare(out, "cr4", a.cr4, b.cr4);
  for (std::size_t i = 0; i < a.fx.size(); ++i) {
    if (a.fx[i] == b.fx[i]) continue;
    fmt::format_to(std::back_inserter(out), "  x87/SSE state differs from byte {} of the FXSAVE image\n", i);
    break;
  }
  if (a.ldtr != b.ldtr || a.tr != b.tr || a.gdtr != b.gdtr || a.idtr != b.idtr) out += "  a table register differs\n";
  if (a.msr != b.msr) out += "  an MSR differs\n";
  return out;
}

std::string compare_memory(const Machine& a, const Machine& b) {
  const std::uint8_t* left = a.memory().data();
  const std::uint8_t* right = b.memory().data();
  const std::uint64_t size = a.memory().size();
  if (std::memcmp(left, right, size) == 0) return {};
  const auto at = std::mismatch(left, left + size, right).first - left;
  return fmt::format("  memory differs from offset {:#x}: translated {:02x}, interpreted {:02x}\n", at, left[at],
                     right[at]);
}

class Lockstep {
 public:
  Lockstep(Machine& translated, Machine& interpreted, std::function<bool()> between_steps)
      : a_(translated), b_(interpreted), between_steps_(std::move(between_steps)) {}

  LockstepEnd run() {
    while (!step()) {
    }
    if (!result_.differs) differ_if(compare_memory(a_, b_));
    return std::move(result_);
  }

 private:
  // True: the run is over.
  bool step() {
    if (between_steps_ && !between_steps_()) return true;  // the end says: stopped
    const auto end_a = a_.service();
    const auto end_b = b_.service();
    if (end_a || end_b) return finish(end_a, end_b);
    if (a_.idle() != b_.idle()) return differ_if("  only one machine is idle\n");
    if (a_.idle()) {
      const bool more = a_.skip_idle_time();
      if (more && b_.skip_idle_time()) return false;
      result_.end = RunEnd{RunEnd::Reason::stopped, 0, "halted for ever"};
      return true;
    }
    before_ = a_.cpu();
    const auto outcome = a_.run_slice(1);
    const bool shutdown = outcome.reason == engine::StopReason::shutdown;
    ++result_.steps;
    result_.instructions += outcome.retired;
    if (!follow(outcome.retired, shutdown)) return differ_if("  the interpreter did not follow\n");
    if (differ_if(compare_registers(a_.cpu(), b_.cpu()))) return true;
    if (result_.steps % kMemoryInterval == 0 && differ_if(compare_memory(a_, b_))) return true;
    return shutdown && finish(a_.on_triple_fault(), b_.on_triple_fault());
  }

  // The interpreter does the same step: `retired` instructions, or one that faults.
  bool follow(std::uint64_t retired, bool shutdown) {
    std::uint64_t done = 0;
    do {
      const auto outcome = b_.run_slice(std::max<std::uint64_t>(retired - done, 1));
      if (outcome.reason == engine::StopReason::shutdown) return shutdown;
      if (outcome.retired == 0 && retired != 0) return false;
      done += outcome.retired;
    } while (done < retired);
    return done == retired && !shutdown;
  }

  bool finish(const std::optional<RunEnd>& end_a, const std::optional<RunEnd>& end_b) {
    if (!end_a && !end_b) return false;
    if (!end_a || !end_b || end_a->reason != end_b->reason || end_a->code != end_b->code) {
      return differ_if("  the machines ended differently\n");
    }
    result_.end = *end_a;
    return true;
  }

  bool differ_if(const std::string& what) {
    if (what.empty()) return false;
    result_.differs = true;
    result_.difference = fmt::format("after {} steps, {} instructions:\n{}before the step:\n{}", result_.steps,
                                     result_.instructions, what, register_dump(before_));
    return true;
  }

  Machine& a_;
  Machine& b_;
  std::function<bool()> between_steps_;
  CpuState before_;
  LockstepEnd result_;
};

}  // namespace

LockstepEnd run_lockstep(Machine& translated, Machine& interpreted, std::function<bool()> between_steps) {
  return Lockstep(translated, interpreted, std::move(between_steps)).run();
}

}  // namespace ringshift::machine
