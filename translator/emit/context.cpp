#include "translator/emit/context.h"

namespace ringshift::translator::emit {

void mark_boundary(Context& c) {
  c.fragment.points.push_back({.host_offset = c.offset(),
                               .guest_offset = c.guest_offset,
                               .index = c.index,
                               .fixup = Fixup::none,
                               .boundary = true,
                               .shadow = c.shadow});
  c.shadow = false;
}

void mark_fixup(Context& c, Fixup fixup) {
  c.fragment.points.push_back(
      {.host_offset = c.offset(), .guest_offset = c.guest_offset, .index = c.index, .fixup = fixup});
}

}  // namespace ringshift::translator::emit
