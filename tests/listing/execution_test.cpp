// Translations of random single instructions, executed, against the same bytes executed by the host in
// 32-bit mode.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>

#include "tests/listing/execution_lab.h"
#include "translator/decode/decoder.h"

namespace ringshift::testing {
namespace {

using isa::Op;

// Instructions whose result depends on more than registers and memory, or that do not go on to the next.
bool comparable(const isa::Insn& insn) {
  switch (insn.op) {
    case Op::invalid:
    case Op::rdtsc:
    case Op::prefetch:
    case Op::call:
    case Op::fp_environment:
    case Op::fxsave:
    case Op::fxrstor:
      return false;
    case Op::nop:
      return insn.map == 0 || insn.opcode != 0x0D;  // of a register: undefined with one vendor
    case Op::bsf:
    case Op::bsr:
      if (insn.has(isa::prefix::kRep)) return false;  // the host has tzcnt and lzcnt
      [[fallthrough]];
    default:
      return insn.segment != Seg::fs && insn.segment != Seg::gs;
  }
}

// Windows of guest memory that an instruction may have touched.
class Touched {
 public:
  Touched(Lab& lab, const isa::Insn& insn, const Registers& in) : lab_(lab) {
    for (const std::uint8_t reg : {kEsp, kEbp, kEsi, kEdi}) add(in.gpr[reg]);
    if (!insn.memory) return;
    std::uint32_t address = static_cast<std::uint32_t>(insn.disp);
    if (insn.base != isa::kNoRegister) address += in.gpr[insn.base];
    if (insn.index != isa::kNoRegister) address += in.gpr[insn.index] * insn.scale;
    if (insn.address_size == 2) address &= 0xFFFFU;
    if (insn.op == Op::pop && insn.base == kEsp) address += insn.stack_operand;
    if (insn.form == isa::Form::rm_reg && insn.op >= Op::bt && insn.op <= Op::btc) {
      const std::uint32_t bits = in.gpr[insn.reg];
      const std::int32_t offset = insn.width == 2 ? static_cast<std::int16_t>(bits) : static_cast<std::int32_t>(bits);
      address += static_cast<std::uint32_t>((offset >> 5) * 4);
    }
    add(address);
  }
  [[nodiscard]] bool possible() const { return possible_; }
  void save() {
    for (Range& r : ranges_) std::memcpy(r.before.data(), lab_.memory(r.address), kSize);
  }
  void take_native() {
    for (Range& r : ranges_) std::memcpy(r.after.data(), lab_.memory(r.address), kSize);
    for (Range& r : ranges_) std::memcpy(lab_.memory(r.address), r.before.data(), kSize);
  }
  [[nodiscard]] bool same_as_native() const {
    return std::ranges::all_of(
        ranges_, [this](const Range& r) { return std::memcmp(lab_.memory(r.address), r.after.data(), kSize) == 0; });
  }

 private:
  static constexpr std::uint32_t kSize = 512;
  struct Range {
    std::uint32_t address = 0;
    std::array<std::uint8_t, kSize> before{}, after{};
  };
  void add(std::uint32_t address) {
    const std::uint32_t first = address - kSize / 2;
    const std::uint32_t last = first + kSize;
    const bool mapped = first >= kLowest && last < 0xFFFFE000 && last > first;
    if (!mapped || (last > kShared && first < kShared + kSharedSize)) {
      possible_ = false;
    } else {
      ranges_.push_back({.address = first});
    }
  }
  Lab& lab_;
  std::vector<Range> ranges_;
  bool possible_ = true;
};

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}
  [[nodiscard]] std::uint32_t number(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }

  std::vector<std::uint8_t> instruction() {
    std::vector<std::uint8_t> bytes;
    if (number(8) == 0) bytes.push_back(0x66);
    if (number(20) == 0) bytes.push_back(0x67);
    if (number(12) == 0) bytes.push_back(0xF0);
    if (number(12) == 0) bytes.push_back(number(2) == 0 ? 0xF2 : 0xF3);
    if (number(2) == 0) bytes.push_back(0x0F);
    for (unsigned i = 0; i < 3; ++i) bytes.push_back(static_cast<std::uint8_t>(number(256)));
    // Small displacements, so that most addresses stay in the data area.
    for (unsigned i = 0; i < 11; ++i) bytes.push_back(number(3) != 0 ? 0 : static_cast<std::uint8_t>(number(256)));
    return bytes;
  }

  void fill(Registers& in) {
    for (std::uint32_t& r : in.gpr) {
      switch (number(8)) {
        case 0:
          r = static_cast<std::uint32_t>(random_());
          break;
        case 1:
          r = number(64);
          break;
        case 2:
          r = static_cast<std::uint32_t>(random_()) | 0xFFFFFF00U;
          break;
        default:
          r = kData + 0x1000 + number(0x4000);
          break;
      }
    }
    in.gpr[kEsp] = kData + 0x8000 + number(0x1000) * 4;
    in.flags = (random_() & (eflags::kStatus | (number(4) == 0 ? eflags::kDf : 0U))) | 0x202;
    in.fx.fill(0);
    for (std::size_t i = 32; i < 288; ++i) in.fx[i] = static_cast<std::uint8_t>(random_());
    const std::uint16_t control = 0x37F;
    const std::uint32_t mxcsr = 0x1F80;
    std::memcpy(in.fx.data(), &control, 2);
    in.fx[4] = 0xFF;
    std::memcpy(in.fx.data() + 24, &mxcsr, 4);
  }

 private:
  std::mt19937 random_;
};

TEST(Execution, RandomInstructionsDoWhatTheHostDoes) {
  const auto lab = Lab::create();
  if (!lab) GTEST_SKIP() << "the low 4 GiB of the address space are not free here";
  Generator generator(7);
  unsigned compared = 0;
  unsigned failures = 0;
  std::array<unsigned, isa::kOpCount> seen{};
  for (unsigned i = 0; i < 400'000 && failures < 20; ++i) {
    if (i % 4096 == 0) lab->clear_memory();
    const std::vector<std::uint8_t> bytes = generator.instruction();
    const decode::Decoded decoded = decode::decode(bytes, decode::CodeSize::bits32);
    if (decoded.failure != decode::Failure::none || !comparable(decoded.insn)) continue;
    Source source{.bytes = {bytes.begin(), bytes.begin() + decoded.insn.length},
                  .mode = user_mode(),
                  .options = {.max_instructions = 1}};
    // A segment that is flat, but not known to be: the path for bases, with the same result.
    source.mode.flat_ds = generator.number(4) != 0;
    const translator::Fragment planned = translate(source);
    if (planned.exits.size() != 1 || planned.exits[0].target != kGuestAddress + decoded.insn.length) continue;
    SharedPage& page = lab->page();
    generator.fill(page.in);
    if (decoded.insn.repeated()) page.in.gpr[kEcx] = generator.number(16);
    Touched touched(*lab, decoded.insn, page.in);
    if (!touched.possible()) continue;
    touched.save();
    lab->state.interrupt_flag = 1;
    const bool native_ok = lab->run_native(decoded.insn);
    const Registers native = page.out;
    touched.take_native();
    lab->load(source);
    const bool translated_ok = lab->run();
    if (translated_ok && page.left_by != Left::direct) continue;
    std::string raw;
    for (unsigned k = 0; k < decoded.insn.length; ++k) raw += fmt::format("{:02X} ", bytes[k]);
    const std::string text = raw + decode::disassemble(bytes, decode::CodeSize::bits32, kGuestAddress) +
                             (source.mode.flat_ds ? "" : " (ds based)");
    if (native_ok != translated_ok) {
      ++failures;
      ADD_FAILURE() << text << (native_ok ? ": only the translation faults" : ": only the host faults");
      continue;
    }
    if (!native_ok) continue;
    ++compared;
    ++seen[static_cast<std::size_t>(decoded.insn.op)];
    const std::string what = differences(native, page.out) + (touched.same_as_native() ? "" : " memory");
    if (!what.empty()) {
      ++failures;
      ADD_FAILURE() << text << ":" << what;
    }
  }
  EXPECT_GT(compared, 80'000U);
  for (const Op op : {Op::add, Op::xchg, Op::cmpxchg, Op::bts, Op::push, Op::pop, Op::pusha, Op::popa, Op::pushf,
                      Op::popf, Op::movs, Op::scas, Op::lea, Op::xlat, Op::leave, Op::mov_from_seg, Op::host_fp}) {
    EXPECT_GT(seen[static_cast<std::size_t>(op)], 20U) << static_cast<unsigned>(op);
  }
}

}  // namespace
}  // namespace ringshift::testing
