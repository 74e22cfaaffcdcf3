// Ring 3 of the host CPU in 32-bit mode: runs the very bytes of 32-bit code natively.
//
// A 64-bit Linux process may enter compatibility mode through the code segment that the kernel keeps for 32-bit
// programs. Code is entered by IRETQ, which loads eip, eflags, esp and the two segments at once, and ends in a far jump
// to the gate page, or in an exception that the kernel reports as a signal. One object at a time in a process.
#pragma once

#include <array>
#include <csignal>
#include <cstdint>
#include <memory>
#include <string>

#include "runtime/state/cpu_state.h"

namespace ringshift::testkit {

// Pages of the native side alone: its context, and its way back.
inline constexpr std::uint32_t kNativeContext = 0x30000000;
inline constexpr std::uint32_t kNativeGate = 0x30001000;

// The selectors that Linux gives to 32-bit user code and data, and to 64-bit user code.
inline constexpr std::uint16_t kUserCode = 0x23;
inline constexpr std::uint16_t kUserData = 0x2B;
inline constexpr std::uint16_t kUserCode64 = 0x33;

// Values of NativeContext::vector that are no vectors.
inline constexpr std::int32_t kNativeEnd = -1;      // the code came to the gate page
inline constexpr std::int32_t kNativeHung = -2;     // it ran for more than a second
inline constexpr std::int32_t kNativeRefused = -3;  // the host forbids the system call that it made

// The registers before and after; the assembly in the source knows the offsets.
struct NativeContext {
  std::array<std::uint8_t, 512> fx;          // 0
  std::array<std::uint32_t, kGprCount> gpr;  // 512
  std::uint16_t ds, es, fs, gs;              // 544
  struct {
    std::uint64_t rip, cs, rflags, rsp, ss;
  } frame;                                   // 552: what IRETQ pops
  std::uint64_t host_rsp, fs_base, gs_base;  // 592
  std::uint64_t leave;                       // 616: where the gate page jumps to
  std::uint32_t use_fx;                      // 624
  std::uint32_t active;                      // 628: between entering and leaving
  std::uint32_t mxcsr;                       // 632: the host's
  std::uint32_t eflags;                      // 636
  std::uint16_t ss;                          // 640
  std::uint16_t cs;                          // 642
  std::int32_t vector;                       // 644: -1 if the case ran to its end
  std::uint32_t error, cr2, eip;             // 648
  std::uint32_t sequence;                    // 660: of cases, for the watchdog
  std::uint16_t signal_segments[4];          // 664: ds, es, fs, gs when the signal came
  std::uint64_t signal_fs_base;              // 672
};

class NativeRing3 {
 public:
  // Null if this host does not let us: the reason is in `why`.
  static std::unique_ptr<NativeRing3> create(std::string& why);
  ~NativeRing3();
  NativeRing3(const NativeRing3&) = delete;
  NativeRing3& operator=(const NativeRing3&) = delete;

  // Signals are ours from begin() to end(): other users of the process's signals must not run between.
  void begin();
  void end();

  // Fill in gpr, ds to gs, frame and, if use_fx, fx; run() leaves the rest.
  [[nodiscard]] static NativeContext& context();
  static void run();

 private:
  NativeRing3() = default;

  bool has_gate_ = false;
  std::array<struct sigaction, 7> old_{};
  stack_t old_stack_{};
  std::array<std::uint8_t, 65536> signal_stack_{};
};

// Maps pages at a fixed address below 4 GiB; `fd` -1: of zeros. False if something is there.
[[nodiscard]] bool map_fixed(std::uint32_t address, std::uint32_t bytes, int protection, int fd = -1);

template <class T = std::uint8_t>
[[nodiscard]] T* low_pointer(std::uint32_t address) {
  return reinterpret_cast<T*>(std::uintptr_t{address});
}

}  // namespace ringshift::testkit
