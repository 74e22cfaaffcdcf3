// Mutants of real fragments. The verifier must refuse each mutant that is not confined; one that it accepts must be
// as confined as the original by another reading of the whole code (second_opinion.h): those are the equivalent
// ones, such as another guest register or another immediate. None is left out by hand.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <random>
#include <string_view>

#include "tests/listing/corpus.h"
#include "tests/verify/lab.h"
#include "tests/verify/second_opinion.h"

namespace ringshift::testing {
namespace {

using Code = std::vector<std::uint8_t>;

class Mutation : public ::testing::Test {
 protected:
  void TearDown() override {
    std::cout << fmt::format("mutants {}: refused {}, equivalent {}, survivors {}; of the refused, unconfined {}\n",
                             mutants_, refused_, equivalent_, survivors_, unconfined_);
    EXPECT_EQ(survivors_, 0U);
  }

  void try_mutant(const Subject& subject, const Code& original, const Code& mutant) {
    if (mutant == original) return;
    ++mutants_;
    const verify::VerifyRequest request = subject.request(mutant);
    const std::string refusal = verdict(verifier_, request);
    const std::string doubt = second_opinion(request);
    if (!refusal.empty()) {
      ++refused_;
      unconfined_ += doubt.empty() ? 0U : 1U;
    } else if (doubt.empty()) {
      ++equivalent_;
    } else {
      ++survivors_;
      ADD_FAILURE() << doubt << '\n' << fmt::format("{:02x}", fmt::join(mutant, " "));
    }
  }

  // `operation(code, starts, add)` calls add(mutant).
  template <class Operation>
  void mutate(const Source& source, Operation operation) {
    const translator::Fragment fragment = translate(source);
    const Subject subject(fragment);
    ASSERT_EQ(second_opinion(subject.request(fragment.code)), "") << disassemble(fragment, 0, ~0U);
    operation(fragment.code, instruction_starts(fragment.code),
              [&](const Code& mutant) { try_mutant(subject, fragment.code, mutant); });
  }
  template <class Operation>
  void mutate(Operation operation) {
    for (const Source& source : template_sources()) mutate(source, operation);
  }

  verify::Verifier verifier_;
  unsigned mutants_ = 0, refused_ = 0, unconfined_ = 0, equivalent_ = 0, survivors_ = 0;
};

TEST_F(Mutation, OneBitChanged) {
  mutate([](const Code& code, const auto&, const auto& add) {
    for (std::size_t i = 0; i < code.size() * 8; ++i) {
      Code mutant = code;
      mutant[i / 8] ^= static_cast<std::uint8_t>(1U << (i % 8));
      add(mutant);
    }
  });
  EXPECT_GT(unconfined_, 10'000U);
}

TEST_F(Mutation, OneByteReplaced) {
  std::mt19937 random(1);
  mutate([&](const Code& code, const auto&, const auto& add) {
    for (std::size_t i = 0; i < code.size(); ++i) {
      for (unsigned n = 0; n < 16; ++n) {
        Code mutant = code;
        mutant[i] = static_cast<std::uint8_t>(random());
        add(mutant);
      }
    }
  });
  EXPECT_GT(unconfined_, 10'000U);
}

TEST_F(Mutation, BytesReplacedInRandomBlocks) {
  std::mt19937 random(3);
  const auto replace = [&](const Code& code, const auto&, const auto& add) {
    for (unsigned n = 0; n < 64; ++n) {
      Code mutant = code;
      for (unsigned i = 0; i <= n % 3; ++i) mutant[random() % code.size()] = static_cast<std::uint8_t>(random());
      add(mutant);
    }
  };
  visit_random_bytes(20260103, 2'000, [&](const Source& source) { mutate(source, replace); });
  EXPECT_GT(unconfined_, 10'000U);
}

TEST_F(Mutation, OneInstructionRemoved) {
  mutate([](const Code& code, const auto& starts, const auto& add) {
    for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
      Code mutant = code;
      std::fill(mutant.begin() + starts[i], mutant.begin() + starts[i + 1], std::uint8_t{0x90});
      add(mutant);
    }
  });
  EXPECT_GT(unconfined_, 300U);
}

TEST_F(Mutation, OnePrefixRemoved) {
  mutate([](const Code& code, const auto& starts, const auto& add) {
    for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
      for (std::uint32_t at = starts[i]; at < starts[i + 1]; ++at) {
        const std::uint8_t b = code[at];
        const bool prefix = b == 0x65 || b == 0x66 || b == 0x67 || b == 0xF0 || b == 0xF2 || b == 0xF3 || b >> 4 == 4;
        if (!prefix) break;
        // A nop in front keeps the length.
        Code mutant = code;
        std::rotate(mutant.begin() + starts[i], mutant.begin() + at, mutant.begin() + at + 1);
        mutant[starts[i]] = 0x90;
        add(mutant);
      }
    }
  });
  EXPECT_GT(unconfined_, 300U);
}

TEST_F(Mutation, TwoNeighboursExchanged) {
  mutate([](const Code& code, const auto& starts, const auto& add) {
    for (std::size_t i = 0; i + 2 < starts.size(); ++i) {
      Code mutant = code;
      std::rotate(mutant.begin() + starts[i], mutant.begin() + starts[i + 1], mutant.begin() + starts[i + 2]);
      add(mutant);
    }
  });
  EXPECT_GT(unconfined_, 100U);
}

TEST_F(Mutation, OneInstructionReplacedByAnother) {
  // From all fragments, those of each length.
  std::vector<std::vector<Code>> by_length(16);
  for (const Source& source : template_sources()) {
    const translator::Fragment fragment = translate(source);
    const auto starts = instruction_starts(fragment.code);
    for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
      Code insn(fragment.code.begin() + starts[i], fragment.code.begin() + starts[i + 1]);
      auto& same = by_length[insn.size()];
      if (std::ranges::find(same, insn) == same.end()) same.push_back(std::move(insn));
    }
  }
  std::mt19937 random(2);
  mutate([&](const Code& code, const auto& starts, const auto& add) {
    for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
      const auto& same = by_length[starts[i + 1] - starts[i]];
      for (unsigned n = 0; n < 24; ++n) {
        Code mutant = code;
        std::ranges::copy(same[random() % same.size()], mutant.begin() + starts[i]);
        add(mutant);
      }
    }
  });
  EXPECT_GT(unconfined_, 1'000U);
}

}  // namespace
}  // namespace ringshift::testing
