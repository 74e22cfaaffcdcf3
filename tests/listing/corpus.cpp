#include "tests/listing/corpus.h"

namespace ringshift::testing {
namespace {

using Bytes = std::vector<std::uint8_t>;

// [eax], [esp+8], [disp32], [ebp+ecx*4-70], [esp+esp], eax/al, esp/ah with reg 0, 4 and 7
const std::vector<Bytes>& operands() {
  static const std::vector<Bytes> all{{0x00},
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
  return all;
}

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

}  // namespace

void visit_opcodes(const Bytes& prefixes, bool two_byte, const Visit& visit) {
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    for (const Bytes& operand : operands()) {
      Source source{.options = {.max_instructions = 1}};
      source.bytes = prefixes;
      if (two_byte) source.bytes.push_back(0x0F);
      source.bytes.push_back(static_cast<std::uint8_t>(opcode));
      source.bytes.insert(source.bytes.end(), operand.begin(), operand.end());
      source.bytes.insert(source.bytes.end(), 12, 0x12);
      visit(source);
      source.mode = user_mode();
      source.mode.flat_ds = false;
      source.mode.flat_es = false;
      source.options.count_retired = true;
      visit(source);
    }
  }
}

void visit_one_byte_opcodes(const Visit& visit) {
  visit_opcodes({}, false, visit);
  for (const std::uint8_t prefix : Bytes{0x66, 0x67, 0x64, 0x2E, 0xF0, 0xF2, 0xF3}) {
    visit_opcodes({prefix}, false, visit);
  }
}

void visit_two_byte_opcodes(const Visit& visit) {
  visit_opcodes({}, true, visit);
  for (const std::uint8_t prefix : Bytes{0x66, 0x67, 0x65, 0x2E, 0xF0, 0xF2, 0xF3}) {
    visit_opcodes({prefix}, true, visit);
  }
}

void visit_three_byte_opcodes(const Visit& visit) {
  for (const std::uint8_t map : Bytes{0x38, 0x3A}) {
    visit_opcodes({0x0F, map}, false, visit);
    visit_opcodes({0x66, 0x0F, map}, false, visit);
    visit_opcodes({0xF2, 0x0F, map}, false, visit);
  }
}

void visit_random_bytes(std::uint32_t seed, unsigned count, const Visit& visit) {
  std::mt19937 random(seed);
  for (unsigned i = 0; i < count; ++i) {
    Source source{.mode = random_mode(random)};
    source.bytes.resize(1 + random() % 40);
    for (std::uint8_t& b : source.bytes) b = static_cast<std::uint8_t>(random());
    source.eip = static_cast<std::uint32_t>(random());
    source.in_page = static_cast<std::uint32_t>(random() % 40 + 1);
    source.options.max_instructions = random() % 3 == 0 ? 1 : 64;
    source.options.count_retired = random() % 2 == 0;
    source.options.deterministic_time = random() % 2 == 0;
    visit(source);
  }
}

}  // namespace ringshift::testing
