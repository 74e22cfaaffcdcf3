// Host signals that translated code raises, routed to the engine that runs on this thread.
//
// Signals and the GS base are process- and thread-wide facilities of the host: this is the one place that keeps
// state outside a machine, a pointer a thread to the engine whose translated code it runs.
#pragma once

#include <ucontext.h>

#include <csignal>

namespace ringshift::engine {

// The signal that makes a vCPU thread look at CpuState::pending.
[[nodiscard]] int kick_signal();

// Installs this process's handlers, once; for threads that have no engine (yet) a kick then does nothing.
void catch_signals();

class SignalHandler {
 public:
  virtual ~SignalHandler() = default;
  // Runs on the thread's alternate stack. False: not caused by translated code; the previous disposition applies.
  virtual bool on_signal(int number, const siginfo_t& info, ucontext_t& context) = 0;
};

// While it lives, synchronous signals of this thread go to `handler` first.
class GuestThread {
 public:
  explicit GuestThread(SignalHandler& handler);
  ~GuestThread();
  GuestThread(const GuestThread&) = delete;
  GuestThread& operator=(const GuestThread&) = delete;

 private:
  SignalHandler* previous_;
};

}  // namespace ringshift::engine
