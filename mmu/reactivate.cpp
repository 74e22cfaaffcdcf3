// Between the views of one address space. Compiled for general registers only: see WindowPool::reactivate.
#include "mmu/window_pool.h"

namespace ringshift::mmu {

bool ShadowWindowPool::reactivate(View view, ActiveWindow& window) {
  Window* recent = recent_[static_cast<unsigned>(view)];
  if (recent_generation_ != generation_ || recent == nullptr || !recent->pending.empty()) return false;
  current_ = recent;
  window = {recent->base(), recent->id()};
  return true;
}

}  // namespace ringshift::mmu
