// The host CPU as oracle: runs the very bytes of 32-bit code in 32-bit mode.
//
// Each case ends in a far jump back, or in an exception. One object at a time in a process.
//
// A seccomp filter turns the system calls of cases into signals. It stays with the process.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "testkit/native_ring3.h"
#include "tests/isa/case.h"

namespace ringshift::test {

class NativeCpu {
 public:
  // Null if this host does not let us: the reason is in `why`.
  static std::unique_ptr<NativeCpu> create(const MemoryTemplate& memory, std::string& why,
                                           CodeAccess access = CodeAccess::read_only);
  ~NativeCpu();
  NativeCpu(const NativeCpu&) = delete;
  NativeCpu& operator=(const NativeCpu&) = delete;

  // The code that following run() calls find in their slots.
  void load(const CodeImage& code);
  // After load(): where `c` ends there is a way back that needs no signal.
  void close(const Case& c);

  // Signals are ours from begin() to end(): other users of the process's signals must not run between.
  void begin();
  void end();
  void run(const Case& c, Outcome& out);

  // Pages that 16-bit addresses reach are mapped.
  [[nodiscard]] bool has_low_pages() const { return has_low_pages_; }

 private:
  NativeCpu() = default;
  bool map(const MemoryTemplate& memory, std::string& why);

  std::uint8_t* code_ = nullptr;  // writable alias of the code area
  bool has_low_pages_ = false;
  CodeAccess access_ = CodeAccess::read_only;
  CodeImage loaded_;
  std::unique_ptr<testkit::NativeRing3> ring3_;
  MemoryPages pages_;
};

}  // namespace ringshift::test
