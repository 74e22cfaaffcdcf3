// The short way of decoding common instructions against Zydis: all fields, for all opcodes and random bytes.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/listing/corpus.h"
#include "translator/decode/common_fields.h"
#include "translator/decode/decoder.h"

namespace ringshift::testing {
namespace {

using decode::CodeSize;
using decode::Failure;
using isa::Insn;

std::string difference(const Insn& a, const Insn& b) {
  std::string out;
  const auto field = [&out](const char* name, auto x, auto y) {
    if (x != y)
      out += fmt::format(" {} {:#x} {:#x}", name, static_cast<std::uint64_t>(x), static_cast<std::uint64_t>(y));
  };
  field("op", a.op, b.op);
  field("form", a.form, b.form);
  field("length", a.length, b.length);
  field("width", a.width, b.width);
  field("source_width", a.source_width, b.source_width);
  field("address_size", a.address_size, b.address_size);
  field("stack_operand", a.stack_operand, b.stack_operand);
  field("prefixes", a.prefixes, b.prefixes);
  field("condition", a.condition, b.condition);
  field("opcode", a.opcode, b.opcode);
  field("map", a.map, b.map);
  field("modrm", a.modrm, b.modrm);
  field("has_modrm", a.has_modrm, b.has_modrm);
  field("memory", a.memory, b.memory);
  field("reg", a.reg, b.reg);
  field("rm", a.rm, b.rm);
  field("base", a.base, b.base);
  field("index", a.index, b.index);
  field("scale", a.scale, b.scale);
  field("segment", a.segment, b.segment);
  field("imm2", a.imm2, b.imm2);
  field("disp", static_cast<std::uint32_t>(a.disp), static_cast<std::uint32_t>(b.disp));
  field("imm", a.imm, b.imm);
  field("opcode_offset", a.opcode_offset, b.opcode_offset);
  field("modrm_offset", a.modrm_offset, b.modrm_offset);
  field("disp_offset", a.disp_offset, b.disp_offset);
  field("disp_size", a.disp_size, b.disp_size);
  field("imm_offset", a.imm_offset, b.imm_offset);
  field("imm_size", a.imm_size, b.imm_size);
  if (a.bytes != b.bytes) out += " bytes";
  return out;
}

class Decoding : public ::testing::Test {
 protected:
  void expect_same(std::span<const std::uint8_t> bytes, CodeSize size) {
    decode::Fields fields;
    if (!decode::read_common_fields(bytes, size, fields)) return;
    ++common_;
    Insn quick, slow;
    const Failure a = decode::decode(bytes, size, quick);
    const Failure b = decode::decode_by_zydis(bytes, size, slow);
    const std::string what = a == b ? difference(quick, slow) : fmt::format(" failure {}", static_cast<int>(b));
    if (!what.empty()) ADD_FAILURE() << fmt::format("{:02X}{}", fmt::join(bytes, ""), what);
  }
  unsigned common_ = 0;
};

// Every opcode, every ModRM, some SIB bytes, with each set of the prefixes that the short way knows.
TEST_F(Decoding, OfCommonInstructionsIsAsZydisDoesIt) {
  const std::vector<std::vector<std::uint8_t>> prefixes{{},     {0x66},       {0x67},       {0x66, 0x67}, {0x2E},
                                                        {0x65}, {0x64, 0x66}, {0x36, 0x65}, {0x66, 0x66}};
  for (const CodeSize size : {CodeSize::bits32, CodeSize::bits16}) {
    for (const auto& prefix : prefixes) {
      for (const bool two_byte : {false, true}) {
        for (unsigned opcode = 0; opcode < 256; ++opcode) {
          for (unsigned modrm = 0; modrm < 256; ++modrm) {
            std::vector<std::uint8_t> bytes = prefix;
            if (two_byte) bytes.push_back(0x0F);
            bytes.push_back(static_cast<std::uint8_t>(opcode));
            bytes.push_back(static_cast<std::uint8_t>(modrm));
            bytes.push_back(static_cast<std::uint8_t>(modrm * 37 + opcode));
            for (std::uint8_t i = 0; bytes.size() < 17; ++i) bytes.push_back(static_cast<std::uint8_t>(0x7C + 17 * i));
            expect_same(bytes, size);
          }
        }
      }
    }
  }
  EXPECT_GT(common_, 1'000'000U);
}

TEST_F(Decoding, OfRandomBytesIsAsZydisDoesIt) {
  std::mt19937 random(11);
  std::vector<std::uint8_t> bytes;
  for (unsigned i = 0; i < 1'000'000; ++i) {
    bytes.resize(1 + random() % 20);
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random());
    expect_same(bytes, random() % 2 == 0 ? CodeSize::bits32 : CodeSize::bits16);
  }
  EXPECT_GT(common_, 300'000U);
}

// Too few bytes are told from wrong ones: the caller fetches the next page.
TEST_F(Decoding, OfTruncatedInstructionsSaysSo) {
  visit_one_byte_opcodes([](const Source& source) {
    Insn whole;
    if (decode::decode(source.bytes, CodeSize::bits32, whole) != Failure::none) return;
    for (unsigned given = 0; given < whole.length; ++given) {
      Insn part;
      EXPECT_EQ(decode::decode(std::span(source.bytes).first(given), CodeSize::bits32, part), Failure::truncated);
    }
  });
}

}  // namespace
}  // namespace ringshift::testing
