#include "tests/isa/native_cpu.h"

#include <asm/ldt.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>

namespace ringshift::test {
namespace {

using testkit::low_pointer;
using testkit::map_fixed;

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

// Random code may come upon a system call. Those of 32-bit code, and those of any code below 4 GiB, where nothing but
// cases is, become signals: from now on, for the whole process.
bool forbid_system_calls() {
  static const bool forbidden = [] {
    constexpr std::uint32_t kArch = offsetof(struct seccomp_data, arch);
    constexpr std::uint32_t kWhereHigh = offsetof(struct seccomp_data, instruction_pointer) + 4;
    std::array filter{sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, kArch},
                      sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 2, AUDIT_ARCH_X86_64},
                      sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, kWhereHigh},
                      sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0},
                      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP},
                      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    const sock_fprog program{filter.size(), filter.data()};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
  }();
  return forbidden;
}

}  // namespace

std::unique_ptr<NativeCpu> NativeCpu::create(const MemoryTemplate& memory, std::string& why, CodeAccess access) {
  std::unique_ptr<NativeCpu> cpu(new NativeCpu);
  cpu->access_ = access;
  if (!cpu->map(memory, why)) return nullptr;
  return cpu;
}

bool NativeCpu::map(const MemoryTemplate& memory, std::string& why) {
  constexpr int kReadWrite = PROT_READ | PROT_WRITE;
  ring3_ = testkit::NativeRing3::create(why);
  if (!ring3_) return false;
  why = "no room at the fixed addresses";
  const int fd = memfd_create("isa-lab-code", 0);
  if (fd < 0 || ftruncate(fd, kCodeBytes) != 0) return false;
  void* alias = mmap(nullptr, kCodeBytes, kReadWrite, MAP_SHARED, fd, 0);
  const int rights = PROT_READ | PROT_EXEC | (access_ == CodeAccess::writable ? PROT_WRITE : 0);
  const bool mapped = alias != MAP_FAILED && map_fixed(kCode, kCodeBytes, rights, fd);
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
  if (access_ == CodeAccess::writable) pages_.add_code(code_, loaded_);
  pages_.restore_all();
  std::memcpy(low_pointer(kReadOnly), memory.data() + kWritablePages * kPage, kPage);
  if (mprotect(low_pointer(kReadOnly), kPage, PROT_READ) != 0) return false;
  if (!install_local_segments()) {
    why = "the kernel has no modify_ldt";
    return false;
  }
  if (!forbid_system_calls()) {
    why = "the kernel has no seccomp filters";
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
}

void NativeCpu::load(const CodeImage& code) {
  std::memcpy(code_, code.bytes().data(), kCodeBytes);
  if (access_ == CodeAccess::writable) loaded_ = code;
}

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
  ring3_->begin();
  if (access_ == CodeAccess::read_only) return;
  constexpr itimerval kWatch{{0, 20'000}, {0, 20'000}};  // a sequence may well loop for ever
  setitimer(ITIMER_REAL, &kWatch, nullptr);
}

void NativeCpu::end() { ring3_->end(); }

void NativeCpu::run(const Case& c, Outcome& out) {
  testkit::NativeContext& n = ring3_->context();
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
  ring3_->run();
  out.vector = n.vector;
  out.after.gpr = n.gpr;
  out.after.eflags = n.eflags;
  out.after.eip = n.eip;
  out.after.sel = {n.es, n.cs, n.ss, n.ds, n.fs, n.gs};
  out.error = n.error;
  out.cr2 = n.cr2;
  if (n.vector == testkit::kNativeEnd) {  // as if the INT3 of the other side had been met
    out.vector = 3;
    out.after.eip = c.before.eip + static_cast<std::uint32_t>(c.bytes.size()) + 1;
    out.after.sel[static_cast<unsigned>(Seg::cs)] = sel(Seg::cs);
    out.error = 0;
  }
  if (c.uses_fx) out.fx = n.fx;
  pages_.collect(out.changes);
}

}  // namespace ringshift::test
