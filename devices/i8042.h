// The PC's 8042 keyboard controller (ports 60h and 64h) with a PS/2 keyboard and maybe a mouse behind it.
// Source: IBM PS/2 Hardware Interface Technical Reference, keyboard and auxiliary device controller.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "devices/byte_device.h"
#include "devices/clock.h"
#include "devices/irq_line.h"
#include "devices/ps2_keyboard.h"
#include "devices/ps2_mouse.h"
#include "devices/signals.h"

namespace ringshift::devices {

class I8042 {
 public:
  // Whether the controller has a port for a mouse, and one is plugged into it: else commands to it time out.
  enum class AuxPort : std::uint8_t {
    absent,
    empty,
    mouse
  };

  // Without `events` a key that is held does not repeat.
  I8042(IrqLine& irq1, IrqLine& irq12, A20Gate& a20, PowerCallback on_power, AuxPort aux = AuxPort::absent,
        EventQueue* events = nullptr);
  I8042(const I8042&) = delete;
  I8042& operator=(const I8042&) = delete;

  PortDevice& data_port() { return data_; }        // one port at 60h
  PortDevice& command_port() { return command_; }  // one port at 64h

  // A key by its set 1 make code, E0xxh for the extended keys.
  void key(std::uint16_t code, bool pressed);
  void move_pointer(const PointerMove& move);
  // Whether the last key has been read: a fast typist waits for it.
  [[nodiscard]] bool wants_key() const { return !full_ && !keyboard_.has_output() && keyboard_.scanning(); }
  [[nodiscard]] const Ps2Keyboard& keyboard() const { return keyboard_; }
  [[nodiscard]] const Ps2Mouse& mouse() const { return mouse_; }
  [[nodiscard]] std::uint64_t odd_accesses() const { return odd_ + keyboard_.odd_commands() + mouse_.odd_commands(); }

 private:
  enum class From : std::uint8_t {
    controller,
    keyboard,
    aux
  };
  struct Byte {
    std::uint8_t value;
    From from;
    bool timeout = false;
  };

  std::uint8_t read_data(std::uint16_t);
  void write_data(std::uint16_t, std::uint8_t value);
  std::uint8_t read_status(std::uint16_t);
  void write_command(std::uint16_t, std::uint8_t value);
  void parameter(std::uint8_t command, std::uint8_t value);
  void write_output_port(std::uint8_t value);
  [[nodiscard]] std::uint8_t output_port() const;
  void reply(std::uint8_t value, From from = From::controller, bool timeout = false);
  void fill();
  void update_irqs();
  void wait_to_repeat();
  void repeat();

  IrqLine& irq1_;
  IrqLine& irq12_;
  A20Gate& a20_;
  PowerCallback on_power_;
  AuxPort aux_;
  Ps2Keyboard keyboard_;
  Ps2Mouse mouse_;
  EventQueue* events_;
  EventQueue::TimerId repeat_timer_{};
  bool repeating_ = false;    // the delay is over
  std::deque<Byte> replies_;  // of the controller, before what the keyboard has to say
  Byte buffer_{0, From::controller};
  bool full_ = false;                   // OBF
  bool translated_break_ = false;       // F0 has come, the code has not
  std::array<std::uint8_t, 32> ram_{};  // byte 0 is the command byte
  std::uint8_t awaiting_ = 0;           // the command whose parameter is to be written to 60h; 0: none
  std::uint8_t status_ = 0x10;          // SYS, A2 and the inhibit switch (off)
  std::uint64_t odd_ = 0;
  BytePorts<I8042> data_{*this, &I8042::read_data, &I8042::write_data};
  BytePorts<I8042> command_{*this, &I8042::read_status, &I8042::write_command};
};

}  // namespace ringshift::devices
