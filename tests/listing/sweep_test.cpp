// Properties of the translation of everything that can be decoded, and of much that cannot.
#include <gtest/gtest.h>

#include <random>

#include "tests/listing/host_code.h"

namespace ringshift::testing {
namespace {

translator::ModeKey random_mode(std::mt19937& random) {
  const auto bit = [&random](unsigned of) { return random() % of == 0; };
  translator::ModeKey mode;
  mode.cpl = static_cast<std::uint8_t>(random() & 3U);
  mode.code32 = !bit(16);
  mode.stack32 = !bit(16);
  mode.flat_cs = !bit(16);
  mode.flat_ss = !bit(16);
  mode.flat_ds = !bit(4);
  mode.flat_es = !bit(4);
  mode.fp_trap = bit(4);
  mode.iopl_ok = bit(2);
  mode.time_stamp_trap = bit(2);
  return mode;
}

std::uint8_t byte(int value) { return static_cast<std::uint8_t>(value); }

void expect_sound(const Source& source) {
  const std::string fault = find_fault(translate(source), source);
  if (fault.empty()) return;
  std::string bytes;
  for (const std::uint8_t b : source.bytes) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    bytes += kDigits[b >> 4];
    bytes += kDigits[b & 15];
  }
  ADD_FAILURE() << bytes << " mode " << source.mode.packed() << ": " << fault;
}

// Every opcode of the one- and two-byte maps with a set of prefixes, registers and addresses.
void sweep(const std::vector<std::uint8_t>& prefixes, bool two_byte) {
  // [eax], [esp+8], [disp32], [ebp+ecx*4-70], [esp+esp], eax/al, esp/ah with reg 0, 4 and 7
  const std::vector<std::vector<std::uint8_t>> operands{{0x00},
                                                        {0x44, 0x24, 0x08},
                                                        {0x64, 0x24, 0x08},
                                                        {0x05, 1, 2, 3, 0x84},
                                                        {0x25, 1, 2, 3, 4},
                                                        {0x64, 0x8D, 0x90},
                                                        {0x24, 0x24},
                                                        {0x3C, 0x24},
                                                        {0xC0},
                                                        {0xC4},
                                                        {0xE0},
                                                        {0xE4},
                                                        {0xFC},
                                                        {0xE7}};
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    for (const auto& operand : operands) {
      Source source{.options = {.max_instructions = 1}};
      source.bytes = prefixes;
      if (two_byte) source.bytes.push_back(0x0F);
      source.bytes.push_back(static_cast<std::uint8_t>(opcode));
      source.bytes.insert(source.bytes.end(), operand.begin(), operand.end());
      source.bytes.insert(source.bytes.end(), 12, 0x12);
      expect_sound(source);
      source.mode = user_mode();
      source.mode.flat_ds = false;
      source.mode.flat_es = false;
      source.options.count_retired = true;
      expect_sound(source);
    }
  }
}

TEST(Sweep, OneByteOpcodes) { sweep({}, false); }
TEST(Sweep, TwoByteOpcodes) { sweep({}, true); }
TEST(Sweep, OneByteOpcodesWithPrefixes) {
  for (const int prefix : {0x66, 0x67, 0x64, 0x2E, 0xF0, 0xF2, 0xF3}) sweep({byte(prefix)}, false);
}
TEST(Sweep, TwoByteOpcodesWithPrefixes) {
  for (const int prefix : {0x66, 0x67, 0x65, 0x2E, 0xF0, 0xF2, 0xF3}) sweep({byte(prefix)}, true);
}
TEST(Sweep, ThreeByteOpcodes) {
  for (const int map : {0x38, 0x3A}) {
    sweep({0x0F, byte(map)}, false);
    sweep({0x66, 0x0F, byte(map)}, false);
    sweep({0xF2, 0x0F, byte(map)}, false);
  }
}

TEST(Sweep, RandomBytesInRandomModes) {
  std::mt19937 random(20260101);
  for (unsigned i = 0; i < 200'000; ++i) {
    Source source{.mode = random_mode(random)};
    source.bytes.resize(1 + random() % 40);
    for (std::uint8_t& b : source.bytes) b = static_cast<std::uint8_t>(random());
    source.eip = static_cast<std::uint32_t>(random());
    source.in_page = static_cast<std::uint32_t>(random() % 40 + 1);
    source.options.max_instructions = random() % 3 == 0 ? 1 : 64;
    source.options.count_retired = random() % 2 == 0;
    source.options.deterministic_time = random() % 2 == 0;
    expect_sound(source);
  }
}

}  // namespace
}  // namespace ringshift::testing
