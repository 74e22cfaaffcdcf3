#include "runtime/engine/guest_thread.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <utility>

#include "runtime/engine/kick_timer.h"

namespace ringshift::engine {
namespace {

constexpr std::array<int, 5> kSynchronous{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
constexpr std::size_t kMaxSignals = 65;

thread_local SignalHandler* t_handler = nullptr;
std::array<struct sigaction, kMaxSignals> g_previous{};

void dispatch(int number, siginfo_t* info, void* raw) {
  if (number == kick_signal() && info->si_code == SI_TIMER) {
    static_cast<const KickTimer*>(info->si_value.sival_ptr)->expired();
  }
  if (t_handler != nullptr && t_handler->on_signal(number, *info, *static_cast<ucontext_t*>(raw))) return;
  if (number == kick_signal()) return;
  const struct sigaction& old = g_previous[static_cast<std::size_t>(number)];
  if ((old.sa_flags & SA_SIGINFO) != 0 && old.sa_sigaction != nullptr) {
    old.sa_sigaction(number, info, raw);
  } else if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) {
    old.sa_handler(number);
  } else {
    // Run the instruction again under the default action, so that the core shows the true cause.
    signal(number, SIG_DFL);
  }
}

bool install_handlers() {
  struct sigaction action {};
  action.sa_sigaction = dispatch;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigemptyset(&action.sa_mask);
  // A kick must not interrupt the handling of a fault half-way.
  sigaddset(&action.sa_mask, kick_signal());
  for (const int number : kSynchronous) sigaction(number, &action, &g_previous[static_cast<std::size_t>(number)]);
  sigaction(kick_signal(), &action, nullptr);
  return true;
}

// Translated code runs on a small return ring, so handlers need a stack of their own.
class AlternateStack {
 public:
  AlternateStack() {
    memory_ = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) return;
    stack_t stack{};
    stack.ss_sp = memory_;
    stack.ss_size = kBytes;
    sigaltstack(&stack, nullptr);
  }
  ~AlternateStack() {
    if (memory_ == MAP_FAILED) return;
    stack_t stack{};
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, nullptr);
    munmap(memory_, kBytes);
  }
  AlternateStack(const AlternateStack&) = delete;
  AlternateStack& operator=(const AlternateStack&) = delete;

 private:
  static constexpr std::size_t kBytes = std::size_t{256} << 10;
  void* memory_ = nullptr;
};

}  // namespace

int kick_signal() { return SIGUSR2; }

void catch_signals() { [[maybe_unused]] static const bool kInstalled = install_handlers(); }

GuestThread::GuestThread(SignalHandler& handler) : previous_(t_handler) {
  catch_signals();
  [[maybe_unused]] thread_local const AlternateStack t_stack;
  t_handler = &handler;
}

GuestThread::~GuestThread() { t_handler = previous_; }

}  // namespace ringshift::engine
