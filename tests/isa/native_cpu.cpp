#include "tests/isa/native_cpu.h"

#include <asm/ldt.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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

}  // namespace

std::unique_ptr<NativeCpu> NativeCpu::create(const MemoryTemplate& memory, std::string& why) {
  std::unique_ptr<NativeCpu> cpu(new NativeCpu);
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

void NativeCpu::begin() { ring3_->begin(); }

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
