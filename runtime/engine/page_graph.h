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

  [[nodiscard]] bool connected(PageId from, PageId to) const;
  void connect(PageId from, PageId to);
  // The edge goes, and is not wanted again.
  void refuse(PageId from, PageId to);
  [[nodiscard]] bool refused(PageId from, PageId to) const;
  [[nodiscard]] const std::vector<PageId>& successors(PageId page) const { return nodes_[page].to; }
  [[nodiscard]] const std::vector<PageId>& predecessors(PageId page) const { return nodes_[page].from; }

 private:
  struct Node {
    std::vector<PageId> to, from;
    std::vector<PageId> refused;  // may name pages that have been removed, and others since
  };
  std::vector<Node> nodes_ = std::vector<Node>(1);  // the first one is kNoPage
  std::vector<PageId> free_;
};

}  // namespace ringshift::engine
