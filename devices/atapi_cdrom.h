// A CD-ROM drive: the PACKET command and the MMC commands behind it.
// Sources: ATA/ATAPI-6, chapter 9; SCSI Multi-Media Commands 3 (T10/1363D).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "devices/ide_drive.h"

namespace ringshift::devices {

class AtapiCdrom final : public IdeDrive {
 public:
  static constexpr unsigned kSector = 2048;

  explicit AtapiCdrom(BlockMedium& medium) : AtapiCdrom(&medium) {}
  // Null: a drive without a medium, closed.
  explicit AtapiCdrom(BlockMedium* medium);

  // Somebody puts in another medium, and the tray is closed; or takes it out (null), and the tray is open. A read that
  // is under way ends with what it has asked the old medium for.
  void change(BlockMedium* medium);
  // The button on the drive, while the guest has locked it: the guest is told.
  void request_eject() { event_ = MediaEvent::eject_request; }
  [[nodiscard]] bool locked() const { return locked_; }
  [[nodiscard]] bool tray_open() const { return ejected_; }

  [[nodiscard]] std::uint32_t sectors() const { return sectors_; }

 private:
  static constexpr std::size_t kPacketBytes = 12;
  struct Sense {
    std::uint8_t key = 0, code = 0, qualifier = 0;
  };

  void execute(std::uint8_t command) override;
  void set_signature() override;
  void block_sent() override;
  void block_received() override;

  void identify();
  void run_packet();
  void read_sectors(std::uint32_t first, std::uint32_t count);
  void read_chunk();
  // Data for the host, at most as much as it asked for.
  void answer(std::vector<std::uint8_t> bytes, std::size_t wanted);
  void offer();
  void complete();
  void fail(const Sense& sense);
  [[nodiscard]] bool ready();

  [[nodiscard]] std::vector<std::uint8_t> inquiry() const;
  [[nodiscard]] std::vector<std::uint8_t> request_sense();
  [[nodiscard]] std::vector<std::uint8_t> toc() const;
  [[nodiscard]] std::vector<std::uint8_t> mode_sense() const;
  [[nodiscard]] std::vector<std::uint8_t> configuration() const;
  [[nodiscard]] std::vector<std::uint8_t> event_status();
  [[nodiscard]] std::vector<std::uint8_t> disc_information() const;

  std::uint32_t sectors_ = 0;
  // Codes of GET EVENT STATUS NOTIFICATION.
  enum class MediaEvent : std::uint8_t {
    none,
    eject_request,
    new_medium,
    removal
  };
  [[nodiscard]] bool absent() const { return ejected_ || medium_ == nullptr; }

  bool attention_ = true;  // the medium is new since the last command
  MediaEvent event_ = MediaEvent::new_medium;
  bool ejected_ = false;  // the tray is open
  bool locked_ = false;
  Sense sense_;

  std::array<std::uint8_t, kPacketBytes> packet_{};
  bool in_packet_ = false;  // the packet itself is being received
  bool identifying_ = false;
  bool dma_ = false;
  std::size_t limit_ = 0;             // bytes the host takes at a time
  std::uint32_t lba_ = 0, left_ = 0;  // sectors still to be read
};

}  // namespace ringshift::devices
