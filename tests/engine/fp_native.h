// The host CPU as oracle: runs the very bytes of a 32-bit instruction in 32-bit mode.
//
// A 64-bit Linux process may enter compatibility mode through the code segment that the kernel keeps for
// 32-bit programs. Code, state and data lie at fixed addresses below 4 GiB, where the tests put the guest's
// data too. Include in one source file only.
#pragma once

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ucontext.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

namespace ringshift::test {

inline constexpr std::uint32_t kNativeBase = 0x200000;  // also a valid address in FpLab's memory
inline constexpr std::uint32_t kNativeData = kNativeBase + 0x8000;
inline constexpr std::uint32_t kNativeDataBytes = 0x1000;
inline constexpr std::uint32_t kNativeBytes = 0x10000;

// At kNativeBase; the assembly below knows the offsets.
struct NativeContext {
  std::array<std::uint8_t, 512> fx;  // 0
  std::array<std::uint32_t, 8> gpr;  // 512
  std::uint32_t flags;               // 544
  std::uint32_t mxcsr;               // 548
  std::uint64_t host_rsp;            // 552
};

extern "C" const std::uint8_t native_enter64[], native_enter32[], native_leave32[], native_leave64[], native_end[];

// enter64 at +0x2000, enter32 at +0x2400 (the instruction and a jump follow it), leave32 at +0x2800, leave64 at
// +0x2C00. The stack of the 32-bit side ends at +0x5000.
__asm__(R"(
  .pushsection .rodata
  .set B, 0x200000
  .code64
  .globl native_enter64
native_enter64:
  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15
  mov %rsp, (B+552)
  mov $0x2b, %eax
  mov %eax, %ds
  mov %eax, %es
  ljmp *1f(%rip)
1:.long B+0x2400
  .word 0x23
  .code32
  .globl native_enter32
native_enter32:
  mov $(B+0x5000), %esp
  fxrstor (B)
  pushl (B+544)
  popfl
  mov (B+512), %eax
  mov (B+516), %ecx
  mov (B+520), %edx
  mov (B+524), %ebx
  mov (B+532), %ebp
  mov (B+536), %esi
  mov (B+540), %edi
  mov (B+528), %esp
  .globl native_leave32
native_leave32:
  mov %esp, (B+528)
  mov $(B+0x5000), %esp
  mov %eax, (B+512)
  mov %ecx, (B+516)
  mov %edx, (B+520)
  mov %ebx, (B+524)
  mov %ebp, (B+532)
  mov %esi, (B+536)
  mov %edi, (B+540)
  pushfl
  popl (B+544)
  cld
  fxsave (B)
  fninit
  ldmxcsr (B+548)
  ljmp $0x33, $(B+0x2C00)
  .code64
  .globl native_leave64
native_leave64:
  mov (B+552), %rsp
  xor %eax, %eax
  mov %eax, %ds
  mov %eax, %es
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx
  ret
  .globl native_end
native_end:
  .popsection
)");

// What became of it: the exception vector, or -1.
struct NativeResult {
  int vector = -1;
  std::uint32_t mxcsr = 0;  // when vector >= 0
};

namespace native_detail {
inline sigjmp_buf escape;
inline volatile int trap = -1;
inline volatile std::uint32_t trap_mxcsr = 0;

inline void on_signal(int /*signal*/, siginfo_t* /*info*/, void* context) {
  const auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  trap = static_cast<int>(machine.gregs[REG_TRAPNO]);
  trap_mxcsr = machine.fpregs->mxcsr;
  siglongjmp(escape, 1);
}
}  // namespace native_detail

class NativeCpu {
 public:
  NativeCpu() {
    void* at = mmap(reinterpret_cast<void*>(std::uintptr_t{kNativeBase}), kNativeBytes,
                    PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    ok_ = at == reinterpret_cast<void*>(std::uintptr_t{kNativeBase});
    if (!ok_) return;
    copy(0x2000, native_enter64, native_enter32);
    copy(0x2400, native_enter32, native_leave32);
    copy(0x2800, native_leave32, native_leave64);
    copy(0x2C00, native_leave64, native_end);
    instruction_ = 0x2400 + static_cast<std::uint32_t>(native_leave32 - native_enter32);
    stack_t stack{};
    stack.ss_sp = signal_stack_.data();
    stack.ss_size = signal_stack_.size();
    sigaltstack(&stack, nullptr);
  }
  ~NativeCpu() {
    if (ok_) munmap(reinterpret_cast<void*>(std::uintptr_t{kNativeBase}), kNativeBytes);
  }
  NativeCpu(const NativeCpu&) = delete;
  NativeCpu& operator=(const NativeCpu&) = delete;

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] NativeContext& context() { return *reinterpret_cast<NativeContext*>(std::uintptr_t{kNativeBase}); }
  [[nodiscard]] std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(std::uintptr_t{kNativeData}); }

  NativeResult run(std::span<const std::uint8_t> bytes) {
    std::uint8_t* to = base() + instruction_;
    std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
    const auto next = static_cast<std::uint32_t>(to + 5 - base());
    const std::uint32_t distance = 0x2800U - next;
    *to = 0xE9;
    std::memcpy(to + 1, &distance, 4);
    context().mxcsr = 0x1F80;

    constexpr std::array kSignals{SIGFPE, SIGSEGV, SIGILL, SIGBUS};
    std::array<struct sigaction, kSignals.size()> old{};
    struct sigaction action {};
    action.sa_sigaction = native_detail::on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &old[i]);
    native_detail::trap = -1;
    if (sigsetjmp(native_detail::escape, 1) == 0) {
      reinterpret_cast<void (*)()>(base() + 0x2000)();
    } else {
      const std::uint32_t mxcsr = 0x1F80;
      __asm__ volatile("fninit; ldmxcsr %0" ::"m"(mxcsr));
    }
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &old[i], nullptr);
    return {native_detail::trap, native_detail::trap_mxcsr};
  }

 private:
  static std::uint8_t* base() { return reinterpret_cast<std::uint8_t*>(std::uintptr_t{kNativeBase}); }
  static void copy(std::uint32_t to, const std::uint8_t* from, const std::uint8_t* end) {
    std::memcpy(base() + to, from, static_cast<std::size_t>(end - from));
  }

  bool ok_ = false;
  std::uint32_t instruction_ = 0;
  std::array<std::uint8_t, 65536> signal_stack_{};
};

}  // namespace ringshift::test
