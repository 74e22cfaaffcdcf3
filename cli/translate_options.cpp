#include "cli/translate_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <utility>

#include "cli/cpu_option.h"
#include "cli/files.h"
#include "cli/sizes.h"
#include "translator/assemble/assemble.h"

namespace ringshift::cli {
namespace {

using Error = std::optional<std::string>;
using Bytes = std::vector<std::uint8_t>;

constexpr std::uint64_t kMostCode = 1U << 20;

// A number of an option between two limits.
Error check_number(std::string_view option, const std::string& text, std::uint64_t least, std::uint64_t most,
                   std::uint64_t& value) {
  const auto number = parse_number(text);
  if (!number || *number < least || *number > most) {
    return fmt::format("{} '{}': not a number from {} to {}", option, text, least, most);
  }
  value = *number;
  return std::nullopt;
}

bool has_16_bits(const TranslateText& text) { return text.mode != "32"; }

// The code segment begins where the 64 KiB around the code do.
void take_small_segments(std::uint32_t address, translator::ModeKey& mode) {
  constexpr std::uint8_t kAll = (1U << kSegCount) - 1U;
  mode.code32 = mode.stack32 = mode.flat_cs = mode.flat_ds = mode.flat_es = mode.flat_ss = false;
  mode.reach = kAll;
  mode.cs_base = address & 0xFFFF0000U;
  mode.cs_limit = 0xFFFF;
}

Error check_mode(const TranslateText& text, translator::ModeKey& mode) {
  constexpr std::array<std::string_view, 5> kModes{"32", "16", "prot16", "real", "v86"};
  if (std::ranges::find(kModes, text.mode) == kModes.end()) {
    return fmt::format("--mode '{}': none of 32, 16, prot16, real, v86", text.mode);
  }
  std::uint64_t cpl = 0;
  std::uint64_t iopl = 0;
  if (auto error = check_number("--cpl", text.cpl, 0, 3, cpl)) return error;
  if (auto error = check_number("--iopl", text.iopl, 0, 3, iopl)) return error;
  if (text.mode == "real") cpl = 0;
  if (text.mode == "v86") cpl = 3;
  mode.paragraphs = text.mode == "real" || text.mode == "v86";
  mode.cpl = static_cast<std::uint8_t>(cpl);
  mode.iopl_ok = cpl <= iopl;
  mode.code32 = mode.stack32 = true;
  mode.flat_cs = mode.flat_ds = mode.flat_es = mode.flat_ss = true;
  return std::nullopt;
}

std::variant<Bytes, std::string> read_part(const TranslateText& text) {
  std::uint64_t offset = 0;
  std::uint64_t length = 256;
  if (text.offset) {
    if (auto error = check_number("--offset", *text.offset, 0, ~0ULL, offset)) return *error;
  }
  if (text.length) {
    if (auto error = check_number("--length", *text.length, 1, kMostCode, length)) return *error;
  }
  auto image = read_image("file", *text.file);
  if (auto* error = std::get_if<std::string>(&image)) return *error;
  Bytes& bytes = std::get<machine::boot::Image>(image).bytes;
  if (offset >= bytes.size()) {
    return fmt::format("--offset {:#x}: file '{}' has only {} bytes", offset, *text.file, bytes.size());
  }
  const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
  return Bytes(first, first + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(length, bytes.size() - offset)));
}

std::variant<Bytes, std::string> read_code(const TranslateText& text, TranslateRequest& request) {
  if (text.hex.has_value() + text.assembly.has_value() + text.file.has_value() != 1) {
    return "translate needs one of --hex, --asm, --file";
  }
  if ((text.offset || text.length) && !text.file) return "--offset and --length go with --file";
  if (text.file) return read_part(text);
  if (text.assembly) {
    auto result = assemble::assemble(*text.assembly, has_16_bits(text) ? 16 : 32, request.address);
    if (const auto* error = std::get_if<std::string>(&result)) return "--asm " + *error;
    request.assembler = std::get<assemble::Code>(result).by;
    return std::get<assemble::Code>(std::move(result)).bytes;
  }
  auto bytes = assemble::parse_hex(*text.hex);
  if (!bytes) return fmt::format("--hex '{}': not bytes of two hexadecimal digits", *text.hex);
  return std::move(*bytes);
}

}  // namespace

void add_translate_options(CLI::App& app, TranslateText& text) {
  app.add_option("--hex", text.hex, "Guest code as hexadecimal bytes: \"9c fa 9d\"")->type_name("BYTES");
  app.add_option("--asm", text.assembly, "Guest code in Intel syntax, lines separated by ';': \"pushf; cli; popf\"")
      ->type_name("TEXT");
  app.add_option("--file", text.file, "A file with guest code")->type_name("FILE");
  app.add_option("--offset", text.offset, "Where it begins in the file [0]")->type_name("N");
  app.add_option("--length", text.length, "Bytes of it [256]")->type_name("N");
  app.add_option("--mode", text.mode, "32, real, v86, or prot16 (or 16): protected mode, segments of 64 KiB")
      ->type_name("MODE")
      ->capture_default_str();
  app.add_option("--cpl", text.cpl, "Privilege level of the code")->type_name("N")->capture_default_str();
  app.add_option("--iopl", text.iopl, "I/O privilege level")->type_name("N")->capture_default_str();
  app.add_option("--address", text.address, "Linear address of the code")->type_name("N")->capture_default_str();
  app.add_option("--max-block", text.max_block, "Most instructions of a block")->type_name("N")->capture_default_str();
  app.add_option("--cpu", text.cpu, kCpuHelp)->type_name("MODEL")->capture_default_str();
  app.add_flag("--json", text.json, "Machine-readable output");
}

std::variant<TranslateRequest, std::string> check_translate_options(const TranslateText& text) {
  TranslateRequest request;
  if (auto error = check_mode(text, request.mode)) return *error;
  std::uint64_t address = 0;
  if (auto error = check_number("--address", text.address, 0, 0xFFFFFFFF, address)) return *error;
  request.address = static_cast<std::uint32_t>(address);
  if (has_16_bits(text)) take_small_segments(request.address, request.mode);
  std::uint64_t max_block = 0;
  if (auto error = check_number("--max-block", text.max_block, 1, translator::kMostInstructions, max_block))
    return *error;
  request.options.max_instructions = static_cast<unsigned>(max_block);
  if (auto error = check_cpu(text.cpu, request.options.model)) return *error;
  auto code = read_code(text, request);
  if (auto* error = std::get_if<std::string>(&code)) return *error;
  request.code = std::get<Bytes>(std::move(code));
  if (request.code.empty()) return "there is no code to translate";
  if (request.code.size() > kMostCode) return "more than 1 MiB of code";
  request.json = text.json;
  return request;
}

}  // namespace ringshift::cli
