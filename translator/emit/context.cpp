#include "translator/emit/context.h"

namespace ringshift::translator::emit {

namespace {

// Of several changes at one host offset the last one holds.
void add(Context& c, const Point& point) {
  std::vector<Point>& points = c.fragment.points;
  if (!points.empty() && points.back().host_offset == point.host_offset) {
    points.back() = point;
  } else {
    points.push_back(point);
  }
}

}  // namespace

void mark_boundary(Context& c) {
  add(c, Point{.host_offset = static_cast<std::uint16_t>(c.offset()),
               .guest_offset = c.guest_offset,
               .esp_delta = static_cast<std::int16_t>(c.esp_delta),
               .index = static_cast<std::uint8_t>(c.index),
               .fixup = Fixup::none,
               .boundary = true,
               .shadow = c.shadow});
  c.shadow = false;
}

void mark_fixup(Context& c, Fixup fixup) {
  add(c, Point{.host_offset = static_cast<std::uint16_t>(c.offset()),
               .guest_offset = c.guest_offset,
               .esp_delta = static_cast<std::int16_t>(c.esp_delta),
               .index = static_cast<std::uint8_t>(c.index),
               .fixup = fixup});
}

}  // namespace ringshift::translator::emit
