#include "runtime/machine/machine.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/machine/board.h"
#include "runtime/machine/register_dump.h"

namespace ringshift::machine {
namespace {

using Reason = RunEnd::Reason;

constexpr std::uint64_t kNever = devices::EventQueue::kNever;
// Between two looks at timers and input when the engine is not kicked.
constexpr std::uint64_t kHostSlice = 1U << 24;
// With virtual time: how long the guest's clocks may stand still.
constexpr std::uint64_t kVirtualSlice = 1000;
// Triple faults less than a second apart are a boot loop, and this many end it.
constexpr std::uint64_t kBootLoop = 3;
constexpr std::uint64_t kBootLoopNs = 1'000'000'000;

}  // namespace

Machine::Machine(MachineConfig config) : config_(std::move(config)) {}

Machine::~Machine() { remove_board(); }

// Not under the mutex: ending the board waits for its worker, which may be about to post.
void Machine::remove_board() {
  std::unique_ptr<Board> board;
  const std::unique_lock lock(mutex_);
  board = std::move(board_);
}

std::variant<std::unique_ptr<Machine>, std::string> Machine::create(MachineConfig config) {
  std::unique_ptr<Machine> machine(new Machine(std::move(config)));
  if (auto error = machine->build()) return *error;
  return machine;
}

std::optional<std::string> Machine::build() {
  const devices::Clock& clock = config_.virtual_time ? static_cast<const devices::Clock&>(virtual_clock_) : host_clock_;
  auto built = Board::create(
      config_, clock, [this](std::string_view line) { log(line); }, [this] { post([] {}); });
  if (auto* error = std::get_if<std::string>(&built)) return *error;
  const std::lock_guard lock(mutex_);
  board_ = std::move(std::get<std::unique_ptr<Board>>(built));
  board_->events().on_earlier([this] {
    if (slice_timer_ != nullptr) end_slice_at(next_deadline());
  });
  return std::nullopt;
}

void Machine::log(std::string_view line) const {
  if (config_.log) config_.log(line);
}

// ---- what other threads ask for ---------------------------------------------------------------

void Machine::post(const std::function<void()>& change) {
  const std::lock_guard lock(mutex_);
  change();
  anything_posted_ = true;
  posted_.notify_one();
  if (board_) board_->engine().kick();
}

void Machine::serial_input(std::span<const std::uint8_t> bytes) {
  post([&] {
    input_.insert(input_.end(), bytes.begin(), bytes.end());
    serial_backlog_.fetch_add(bytes.size(), std::memory_order_relaxed);
  });
}

void Machine::keyboard_input(std::span<const Key> keys) {
  post([&] { keys_.insert(keys_.end(), keys.begin(), keys.end()); });
}

void Machine::watch_screen(bool on) {
  post([&] { watch_screen_ = on; });
}

void Machine::request_stop() {
  post([this] { stop_ = true; });
}

// ---- the loop ---------------------------------------------------------------------------------

RunEnd Machine::run(std::vector<IoThread::Watch> watches) {
  engine::KickTimer timer;
  if (!timer.valid()) return {Reason::host_error, 0, "the host has no timer left"};
  const IoThread io(std::move(watches));
  RunEnd end = run_to_end(timer);
  if (board_) board_->show_screen();
  return end;
}

RunEnd Machine::run_to_end(engine::KickTimer& timer) {
  while (true) {
    if (auto end = service()) return *end;
    const std::uint64_t deadline = next_deadline();
    if (idle()) {
      board_->flush_serial();
      if (config_.virtual_time && skip_idle_time()) continue;
      // This thread waits for the timer itself.
      wait_for_event(deadline);
      continue;
    }
    slice_timer_ = &timer;
    end_slice_at(deadline);
    const auto outcome = run_slice(kHostSlice);
    slice_timer_ = nullptr;
    timer.detach();
    if (outcome.reason != engine::StopReason::shutdown) continue;
    if (auto end = on_triple_fault()) return *end;
  }
}

void Machine::end_slice_at(std::uint64_t deadline_ns) {
  volatile std::uint8_t& pending = board_->cpu().state.pending;
  if (deadline_ns == kNever) return slice_timer_->set(engine::KickTimer::kNever, pending);
  const std::uint64_t now = host_clock_.now_ns();
  slice_timer_->set(deadline_ns > now ? deadline_ns - now : 0, pending);
}

std::uint64_t Machine::next_deadline() const {
  const std::uint64_t timer = config_.virtual_time ? kNever : board_->events().next_deadline();
  return std::min(timer, config_.timeout_ns);
}

std::optional<RunEnd> Machine::service() {
  board_->events().run_due();
  std::vector<std::uint8_t> input;
  std::vector<Key> keys;
  bool watch_screen = false;
  {
    const std::lock_guard lock(mutex_);
    anything_posted_ = false;
    input.swap(input_);
    keys.swap(keys_);
    watch_screen = watch_screen_;
    if (stop_) {
      board_->flush_serial();
      return RunEnd{Reason::stopped, 0, {}};
    }
  }
  board_->deliver_blocks();
  board_->watch_screen(watch_screen);
  if (!input.empty()) board_->receive_serial(input);
  board_->type(keys);
  serial_backlog_.store(board_->serial_unread(), std::memory_order_relaxed);
  board_->flush_serial();
  if (const auto code = board_->debug_exit_code()) return RunEnd{Reason::debug_exit, *code, {}};
  switch (board_->power_request()) {
    case devices::PowerRequest::off:
      return RunEnd{Reason::powered_off, 0, {}};
    case devices::PowerRequest::reset:
      if (auto end = reset()) return end;
      break;
    case devices::PowerRequest::none:
      break;
  }
  if (config_.timeout_ns != kNever && host_clock_.now_ns() >= config_.timeout_ns) return RunEnd{Reason::timeout, 0, {}};
  return std::nullopt;
}

engine::RunOutcome Machine::run_slice(std::uint64_t max_instructions) {
  if (config_.virtual_time) {
    max_instructions = std::min(max_instructions, kVirtualSlice);
    const std::uint64_t timer = board_->events().next_deadline();
    if (timer != kNever) {
      const std::uint64_t now = virtual_clock_.now_ns();
      const std::uint64_t rest = timer > now ? timer - now : 0;
      const std::uint64_t until = (rest + VirtualClock::kNsPerInstruction - 1) / VirtualClock::kNsPerInstruction;
      max_instructions = std::clamp<std::uint64_t>(until, 1, max_instructions);
    }
  }
  const auto outcome = board_->engine().run(max_instructions);
  if (config_.virtual_time) virtual_clock_.retire(outcome.retired);
  return outcome;
}

bool Machine::idle() const {
  const CpuState& state = board_->cpu().state;
  return state.halted != 0 && !(state.interrupt_flag != 0 && board_->interrupt_pending());
}

bool Machine::skip_idle_time() {
  const std::uint64_t timer = board_->events().next_deadline();
  if (timer == kNever) return false;
  virtual_clock_.skip_to(timer);
  return true;
}

void Machine::wait_for_event(std::uint64_t deadline_ns) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return anything_posted_; };
  if (deadline_ns == kNever) {
    posted_.wait(lock, ready);
    return;
  }
  const std::uint64_t now = host_clock_.now_ns();
  if (deadline_ns > now) posted_.wait_for(lock, std::chrono::nanoseconds(deadline_ns - now), ready);
}

// ---- resets -----------------------------------------------------------------------------------

std::optional<RunEnd> Machine::reset() {
  if (!config_.reboot) return RunEnd{Reason::reset, 0, {}};
  remove_board();  // before the next one, so that memory is not needed twice
  ++resets_;
  if (auto error = build()) return RunEnd{Reason::host_error, 0, *error};
  return std::nullopt;
}

std::optional<RunEnd> Machine::on_triple_fault() {
  board_->flush_serial();
  const std::uint64_t now = host_clock_.now_ns();
  const bool in_a_row = triple_faults_in_a_row_ != 0 && now - last_triple_fault_ns_ < kBootLoopNs;
  triple_faults_in_a_row_ = in_a_row ? triple_faults_in_a_row_ + 1 : 1;
  last_triple_fault_ns_ = now;
  const bool give_up = !config_.reboot || triple_faults_in_a_row_ >= kBootLoop;
  // With an empty IDT it is how a guest asks for a reset (Linux: reboot=t), and no news.
  if (give_up || cpu().idtr.limit != 0) log("triple fault\n" + register_dump(cpu()));
  if (give_up) return RunEnd{Reason::triple_fault, 0, {}};
  return reset();
}

const CpuState& Machine::cpu() const { return board_->cpu().state; }

std::optional<devices::Picture> Machine::picture() const { return board_->picture(); }

const mmu::GuestMemory& Machine::memory() const { return board_->memory(); }

engine::Stats Machine::stats() const {
  engine::Stats stats = board_->engine().stats();
  const engine::Stats more = board_->stats();
  stats.insert(stats.end(), more.begin(), more.end());
  stats.push_back({"resets", resets_});
  return stats;
}

}  // namespace ringshift::machine
