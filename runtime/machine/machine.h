// A PC: memory, devices, one virtual CPU and the loop that runs it. A value: a process can have several.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "devices/pic.h"
#include "devices/picture.h"
#include "devices/pointer.h"
#include "devices/text_screen.h"
#include "devices/vga_picture.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/kick_timer.h"
#include "runtime/machine/boot/boot_plan.h"
#include "runtime/machine/clocks.h"
#include "runtime/machine/disk_image.h"
#include "runtime/machine/io_thread.h"

namespace ringshift::machine {

class Board;
struct BoardRemains;  // board.h

enum class EngineKind : std::uint8_t {
  translate,
  interpret
};

struct DebugExitPort {
  std::uint16_t base = 0x501;
  std::uint16_t size = 4;
};

enum class BootDevice : std::uint8_t {
  disk,
  cdrom,
  floppy
};

// A machine that starts as a PC does, at the reset vector.
struct Firmware {
  std::vector<std::uint8_t> bios;      // a multiple of 4 KiB; its last byte stands at FFFFFFFFh
  std::vector<std::uint8_t> vga_bios;  // option ROM; may be empty
  BootDevice boot = BootDevice::disk;  // what is tried first
  bool log = false;                    // what the firmware says on its debug port goes to MachineConfig::log
};

// A drive on one of the four positions of the two IDE channels: primary master, primary slave, secondary master,
// secondary slave.
struct IdeUnit {
  std::shared_ptr<DiskImage> image;  // null: no drive; but a CD-ROM drive that is empty
  bool cdrom = false;
  std::string file{};  // the image's name, for monitors
};

// What stands in a machine's drive bay.
struct DriveInfo {
  std::string name;       // as in QEMU's machine of this kind: ide0-hd0, ide1-cd0, floppy0
  unsigned position = 0;  // on the IDE channels; 4: the floppy drive
  bool removable = false, locked = false, tray_open = false;
  std::shared_ptr<DiskImage> image{};  // null: no medium
  std::string file{};
};

// What happens to a machine as a whole, for monitors and debuggers.
struct MachineEvent {
  enum class Kind : std::uint8_t {
    stopped,
    resumed,
    reset,
    power_button,
    ended  // `end` says how
  };
  // Of stopped.
  enum class Cause : std::uint8_t {
    request,
    breakpoint,
    watchpoint,  // `watch` says which
    step
  };
  Kind kind = Kind::stopped;
  Cause cause = Cause::request;
  Cpu::Watchpoint watch{};
  const struct RunEnd* end = nullptr;
};

struct MachineConfig {
  std::uint64_t memory_bytes = 256 * kMiB;
  EngineKind engine = EngineKind::translate;
  CpuModel cpu = CpuModel::core2;
  engine::TranslateOptions translate;
  bool virtual_time = false;                               // VirtualClock instead of HostClock: deterministic
  bool reboot = true;                                      // a reset boots again; else it ends the run
  std::uint64_t timeout_ns = devices::EventQueue::kNever;  // of host time
  std::optional<DebugExitPort> debug_exit;
  bool apic = false;  // see has_apic()
  bool hpet = false;

  std::optional<Firmware> firmware;   // then there is no kernel
  std::array<IdeUnit, 4> ide;         // with firmware
  std::shared_ptr<DiskImage> floppy;  // with firmware; null: no drive
  std::string floppy_file;
  boot::Image kernel;
  std::vector<boot::Image> modules;
  std::string command_line;

  // What is sent to the first parallel port; empty: there is no such port.
  std::function<void(std::uint8_t)> parallel_output;
  // Both are called on the thread that runs the machine. `log` gets one line without its newline.
  std::function<void(std::span<const std::uint8_t>)> serial_output;
  std::function<void(std::string_view)> log;
  // The same thread.
  std::function<void(const MachineEvent&)> event;
  bool start_stopped = false;  // run() begins with a stop
  // With firmware, the same thread: what the screen shows now, after changes and at most some 30 times a second.
  std::function<void(const devices::TextScreen&)> screen_output;
  // The same as pixels, while watch_screen() is on: the whole picture, and which of its rows have changed. Another size
  // than before: all of them.
  std::function<void(const devices::Picture&, devices::Rows)> picture_output;
};

// A local and an I/O APIC: wanted, and the CPU model may have one.
[[nodiscard]] inline bool has_apic(const MachineConfig& config) { return config.apic && config.cpu != CpuModel::i486; }

struct Key {
  std::uint16_t code = 0;  // set 1 make code, E0xxh for the extended keys
  bool pressed = true;
};

// How a run ended.
struct RunEnd {
  enum class Reason : std::uint8_t {
    powered_off,
    reset,         // the guest asked for one, and MachineConfig::reboot is off
    debug_exit,    // `code` is (value << 1) | 1 of the value that it wrote
    triple_fault,  // with MachineConfig::reboot off, or again and again
    stopped,       // request_stop()
    timeout,
    host_error,  // `message` says what
  };
  Reason reason = Reason::stopped;
  std::uint32_t code = 0;
  std::string message;
};

class Machine {
 public:
  // Loads the images. The error is one readable line.
  static std::variant<std::unique_ptr<Machine>, std::string> create(MachineConfig config);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Runs on this thread until the guest or somebody else ends it. Files to watch (the terminal, a signal
  // pipe) are read on a second thread, which lives only as long as the call.
  RunEnd run(std::vector<IoThread::Watch> watches = {});

  // Any thread.
  void serial_input(std::span<const std::uint8_t> bytes);
  // Keys pressed or released, in this order; typed at a speed that guests can follow.
  void keyboard_input(std::span<const Key> keys);
  // With firmware: the mouse.
  void pointer_input(const devices::PointerMove& move);
  // Bytes of serial input that the guest had not read when the loop last looked: lets a sender hold back.
  [[nodiscard]] std::size_t serial_backlog() const { return serial_backlog_.load(std::memory_order_relaxed); }
  // Whether MachineConfig::picture_output is called. Starts with the whole picture.
  void watch_screen(bool on);
  void request_stop();
  // `request` is called on the thread of run(), between two instructions of the guest, in the order of asking. It is
  // forgotten if the run ends before.
  void ask(std::function<void()> request);

  // ---- for such requests -----------------------------------------------------------------------
  // While stopped, the guest's clocks stand still, and its input waits. To resume steps over a breakpoint on the
  // instruction at hand.
  void stop() { stop_guest({}); }
  void resume();
  [[nodiscard]] bool stopped() const { return stopped_; }
  // Resumes for one instruction, or until an interrupt or exception has been delivered.
  void step();
  // As the button on the case: RAM and CMOS keep their contents, if there is firmware.
  void press_reset() { reset_asked_ = true; }
  void press_power_button();
  void inject_nmi();
  [[nodiscard]] std::vector<DriveInfo> drives() const;
  // Puts a medium into a drive for media, or takes it out (null), which a lock of the guest's prevents unless `force`.
  // The error is one readable line.
  std::optional<std::string> change_medium(std::string_view drive, std::shared_ptr<DiskImage> image,
                                           const std::string& file, bool force);
  // They outlive resets. Linear addresses.
  void set_breakpoints(std::vector<std::uint32_t> linear);
  void set_watchpoints(std::vector<Cpu::Watchpoint> watchpoints);
  // While stopped its registers may be changed.
  [[nodiscard]] Cpu& processor();
  [[nodiscard]] const devices::Pic& pic() const;

  // ---- one slice at a time, for whoever drives the machine itself (lockstep, tests) ------------
  // Timers, input and requests. A value: the run is over.
  std::optional<RunEnd> service();
  // At most `max_instructions`; with virtual time also at most to the next timer. Do not call when idle().
  engine::RunOutcome run_slice(std::uint64_t max_instructions);
  // Halted, and no interrupt is there to be taken.
  [[nodiscard]] bool idle() const;
  // Virtual time only: the clock jumps to the next timer. False: there is none.
  bool skip_idle_time();
  // An outcome of shutdown: a reset, or the end of the run.
  std::optional<RunEnd> on_triple_fault();

  // What the screen shows; nothing without firmware. For the thread that runs the machine, or when none does.
  [[nodiscard]] std::optional<devices::Picture> picture() const;

  [[nodiscard]] const CpuState& cpu() const;
  [[nodiscard]] const mmu::GuestMemory& memory() const;
  [[nodiscard]] engine::Stats stats() const;
  [[nodiscard]] std::uint64_t resets() const { return resets_; }

 private:
  explicit Machine(MachineConfig config);
  RunEnd run_to_end(engine::KickTimer& timer);
  void remove_board();
  // A fresh board with the images loaded; else an error. A guest's memory and CMOS may be those of its last board.
  std::optional<std::string> build(BoardRemains remains);
  void run_requests();
  void tell(const MachineEvent& event) const;
  void stop_guest(const MachineEvent& event);
  void install_debugging();
  std::optional<RunEnd> reset();
  engine::RunOutcome run_step();
  std::optional<RunEnd> end_slice(const engine::RunOutcome& outcome);
  // Of host time: the next timer or the end of the run.
  [[nodiscard]] std::uint64_t next_deadline() const;
  void wait_for_event(std::uint64_t deadline_ns);
  void end_slice_at(std::uint64_t deadline_ns);
  void post(const std::function<void()>& change);
  void log(std::string_view line) const;

  MachineConfig config_;
  HostClock host_clock_;
  StoppableClock guest_clock_{host_clock_};
  VirtualClock virtual_clock_;
  std::unique_ptr<Board> board_;
  // While the guest runs in run(): who must hear of a timer that the guest arms for an earlier time.
  engine::KickTimer* slice_timer_ = nullptr;
  bool stopped_ = false, stepping_ = false, reset_asked_ = false;
  std::uint64_t stopped_tsc_ = 0;  // the host's, when it stopped
  std::vector<std::uint32_t> breakpoints_;
  std::vector<Cpu::Watchpoint> watchpoints_;
  std::uint64_t resets_ = 0;
  std::uint64_t triple_faults_in_a_row_ = 0;
  std::uint64_t last_triple_fault_ns_ = 0;

  // What other threads leave for the CPU's thread; also guards board_ against being replaced.
  std::mutex mutex_;
  std::condition_variable posted_;
  std::vector<std::uint8_t> input_;
  std::vector<Key> keys_;
  std::vector<devices::PointerMove> moves_;
  std::vector<std::function<void()>> requests_;
  std::atomic<std::size_t> serial_backlog_{0};
  bool watch_screen_ = false;
  bool end_asked_ = false;
  bool anything_posted_ = false;
};

}  // namespace ringshift::machine
