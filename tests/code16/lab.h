// Runs random programs of one mode on the interpreter and on the translator: one instruction a fragment, whole blocks,
// blocks that check their code, in steps that are compared; and linked, of which the end is compared.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ringshift::test {

enum class Code16Mode : std::uint8_t {
  real,         // limits of 64 KiB
  big_real,     // some data segments reach to 4 GiB
  v86,          // IOPL 3
  v86_iopl0,    // every sensitive instruction faults
  protected16,  // segments of 64 KiB
  limited16,    // protected mode with segments of any size, also code
  based32       // 32-bit code, with bases, and limits of any size
};
inline constexpr std::array kCode16Modes{Code16Mode::real,      Code16Mode::big_real,    Code16Mode::v86,
                                         Code16Mode::v86_iopl0, Code16Mode::protected16, Code16Mode::limited16,
                                         Code16Mode::based32};
[[nodiscard]] std::string_view name(Code16Mode mode);

class Code16Lab {
 public:
  Code16Lab();
  ~Code16Lab();
  Code16Lab(const Code16Lab&) = delete;
  Code16Lab& operator=(const Code16Lab&) = delete;

  // Program `number` of a mode is always the same. Empty if all engines agree, else the program and the difference.
  [[nodiscard]] std::string run(Code16Mode mode, std::uint32_t number);
  // Instructions that the translator, in whole blocks, has completed itself, and those that it left to the runtime.
  [[nodiscard]] std::uint64_t translated() const;
  [[nodiscard]] std::uint64_t interpreted() const;

 private:
  struct Machines;
  std::unique_ptr<Machines> machines_;
};

}  // namespace ringshift::test
