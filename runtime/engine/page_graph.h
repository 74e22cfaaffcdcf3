// Which pages of code jump directly, without a lookup, into which others.
#pragma once

#include <cstdint>
#include <vector>

namespace ringshift::engine {

using PageId = std::uint32_t;
inline constexpr PageId kNoPage = 0;

class PageGraph {
 public:
  PageId add();
  // With its edges.
  void remove(PageId page);
  void clear();

  struct Edge {
    PageId to = kNoPage;
    std::int32_t distance = 0;  // in linear pages, from `from` on
  };
  // Null if there is none. There is one edge from a page to another.
  [[nodiscard]] const Edge* edge(PageId from, PageId to) const;
  void connect(PageId from, const Edge& edge);
  // The edge goes, and is not wanted again.
  void refuse(PageId from, PageId to);
  [[nodiscard]] bool refused(PageId from, PageId to) const;
  [[nodiscard]] const std::vector<Edge>& successors(PageId page) const { return nodes_[page].to; }
  [[nodiscard]] const std::vector<PageId>& predecessors(PageId page) const { return nodes_[page].from; }

 private:
  struct Node {
    std::vector<Edge> to;
    std::vector<PageId> from;
    std::vector<PageId> refused;  // may name pages that have been removed, and others since
  };
  std::vector<Node> nodes_ = std::vector<Node>(1);  // the first one is kNoPage
  std::vector<PageId> free_;
};

}  // namespace ringshift::engine
