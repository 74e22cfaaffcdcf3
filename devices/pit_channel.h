// One counter of an 8254, computed in closed form from the number of its clock: nothing runs between accesses.
// Source: Intel 8254 data sheet (231164), mode definitions and timing diagrams.
#pragma once

#include <cstdint>

namespace ringshift::devices {

// All times are ticks of the counter's clock since the machine started; they never go backwards.
class PitChannel {
 public:
  static constexpr std::uint64_t kNever = ~0ULL;

  void write_control(std::uint8_t control, std::uint64_t now);
  void write_count(std::uint8_t value, std::uint64_t now);
  void set_gate(bool gate, std::uint64_t now);
  void latch_count(std::uint64_t now);
  void latch_status(std::uint64_t now);
  std::uint8_t read(std::uint64_t now);

  [[nodiscard]] bool gate() const { return gate_; }
  [[nodiscard]] bool out(std::uint64_t now);
  // The first tick after `now` at which OUT rises if nothing is written until then, or kNever.
  [[nodiscard]] std::uint64_t next_rise(std::uint64_t now);

  [[nodiscard]] unsigned mode() const { return mode_; }
  // The clocks of one period, as last loaded; 0 before the first count.
  [[nodiscard]] std::uint32_t period() const { return period_; }
  // Counts of 1 in modes 2 and 3, which the data sheet calls illegal (taken as 2).
  [[nodiscard]] std::uint64_t odd_counts() const { return odd_counts_; }

 private:
  // How a count passes through the byte-wide port.
  enum class Bytes : std::uint8_t {
    low = 1,
    high = 2,
    both = 3
  };

  void load(std::uint16_t count, std::uint64_t now);
  void settle(std::uint64_t now);
  [[nodiscard]] std::uint32_t clocks_of(std::uint16_t count);
  [[nodiscard]] std::uint64_t elapsed(std::uint64_t now) const;
  [[nodiscard]] std::uint16_t count(std::uint64_t now) const;
  [[nodiscard]] bool periodic() const { return mode_ == 2 || mode_ == 3; }
  [[nodiscard]] bool gate_starts() const { return mode_ == 1 || mode_ == 5; }

  std::uint8_t mode_ = 0;
  bool bcd_ = false;
  bool gate_ = true;
  Bytes bytes_ = Bytes::both;

  bool counting_ = false;      // has been loaded (modes 1 and 5: triggered) since the control word
  bool halted_ = false;        // mode 0: between the two bytes of a count
  std::uint32_t period_ = 0;   // clocks from load to terminal count
  std::uint32_t armed_ = 0;    // modes 1 and 5: the count that the next trigger loads; 0: none
  std::uint32_t next_ = 0;     // modes 2 and 3: a count that takes over at next_at_; 0: none
  std::uint64_t next_at_ = 0;  // tick
  std::uint64_t start_ = 0;    // tick of the load, or of the gate opening again
  std::uint64_t carried_ = 0;  // clocks counted before start_ (modes 0 and 4, whose gate pauses)

  std::uint8_t write_low_ = 0;
  bool write_high_next_ = false;
  bool read_high_next_ = false;
  bool count_latched_ = false, status_latched_ = false;
  std::uint16_t latched_count_ = 0;
  std::uint8_t latched_status_ = 0;
  std::uint64_t odd_counts_ = 0;
};

}  // namespace ringshift::devices
