#include "tests/isa/native_cpu.h"

#include <asm/ldt.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>

namespace ringshift::test {
namespace {

// At kNativeContext; the assembly below knows the offsets.
struct Context {
  FxImage fx;                                // 0
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
};
static_assert(offsetof(Context, frame) == 552 && offsetof(Context, leave) == 616 && offsetof(Context, vector) == 644);
constexpr std::uint32_t kContextStackTop = kNativeContext + kPage - 64;

Context& context() { return *reinterpret_cast<Context*>(std::uintptr_t{kNativeContext}); }
template <class T = std::uint8_t>
T* low_pointer(std::uint32_t address) {
  return reinterpret_cast<T*>(std::uintptr_t{address});
}

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
  mov %ds, C+544
  mov %es, C+546
  mov %fs, C+548
  mov %gs, C+550
  pushq $2
  popfq
  mov C+600, %rax
  wrfsbase %rax
  jmp native_on_signal
  .popsection
)");

constexpr std::array<int, 6> kSignals{SIGFPE, SIGSEGV, SIGILL, SIGBUS, SIGTRAP, SIGALRM};

bool has_error_code(int vector) { return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17; }

extern "C" void native_on_signal(int number, siginfo_t* /*info*/, void* raw) {
  static std::uint32_t last_sequence = 0;
  Context& c = context();
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
  c.vector = number == SIGALRM ? kHung : static_cast<std::int32_t>(regs[REG_TRAPNO]);
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

bool map_fixed(std::uint32_t address, std::uint32_t bytes, int protection, int fd = -1) {
  void* const wanted = low_pointer(address);
  const int flags = (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_FIXED_NOREPLACE | MAP_POPULATE;
  return mmap(wanted, bytes, protection, flags, fd, 0) == wanted;
}

bool install_local_segments() {
  for (unsigned i = 0; i < kLocalSegments.size(); ++i) {
    const LocalSegment& s = kLocalSegments[i];
    struct user_desc d {};
    d.entry_number = i;
    d.base_addr = s.base;
    d.limit = s.limit;
    d.seg_32bit = s.big;
    d.contents = s.code ? 2U : s.expand_down ? 1U : 0U;
    d.read_exec_only = !s.writable;
    d.limit_in_pages = s.granular;
    d.seg_not_present = !s.present;
    if (syscall(SYS_modify_ldt, 0x11, &d, sizeof d) != 0) return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<NativeCpu> NativeCpu::create(const MemoryTemplate& memory, std::string& why) {
  std::unique_ptr<NativeCpu> cpu(new NativeCpu);
  if (!cpu->map(memory, why)) return nullptr;
  return cpu;
}

bool NativeCpu::map(const MemoryTemplate& memory, std::string& why) {
  why = "no room at the fixed addresses";
  constexpr int kReadWrite = PROT_READ | PROT_WRITE;
  if (!map_fixed(kNativeContext, kPage, kReadWrite)) return false;
  if (!map_fixed(kNativeGate, kPage, kReadWrite)) return false;
  const int fd = memfd_create("isa-lab-code", 0);
  if (fd < 0 || ftruncate(fd, kCodeBytes) != 0) return false;
  void* alias = mmap(nullptr, kCodeBytes, kReadWrite, MAP_SHARED, fd, 0);
  const bool mapped = alias != MAP_FAILED && map_fixed(kCode, kCodeBytes, PROT_READ | PROT_EXEC, fd);
  ::close(fd);
  if (!mapped || !map_fixed(kData, (kWritablePages + 1) * kPage, kReadWrite)) return false;
  code_ = static_cast<std::uint8_t*>(alias);
  for (std::uint32_t page = 0; page < kWritablePages; ++page) {
    pages_.add(kData + page * kPage, low_pointer(kData + page * kPage), memory.data() + page * kPage);
  }
  has_low_pages_ = map_fixed(kLowData, kLowPages * kPage, kReadWrite);
  for (std::uint32_t page = 0; has_low_pages_ && page < kLowPages; ++page) {
    pages_.add(kLowData + page * kPage, low_pointer(kLowData + page * kPage), memory.low() + page * kPage);
  }
  pages_.restore_all();
  std::memcpy(low_pointer(kReadOnly), memory.data() + kWritablePages * kPage, kPage);
  if (mprotect(low_pointer(kReadOnly), kPage, PROT_READ) != 0) return false;
  // jmp *[leave]: the far jump of a case can reach 4 GiB only.
  constexpr std::array<std::uint8_t, 3> kJump{0xFF, 0x24, 0x25};
  std::memcpy(low_pointer(kNativeGate), kJump.data(), kJump.size());
  const std::uint32_t where = kNativeContext + offsetof(Context, leave);
  std::memcpy(low_pointer(kNativeGate) + kJump.size(), &where, 4);
  if (mprotect(low_pointer(kNativeGate), kPage, PROT_READ | PROT_EXEC) != 0) return false;
  Context& c = context();
  c.leave = reinterpret_cast<std::uint64_t>(native_leave);
  c.mxcsr = 0x1F80;
  if (!install_local_segments()) {
    why = "the kernel has no modify_ldt";
    return false;
  }
  why.clear();
  return true;
}

NativeCpu::~NativeCpu() {
  if (code_ != nullptr) munmap(code_, kCodeBytes);
  munmap(low_pointer(kCode), kCodeBytes);
  munmap(low_pointer(kData), (kWritablePages + 1) * kPage);
  if (has_low_pages_) munmap(low_pointer(kLowData), kLowPages * kPage);
  munmap(low_pointer(kNativeContext), kPage);
  munmap(low_pointer(kNativeGate), kPage);
}

void NativeCpu::load(const CodeImage& code) { std::memcpy(code_, code.bytes().data(), kCodeBytes); }

void NativeCpu::close(const Case& c) {
  // jmp far 0x33:gate; in 16-bit code the operand size prefix makes it the same.
  const bool code16 = c.before.sel[static_cast<unsigned>(Seg::cs)] == local_selector(kLdtCode16);
  std::uint32_t at = c.slot * kSlotBytes + c.offset + static_cast<std::uint32_t>(c.bytes.size());
  if (at + 8 > kCodeBytes) return;
  if (code16) code_[at++] = 0x66;
  code_[at] = 0xEA;
  std::memcpy(code_ + at + 1, &kNativeGate, 4);
  code_[at + 5] = 0x33;
  code_[at + 6] = 0;
}

void NativeCpu::begin() {
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

void NativeCpu::end() {
  constexpr itimerval kOff{};
  setitimer(ITIMER_REAL, &kOff, nullptr);
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &old_[i], nullptr);
  sigaltstack(&old_stack_, nullptr);
}

void NativeCpu::run(const Case& c, Outcome& out) {
  Context& n = context();
  const auto sel = [&c](Seg s) { return c.before.sel[static_cast<unsigned>(s)]; };
  pages_.apply(c.pokes);
  n.use_fx = c.uses_fx ? 1 : 0;
  if (c.uses_fx) n.fx = c.fx;
  n.gpr = c.before.gpr;
  n.ds = sel(Seg::ds);
  n.es = sel(Seg::es);
  n.fs = sel(Seg::fs);
  n.gs = sel(Seg::gs);
  n.frame = {c.before.eip, sel(Seg::cs), c.before.eflags, c.before.gpr[kEsp], sel(Seg::ss)};
  n.vector = -1;
  ++n.sequence;
  native_enter();
  std::atomic_signal_fence(std::memory_order_seq_cst);
  out.vector = n.vector;
  out.after.gpr = n.gpr;
  out.after.eflags = n.eflags;
  out.after.eip = n.eip;
  out.after.sel = {n.es, n.cs, n.ss, n.ds, n.fs, n.gs};
  out.error = n.error;
  out.cr2 = n.cr2;
  if (n.vector == -1) {  // as if the INT3 of the other side had been met
    out.vector = 3;
    out.after.eip = c.before.eip + static_cast<std::uint32_t>(c.bytes.size()) + 1;
    out.after.sel[static_cast<unsigned>(Seg::cs)] = sel(Seg::cs);
    out.error = 0;
  }
  if (c.uses_fx) out.fx = n.fx;
  pages_.collect(out.changes);
}

}  // namespace ringshift::test
