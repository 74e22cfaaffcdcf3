#include "cli/typed_keys.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "cli/us_keyboard.h"

namespace ringshift::cli {
namespace {

using machine::Key;

constexpr std::uint8_t kEsc = 0x1B;
constexpr std::uint16_t kEscKey = 0x01, kBackspace = 0x0E, kTab = 0x0F, kEnter = 0x1C;
constexpr std::uint16_t kControl = 0x1D, kShift = 0x2A, kAlt = 0x38;

struct Sequence {
  std::string_view text;  // behind ESC
  std::uint16_t code;
};
constexpr std::array<Sequence, 33> kSequences = {
    {{"[A", 0xE048},  {"[B", 0xE050},  {"[C", 0xE04D},  {"[D", 0xE04B},  {"OA", 0xE048},  {"OB", 0xE050},
     {"OC", 0xE04D},  {"OD", 0xE04B},  {"[H", 0xE047},  {"[F", 0xE04F},  {"[1~", 0xE047}, {"[4~", 0xE04F},
     {"[2~", 0xE052}, {"[3~", 0xE053}, {"[5~", 0xE049}, {"[6~", 0xE051}, {"OP", 0x3B},    {"OQ", 0x3C},
     {"OR", 0x3D},    {"OS", 0x3E},    {"[[A", 0x3B},   {"[[B", 0x3C},   {"[[C", 0x3D},   {"[[D", 0x3E},
     {"[[E", 0x3F},   {"[15~", 0x3F},  {"[17~", 0x40},  {"[18~", 0x41},  {"[19~", 0x42},  {"[20~", 0x43},
     {"[21~", 0x44},  {"[23~", 0x57},  {"[24~", 0x58}}};

struct Stroke {
  std::uint16_t code = 0;
  std::uint16_t modifier = 0;  // 0: none
};

std::optional<Stroke> stroke_of(std::uint8_t byte) {
  switch (byte) {
    case kEsc:
      return Stroke{kEscKey};
    case '\t':
      return Stroke{kTab};
    case '\r':
    case '\n':
      return Stroke{kEnter};
    case 0x08:
    case 0x7F:
      return Stroke{kBackspace};
    default:
      break;
  }
  const bool control = byte >= 1 && byte <= 26;
  const char wanted = static_cast<char>(control ? byte + 'a' - 1 : byte);
  const auto key = key_of_character(wanted);
  if (!key) return std::nullopt;
  return Stroke{key->code, key->shifted ? kShift : control ? kControl : std::uint16_t{0}};
}

void strike(std::vector<Key>& out, const Stroke& stroke) {
  if (stroke.modifier != 0) out.push_back({stroke.modifier, true});
  out.push_back({stroke.code, true});
  out.push_back({stroke.code, false});
  if (stroke.modifier != 0) out.push_back({stroke.modifier, false});
}

}  // namespace

std::vector<Key> typed_keys(std::span<const std::uint8_t> typed) {
  std::vector<Key> out;
  while (!typed.empty()) {
    const std::string_view rest(reinterpret_cast<const char*>(typed.data()) + 1, typed.size() - 1);
    if (typed[0] == kEsc && !rest.empty()) {
      const auto* sequence =
          std::ranges::find_if(kSequences, [&](const Sequence& s) { return rest.starts_with(s.text); });
      if (sequence != kSequences.end()) {
        strike(out, {sequence->code});
        typed = typed.subspan(1 + sequence->text.size());
        continue;
      }
      if (const auto stroke = stroke_of(typed[1]); stroke && typed[1] != kEsc) {
        out.push_back({kAlt, true});
        strike(out, *stroke);
        out.push_back({kAlt, false});
        typed = typed.subspan(2);
        continue;
      }
    }
    if (const auto stroke = stroke_of(typed[0])) strike(out, *stroke);
    typed = typed.subspan(1);
  }
  return out;
}

}  // namespace ringshift::cli
