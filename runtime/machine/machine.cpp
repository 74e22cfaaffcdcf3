#include "runtime/machine/machine.h"

#include <fmt/format.h>
#include <x86intrin.h>

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
  if (auto error = machine->build({})) return *error;
  return machine;
}

std::optional<std::string> Machine::build(BoardRemains remains) {
  const devices::Clock& clock =
      config_.virtual_time ? static_cast<const devices::Clock&>(virtual_clock_) : guest_clock_;
  auto built = Board::create(
      config_, clock, [this](std::string_view line) { log(line); }, [this] { post([] {}); }, std::move(remains));
  if (auto* error = std::get_if<std::string>(&built)) return *error;
  const std::lock_guard lock(mutex_);
  board_ = std::move(std::get<std::unique_ptr<Board>>(built));
  board_->events().on_earlier([this] {
    if (slice_timer_ != nullptr) end_slice_at(next_deadline());
  });
  install_debugging();
  if (!config_.reboot) {  // the images are in the guest's memory and not wanted again
    config_.kernel = boot::Image{};
    config_.modules = std::vector<boot::Image>{};
  }
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

void Machine::pointer_input(const devices::PointerMove& move) {
  post([&] { moves_.push_back(move); });
}

void Machine::watch_screen(bool on) {
  post([&] { watch_screen_ = on; });
}

void Machine::request_stop() {
  post([this] { end_asked_ = true; });
}

// ---- the loop ---------------------------------------------------------------------------------

RunEnd Machine::run(std::vector<IoThread::Watch> watches) {
  engine::KickTimer timer;
  if (!timer.valid()) return {Reason::host_error, 0, "the host has no timer left"};
  const IoThread io(std::move(watches));
  if (config_.start_stopped) stop();
  RunEnd end = run_to_end(timer);
  if (board_) board_->show_screen();
  tell({MachineEvent::Kind::ended, {}, {}, &end});
  return end;
}

RunEnd Machine::run_to_end(engine::KickTimer& timer) {
  while (true) {
    if (auto end = service()) return *end;
    if (stopped_) {
      wait_for_event(config_.timeout_ns);
      continue;
    }
    const std::uint64_t deadline = next_deadline();
    if (idle()) {
      board_->flush_serial();
      if (config_.virtual_time && skip_idle_time()) continue;
      // This thread waits for the timer itself.
      wait_for_event(deadline);
      continue;
    }
    if (stepping_) {
      if (auto end = end_slice(run_step())) return *end;
      continue;
    }
    slice_timer_ = &timer;
    end_slice_at(deadline);
    const auto outcome = run_slice(kHostSlice);
    slice_timer_ = nullptr;
    timer.detach();
    if (auto end = end_slice(outcome)) return *end;
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
  return std::min(guest_clock_.host_ns(timer), config_.timeout_ns);
}

std::optional<RunEnd> Machine::service() {
  run_requests();
  if (std::exchange(reset_asked_, false)) {
    if (auto end = reset()) return end;
  }
  if (!stopped_) board_->events().run_due();
  std::vector<std::uint8_t> input;
  std::vector<Key> keys;
  std::vector<devices::PointerMove> moves;
  bool watch_screen = false;
  {
    const std::lock_guard lock(mutex_);
    anything_posted_ = !requests_.empty();
    if (!stopped_) {
      input.swap(input_);
      keys.swap(keys_);
      moves.swap(moves_);
    }
    watch_screen = watch_screen_;
    if (end_asked_) {
      board_->flush_serial();
      return RunEnd{Reason::stopped, 0, {}};
    }
  }
  if (!stopped_) board_->deliver_blocks();
  board_->settle_window();
  board_->watch_screen(watch_screen);
  if (!input.empty()) board_->receive_serial(input);
  board_->type(keys);
  for (const auto& move : moves) board_->move_pointer(move);
  serial_backlog_.store(board_->serial_unread(), std::memory_order_relaxed);
  board_->flush_serial();
  if (!stopped_ && !board_->deliver_nmi()) {
    if (auto end = on_triple_fault()) return end;
  }
  if (const auto code = board_->debug_exit_code()) return RunEnd{Reason::debug_exit, *code, {}};
  switch (board_->power_request()) {
    case devices::PowerRequest::off:
      return RunEnd{Reason::powered_off, 0, {}};
    case devices::PowerRequest::reset_cpu:
      if (config_.firmware) {
        board_->reset_cpu();
        break;
      }
      [[fallthrough]];
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
  // A guest without firmware starts from its images, as at power-on.
  BoardRemains remains = config_.firmware ? board_->remains() : BoardRemains{};
  remove_board();  // before the next one, so that memory is not needed twice
  ++resets_;
  guest_clock_.go_on();  // the new board compares it with others
  if (auto error = build(std::move(remains))) return RunEnd{Reason::host_error, 0, *error};
  if (stopped_) {
    guest_clock_.stop();
    stopped_tsc_ = __rdtsc();
  }
  tell({MachineEvent::Kind::reset});
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

// ---- monitors and debuggers -------------------------------------------------------------------

void Machine::ask(std::function<void()> request) {
  post([&] { requests_.push_back(std::move(request)); });
}

void Machine::run_requests() {
  std::vector<std::function<void()>> requests;
  {
    const std::lock_guard lock(mutex_);
    requests.swap(requests_);
  }
  for (const auto& request : requests) request();
}

void Machine::tell(const MachineEvent& event) const {
  if (config_.event) config_.event(event);
}

void Machine::stop_guest(const MachineEvent& event) {
  stepping_ = false;
  if (stopped_) return;
  stopped_ = true;
  guest_clock_.stop();
  stopped_tsc_ = __rdtsc();
  board_->flush_serial();
  tell(event);
}

void Machine::resume() {
  if (!stopped_) return;
  stopped_ = false;
  guest_clock_.go_on();
  if (!config_.virtual_time) board_->skip_tsc(__rdtsc() - stopped_tsc_);
  board_->engine().pass_breakpoint();
  tell({MachineEvent::Kind::resumed});
}

void Machine::step() {
  resume();
  stepping_ = true;
}

engine::RunOutcome Machine::run_step() {
  const auto outcome = board_->engine().step();
  if (config_.virtual_time) virtual_clock_.retire(outcome.retired);
  return outcome;
}

// Whether a debugger wants to hear of how it ended. A value: the run is over.
std::optional<RunEnd> Machine::end_slice(const engine::RunOutcome& outcome) {
  using Kind = MachineEvent::Kind;
  using Cause = MachineEvent::Cause;
  if (outcome.reason == engine::StopReason::shutdown) {
    if (auto end = on_triple_fault()) return end;
    if (stepping_) stop_guest({Kind::stopped, Cause::step});
    return std::nullopt;
  }
  if (const auto met = std::exchange(board_->cpu().watch_met, std::nullopt)) {
    stop_guest({Kind::stopped, Cause::watchpoint, *met});
  } else if (outcome.reason == engine::StopReason::breakpoint) {
    stop_guest({Kind::stopped, Cause::breakpoint});
  } else if (stepping_ && outcome.reason != engine::StopReason::halted) {
    stop_guest({Kind::stopped, Cause::step});
  }
  return std::nullopt;
}

void Machine::press_power_button() {
  board_->press_power_button();
  tell({MachineEvent::Kind::power_button});
}

void Machine::inject_nmi() { board_->inject_nmi(); }

namespace {
constexpr std::size_t kFloppy = 4;  // behind the IDE positions
}  // namespace

std::vector<DriveInfo> Machine::drives() const {
  std::vector<DriveInfo> all;
  if (!config_.firmware) return all;
  for (unsigned position = 0; position < config_.ide.size(); ++position) {
    const IdeUnit& unit = config_.ide[position];
    if (!unit.image && !unit.cdrom) continue;
    DriveInfo drive{fmt::format("ide{}-{}{}", position / 2, unit.cdrom ? "cd" : "hd", position % 2), position};
    if (unit.cdrom) {
      const devices::AtapiCdrom& cdrom = *board_->pc()->cdrom(position);
      drive.removable = true;
      drive.locked = cdrom.locked();
      drive.tray_open = cdrom.tray_open();
    }
    drive.image = unit.image;
    drive.file = unit.file;
    all.push_back(std::move(drive));
  }
  DriveInfo floppy{"floppy0", kFloppy, true};
  floppy.image = config_.floppy;
  floppy.file = config_.floppy_file;
  all.push_back(std::move(floppy));
  return all;
}

std::optional<std::string> Machine::change_medium(std::string_view drive, std::shared_ptr<DiskImage> image,
                                                  const std::string& file, bool force) {
  const auto all = drives();
  const auto found = std::ranges::find(all, drive, &DriveInfo::name);
  if (found == all.end()) return fmt::format("Device '{}' not found", drive);
  if (!found->removable) return fmt::format("Device '{}' is not removable", drive);
  PcHardware& pc = *board_->pc();
  const unsigned position = found->position;
  if (position == kFloppy) {
    config_.floppy = image;
    config_.floppy_file = file;
    pc.change_medium(position, std::move(image));
    return std::nullopt;
  }
  if (found->locked && !found->tray_open && !force) {
    pc.cdrom(position)->request_eject();
    return fmt::format("Device '{}' is locked and force was not specified, wait for tray to open and try again", drive);
  }
  config_.ide[position].image = image;
  config_.ide[position].file = file;
  pc.change_medium(position, std::move(image));
  return std::nullopt;
}

void Machine::set_breakpoints(std::vector<std::uint32_t> linear) {
  breakpoints_ = std::move(linear);
  board_->engine().set_breakpoints(breakpoints_);
}

void Machine::set_watchpoints(std::vector<Cpu::Watchpoint> watchpoints) {
  watchpoints_ = std::move(watchpoints);
  install_debugging();
}

// On a board that is new.
void Machine::install_debugging() {
  Cpu& cpu = board_->cpu();
  if (!breakpoints_.empty()) board_->engine().set_breakpoints(breakpoints_);
  cpu.watchpoints = watchpoints_;
  cpu.watch_met.reset();
  const std::uint8_t watched = watchpoints_.empty() ? 0 : 1;
  if (std::exchange(cpu.state.watched, watched) != watched) cpu.state.refresh_pointers();
}

Cpu& Machine::processor() { return board_->cpu(); }

const devices::Pic& Machine::pic() const { return board_->pic(); }

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
