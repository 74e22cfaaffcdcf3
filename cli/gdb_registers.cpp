#include "cli/gdb_registers.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>
#include <vector>

namespace ringshift::cli {
namespace {

enum class Kind : std::uint8_t {
  gpr,  // index: number
  eip,
  eflags,
  selector,  // index: Seg
  st,        // index: in the stack
  fp_word,   // index: offset in the FXSAVE image
  fp_tags,
  fp_none,  // instruction and data pointers, which are not kept
  xmm,
  mxcsr,
  base,   // of a segment
  limit,  // of a segment
  system  // index: System
};

enum System : std::uint8_t {
  kCr0,
  kCr2,
  kCr3,
  kCr4,
  kEfer,
  kGdtBase,
  kGdtLimit,
  kIdtBase,
  kIdtLimit,
  kLdt,
  kTr,
  kTrBase,
  kDr6,
  kDr7,
  kSystemCount
};

struct Register {
  std::string_view name;
  Kind kind;
  std::uint8_t index;
  std::uint8_t bytes;
  std::string_view type;
  std::string_view group;
};

std::vector<Register> make_core() {
  std::vector<Register> all;
  constexpr std::array<std::string_view, 8> kGprs{"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
  for (std::uint8_t i = 0; i < 8; ++i) {
    all.push_back({kGprs[i], Kind::gpr, i, 4, i == kEsp || i == kEbp ? "data_ptr" : "int32", ""});
  }
  all.push_back({"eip", Kind::eip, 0, 4, "code_ptr", ""});
  all.push_back({"eflags", Kind::eflags, 0, 4, "i386_eflags", ""});
  const auto selector = [&](std::string_view name, Seg seg) {
    all.push_back({name, Kind::selector, static_cast<std::uint8_t>(seg), 4, "int32", ""});
  };
  selector("cs", Seg::cs);
  selector("ss", Seg::ss);
  selector("ds", Seg::ds);
  selector("es", Seg::es);
  selector("fs", Seg::fs);
  selector("gs", Seg::gs);
  constexpr std::array<std::string_view, 8> kStack{"st0", "st1", "st2", "st3", "st4", "st5", "st6", "st7"};
  for (std::uint8_t i = 0; i < 8; ++i) all.push_back({kStack[i], Kind::st, i, 10, "i387_ext", ""});
  all.push_back({"fctrl", Kind::fp_word, 0, 4, "int", "float"});
  all.push_back({"fstat", Kind::fp_word, 2, 4, "int", "float"});
  all.push_back({"ftag", Kind::fp_tags, 0, 4, "int", "float"});
  for (const std::string_view name : {"fiseg", "fioff", "foseg", "fooff", "fop"}) {
    all.push_back({name, Kind::fp_none, 0, 4, "int", "float"});
  }
  return all;
}

std::vector<Register> make_sse() {
  std::vector<Register> all;
  constexpr std::array<std::string_view, 8> kXmm{"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"};
  for (std::uint8_t i = 0; i < 8; ++i) all.push_back({kXmm[i], Kind::xmm, i, 16, "vec128", ""});
  all.push_back({"mxcsr", Kind::mxcsr, 0, 4, "i386_mxcsr", "vector"});
  return all;
}

std::vector<Register> make_system() {
  std::vector<Register> all;
  constexpr std::array<std::string_view, kSystemCount> kNames{
      "cr0",       "cr2",        "cr3",  "cr4", "efer",    "gdtr_base", "gdtr_limit",
      "idtr_base", "idtr_limit", "ldtr", "tr",  "tr_base", "dr6",       "dr7"};
  for (std::uint8_t i = 0; i < kSystemCount; ++i) all.push_back({kNames[i], Kind::system, i, 4, "int32", "system"});
  constexpr std::array<std::string_view, kSegCount> kBases{"es_base", "cs_base", "ss_base",
                                                           "ds_base", "fs_base", "gs_base"};
  constexpr std::array<std::string_view, kSegCount> kLimits{"es_limit", "cs_limit", "ss_limit",
                                                            "ds_limit", "fs_limit", "gs_limit"};
  for (std::uint8_t i = 0; i < kSegCount; ++i) all.push_back({kBases[i], Kind::base, i, 4, "data_ptr", "system"});
  for (std::uint8_t i = 0; i < kSegCount; ++i) all.push_back({kLimits[i], Kind::limit, i, 4, "int32", "system"});
  return all;
}

struct Tables {
  std::vector<Register> core = make_core(), sse = make_sse(), system = make_system();
  std::vector<Register> all;
  Tables() {
    for (const auto* part : {&core, &sse, &system}) all.insert(all.end(), part->begin(), part->end());
  }
};
const Tables& tables() {
  static const Tables kTables;
  return kTables;
}

// ---- values -----------------------------------------------------------------------------------

constexpr std::size_t kFpStack = 32, kXmm = 160, kMxcsr = 24;  // in the FXSAVE image

std::uint16_t fx16(const CpuState& s, std::size_t offset) {
  return static_cast<std::uint16_t>(s.fx[offset] | s.fx[offset + 1] << 8);
}

// Two bits for each physical register, as FSTENV stores them (SDM vol. 1, 8.1.7).
std::uint32_t full_tags(const CpuState& s) {
  const unsigned top = fx16(s, 2) >> 11 & 7U;
  std::uint32_t tags = 0;
  for (unsigned physical = 0; physical < 8; ++physical) {
    unsigned tag = 3;
    if ((s.fx[4] >> physical & 1) != 0) {
      const std::uint8_t* value = &s.fx[kFpStack + 16 * ((physical - top) & 7U)];
      std::uint64_t mantissa = 0;
      std::memcpy(&mantissa, value, sizeof mantissa);
      const unsigned exponent = (value[8] | value[9] << 8) & 0x7FFFU;
      if (exponent == 0 && mantissa == 0) {
        tag = 1;
      } else {
        tag = exponent == 0 || exponent == 0x7FFF || (mantissa >> 63) == 0 ? 2 : 0;
      }
    }
    tags |= tag << (2 * physical);
  }
  return tags;
}

std::uint32_t system_value(const CpuState& s, std::uint8_t index) {
  switch (index) {
    case kCr0:
      return s.cr0;
    case kCr2:
      return s.cr2;
    case kCr3:
      return s.cr3;
    case kCr4:
      return s.cr4;
    case kEfer:
      return static_cast<std::uint32_t>(s.msr.efer);
    case kGdtBase:
      return s.gdtr.base;
    case kGdtLimit:
      return s.gdtr.limit;
    case kIdtBase:
      return s.idtr.base;
    case kIdtLimit:
      return s.idtr.limit;
    case kLdt:
      return s.ldtr.selector;
    case kTr:
      return s.tr.selector;
    case kTrBase:
      return s.tr.base;
    case kDr6:
      return s.dr[6];
    default:
      return s.dr[7];
  }
}

std::uint32_t value32(const CpuState& s, const Register& r) {
  switch (r.kind) {
    case Kind::gpr:
      return s.gpr[r.index];
    case Kind::eip:
      return s.eip;
    case Kind::eflags:
      return s.eflags();
    case Kind::selector:
      return s.seg[r.index].selector;
    case Kind::fp_word:
      return fx16(s, r.index);
    case Kind::fp_tags:
      return full_tags(s);
    case Kind::mxcsr:
      return fx16(s, kMxcsr) | std::uint32_t{fx16(s, kMxcsr + 2)} << 16;
    case Kind::base:
      return s.seg[r.index].base;
    case Kind::limit:
      return s.seg[r.index].limit;
    case Kind::system:
      return system_value(s, r.index);
    case Kind::fp_none:
    case Kind::st:
    case Kind::xmm:
      break;
  }
  return 0;
}

std::string value(const CpuState& s, const Register& r) {
  std::string bytes(r.bytes, '\0');
  if (r.kind == Kind::st) {
    std::memcpy(bytes.data(), &s.fx[kFpStack + 16 * std::size_t{r.index}], r.bytes);
  } else if (r.kind == Kind::xmm) {
    std::memcpy(bytes.data(), &s.fx[kXmm + 16 * std::size_t{r.index}], r.bytes);
  } else {
    const std::uint32_t number = value32(s, r);
    std::memcpy(bytes.data(), &number, sizeof number);
  }
  return bytes;
}

// Only where a selector says all about a segment.
bool set_selector(CpuState& s, Seg seg, std::uint32_t selector) {
  if ((s.protected_mode() && !s.v86()) || selector > 0xFFFF) return false;
  SegmentRegister segment = s.segment(seg);
  segment.selector = static_cast<std::uint16_t>(selector);
  segment.base = selector << 4;
  s.set_segment(seg, segment);
  return true;
}

bool set_value32(CpuState& s, const Register& r, std::uint32_t number) {
  switch (r.kind) {
    case Kind::gpr:
      s.gpr[r.index] = number;
      return true;
    case Kind::eip:
      s.eip = number;
      s.halted = 0;
      return true;
    case Kind::eflags:
      // A mode of its own comes with other segments.
      if (((number ^ s.eflags()) & eflags::kVm) != 0) return false;
      s.set_eflags(number);
      return true;
    case Kind::selector:
      return set_selector(s, static_cast<Seg>(r.index), number);
    case Kind::fp_word:
      s.fx[r.index] = static_cast<std::uint8_t>(number);
      s.fx[r.index + 1U] = static_cast<std::uint8_t>(number >> 8);
      return true;
    case Kind::fp_tags: {
      unsigned valid = 0;
      for (unsigned i = 0; i < 8; ++i) valid |= (number >> (2 * i) & 3U) != 3 ? 1U << i : 0U;
      s.fx[4] = static_cast<std::uint8_t>(valid);
      return true;
    }
    case Kind::fp_none:
      return true;
    case Kind::mxcsr:
      number &= 0xFFFF;  // what FXRSTOR does not refuse
      std::memcpy(&s.fx[kMxcsr], &number, sizeof number);
      return true;
    case Kind::base:
    case Kind::limit:
    case Kind::system:
    case Kind::st:
    case Kind::xmm:
      break;
  }
  return false;
}

bool set(Cpu& cpu, const Register& r, std::string_view bytes) {
  CpuState& s = cpu.state;
  if (bytes == value(s, r)) return true;
  if (r.kind == Kind::st || r.kind == Kind::xmm) {
    std::uint8_t* to = &s.fx[(r.kind == Kind::st ? kFpStack : kXmm) + 16 * std::size_t{r.index}];
    std::memcpy(to, bytes.data(), bytes.size());
    return true;
  }
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data(), sizeof number);
  return set_value32(s, r, number);
}

// ---- description ------------------------------------------------------------------------------

void describe(std::string& xml, const std::vector<Register>& part) {
  for (const Register& r : part) {
    xml += fmt::format("<reg name=\"{}\" bitsize=\"{}\" type=\"{}\"", r.name, r.bytes * 8, r.type);
    if (!r.group.empty()) xml += fmt::format(" group=\"{}\"", r.group);
    xml += "/>\n";
  }
}

struct Flag {
  std::string_view name;
  unsigned bit;
};

void describe_flags(std::string& xml, std::string_view id, std::span<const Flag> flags) {
  xml += fmt::format("<flags id=\"{}\" size=\"4\">\n", id);
  for (const Flag& flag : flags) {
    xml += fmt::format("<field name=\"{0}\" start=\"{1}\" end=\"{1}\"/>\n", flag.name, flag.bit);
  }
  xml += "</flags>\n";
}

constexpr std::array kEflagsFields{Flag{"CF", 0},   Flag{"", 1},    Flag{"PF", 2},  Flag{"AF", 4},  Flag{"ZF", 6},
                                   Flag{"SF", 7},   Flag{"TF", 8},  Flag{"IF", 9},  Flag{"DF", 10}, Flag{"OF", 11},
                                   Flag{"NT", 14},  Flag{"RF", 16}, Flag{"VM", 17}, Flag{"AC", 18}, Flag{"VIF", 19},
                                   Flag{"VIP", 20}, Flag{"ID", 21}};
constexpr std::array kMxcsrFields{Flag{"IE", 0},  Flag{"DE", 1},  Flag{"ZE", 2},  Flag{"OE", 3}, Flag{"UE", 4},
                                  Flag{"PE", 5},  Flag{"DAZ", 6}, Flag{"IM", 7},  Flag{"DM", 8}, Flag{"ZM", 9},
                                  Flag{"OM", 10}, Flag{"UM", 11}, Flag{"PM", 12}, Flag{"FZ", 15}};

constexpr std::string_view kVectorTypes = R"(<vector id="v4f" type="ieee_single" count="4"/>
<vector id="v2d" type="ieee_double" count="2"/>
<vector id="v16i8" type="int8" count="16"/>
<vector id="v8i16" type="int16" count="8"/>
<vector id="v4i32" type="int32" count="4"/>
<vector id="v2i64" type="int64" count="2"/>
<union id="vec128">
<field name="v4_float" type="v4f"/>
<field name="v2_double" type="v2d"/>
<field name="v16_int8" type="v16i8"/>
<field name="v8_int16" type="v8i16"/>
<field name="v4_int32" type="v4i32"/>
<field name="v2_int64" type="v2i64"/>
<field name="uint128" type="uint128"/>
</union>
)";

}  // namespace

std::string gdb_target_description() {
  std::string xml =
      "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target>\n"
      "<architecture>i386</architecture>\n<feature name=\"org.gnu.gdb.i386.core\">\n";
  describe_flags(xml, "i386_eflags", kEflagsFields);
  describe(xml, tables().core);
  xml += "</feature>\n<feature name=\"org.gnu.gdb.i386.sse\">\n";
  xml += kVectorTypes;
  describe_flags(xml, "i386_mxcsr", kMxcsrFields);
  describe(xml, tables().sse);
  xml += "</feature>\n<feature name=\"org.ringshift.i386.system\">\n";
  describe(xml, tables().system);
  xml += "</feature>\n</target>\n";
  return xml;
}

std::string gdb_registers(const CpuState& state) {
  std::string bytes;
  for (const Register& r : tables().all) bytes += value(state, r);
  return bytes;
}

std::optional<std::string> gdb_register(const CpuState& state, std::uint32_t number) {
  if (number >= tables().all.size()) return std::nullopt;
  return value(state, tables().all[number]);
}

bool set_gdb_register(Cpu& cpu, std::uint32_t number, std::string_view bytes) {
  if (number >= tables().all.size()) return false;
  const Register& r = tables().all[number];
  return bytes.size() == r.bytes && set(cpu, r, bytes);
}

bool set_gdb_registers(Cpu& cpu, std::string_view bytes) {
  bool done = true;
  for (const Register& r : tables().all) {
    if (bytes.empty()) break;  // fewer than there are: the rest stays
    if (bytes.size() < r.bytes) return false;
    done = set(cpu, r, bytes.substr(0, r.bytes)) && done;
    bytes.remove_prefix(r.bytes);
  }
  return done && bytes.empty();
}

}  // namespace ringshift::cli
