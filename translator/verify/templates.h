// Meanings by encoding: Capstone decodes each combination of prefixes, opcode, ModRM and SIB once.
//
// Those bytes decide the length of an instruction and all of its meaning but the values of displacement
// and immediate, and none of them is a beginning of another. So they are the path of a trie,
// which makes the sweep an order of magnitude faster than decoding.
#pragma once

#include <capstone/capstone.h>

#include <array>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "translator/verify/rules.h"

namespace ringshift::verify {

struct Template {
  Meaning meaning;
  const char* refusal = nullptr;  // then nothing else holds
  std::uint8_t size = 0;          // of the instruction
  std::uint8_t disp_offset = 0, disp_size = 0;
  std::uint8_t imm_offset = 0, imm_size = 0;
};

class Templates {
 public:
  Templates();
  ~Templates();
  Templates(const Templates&) = delete;
  Templates& operator=(const Templates&) = delete;

  // The template of the first instruction of `bytes`, valid until the next trim(). Never null; bytes that
  // are no instruction give a refusal. The template's size may exceed `bytes`.
  [[nodiscard]] const Template* find(std::span<const std::uint8_t> bytes);
  // Forgets everything if much has been learned: guest code must not make the trie grow without bound.
  void trim();
  // Intel-syntax text of the first instruction, or empty.
  [[nodiscard]] std::string text(std::span<const std::uint8_t> bytes, std::uint64_t address) const;

 private:
  using Node = std::array<std::int32_t, 256>;  // > 0: node; < 0: template -1 - value; 0: not seen
  const Template* learn(std::span<const std::uint8_t> bytes);
  void insert(std::span<const std::uint8_t> path, std::int32_t leaf);

  csh handle_ = 0;
  cs_insn* insn_ = nullptr;
  std::vector<Node> nodes_;
  std::deque<Template> templates_;
  Template scratch_;  // for bytes without a path
};

}  // namespace ringshift::verify
