#include "mmu/reverse_map.h"

namespace ringshift::mmu {

void ReverseMap::add(std::uint32_t frame, Mapping mapping) {
  if (frame >= heads_.size()) heads_.resize(frame + frame / 2 + 1024, kNone);
  std::uint32_t node = free_;
  if (node == kNone) {
    node = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
  } else {
    free_ = nodes_[node].next;
  }
  nodes_[node] = {mapping, heads_[frame]};
  heads_[frame] = node;
}

void ReverseMap::remove(std::uint32_t frame, Mapping mapping) {
  if (frame >= heads_.size()) return;
  for (std::uint32_t* link = &heads_[frame]; *link != kNone; link = &nodes_[*link].next) {
    const std::uint32_t node = *link;
    if (nodes_[node].mapping != mapping) continue;
    *link = nodes_[node].next;
    nodes_[node].next = free_;
    free_ = node;
    return;
  }
}

std::vector<ReverseMap::Mapping> ReverseMap::find(std::uint32_t frame) const {
  std::vector<Mapping> found;
  if (frame >= heads_.size()) return found;
  for (std::uint32_t node = heads_[frame]; node != kNone; node = nodes_[node].next) {
    found.push_back(nodes_[node].mapping);
  }
  return found;
}

}  // namespace ringshift::mmu
