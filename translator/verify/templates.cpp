#include "translator/verify/templates.h"

#include <algorithm>

namespace ringshift::verify {
namespace {

constexpr std::size_t kMostNodes = 8192;  // 8 MiB
constexpr std::size_t kLongest = 15;

// Splits what follows the header; false if there is no such instruction.
bool split_tail(Template& t, const Encoding& e) {
  const int tail = t.size - e.header_size - e.disp_size;
  t.disp_offset = e.header_size;
  t.disp_size = e.disp_size;
  t.imm_offset = static_cast<std::uint8_t>(e.header_size + e.disp_size);
  t.imm_size = static_cast<std::uint8_t>(tail);
  return tail == 0 || tail == 1 || tail == 2 || tail == 4 || tail == 8;
}

}  // namespace

Templates::Templates() {
  if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle_) != CS_ERR_OK) return;  // then everything is refused
  cs_option(handle_, CS_OPT_DETAIL, CS_OPT_ON);
  insn_ = cs_malloc(handle_);
  nodes_.emplace_back();
}

Templates::~Templates() {
  if (insn_ != nullptr) cs_free(insn_, 1);
  if (handle_ != 0) cs_close(&handle_);
}

void Templates::trim() {
  if (nodes_.size() <= kMostNodes) return;
  nodes_.clear();
  nodes_.emplace_back();
  templates_.clear();
}

const Template* Templates::find(std::span<const std::uint8_t> bytes) {
  std::size_t node = 0;
  for (const std::uint8_t byte : bytes.first(std::min(bytes.size(), kLongest))) {
    if (insn_ == nullptr) break;
    const std::int32_t next = nodes_[node][byte];
    if (next < 0) return &templates_[static_cast<std::size_t>(-1 - next)];
    if (next == 0) break;
    node = static_cast<std::size_t>(next);
  }
  return learn(bytes);
}

const Template* Templates::learn(std::span<const std::uint8_t> bytes) {
  scratch_ = {};
  scratch_.refusal = "bytes are not an instruction";
  const auto encoding = read_encoding(bytes);
  if (!encoding || insn_ == nullptr) return &scratch_;
  const std::uint8_t* code = bytes.data();
  std::size_t left = std::min(bytes.size(), kLongest);
  std::uint64_t address = 0;
  if (!cs_disasm_iter(handle_, &code, &left, &address, insn_)) return &scratch_;
  scratch_.size = static_cast<std::uint8_t>(insn_->size);
  const auto verdict = judge(*insn_, *encoding);
  if (const auto* refusal = std::get_if<Refusal>(&verdict)) {
    scratch_.refusal = refusal->reason;
    return &scratch_;
  }
  if (!split_tail(scratch_, *encoding)) return &scratch_;
  scratch_.refusal = nullptr;
  scratch_.meaning = std::get<Meaning>(verdict);
  templates_.push_back(scratch_);
  insert(bytes.first(encoding->header_size), -static_cast<std::int32_t>(templates_.size()));
  return &templates_.back();
}

void Templates::insert(std::span<const std::uint8_t> path, std::int32_t leaf) {
  std::size_t node = 0;
  for (const std::uint8_t byte : path.first(path.size() - 1)) {
    if (nodes_[node][byte] == 0) {
      nodes_.emplace_back();
      nodes_[node][byte] = static_cast<std::int32_t>(nodes_.size() - 1);
    }
    node = static_cast<std::size_t>(nodes_[node][byte]);
  }
  nodes_[node][path.back()] = leaf;
}

std::string Templates::text(std::span<const std::uint8_t> bytes, std::uint64_t address) const {
  if (insn_ == nullptr) return {};
  const std::uint8_t* code = bytes.data();
  std::size_t left = std::min(bytes.size(), kLongest);
  if (!cs_disasm_iter(handle_, &code, &left, &address, insn_)) return {};
  std::string out = insn_->mnemonic;
  if (insn_->op_str[0] != '\0') out.append(" ").append(insn_->op_str);
  return out;
}

}  // namespace ringshift::verify
