// The floppy disk controller with one or two drives. Transfers go through DMA channel 2.
// Source: Intel 82077AA data sheet (290166).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "devices/block.h"
#include "devices/byte_device.h"
#include "devices/dma8237.h"
#include "devices/irq_line.h"
#include "mmu/physical_map.h"

namespace ringshift::devices {

struct FloppyGeometry {
  unsigned cylinders = 80, heads = 2, sectors = 18;  // of 512 bytes
  std::uint8_t cmos_type = 4;                        // of the drive, as in CMOS byte 10h
};
// The smallest standard format that holds an image; the largest for those that are larger.
[[nodiscard]] FloppyGeometry floppy_geometry(std::uint64_t bytes);

class Floppy {
 public:
  static constexpr unsigned kDrives = 2, kSector = 512;

  Floppy(mmu::PhysicalMap& memory, Dma8237& dma, IrqLine& irq6);
  Floppy(const Floppy&) = delete;
  Floppy& operator=(const Floppy&) = delete;

  // The medium must outlive the controller. Null: a drive without one.
  void insert(unsigned drive, BlockMedium* medium);

  PortDevice& ports() { return ports_; }         // six ports at 3F0h
  PortDevice& change_port() { return change_; }  // one port at 3F7h
  // Commands that the chip has and this one does not, transfers without DMA, writes at the wrong time.
  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_; }

 private:
  static constexpr unsigned kDmaChannel = 2;

  enum class Phase : std::uint8_t {
    command,
    execution,
    result
  };
  struct Drive {
    BlockMedium* medium = nullptr;
    FloppyGeometry geometry;
    unsigned cylinder = 0;  // where the heads are
    bool changed = true;    // since the last step
  };
  // A READ or WRITE DATA command on its way.
  struct Transfer {
    unsigned drive = 0, cylinder = 0, head = 0, sector = 1, last = 1;
    bool multitrack = false;
  };

  std::uint8_t read(std::uint16_t offset);
  void write(std::uint16_t offset, std::uint8_t value);
  std::uint8_t read_change(std::uint16_t);
  void write_change(std::uint16_t, std::uint8_t) {}  // the data rate: any
  [[nodiscard]] std::uint8_t main_status() const;
  void write_output(std::uint8_t value);
  void reset();

  void write_fifo(std::uint8_t value);
  std::uint8_t read_fifo();
  void execute();
  void seek(unsigned drive, unsigned cylinder);
  void sense_interrupt();
  void read_id();
  void transfer(bool writing);
  void format();
  void transfer_in(const Transfer& t, std::uint32_t bytes);
  void transfer_out(const Transfer& t, std::uint32_t bytes);
  void end_transfer(const Transfer& t, std::uint32_t bytes);
  void fail(const Transfer& t, std::uint8_t st1, std::uint8_t st2);
  void result(std::initializer_list<std::uint8_t> bytes, bool interrupt);
  void set_interrupt(bool asserted);
  [[nodiscard]] std::uint64_t offset_of(const Transfer& t) const;
  void submit(BlockMedium& medium, BlockRequest request, std::function<void(BlockRequest::Result)> done);

  mmu::PhysicalMap& memory_;
  Dma8237& dma_;
  IrqLine& irq_;
  std::array<Drive, 4> drives_;
  Phase phase_ = Phase::command;
  std::vector<std::uint8_t> command_, result_;
  std::size_t expected_ = 0;  // bytes of the command
  std::uint8_t output_ = 0x0C;
  std::uint8_t tape_ = 0;
  std::uint8_t pending_st0_ = 0;
  unsigned pending_senses_ = 0;  // SENSE INTERRUPTs that have an answer; after a reset one for each drive
  bool after_reset_ = false;
  bool interrupt_ = false;
  bool no_dma_ = false;  // SPECIFY
  std::array<std::uint8_t, 2> specify_{};
  std::array<std::uint8_t, 2> configure_{};
  bool locked_ = false;
  std::uint64_t generation_ = 0;  // of resets
  std::uint64_t odd_ = 0;
  BytePorts<Floppy> ports_{*this, &Floppy::read, &Floppy::write};
  BytePorts<Floppy> change_{*this, &Floppy::read_change, &Floppy::write_change};
};

}  // namespace ringshift::devices
