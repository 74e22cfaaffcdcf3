#include "cli/key_symbols.h"

#include <algorithm>
#include <array>

#include "cli/us_keyboard.h"
#include "devices/key_names.h"

namespace ringshift::cli {
namespace {

struct Symbol {
  std::uint16_t symbol, code;
};
constexpr auto kSymbols = std::to_array<Symbol>({
    {0xFF08, 0x0E},                // BackSpace
    {0xFF09, 0x0F},                // Tab
    {0xFE20, 0x0F},                // ISO_Left_Tab
    {0xFF0D, 0x1C},                // Return
    {0xFF0A, 0x1C},                // Linefeed
    {0xFF1B, 0x01},                // Escape
    {0xFF13, devices::kPauseKey},  // Pause
    {0xFF14, 0x46},                // Scroll_Lock
    {0xFF15, 0x54},                // Sys_Req
    {0xFF61, 0xE037},              // Print
    {0xFF7F, 0x45},                // Num_Lock
    {0xFFE5, 0x3A},                // Caps_Lock
    {0xFF50, 0xE047},              // Home
    {0xFF51, 0xE04B},              // Left
    {0xFF52, 0xE048},              // Up
    {0xFF53, 0xE04D},              // Right
    {0xFF54, 0xE050},              // Down
    {0xFF55, 0xE049},              // Page_Up
    {0xFF56, 0xE051},              // Page_Down
    {0xFF57, 0xE04F},              // End
    {0xFF63, 0xE052},              // Insert
    {0xFFFF, 0xE053},              // Delete
    {0xFF67, 0xE05D},              // Menu
    {0xFFE1, 0x2A},                // Shift_L
    {0xFFE2, 0x36},                // Shift_R
    {0xFFE3, 0x1D},                // Control_L
    {0xFFE4, 0xE01D},              // Control_R
    {0xFFE7, 0xE05B},              // Meta_L
    {0xFFE8, 0xE05C},              // Meta_R
    {0xFFE9, 0x38},                // Alt_L
    {0xFFEA, 0xE038},              // Alt_R
    {0xFE03, 0xE038},              // ISO_Level3_Shift
    {0xFFEB, 0xE05B},              // Super_L
    {0xFFEC, 0xE05C},              // Super_R
    {0xFF8D, 0xE01C},              // KP_Enter
    {0xFFAF, 0xE035},              // KP_Divide
    {0xFFAA, 0x37},                // KP_Multiply
    {0xFFAD, 0x4A},                // KP_Subtract
    {0xFFAB, 0x4E},                // KP_Add
    {0xFF95, 0x47},                // KP_Home
    {0xFF97, 0x48},                // KP_Up
    {0xFF9A, 0x49},                // KP_Page_Up
    {0xFF96, 0x4B},                // KP_Left
    {0xFF9D, 0x4C},                // KP_Begin
    {0xFF98, 0x4D},                // KP_Right
    {0xFF9C, 0x4F},                // KP_End
    {0xFF99, 0x50},                // KP_Down
    {0xFF9B, 0x51},                // KP_Page_Down
    {0xFF9E, 0x52},                // KP_Insert
    {0xFF9F, 0x53},                // KP_Delete
    {0xFFAE, 0x53},                // KP_Decimal
    {0xFFB0, 0x52},                // KP_0 to KP_9
    {0xFFB1, 0x4F},
    {0xFFB2, 0x50},
    {0xFFB3, 0x51},
    {0xFFB4, 0x4B},
    {0xFFB5, 0x4C},
    {0xFFB6, 0x4D},
    {0xFFB7, 0x47},
    {0xFFB8, 0x48},
    {0xFFB9, 0x49},
    {0xFFC8, 0x57},  // F11
    {0xFFC9, 0x58},  // F12
});
constexpr std::uint32_t kF1 = 0xFFBE, kF10 = 0xFFC7;

}  // namespace

std::optional<std::uint16_t> key_of_symbol(std::uint32_t symbol) {
  if (symbol >= kF1 && symbol <= kF10) return static_cast<std::uint16_t>(0x3B + symbol - kF1);
  if (symbol < 0x80) {
    const auto key = key_of_character(static_cast<char>(symbol));
    if (!key) return std::nullopt;
    return key->code;
  }
  const auto found = std::ranges::find(kSymbols, symbol, &Symbol::symbol);
  if (found == kSymbols.end()) return std::nullopt;
  return found->code;
}

}  // namespace ringshift::cli
