#include "tests/listing/host_code.h"

#include <capstone/capstone.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <set>

#include "runtime/state/cpu_state.h"

namespace ringshift::testing {
namespace {

using translator::DirectExit;
using translator::Fragment;
using translator::Point;

// Host code, decoded by Capstone so that an error in our use of Zydis does not hide itself.
class HostCode {
 public:
  explicit HostCode(const Fragment& fragment) {
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle_) != CS_ERR_OK) return;
    cs_option(handle_, CS_OPT_DETAIL, CS_OPT_ON);
    count_ = cs_disasm(handle_, fragment.code.data(), fragment.code.size(), kHostAddress, 0, &insns_);
  }
  ~HostCode() {
    if (insns_ != nullptr) cs_free(insns_, count_);
    cs_close(&handle_);
  }
  HostCode(const HostCode&) = delete;
  HostCode& operator=(const HostCode&) = delete;

  [[nodiscard]] std::span<const cs_insn> insns() const { return {insns_, count_}; }
  [[nodiscard]] csh handle() const { return handle_; }

 private:
  csh handle_ = 0;
  cs_insn* insns_ = nullptr;
  std::size_t count_ = 0;
};

std::uint32_t offset_of(const cs_insn& insn) { return static_cast<std::uint32_t>(insn.address - kHostAddress); }

const char* stub_name(std::uint64_t address) {
  if (address == kStubs.exit_direct) return "exit_direct";
  if (address == kStubs.exit_interpret) return "exit_interpret";
  if (address == kStubs.exit_interrupt) return "exit_interrupt";
  if (address == kStubs.lookup) return "lookup";
  if (address == kStubs.return_mismatch) return "return_mismatch";
  return nullptr;
}

// The fields of CpuState that translated code uses, so that goldens do not depend on its layout.
std::string field_name(std::int64_t offset) {
  constexpr std::array<const char*, kSegCount> kSegments{"es", "cs", "ss", "ds", "fs", "gs"};
  for (unsigned i = 0; i < kSegCount; ++i) {
    const std::size_t pointer = offsetof(CpuState, base_pointer) + i * sizeof(std::uint64_t);
    const std::size_t selector =
        offsetof(CpuState, seg) + i * sizeof(SegmentRegister) + offsetof(SegmentRegister, selector);
    if (offset == static_cast<std::int64_t>(pointer)) return fmt::format("{}_base_pointer", kSegments[i]);
    if (offset == static_cast<std::int64_t>(selector)) return fmt::format("{}_selector", kSegments[i]);
  }
  struct Field {
    std::size_t offset;
    const char* name;
  };
  constexpr Field kFields[] = {{offsetof(CpuState, interrupt_flag), "interrupt_flag"},
                               {offsetof(CpuState, interrupt_shadow), "interrupt_shadow"},
                               {offsetof(CpuState, system_flags), "system_flags"},
                               {offsetof(CpuState, pending), "pending"},
                               {offsetof(CpuState, tsc_offset), "tsc_offset"},
                               {offsetof(CpuState, host) + offsetof(HostContext, window_base), "window_base"},
                               {offsetof(CpuState, host) + offsetof(HostContext, retired), "retired"}};
  for (const Field& f : kFields) {
    if (offset == static_cast<std::int64_t>(f.offset)) return f.name;
  }
  return fmt::format("state+{:#x}", offset);
}

std::string with_field_names(const cs_insn& insn) {
  std::string text = insn.op_str;
  const std::size_t first = text.find("[r15 + ");
  if (first == std::string::npos) return text;
  const std::size_t last = text.find(']', first);
  return text.replace(first + 1, last - first - 1, field_name(insn.detail->x86.disp));
}

bool in_group(const HostCode& code, const cs_insn& insn, unsigned group) {
  return cs_insn_group(code.handle(), &insn, group);
}

std::optional<std::uint64_t> branch_target(const HostCode& code, const cs_insn& insn) {
  const bool branches = in_group(code, insn, CS_GRP_JUMP) || in_group(code, insn, CS_GRP_CALL) ||
                        insn.id == X86_INS_LOOP || insn.id == X86_INS_LOOPE || insn.id == X86_INS_LOOPNE;
  const cs_x86& x86 = insn.detail->x86;
  if (!branches || x86.op_count != 1 || x86.operands[0].type != X86_OP_IMM) return std::nullopt;
  return static_cast<std::uint64_t>(x86.operands[0].imm);
}

bool is_string(const cs_insn& insn) {
  const unsigned opcode = insn.detail->x86.opcode[0];
  return (opcode >= 0xA4 && opcode <= 0xA7) || (opcode >= 0xAA && opcode <= 0xAF);
}

std::string check_memory(const cs_insn& insn) {
  const cs_x86& x86 = insn.detail->x86;
  if (insn.id == X86_INS_LEA || insn.id == X86_INS_NOP) return {};
  for (unsigned i = 0; i < x86.op_count; ++i) {
    const cs_x86_op& op = x86.operands[i];
    if (op.type != X86_OP_MEM || is_string(insn)) continue;
    const bool window = op.mem.segment == X86_REG_GS && x86.addr_size == 4;
    const bool state = op.mem.base == X86_REG_R15 && op.mem.index == X86_REG_INVALID;
    const bool directory = op.mem.base == X86_REG_R13 && op.mem.index == X86_REG_R10 && op.mem.scale == 8;
    const bool offset_space = op.mem.base == X86_REG_R13 && op.mem.index == X86_REG_R8 && op.mem.scale == 1 &&
                              op.size == 1 && op.mem.disp >= abi::kOffsetSpace;
    const bool entry = op.mem.base == X86_REG_R10 && op.mem.index == X86_REG_R8 && op.mem.scale == 4;
    const bool segment_base = op.mem.base == X86_REG_R9 && op.mem.index == X86_REG_INVALID && op.mem.disp == 0;
    const bool limit_space =
        op.mem.base == X86_REG_R9 && op.mem.index == X86_REG_R8 && op.mem.scale == 1 && op.size == 1;
    const bool place = insn.id == X86_INS_MOV && op.mem.base == X86_REG_R13 && op.mem.index == X86_REG_INVALID &&
                       op.size == 4 && op.access == CS_AC_READ && op.mem.disp >= abi::place_offset(0) &&
                       op.mem.disp < abi::place_offset(abi::kMostPlaces);
    if (!window && !state && !directory && !offset_space && !entry && !segment_base && !limit_space && !place)
      return "memory operand outside the window";
  }
  return {};
}

std::string check_kind(const HostCode& code, const cs_insn& insn) {
  if (in_group(code, insn, CS_GRP_INT) || in_group(code, insn, CS_GRP_PRIVILEGE)) return "forbidden instruction";
  constexpr std::array kForbidden{X86_INS_SYSCALL, X86_INS_SYSENTER, X86_INS_CPUID,    X86_INS_XGETBV,
                                  X86_INS_IN,      X86_INS_OUT,      X86_INS_WRFSBASE, X86_INS_WRGSBASE,
                                  X86_INS_LES,     X86_INS_LDS,      X86_INS_IRET,     X86_INS_RETF};
  if (std::ranges::find(kForbidden, insn.id) != kForbidden.end()) return "forbidden instruction";
  if (insn.id == X86_INS_MOV && insn.detail->x86.opcode[0] == 0x8E) return "segment register write";
  return {};
}

std::string check_side_tables(const Fragment& fragment, const std::set<std::uint32_t>& starts) {
  if (fragment.points.empty() || fragment.points[0].host_offset != 0 || !fragment.points[0].boundary) {
    return "the entry is no boundary";
  }
  for (std::size_t i = 0; i < fragment.points.size(); ++i) {
    const Point& p = fragment.points[i];
    if (!starts.contains(p.host_offset)) return fmt::format("point {} is inside an instruction", i);
    if (i != 0 && fragment.points[i - 1].host_offset >= p.host_offset) return fmt::format("point {} unsorted", i);
    if (p.guest_offset > fragment.guest_bytes) return fmt::format("point {} beyond the block", i);
    if (p.boundary && p.fixup != translator::Fixup::none) return fmt::format("point {} is not exact", i);
  }
  for (const DirectExit& exit : fragment.exits) {
    if (!starts.contains(exit.stub_offset)) return "exit stub is no instruction";
    if (!exit.patchable) continue;
    if (exit.patch_offset + 4 > fragment.code.size()) return "patch beyond the code";
    std::uint32_t relative = 0;
    std::memcpy(&relative, fragment.code.data() + exit.patch_offset, sizeof relative);
    if (exit.patch_offset + 4 + relative != exit.stub_offset) return "patch does not lead to its stub";
    if (!starts.contains(exit.patch_offset + 4)) return "patch does not end a branch";
  }
  for (const std::uint32_t site : fragment.return_sites) {
    if (!starts.contains(site)) return "return site is no instruction";
  }
  return {};
}

}  // namespace

std::vector<std::uint8_t> hex(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  std::string digits;
  for (const char ch : text) {
    if (ch == ' ') continue;
    digits += ch;
    if (digits.size() == 2) {
      bytes.push_back(static_cast<std::uint8_t>(std::stoul(digits, nullptr, 16)));
      digits.clear();
    }
  }
  return bytes;
}

translator::ModeKey kernel_mode() {
  return {.cpl = 0,
          .code32 = true,
          .stack32 = true,
          .flat_cs = true,
          .flat_ds = true,
          .flat_es = true,
          .flat_ss = true,
          .iopl_ok = true};
}

translator::ModeKey user_mode() {
  translator::ModeKey mode = kernel_mode();
  mode.cpl = 3;
  mode.iopl_ok = false;
  return mode;
}

Fragment translate(const Source& source) { return translate(source, kHostAddress, kStubs); }

Fragment translate(const Source& source, std::uint64_t host_address, const abi::StubTable& stubs) {
  const auto size = static_cast<std::uint32_t>(source.bytes.size());
  return translator::translate({.eip = source.eip,
                                .mode = source.mode,
                                .bytes = source.bytes,
                                .in_page = std::min(source.in_page, size),
                                .host_address = host_address,
                                .stubs = stubs,
                                .place = source.place,
                                .options = source.options});
}

Source movable(Source source) {
  constexpr std::uint32_t kPageMask = 0xFFF;
  source.eip &= kPageMask;
  source.place = kPlace;
  source.options.count_retired = false;
  return source;
}

std::string disassemble(const Fragment& fragment, std::uint32_t first, std::uint32_t last) {
  const HostCode code(fragment);
  std::string text;
  for (const cs_insn& insn : code.insns()) {
    const std::uint32_t offset = offset_of(insn);
    if (offset < first || offset >= last) continue;
    std::string operands = with_field_names(insn);
    if (const auto target = branch_target(code, insn)) {
      const char* stub = stub_name(*target);
      operands = stub != nullptr ? stub : fmt::format("+{:#x}", *target - kHostAddress);
    }
    text += operands.empty() ? fmt::format("{}\n", insn.mnemonic) : fmt::format("{} {}\n", insn.mnemonic, operands);
  }
  return text;
}

std::string main_path(const Fragment& fragment) {
  auto last = static_cast<std::uint32_t>(fragment.code.size());
  for (const Point& p : fragment.points) {
    if (p.boundary && p.guest_offset == fragment.guest_bytes) last = p.host_offset;
  }
  return disassemble(fragment, 0, last);
}

std::string find_fault(const Fragment& fragment, const Source& source) {
  const HostCode code(fragment);
  const auto at = [](const cs_insn& insn, const std::string& what) {
    return fmt::format("{:#x} {} {}: {}", offset_of(insn), insn.mnemonic, insn.op_str, what);
  };
  std::set<std::uint32_t> starts;
  std::uint32_t end = 0;
  for (const cs_insn& insn : code.insns()) {
    starts.insert(offset_of(insn));
    end = offset_of(insn) + insn.size;
    for (const std::string& fault : {check_memory(insn), check_kind(code, insn)}) {
      if (!fault.empty()) return at(insn, fault);
    }
  }
  if (end != fragment.code.size()) return fmt::format("undecodable at {:#x}", end);
  for (const cs_insn& insn : code.insns()) {
    const auto target = branch_target(code, insn);
    if (!target || stub_name(*target) != nullptr) continue;
    if (*target < kHostAddress || !starts.contains(static_cast<std::uint32_t>(*target - kHostAddress))) {
      return at(insn, "branch to nowhere");
    }
  }
  if (fragment.guest_bytes == 0) return "covers no guest byte";
  if (fragment.guest_instructions > source.options.max_instructions) return "block too long";
  return check_side_tables(fragment, starts);
}

}  // namespace ringshift::testing
