#include "translator/listing/host_code.h"

#include <capstone/capstone.h>
#include <fmt/format.h>

#include <optional>

namespace ringshift::listing {
namespace {

class Decoder {
 public:
  Decoder() {
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle_) != CS_ERR_OK) return;
    cs_option(handle_, CS_OPT_DETAIL, CS_OPT_ON);
    insn_ = cs_malloc(handle_);
  }
  ~Decoder() {
    if (insn_ != nullptr) cs_free(insn_, 1);
    cs_close(&handle_);
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // The first instruction of `code`, or null.
  const cs_insn* decode(std::span<const std::uint8_t> code, std::uint64_t address) {
    const std::uint8_t* at = code.data();
    std::size_t size = code.size();
    return insn_ != nullptr && cs_disasm_iter(handle_, &at, &size, &address, insn_) ? insn_ : nullptr;
  }

 private:
  csh handle_ = 0;
  cs_insn* insn_ = nullptr;
};

struct Stub {
  std::string_view name;
  std::uint64_t abi::StubTable::*address;
  bool leaves;
};
constexpr Stub kStubs[] = {
    {"exit_direct", &abi::StubTable::exit_direct, false},
    {"exit_interpret", &abi::StubTable::exit_interpret, true},
    {"exit_interrupt", &abi::StubTable::exit_interrupt, true},
    {"exit_brief", &abi::StubTable::exit_brief, true},
    {"lookup", &abi::StubTable::lookup, false},
    {"return_mismatch", &abi::StubTable::return_mismatch, false},
};

// The target of a branch that the instruction's bytes alone give.
std::optional<std::uint64_t> branch_target(const cs_insn& insn) {
  const cs_detail& detail = *insn.detail;
  bool branches = insn.id == X86_INS_LOOP || insn.id == X86_INS_LOOPE || insn.id == X86_INS_LOOPNE;
  for (unsigned i = 0; i < detail.groups_count; ++i) {
    branches = branches || detail.groups[i] == CS_GRP_JUMP || detail.groups[i] == CS_GRP_CALL;
  }
  const cs_x86& x86 = detail.x86;
  if (!branches || x86.op_count != 1 || x86.operands[0].type != X86_OP_IMM) return std::nullopt;
  return static_cast<std::uint64_t>(x86.operands[0].imm);
}

}  // namespace

std::vector<HostLine> host_lines(std::span<const std::uint8_t> code, std::uint64_t address,
                                 const abi::StubTable& stubs) {
  Decoder decoder;
  std::vector<HostLine> lines;
  std::size_t offset = 0;
  while (offset < code.size()) {
    HostLine line;
    line.offset = static_cast<std::uint32_t>(offset);
    const cs_insn* insn = decoder.decode(code.subspan(offset), address + offset);
    const std::size_t size = insn != nullptr ? insn->size : code.size() - offset;
    const auto bytes = code.subspan(offset, size);
    line.bytes.assign(bytes.begin(), bytes.end());
    offset += size;
    if (insn == nullptr) {
      line.text = "(no instruction)";
      lines.push_back(std::move(line));
      break;
    }
    std::string operands = insn->op_str;
    if (const auto target = branch_target(*insn)) {
      operands = fmt::format("+{:#x}", *target - address);
      for (const Stub& stub : kStubs) {
        if (stubs.*stub.address == 0 || stubs.*stub.address != *target) continue;
        operands = stub.name;
        line.leaves = stub.leaves;
      }
    }
    line.text = operands.empty() ? std::string(insn->mnemonic) : fmt::format("{} {}", insn->mnemonic, operands);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace ringshift::listing
