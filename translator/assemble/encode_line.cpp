// A small front end to Zydis's encoder: one line of Intel syntax to a request.
#include <Zydis/Zydis.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "translator/assemble/assemble.h"

namespace ringshift::assemble {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct Alias {
  std::string_view name, zydis;
};
// Names of nasm that Zydis has others for. Those that depend on the mode end in their operand size at Zydis.
constexpr Alias kAliases[] = {{"pushfw", "pushf"}, {"popfw", "popf"}, {"pushaw", "pusha"},
                              {"popaw", "popa"},   {"iretw", "iret"}, {"sal", "shl"},
                              {"xlatb", "xlat"},   {"wait", "fwait"}, {"retn", "ret"}};
constexpr std::string_view kModeSized[] = {"pushf", "popf", "pusha", "popa", "iret"};
constexpr Alias kConditions[] = {{"e", "z"},   {"ne", "nz"}, {"c", "b"},   {"nae", "b"}, {"ae", "nb"},
                                 {"nc", "nb"}, {"na", "be"}, {"a", "nbe"}, {"nge", "l"}, {"ge", "nl"},
                                 {"ng", "le"}, {"g", "nle"}, {"pe", "p"},  {"po", "np"}};
constexpr std::pair<std::string_view, std::uint16_t> kSizes[] = {{"byte", 1},  {"word", 2},   {"dword", 4},
                                                                 {"qword", 8}, {"tword", 10}, {"oword", 16}};
constexpr std::pair<std::string_view, ZydisInstructionAttributes> kPrefixes[] = {
    {"lock", ZYDIS_ATTRIB_HAS_LOCK}, {"rep", ZYDIS_ATTRIB_HAS_REP},     {"repe", ZYDIS_ATTRIB_HAS_REPE},
    {"repz", ZYDIS_ATTRIB_HAS_REPE}, {"repne", ZYDIS_ATTRIB_HAS_REPNE}, {"repnz", ZYDIS_ATTRIB_HAS_REPNE}};

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// Takes the first word off `text`.
std::string_view take_word(std::string_view& text) {
  text = trim(text);
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text = trim(text.substr(end));
  return word;
}

// 12, -12, 0x12, 12h
std::optional<std::int64_t> parse_integer(std::string_view text) {
  text = trim(text);
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x")) {
    text.remove_prefix(2);
    base = 16;
  } else if (text.ends_with('h') && !text.empty() && text.front() >= '0' && text.front() <= '9') {
    text.remove_suffix(1);
    base = 16;
  }
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
}

ZydisRegister parse_register(std::string_view text) {
  for (int i = ZYDIS_REGISTER_NONE + 1; i <= ZYDIS_REGISTER_MAX_VALUE; ++i) {
    const auto reg = static_cast<ZydisRegister>(i);
    const char* name = ZydisRegisterGetString(reg);
    if (name != nullptr && text == name) return reg;
  }
  return ZYDIS_REGISTER_NONE;
}

std::optional<ZydisMnemonic> parse_mnemonic(std::string_view text) {
  for (int i = ZYDIS_MNEMONIC_INVALID + 1; i <= ZYDIS_MNEMONIC_MAX_VALUE; ++i) {
    const char* name = ZydisMnemonicGetString(static_cast<ZydisMnemonic>(i));
    if (name != nullptr && text == name) return static_cast<ZydisMnemonic>(i);
  }
  return std::nullopt;
}

class Line {
 public:
  Line(std::string_view text, int bits) : bits_(bits), text_(text) {
    std::ranges::transform(text_, text_.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    request_.machine_mode = bits == 16 ? ZYDIS_MACHINE_MODE_LEGACY_16 : ZYDIS_MACHINE_MODE_LEGACY_32;
  }

  std::optional<Bytes> encode() {
    std::string_view rest = text_;
    std::string_view word = take_word(rest);
    while (take_prefix(word)) word = take_word(rest);
    if (!choose_mnemonic(word)) return std::nullopt;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      if (!take_operand(trim(rest.substr(0, comma)))) return std::nullopt;
      rest = comma == rest.size() ? std::string_view() : trim(rest.substr(comma + 1));
    }
    return unsized_ == nullptr ? try_encoding() : choose_size();
  }

 private:
  bool take_prefix(std::string_view word) {
    const auto* found =
        std::ranges::find(kPrefixes, word, &std::pair<std::string_view, ZydisInstructionAttributes>::first);
    if (found == std::end(kPrefixes)) return false;
    request_.prefixes |= found->second;
    return true;
  }

  bool choose_mnemonic(std::string_view word) {
    std::string name(word);
    // Where branches go needs an address, and far ones a pointer: nasm's work, as is "far".
    if (name.starts_with('j') || name.starts_with("loop") || name == "call") return false;
    if (name == "retf") {
      name = "ret";
      request_.branch_type = ZYDIS_BRANCH_TYPE_FAR;
    }
    if (std::ranges::find(kModeSized, name) != std::end(kModeSized) && bits_ == 32) name += "d";
    for (const Alias& alias : kAliases) {
      if (name == alias.name) name = alias.zydis;
    }
    for (const std::string_view family : {"set", "cmov"}) {
      if (!name.starts_with(family)) continue;
      for (const Alias& alias : kConditions) {
        if (name.substr(family.size()) != alias.name) continue;
        name = std::string(family) + std::string(alias.zydis);
        break;
      }
    }
    constexpr std::string_view kShifts[] = {"rol", "ror", "rcl", "rcr", "shl", "shr", "sar"};
    shifts_ = std::ranges::find(kShifts, name) != std::end(kShifts);
    const auto mnemonic = parse_mnemonic(name);
    if (mnemonic) request_.mnemonic = *mnemonic;
    // Zydis knows REP only where nothing is compared.
    const bool compares = name.starts_with("cmps") || name.starts_with("scas");
    if (compares && (request_.prefixes & ZYDIS_ATTRIB_HAS_REP) != 0) {
      request_.prefixes ^= ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE;
    }
    return mnemonic.has_value();
  }

  bool take_operand(std::string_view text) {
    if (request_.operand_count >= ZYDIS_ENCODER_MAX_OPERANDS || text.empty()) return false;
    ZydisEncoderOperand& operand = request_.operands[request_.operand_count++];
    std::uint16_t size = 0;
    std::string_view rest = text;
    const std::string_view word = take_word(rest);
    for (const auto& [name, bytes] : kSizes) {
      if (word != name) continue;
      size = bytes;
      text = rest;
      if (std::string_view after = rest; take_word(after) == "ptr") text = after;
    }
    if (text.ends_with(']')) return take_memory(operand, text, size);
    if (const ZydisRegister reg = parse_register(text); reg != ZYDIS_REGISTER_NONE) {
      operand.type = ZYDIS_OPERAND_TYPE_REGISTER;
      operand.reg.value = reg;
      const ZydisRegisterClass kind = ZydisRegisterGetClass(reg);
      moves_system_register_ |= kind == ZYDIS_REGCLASS_CONTROL || kind == ZYDIS_REGCLASS_DEBUG;
      // The count of a shift says nothing about the size of what is shifted.
      if (reg != ZYDIS_REGISTER_CL || !shifts_)
        register_bytes_ = ZydisRegisterGetWidth(request_.machine_mode, reg) / 8U;
      return true;
    }
    const auto value = parse_integer(text);
    const bool is_default = request_.mnemonic == ZYDIS_MNEMONIC_PUSH && size * 8 == bits_;
    if (!value || (size != 0 && !is_default)) return false;
    operand.type = ZYDIS_OPERAND_TYPE_IMMEDIATE;
    operand.imm.s = *value;
    immediate_ = &operand;
    return true;
  }

  // [ebx + ecx*4 - 8], [es:ebx], es:[ebx]
  bool take_memory(ZydisEncoderOperand& operand, std::string_view text, std::uint16_t size) {
    const std::size_t open = text.find('[');
    if (open == std::string_view::npos) return false;
    std::string_view inside = text.substr(open + 1, text.size() - open - 2);
    std::string_view segment = trim(text.substr(0, open));
    if (segment.ends_with(':')) segment.remove_suffix(1);
    if (const std::size_t colon = inside.find(':'); colon != std::string_view::npos) {
      segment = trim(inside.substr(0, colon));
      inside.remove_prefix(colon + 1);
    }
    if (!take_segment(segment)) return false;
    operand.type = ZYDIS_OPERAND_TYPE_MEMORY;
    operand.mem.size = size;
    if (size == 0) unsized_ = &operand;
    while (!trim(inside).empty()) {
      inside = trim(inside);
      const bool negative = inside.starts_with('-');
      if (negative || inside.starts_with('+')) inside.remove_prefix(1);
      const std::size_t end = std::min(inside.find_first_of("+-"), inside.size());
      if (!take_term(operand, trim(inside.substr(0, end)), negative)) return false;
      inside.remove_prefix(end);
    }
    absolute_ = operand.mem.base == ZYDIS_REGISTER_NONE && operand.mem.index == ZYDIS_REGISTER_NONE;
    return true;
  }

  bool take_segment(std::string_view text) {
    constexpr std::array<std::pair<std::string_view, ZydisInstructionAttributes>, 6> kSegments{
        {{"es", ZYDIS_ATTRIB_HAS_SEGMENT_ES},
         {"cs", ZYDIS_ATTRIB_HAS_SEGMENT_CS},
         {"ss", ZYDIS_ATTRIB_HAS_SEGMENT_SS},
         {"ds", ZYDIS_ATTRIB_HAS_SEGMENT_DS},
         {"fs", ZYDIS_ATTRIB_HAS_SEGMENT_FS},
         {"gs", ZYDIS_ATTRIB_HAS_SEGMENT_GS}}};
    if (text.empty()) return true;
    for (const auto& [name, attribute] : kSegments) {
      if (text != name) continue;
      request_.prefixes |= attribute;
      return true;
    }
    return false;
  }

  static bool take_term(ZydisEncoderOperand& operand, std::string_view term, bool negative) {
    if (const auto value = parse_integer(term)) {
      // Displacements wrap at 32 bits.
      operand.mem.displacement += static_cast<std::int32_t>(negative ? -*value : *value);
      return true;
    }
    if (negative) return false;
    const std::size_t star = term.find('*');
    const ZydisRegister reg = parse_register(trim(term.substr(0, star)));
    if (reg == ZYDIS_REGISTER_NONE) return false;
    if (star != std::string_view::npos) {
      const auto scale = parse_integer(term.substr(star + 1));
      if (!scale || operand.mem.index != ZYDIS_REGISTER_NONE) return false;
      operand.mem.index = reg;
      operand.mem.scale = static_cast<std::uint8_t>(*scale);
    } else if (operand.mem.base == ZYDIS_REGISTER_NONE) {
      operand.mem.base = reg;
    } else if (operand.mem.index == ZYDIS_REGISTER_NONE) {
      operand.mem.index = reg;
      operand.mem.scale = 1;
    } else {
      return false;
    }
    return true;
  }

  std::optional<Bytes> try_encoding() {
    // The encoder wants immediates as the sign extension that the instruction does, if it does one.
    std::array<std::int64_t, 4> values{immediate_ != nullptr ? immediate_->imm.s : 0};
    const std::int64_t given = values[0];
    std::size_t count = 1;
    if (given > 0) {
      if (given == static_cast<std::uint8_t>(given)) values[count++] = static_cast<std::int8_t>(given);
      if (given == static_cast<std::uint16_t>(given)) values[count++] = static_cast<std::int16_t>(given);
      values[count++] = static_cast<std::int32_t>(given);
    }
    std::optional<Bytes> best;
    for (std::size_t i = 0; i < count && !best; ++i) {
      if (immediate_ != nullptr) immediate_->imm.s = values[i];
      Bytes bytes(ZYDIS_MAX_INSTRUCTION_LENGTH);
      ZyanUSize length = bytes.size();
      if (!ZYAN_SUCCESS(ZydisEncoderEncodeInstruction(&request_, bytes.data(), &length))) continue;
      bytes.resize(length);
      // Small addresses get 16 bits and a prefix: not what the text says.
      if (absolute_ && std::ranges::find(bytes.begin(), bytes.begin() + 2, 0x67) != bytes.begin() + 2) continue;
      if (moves_system_register_) bytes.back() |= 0xC0;  // MOD is ignored there (SDM vol. 2, MOV), but 3 by custom
      best = std::move(bytes);
    }
    if (immediate_ != nullptr) immediate_->imm.s = given;
    return best;
  }

  // A memory operand without a size: that of the register beside it, or the only one that there is.
  std::optional<Bytes> choose_size() {
    std::optional<Bytes> found;
    for (const unsigned bytes : {register_bytes_, 1U, 2U, 4U, 6U, 8U, 10U, 16U, 28U, 94U, 108U, 512U}) {
      if (bytes == 0) continue;
      unsized_->mem.size = static_cast<std::uint16_t>(bytes);
      auto encoded = try_encoding();
      if (!encoded) continue;
      if (bytes == register_bytes_) return encoded;
      if (found && *found != *encoded) return std::nullopt;
      found = std::move(encoded);
    }
    return found;
  }

  int bits_;
  std::string text_;
  ZydisEncoderRequest request_{};
  ZydisEncoderOperand* immediate_ = nullptr;
  ZydisEncoderOperand* unsized_ = nullptr;
  unsigned register_bytes_ = 0;
  bool shifts_ = false;
  bool absolute_ = false;  // a memory operand without registers
  bool moves_system_register_ = false;
};

}  // namespace

std::optional<Bytes> encode_line(std::string_view line, int bits) { return Line(line, bits).encode(); }

}  // namespace ringshift::assemble
