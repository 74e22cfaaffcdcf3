// Pages that hold code and are written to: when write protection costs more than it saves.
//
// The rule is to protect a page with code and to be told of each write. A page that takes several such writes in a
// row (a just-in-time compiler, code and data in one page, a loader) is left writable for a while, and the
// fragments of its code compare themselves with memory. The while doubles each time that it turned out too short.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "mmu/types.h"

namespace ringshift::engine {

// Times are counts of the host's time-stamp counter. Pages are given by any physical address in them.
class WrittenCode {
 public:
  // A trapped write to a page with code. True: from now on the page is checked instead of protected.
  bool note_write(mmu::PhysAddr address, std::uint64_t now);
  [[nodiscard]] bool checked(mmu::PhysAddr address) const;
  // A fragment of a checked page found its source changed: the page needs its state for longer.
  void note_stale(mmu::PhysAddr address, std::uint64_t now);
  // Bytes that differ from what was translated: they change often. Within one page.
  void note_changed(mmu::PhysAddr address);
  // For each byte of the page, whether it was noted as changed; empty if none was.
  [[nodiscard]] std::span<const std::uint8_t> changed(mmu::PhysAddr address) const;
  // The checked pages whose time is over; they are not checked any more.
  [[nodiscard]] std::vector<mmu::PhysAddr> expire(std::uint64_t now);
  [[nodiscard]] bool any_checked() const { return checked_ != 0; }

 private:
  struct Page {
    std::uint64_t last_write = 0;
    std::uint64_t until = 0;  // checked until then
    std::uint32_t writes = 0;
    std::uint8_t level = 0;  // times that its period was doubled
    bool checked = false;
    std::unique_ptr<std::array<std::uint8_t, mmu::kPageSize>> changed;
  };
  [[nodiscard]] static std::uint64_t number(mmu::PhysAddr address) { return address >> mmu::kPageShift; }
  [[nodiscard]] static std::uint64_t period(const Page& page);

  std::unordered_map<std::uint64_t, Page> pages_;
  std::uint32_t checked_ = 0;
};

}  // namespace ringshift::engine
