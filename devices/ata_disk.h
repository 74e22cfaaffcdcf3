// A hard disk: ATA commands with 28 and 48 bit addresses, PIO, multiple and DMA.
// Source: ATA/ATAPI-6 (T13/1410D), chapter 8.
#pragma once

#include <cstdint>
#include <string>

#include "devices/ide_drive.h"

namespace ringshift::devices {

class AtaDisk final : public IdeDrive {
 public:
  static constexpr unsigned kSector = 512;

  AtaDisk(BlockMedium& medium, std::string serial);

  [[nodiscard]] std::uint64_t sectors() const { return sectors_; }

 private:
  enum class Way : std::uint8_t {
    pio,
    multiple,
    dma
  };

  void execute(std::uint8_t command) override;
  void set_signature() override;
  void block_sent() override;
  void block_received() override;

  // False, and the command is aborted, if the addressed sectors do not exist.
  bool begin(bool extended, Way way, bool writing);
  [[nodiscard]] bool locate(bool extended);
  void read_chunk();
  void begin_write_chunk(bool interrupt);
  void offer_block();
  void write_chunk();
  void advance(std::uint64_t sectors);
  void show_address();
  void verify(bool extended);
  void verify_chunk();
  void flush();
  void identify();
  void set_features();
  void set_multiple();
  void native_max(bool extended);

  std::string serial_;
  std::uint64_t sectors_;
  unsigned heads_ = 16, track_ = 63;  // of the current translation
  unsigned multiple_ = 0;             // sectors a block; 0: not set
  unsigned dma_mode_ = 0x22;          // as SET FEATURES gives it: multiword 0-2, ultra 0-5
  bool write_cache_ = true;

  // The command in progress.
  std::uint64_t lba_ = 0, left_ = 0;  // sectors
  unsigned block_ = 1;                // sectors for each DRQ
  bool extended_ = false;
  Way way_ = Way::pio;
};

}  // namespace ringshift::devices
