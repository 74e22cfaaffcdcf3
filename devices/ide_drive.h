// What hard disks and CD-ROM drives on an IDE channel have in common: the task file, the data register, DMA.
// Source: AT Attachment with Packet Interface (ATA/ATAPI-6, T13/1410D).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "devices/block.h"
#include "devices/bus_master.h"

namespace ringshift::devices {

// Offsets of the command block registers.
namespace ide {
inline constexpr unsigned kData = 0, kError = 1, kFeature = 1, kCount = 2, kLow = 3, kMid = 4, kHigh = 5, kDevice = 6,
                          kStatus = 7, kCommand = 7;
inline constexpr std::uint8_t kErr = 0x01, kDrq = 0x08, kSeekDone = 0x10, kReady = 0x40, kBusy = 0x80;  // status
inline constexpr std::uint8_t kAborted = 0x04, kIdNotFound = 0x10, kUncorrectable = 0x40;               // error
}  // namespace ide

class IdeDrive {
 public:
  // The medium must outlive the drive, or be changed before.
  explicit IdeDrive(BlockMedium* medium) : medium_(medium) {}
  virtual ~IdeDrive() = default;
  IdeDrive(const IdeDrive&) = delete;
  IdeDrive& operator=(const IdeDrive&) = delete;

  // Called by the channel. `interrupt_changed` hears of INTRQ.
  void connect(BusMaster& dma, std::function<void()> interrupt_changed);
  [[nodiscard]] bool interrupt() const { return interrupt_; }

  // `hob`: the previous contents (bit 7 of device control).
  [[nodiscard]] std::uint8_t read(unsigned reg, bool hob) const;
  // Every drive hears writes to count, low, mid, high, feature and device.
  void write(unsigned reg, std::uint8_t value);
  void write_command(std::uint8_t command);
  // Reading the status register, not the alternate, takes the interrupt back.
  std::uint8_t read_status();
  [[nodiscard]] std::uint8_t status() const { return status_; }
  std::uint16_t read_data();
  void write_data(std::uint16_t value);
  // The bus master was started.
  void pump();
  // Software reset or power-on: the signature, and what was in progress is forgotten.
  void reset();

 protected:
  enum class Phase : std::uint8_t {
    none,
    data_in,
    data_out,
    dma_in,
    dma_out
  };
  struct Registers {
    std::uint8_t feature = 0, count = 0, low = 0, mid = 0, high = 0;
  };

  virtual void execute(std::uint8_t command) = 0;
  virtual void set_signature() = 0;
  // The block [.., end_) of the buffer has gone to the host, or has come from it.
  virtual void block_sent() = 0;
  virtual void block_received() = 0;

  void raise_interrupt(bool finished);
  // Ends the command: with `error`, or well if that is 0.
  void finish(std::uint8_t error = 0, bool interrupt = true);
  // Busy until the medium has answered; an answer that comes after a reset is dropped.
  void submit(BlockRequest request, std::function<void(BlockRequest::Result)> done);
  // Offers the buffer's bytes up to `end`, or asks for them.
  void begin_block(Phase phase, std::size_t end);

  BlockMedium* medium_;  // null: it has been taken out
  Registers now_, before_;
  std::uint8_t device_ = 0, status_ = 0, error_ = 0;
  Phase phase_ = Phase::none;
  std::vector<std::uint8_t> buffer_;
  std::size_t at_ = 0, end_ = 0;

 private:
  void take_interrupt_back();

  BusMaster* dma_ = nullptr;
  std::function<void()> interrupt_changed_;
  bool interrupt_ = false;
  std::uint64_t generation_ = 0;  // of commands and resets
};

}  // namespace ringshift::devices
