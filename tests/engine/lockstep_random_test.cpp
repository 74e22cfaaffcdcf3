// Random programs, translated and interpreted side by side: every register, flag and byte agrees after each step.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <sstream>
#include <string>

#include "tests/engine/engine_lab.h"
#include "tests/engine/random_program.h"
#include "translator/decode/decoder.h"

namespace ringshift::test {
namespace {

constexpr std::uint32_t kRam = 256U << 10;
constexpr std::uint32_t kCode = 0x10FC0;  // so that longer programs cross a page
constexpr std::uint32_t kStack = 0x30000;

std::string describe(const CpuState& s) {
  std::ostringstream out;
  out << std::hex << "eip " << s.eip << " flags " << s.eflags();
  for (const auto r : s.gpr) out << ' ' << r;
  return out.str();
}

std::string listing(const Bytes& code) {
  std::ostringstream out;
  for (std::size_t at = 0; at < code.size();) {
    const std::span<const std::uint8_t> rest(code.data() + at, code.size() - at);
    const auto decoded = decode::decode(rest, decode::CodeSize::bits32);
    out << std::hex << kCode + at << ": "
        << decode::disassemble(rest, decode::CodeSize::bits32, kCode + static_cast<std::uint32_t>(at)) << '\n';
    at += decoded.failure == decode::Failure::none ? decoded.insn.length : 1U;
  }
  return out.str();
}

bool same(const CpuState& a, const CpuState& b) {
  return a.gpr == b.gpr && a.eip == b.eip && a.eflags() == b.eflags() && a.halted == b.halted && a.fx == b.fx;
}

class Pair {
 public:
  explicit Pair(const engine::TranslateOptions& options)
      : translated_(EngineKind::translate, kRam, options), interpreted_(EngineKind::interpret, kRam) {}

  void load(std::mt19937& random, const Bytes& code) {
    code_ = code;
    Bytes data(kRam);
    for (std::size_t i = 0; i + 4 <= data.size(); i += 4) {
      const auto value = static_cast<std::uint32_t>(random());
      std::memcpy(&data[i], &value, 4);
    }
    std::copy(code.begin(), code.end(), data.begin() + kCode);
    std::array<std::uint32_t, kGprCount> gpr{};
    for (auto& r : gpr)
      r = random() % 3 == 0 ? static_cast<std::uint32_t>(random()) : static_cast<std::uint32_t>(random()) % kRam;
    gpr[kEsp] = kStack;
    gpr[kEcx] %= 64;  // repetitions
    const auto flags = static_cast<std::uint32_t>(random()) & eflags::kNative;
    for (EngineLab* lab : {&translated_, &interpreted_}) {
      lab->reset_cpu();
      lab->place(0, data);
      lab->state().gpr = gpr;
      lab->state().eip = kCode;
      lab->state().set_eflags(flags);
    }
  }

  // Empty if both end alike, else what differs. A program that leaves or overwrites its code is over: what
  // it would run then may repeat a string instruction for hours.
  std::string run() {
    for (int steps = 0; steps < 2000; ++steps) {
      const CpuState before = translated_.state();
      const auto a = translated_.engine().run(1);
      const auto b = interpreted_.engine().run(std::max<std::uint64_t>(a.retired, 1));
      const bool a_ends = a.reason != engine::StopReason::budget;
      const bool b_ends = interpreted_.state().halted != 0 || b.reason == engine::StopReason::shutdown;
      if (a_ends && a.reason == engine::StopReason::shutdown) return b_ends ? "" : "only the translator shut down";
      if (!same(translated_.state(), interpreted_.state())) {
        return "from        " + describe(before) + "\ntranslated  " + describe(translated_.state()) + "\ninterpreted " +
               describe(interpreted_.state());
      }
      if (translated_.state().halted != 0 || strays()) break;
    }
    const auto left = translated_.ram();
    const auto right = interpreted_.ram();
    const auto difference = std::mismatch(left.begin(), left.end(), right.begin());
    if (difference.first == left.end()) return "";
    std::ostringstream out;
    out << "memory differs at " << std::hex << difference.first - left.begin();
    return out.str();
  }

 private:
  [[nodiscard]] bool strays() const {
    const std::uint32_t eip = translated_.state().eip;
    return eip < kCode || eip >= kCode + code_.size() ||
           std::memcmp(translated_.ram().data() + kCode, code_.data(), code_.size()) != 0;
  }

  Bytes code_;
  EngineLab translated_;
  EngineLab interpreted_;
};

void compare_programs(const engine::TranslateOptions& options, unsigned programs, unsigned length, std::uint32_t seed) {
  Pair pair(options);
  for (unsigned i = 0; i < programs; ++i) {
    std::mt19937 random(seed + i);
    const Bytes code = random_program(random, length);
    pair.load(random, code);
    const std::string difference = pair.run();
    ASSERT_EQ(difference, "") << "seed " << seed + i << '\n' << listing(code);
  }
}

engine::TranslateOptions stepping(unsigned max_block) {
  engine::TranslateOptions options;
  options.deterministic = true;
  options.max_block = max_block;
  options.verify = true;
  return options;
}

TEST(LockstepRandom, SingleInstructionsAgree) { compare_programs(stepping(1), 3000, 1, 1); }
TEST(LockstepRandom, OneInstructionABlockAgrees) { compare_programs(stepping(1), 1000, 40, 100000); }
TEST(LockstepRandom, WholeBlocksAgree) { compare_programs(stepping(64), 2000, 40, 200000); }
TEST(LockstepRandom, BlocksThatCheckTheirCodeAgree) {
  engine::TranslateOptions options = stepping(64);
  options.protect_code = false;
  compare_programs(options, 2000, 40, 300000);
}

}  // namespace
}  // namespace ringshift::test
