// One channel's bus master of an IDE controller: moves data between a drive and the memory that a table of physical
// region descriptors lists. Source: Programming Interface for Bus Master IDE Controller, revision 1.0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "mmu/physical_map.h"

namespace ringshift::devices {

class BusMaster {
 public:
  explicit BusMaster(mmu::PhysicalMap& memory) : memory_(memory) {}

  // The channel's eight registers.
  std::uint8_t read(unsigned offset) const;
  void write(unsigned offset, std::uint8_t value);
  // Called when software starts it.
  void on_start(std::function<void()> start) { start_ = std::move(start); }
  void reset();

  [[nodiscard]] bool active() const { return (status_ & kActive) != 0; }
  // Which way software set it up.
  [[nodiscard]] bool to_memory() const { return (command_ & kToMemory) != 0; }
  // Move bytes; less than all at the end of the table or where an address is no memory, and then it has stopped.
  std::size_t give(std::span<const std::uint8_t> bytes);
  std::size_t take(std::span<std::uint8_t> bytes);
  // The drive's interrupt has come. `finished`: it has no more data.
  void interrupt(bool finished);

 private:
  static constexpr std::uint8_t kStart = 0x01, kToMemory = 0x08;                   // command
  static constexpr std::uint8_t kActive = 0x01, kError = 0x02, kInterrupt = 0x04;  // status

  bool next_region();
  template <class Move>
  std::size_t move(std::size_t size, Move move_piece);

  mmu::PhysicalMap& memory_;
  std::function<void()> start_;
  std::uint8_t command_ = 0, status_ = 0;
  std::uint32_t table_ = 0;   // as written
  std::uint32_t next_ = 0;    // address of the next descriptor
  std::uint32_t region_ = 0;  // what is left of the current one
  std::uint32_t left_ = 0;
  bool last_ = false;
};

}  // namespace ringshift::devices
