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
  const auto leads_here = [page](const Edge& edge) { return edge.to == page; };
  for (const Edge& edge : nodes_[page].to) std::erase(nodes_[edge.to].from, page);
  for (const PageId from : nodes_[page].from) std::erase_if(nodes_[from].to, leads_here);
  nodes_[page] = {};
  free_.push_back(page);
}

void PageGraph::clear() {
  nodes_.assign(1, {});
  free_.clear();
}

const PageGraph::Edge* PageGraph::edge(PageId from, PageId to) const {
  const auto found = std::ranges::find(nodes_[from].to, to, &Edge::to);
  return found == nodes_[from].to.end() ? nullptr : &*found;
}

void PageGraph::connect(PageId from, const Edge& edge) {
  nodes_[from].to.push_back(edge);
  nodes_[edge.to].from.push_back(from);
}

void PageGraph::refuse(PageId from, PageId to) {
  std::erase_if(nodes_[from].to, [to](const Edge& edge) { return edge.to == to; });
  std::erase(nodes_[to].from, from);
  nodes_[from].refused.push_back(to);
}

bool PageGraph::refused(PageId from, PageId to) const { return std::ranges::count(nodes_[from].refused, to) != 0; }

}  // namespace ringshift::engine
