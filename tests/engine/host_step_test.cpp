// Branches of the host that are carried out on a signal's registers.
#include "runtime/engine/host_step.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace ringshift::engine {
namespace {

using Bytes = std::vector<std::uint8_t>;

class HostStep : public ::testing::Test {
 protected:
  // The result of take_branch for `code`, with rip at it.
  bool take(const Bytes& code) {
    std::ranges::copy(code, code_.begin());
    regs_[REG_RIP] = at(0);
    return take_branch(regs_);
  }
  [[nodiscard]] greg_t at(std::ptrdiff_t offset) const { return reinterpret_cast<greg_t>(code_.data()) + offset; }

  std::array<std::uint8_t, 64> code_{};
  std::array<greg_t, 8> stack_{};
  gregset_t regs_{};
};

TEST_F(HostStep, WhatIsABranch) {
  for (const Bytes& code : {Bytes{0xC3}, {0xE9, 0, 0, 0, 0}, {0x41, 0xFF, 0xE1}, {0x74, 0}, {0xE3, 0}, {0xFF, 0xD0}}) {
    EXPECT_TRUE(decode_host(reinterpret_cast<std::uint64_t>(code.data())).branch);
    EXPECT_EQ(decode_host(reinterpret_cast<std::uint64_t>(code.data())).length, code.size());
  }
  const Bytes load{0x8B, 0x45, 0x10};
  EXPECT_FALSE(decode_host(reinterpret_cast<std::uint64_t>(load.data())).branch);
  EXPECT_EQ(decode_host(reinterpret_cast<std::uint64_t>(load.data())).length, load.size());
}

TEST_F(HostStep, DirectJumps) {
  ASSERT_TRUE(take({0xEB, 0x10}));
  EXPECT_EQ(regs_[REG_RIP], at(0x12));
  ASSERT_TRUE(take({0xE9, 0xF0, 0xFF, 0xFF, 0xFF}));
  EXPECT_EQ(regs_[REG_RIP], at(-11));
}

TEST_F(HostStep, JumpsThroughRegisters) {
  regs_[REG_R9] = 0x1234;
  ASSERT_TRUE(take({0x41, 0xFF, 0xE1}));  // jmp r9
  EXPECT_EQ(regs_[REG_RIP], 0x1234);
}

TEST_F(HostStep, CallsAndReturns) {
  regs_[REG_RSP] = reinterpret_cast<greg_t>(&stack_[4]);
  regs_[REG_RAX] = 0x5678;
  ASSERT_TRUE(take({0xE8, 0x10, 0, 0, 0}));
  EXPECT_EQ(regs_[REG_RIP], at(0x15));
  EXPECT_EQ(stack_[3], at(5));
  ASSERT_TRUE(take({0xFF, 0xD0}));  // call rax
  EXPECT_EQ(regs_[REG_RIP], 0x5678);
  EXPECT_EQ(stack_[2], at(2));
  ASSERT_TRUE(take({0xC3}));
  EXPECT_EQ(regs_[REG_RIP], at(2));
  EXPECT_EQ(regs_[REG_RSP], reinterpret_cast<greg_t>(&stack_[3]));
}

TEST_F(HostStep, JrcxzLooksAtAllOfRcx) {
  ASSERT_TRUE(take({0xE3, 0x10}));
  EXPECT_EQ(regs_[REG_RIP], at(0x12));
  regs_[REG_RCX] = 1LL << 32;
  ASSERT_TRUE(take({0xE3, 0x10}));
  EXPECT_EQ(regs_[REG_RIP], at(2));
}

TEST_F(HostStep, OthersAreLeftAlone) {
  for (const Bytes& code : {Bytes{0xFF, 0x20}, {0x67, 0xE3, 0x10}, {0xE2, 0x10}, {0xC2, 8, 0}, {0x90}}) {
    EXPECT_FALSE(take(code));
    EXPECT_EQ(regs_[REG_RIP], at(0));
  }
}

// Every condition with all flags, against the CPU.
TEST_F(HostStep, ConditionsAreTheCpus) {
  void* memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  for (unsigned code = 0; code < 16; ++code) {
    // push rdi; popfq; mov eax, 1; jcc over; xor eax, eax; over: ret
    const Bytes native{0x57, 0x9D, 0xB8, 1, 0, 0, 0, static_cast<std::uint8_t>(0x70 + code), 2, 0x31, 0xC0, 0xC3};
    std::memcpy(memory, native.data(), native.size());
    const auto jumps = reinterpret_cast<int (*)(std::uint64_t)>(memory);
    for (const std::uint64_t bits : {0U, 1U, 4U, 0x40U, 0x80U, 0x800U, 0x41U, 0x880U, 0x840U, 0x8C0U, 0xC0U, 0x8C5U}) {
      regs_[REG_EFL] = static_cast<greg_t>(bits | 2);
      const greg_t after_short = jumps(bits | 2) != 0 ? at(0x12) : at(2);
      ASSERT_TRUE(take({static_cast<std::uint8_t>(0x70 + code), 0x10}));
      EXPECT_EQ(regs_[REG_RIP], after_short) << code << " flags " << bits;
      ASSERT_TRUE(take({0x0F, static_cast<std::uint8_t>(0x80 + code), 0x10, 0, 0, 0}));
      EXPECT_EQ(regs_[REG_RIP], jumps(bits | 2) != 0 ? at(0x16) : at(6));
    }
  }
  munmap(memory, 4096);
}

}  // namespace
}  // namespace ringshift::engine
