// Bytes of one host instruction whose ModRM operand is a register or guest memory.
//
// AsmJit writes the glue; what is copied from the guest goes through here, because a copied
// instruction keeps its opcode bytes and only its prefixes and ModRM change.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace ringshift::translator::emit {

// Host register numbers, as encoded with REX.
inline constexpr std::uint8_t kHostEsp = 12;
inline constexpr std::uint8_t kScratch8 = 8, kScratch9 = 9, kScratch10 = 10, kScratch11 = 11;
inline constexpr std::uint8_t kNone = 0xFF;

// The host register that holds a guest register.
[[nodiscard]] constexpr std::uint8_t host_register(std::uint8_t gpr) { return gpr == 4 ? kHostEsp : gpr; }

// An operand in guest memory: gs:[base + index * scale + disp], wrapping at 2^32.
struct Address {
  std::uint8_t base = kNone;
  std::uint8_t index = kNone;  // never 4
  std::uint8_t scale = 1;
  std::int32_t disp = 0;

  [[nodiscard]] bool uses(std::uint8_t reg) const { return base == reg || index == reg; }
  [[nodiscard]] bool needs_rex() const { return (base != kNone && base >= 8) || (index != kNone && index >= 8); }
};

// Everything but the operand.
struct Template {
  bool lock = false;
  bool word = false;           // prefix 66
  std::uint8_t mandatory = 0;  // prefix F2 or F3
  std::uint8_t map = 0;        // as Insn::map
  std::uint8_t opcode = 0;
  std::uint8_t reg = 0;                       // ModRM.reg: host register number, or opcode extension
  std::span<const std::uint8_t> immediate{};  // bytes that follow the operand
};

class Bytes {
 public:
  void put(std::uint8_t b) { bytes_[size_++] = b; }
  void put32(std::uint32_t v) {
    for (unsigned i = 0; i < 4; ++i) put(static_cast<std::uint8_t>(v >> (8 * i)));
  }
  void put(std::span<const std::uint8_t> more) {
    for (const std::uint8_t b : more) put(b);
  }
  void put(const Bytes& more) { put({more.data(), more.size()}); }
  [[nodiscard]] const std::uint8_t* data() const { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::array<std::uint8_t, 24> bytes_;
  std::size_t size_ = 0;
};

// With a memory operand: prefixes 65 67 included.
[[nodiscard]] Bytes encode(const Template& t, const Address& memory);
// lea destination, [address]: the sum is taken in 64 bits and cut to 32, as a 32-bit address size would.
[[nodiscard]] Bytes encode_lea(std::uint8_t destination, const Address& address);
// mov destination, [r13 + offset] of 32 bits, in code whose size does not depend on the offset: from a place (abi.h).
[[nodiscard]] Bytes encode_load_place(std::uint8_t destination, std::int32_t offset);
// destination = the address of code `eip`; with a place that is not 0, relative to that of its page. Keeps flags.
[[nodiscard]] Bytes encode_load_linear(std::uint8_t destination, std::int32_t place, std::uint32_t eip);
// With a register operand `rm` (host register number).
[[nodiscard]] Bytes encode(const Template& t, std::uint8_t rm);

}  // namespace ringshift::translator::emit
