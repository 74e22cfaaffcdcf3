// What a hand does to a mouse.
#pragma once

#include <cstdint>

namespace ringshift::devices {

struct PointerMove {
  int dx = 0, dy = 0;    // counts, to the right and down
  int wheel = 0;         // detents, towards the user
  unsigned buttons = 0;  // those held now, of the bits below
  friend bool operator==(const PointerMove&, const PointerMove&) = default;
};

namespace pointer {
inline constexpr unsigned kLeft = 1, kRight = 2, kMiddle = 4, kBack = 8, kForward = 16;
}  // namespace pointer

}  // namespace ringshift::devices
