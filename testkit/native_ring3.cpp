#include "testkit/native_ring3.h"

#include <sys/mman.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstring>

namespace ringshift::testkit {
namespace {

static_assert(offsetof(NativeContext, signal_segments) == 664 && offsetof(NativeContext, signal_fs_base) == 672);
static_assert(offsetof(NativeContext, frame) == 552 && offsetof(NativeContext, leave) == 616 &&
              offsetof(NativeContext, vector) == 644);
constexpr std::uint32_t kContextStackTop = kNativeContext + 0x1000 - 64;

NativeContext& the_context() { return *low_pointer<NativeContext>(kNativeContext); }

extern "C" void native_enter();
extern "C" const std::uint8_t native_leave[], native_resume[];
extern "C" void native_signal_entry(int, siginfo_t*, void*);
extern "C" void native_on_signal(int number, siginfo_t* info, void* raw);

__asm__(R"(
  .pushsection .text
  .set C, 0x30000000
  .globl native_enter
native_enter:
  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15
  mov %rsp, C+592
  rdfsbase %rax
  mov %rax, C+600
  rdgsbase %rax
  mov %rax, C+608
  cmpl $0, C+624
  je 1f
  fxrstor C
1:movl $1, C+628
  mov C+544, %ds
  mov C+546, %es
  mov C+548, %fs
  mov C+550, %gs
  mov C+512, %eax
  mov C+516, %ecx
  mov C+520, %edx
  mov C+524, %ebx
  mov C+532, %ebp
  mov C+536, %esi
  mov C+540, %edi
  mov $C+552, %esp
  iretq

  .globl native_leave
native_leave:
  mov %eax, C+512
  mov %ecx, C+516
  mov %edx, C+520
  mov %ebx, C+524
  mov %esp, C+528
  mov %ebp, C+532
  mov %esi, C+536
  mov %edi, C+540
  mov %ds, C+544
  mov %es, C+546
  mov %fs, C+548
  mov %gs, C+550
  mov %ss, C+640
  mov $C+0xFC0, %esp
  pushfq
  pop %rax
  mov %eax, C+636
  pushq $2
  popfq
  movl $-1, C+644
  cmpl $0, C+624
  je 2f
  fxsave C
  .globl native_resume
native_resume:
  cld
2:fninit
  ldmxcsr C+632
  xor %eax, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %fs
  mov %eax, %gs
  mov C+600, %rax
  wrfsbase %rax
  mov C+608, %rax
  wrgsbase %rax
  mov $0x2b, %eax
  mov %eax, %ss
  movl $0, C+628
  mov C+592, %rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx
  ret

  # The kernel leaves the data segment registers as they were: C++ needs its thread pointer back, and no #AC.
  .globl native_signal_entry
native_signal_entry:
  cmpl $0, C+628
  je native_on_signal
  mov %ds, C+664
  mov %es, C+666
  mov %fs, C+668
  mov %gs, C+670
  pushq $2
  popfq
  rdfsbase %rax
  mov %rax, C+672
  mov C+600, %rax
  wrfsbase %rax
  sub $8, %rsp
  call native_on_signal
  add $8, %rsp
  mov C+672, %rax    # for code that goes on
  wrfsbase %rax
  ret
  .popsection
)");

constexpr std::array<int, 7> kSignals{SIGFPE, SIGSEGV, SIGILL, SIGBUS, SIGTRAP, SIGALRM, SIGSYS};

bool has_error_code(int vector) { return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17; }

extern "C" void native_on_signal(int number, siginfo_t* /*info*/, void* raw) {
  static std::uint32_t last_sequence = 0;
  NativeContext& c = the_context();
  if (number == SIGALRM) {
    const bool same = c.sequence == last_sequence;
    last_sequence = c.sequence;
    if (c.active == 0 || !same) return;
  } else if (c.active == 0) {
    signal(number, SIG_DFL);  // a defect of the harness: run into it again
    return;
  }
  ucontext_t& u = *static_cast<ucontext_t*>(raw);
  auto& regs = u.uc_mcontext.gregs;
  constexpr std::array kOrder{REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI};
  for (unsigned i = 0; i < kGprCount; ++i) c.gpr[i] = static_cast<std::uint32_t>(regs[kOrder[i]]);
  c.vector = number == SIGALRM  ? kNativeHung
             : number == SIGSYS ? kNativeRefused
                                : static_cast<std::int32_t>(regs[REG_TRAPNO]);
  c.ds = c.signal_segments[0];
  c.es = c.signal_segments[1];
  c.fs = c.signal_segments[2];
  c.gs = c.signal_segments[3];
  c.error = has_error_code(c.vector) ? static_cast<std::uint32_t>(regs[REG_ERR]) : 0;
  c.cr2 = static_cast<std::uint32_t>(regs[REG_CR2]);
  c.eip = static_cast<std::uint32_t>(regs[REG_RIP]);
  c.eflags = static_cast<std::uint32_t>(regs[REG_EFL]);
  const auto selectors = static_cast<std::uint64_t>(regs[REG_CSGSFS]);
  c.cs = static_cast<std::uint16_t>(selectors);
  c.ss = static_cast<std::uint16_t>(selectors >> 48);
  if (c.use_fx != 0) std::memcpy(c.fx.data(), u.uc_mcontext.fpregs, c.fx.size());
  regs[REG_RIP] = static_cast<greg_t>(reinterpret_cast<std::uintptr_t>(native_resume));
  regs[REG_CSGSFS] = static_cast<greg_t>(0x33 | std::uint64_t{0x2B} << 48);
  regs[REG_EFL] = 0x202;
  regs[REG_RSP] = kContextStackTop;
}

}  // namespace

bool map_fixed(std::uint32_t address, std::uint32_t bytes, int protection, int fd) {
  void* const wanted = low_pointer(address);
  const int flags = (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_FIXED_NOREPLACE | MAP_POPULATE;
  return mmap(wanted, bytes, protection, flags, fd, 0) == wanted;
}

std::unique_ptr<NativeRing3> NativeRing3::create(std::string& why) {
  constexpr std::uint32_t kPageBytes = 0x1000;
  constexpr int kReadWrite = PROT_READ | PROT_WRITE;
  why = "no room at the fixed addresses";
  if (!map_fixed(kNativeContext, kPageBytes, kReadWrite)) return nullptr;
  std::unique_ptr<NativeRing3> ring(new NativeRing3);
  if (!map_fixed(kNativeGate, kPageBytes, kReadWrite)) return nullptr;
  ring->has_gate_ = true;
  // jmp *[leave]: the far jump of a case can reach 4 GiB only.
  constexpr std::array<std::uint8_t, 3> kJump{0xFF, 0x24, 0x25};
  std::memcpy(low_pointer(kNativeGate), kJump.data(), kJump.size());
  const std::uint32_t where = kNativeContext + offsetof(NativeContext, leave);
  std::memcpy(low_pointer(kNativeGate) + kJump.size(), &where, 4);
  if (mprotect(low_pointer(kNativeGate), kPageBytes, PROT_READ | PROT_EXEC) != 0) return nullptr;
  NativeContext& c = the_context();
  c.leave = reinterpret_cast<std::uint64_t>(native_leave);
  c.mxcsr = 0x1F80;
  why.clear();
  return ring;
}

NativeRing3::~NativeRing3() {
  munmap(low_pointer(kNativeContext), 0x1000);
  if (has_gate_) munmap(low_pointer(kNativeGate), 0x1000);
}

NativeContext& NativeRing3::context() { return the_context(); }

void NativeRing3::begin() {
  stack_t stack{};
  stack.ss_sp = signal_stack_.data();
  stack.ss_size = signal_stack_.size();
  sigaltstack(&stack, &old_stack_);
  struct sigaction action {};
  action.sa_sigaction = native_signal_entry;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &old_[i]);
  constexpr itimerval kWatch{{1, 0}, {1, 0}};
  setitimer(ITIMER_REAL, &kWatch, nullptr);
}

void NativeRing3::end() {
  constexpr itimerval kOff{};
  setitimer(ITIMER_REAL, &kOff, nullptr);
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &old_[i], nullptr);
  sigaltstack(&old_stack_, nullptr);
}

void NativeRing3::run() {
  NativeContext& c = the_context();
  c.vector = kNativeEnd;
  ++c.sequence;
  native_enter();
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

}  // namespace ringshift::testkit
