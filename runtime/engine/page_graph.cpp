#include "runtime/engine/page_graph.h"

#include <algorithm>

namespace ringshift::engine {

PageId PageGraph::add() {
  if (!free_.empty()) {
    const PageId page = free_.back();
    free_.pop_back();
    return page;
  }
  nodes_.emplace_back();
  return static_cast<PageId>(nodes_.size() - 1);
}

void PageGraph::remove(PageId page) {
  for (const PageId to : nodes_[page].to) std::erase(nodes_[to].from, page);
  for (const PageId from : nodes_[page].from) std::erase(nodes_[from].to, page);
  nodes_[page] = {};
  free_.push_back(page);
}

void PageGraph::clear() {
  nodes_.assign(1, {});
  free_.clear();
}

bool PageGraph::connected(PageId from, PageId to) const { return std::ranges::count(nodes_[from].to, to) != 0; }

void PageGraph::connect(PageId from, PageId to) {
  nodes_[from].to.push_back(to);
  nodes_[to].from.push_back(from);
}

void PageGraph::refuse(PageId from, PageId to) {
  std::erase(nodes_[from].to, to);
  std::erase(nodes_[to].from, from);
  nodes_[from].refused.push_back(to);
}

bool PageGraph::refused(PageId from, PageId to) const { return std::ranges::count(nodes_[from].refused, to) != 0; }

}  // namespace ringshift::engine
