// One experiment: a machine state, an instruction, and what became of them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/state/cpu_state.h"
#include "tests/isa/layout.h"

namespace ringshift::test {

using FxImage = std::array<std::uint8_t, 512>;  // FXSAVE format

struct Registers {
  std::array<std::uint32_t, kGprCount> gpr{};
  std::uint32_t eip = 0;
  std::uint32_t eflags = 0;
  std::array<std::uint16_t, kSegCount> sel{};  // indexed by Seg
  bool operator==(const Registers&) const = default;
};

// Bytes put into memory before the instruction runs.
struct Poke {
  std::uint32_t address = 0;
  std::vector<std::uint8_t> bytes;
};

struct Change {
  std::uint32_t address = 0;
  std::uint8_t value = 0;
  bool operator==(const Change&) const = default;
};

struct Case {
  std::vector<std::uint8_t> bytes;  // one instruction, or several
  unsigned slot = 0;
  std::uint32_t offset = 0;  // of the first byte in the slot
  Registers before;          // eip is where the bytes are
  std::vector<Poke> pokes;
  bool uses_fx = false;
  FxImage fx{};
};

// Every case ends with an exception; one that runs to the end of its bytes meets INT3 there. The registers are
// those that the handler sees pushed, or finds.
struct Outcome {
  int vector = -1;
  std::uint32_t error = 0;
  std::uint32_t cr2 = 0;  // if `vector` is #PF
  Registers after;
  FxImage fx{};
  std::vector<Change> changes;  // against MemoryTemplate, in ascending order
};

inline constexpr int kHung = -2;
inline constexpr int kSystemCall = -3;  // of the host: it was not made, and the rest of the case has no meaning

// What memory holds before the pokes: the same for all cases of a run.
class MemoryTemplate {
 public:
  struct Area {
    std::uint32_t address;
    std::uint32_t bytes;
    const std::uint8_t* content;
  };
  explicit MemoryTemplate(std::uint64_t seed);

  [[nodiscard]] const std::uint8_t* data() const { return data_.data(); }
  [[nodiscard]] const std::uint8_t* low() const { return low_.data(); }

 private:
  std::array<std::uint8_t, (kWritablePages + 1) * kPage> data_{};
  std::array<std::uint8_t, kLowPages * kPage> low_{};
};

// The code area of a batch: INT3 wherever no instruction is.
class CodeImage {
 public:
  CodeImage() { clear(); }
  void clear() { bytes_.fill(0xCC); }
  void place(const Case& c);
  // The same of a program, which goes on at the beginning of the area where it reaches the end.
  void place_program(const Case& c);
  [[nodiscard]] const std::array<std::uint8_t, kCodeBytes>& bytes() const { return bytes_; }

 private:
  std::array<std::uint8_t, kCodeBytes> bytes_{};
};

// What cases may do with the code area.
enum class CodeAccess : std::uint8_t {
  read_only,
  writable
};

// Where the bytes of one side's memory are: finds what differs from the template and puts it back.
class MemoryPages {
 public:
  // `at` is the host's view of the page at `linear`; writable for us, whatever the guest may do.
  void add(std::uint32_t linear, std::uint8_t* at, const std::uint8_t* content);
  // The code area at `at`, which `image` holds; both outlive this.
  void add_code(std::uint8_t* at, const CodeImage& image);
  void restore_all() const;
  void apply(std::span<const Poke> pokes) const;
  // Fills `changes` and restores.
  void collect(std::vector<Change>& changes) const;

 private:
  struct Page {
    std::uint32_t linear;
    std::uint8_t* at;
    const std::uint8_t* content;
  };
  std::vector<Page> pages_;
};

inline std::uint32_t case_address(const Case& c) { return kCode + c.slot * kSlotBytes + c.offset; }

}  // namespace ringshift::test
