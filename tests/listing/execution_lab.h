// A place where host code runs as it does in the machine: translations, and the same bytes natively in 32-bit mode.
// Both see the same 4 GiB: a memory file that is mapped at the low addresses for the native run and as the window for
// the translation.
#pragma once

#include <array>
#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/state/cpu_state.h"
#include "tests/listing/host_code.h"
#include "translator/isa/insn.h"

namespace ringshift::testing {

inline constexpr std::uint64_t kWindowSize = 1ULL << 32;
inline constexpr std::uint32_t kLowest = 0x10000;     // vm.mmap_min_addr
inline constexpr std::uint32_t kShared = 0x10000000;  // a page of registers, then code; not guest memory
inline constexpr std::uint32_t kSharedSize = 0x10000;
inline constexpr std::uint32_t kStubCode = kShared + 0x2000;
inline constexpr std::uint32_t kNativeCode = kShared + 0x4000;
inline constexpr std::uint32_t kFragment = kShared + 0x6000;
inline constexpr std::uint32_t kData = 0x20000000;
inline constexpr std::uint16_t kCode32Selector = 0x23, kCode64Selector = 0x33, kDataSelector = 0x2B;

// What both runs start from and leave, at a fixed low address.
struct Registers {
  std::array<std::uint32_t, kGprCount> gpr{};
  std::uint64_t flags = 0;
  alignas(64) std::array<std::uint8_t, 512> fx{};
};
// How a fragment was left: by which stub.
enum class Left : std::uint32_t {
  direct,
  interpret,
  interrupt,
  lookup,
  mismatch
};
struct SharedPage {
  Registers in;
  Registers out;
  std::uint64_t host_rsp = 0;
  std::uint32_t entry = 0;     // where translated code is entered,
  std::uint32_t entry_r8 = 0;  // with this in r8d
  std::uint32_t far_offset = kNativeCode;
  std::uint16_t far_selector = kCode32Selector;
  Left left_by = Left::direct;
  std::uint32_t told = 0;  // in r8d, but by a direct exit
};

class Lab {
 public:
  // Null if the host does not have the addresses free.
  static std::unique_ptr<Lab> create();
  ~Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  [[nodiscard]] SharedPage& page() { return *reinterpret_cast<SharedPage*>(std::uint64_t{kShared}); }
  [[nodiscard]] std::uint8_t* memory(std::uint32_t linear) { return window_ + linear; }
  CpuState state{};

  // False: the instruction faulted.
  bool run_native(const isa::Insn& insn);
  // Translates, for run().
  translator::Fragment load(const Source& source);
  // Enters at an offset of the fragment. False: the host faulted.
  bool run(std::uint32_t offset = 0, std::uint32_t r8 = 0);

  // The place kPlace is that of a page here.
  void set_place(std::uint32_t linear);
  // A lookup of `linear`, and of nothing else, succeeds; what it finds leaves with Left::lookup.
  void set_target(std::uint32_t linear);
  void clear_memory();

 private:
  Lab();
  bool map_memory();
  bool map_directory();
  void build_stubs();
  void prepare_state();
  void catch_signals();
  bool enter(std::uint32_t entry);

  static constexpr std::array kSignals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  std::array<struct sigaction, kSignals.size()> old_actions_{};
  std::unique_ptr<std::array<std::uint8_t, 65536>> stack_;
  std::vector<std::pair<void*, std::size_t>> mappings_;
  int file_ = -1;
  std::uint8_t* window_ = nullptr;
  std::uint64_t jump_directory_ = 0;  // as in r13
  std::vector<std::uint32_t> entries_;
  std::uint32_t native_entry_ = 0, native_exit_ = 0, translated_entry_ = 0, found_ = 0;
  abi::StubTable stubs_;
  bool ok_ = false;
};

// Empty, or how what they have left differs.
[[nodiscard]] std::string differences(const Registers& expected, const Registers& found);

}  // namespace ringshift::testing
