// What the screen shows, for those who look: as characters, as pixels, or both.
#pragma once

#include <cstdint>

#include "devices/clock.h"
#include "devices/vga.h"
#include "devices/vga_picture.h"
#include "runtime/machine/frame_watch.h"
#include "runtime/machine/machine.h"

namespace ringshift::machine {

class ScreenFeed {
 public:
  // Uses screen_output and picture_output of the configuration. All are called on the thread of the caller.
  ScreenFeed(const MachineConfig& config, const devices::Vga& vga, devices::EventQueue& events, FrameWatch& frame);

  // Registers or memory of the VGA changed other than through the frame buffer.
  void changed();
  // While `on`, the guest writes to the memory behind A0000h without anybody hearing of it.
  void unheard(bool on) {
    unheard_ = on;
    all_changed_ = true;
  }
  // Whether somebody looks at the pixels.
  void watch(bool on);
  // Both outputs get what they have not seen yet.
  void show();

 private:
  void arm();
  void show_text();
  void show_picture();
  void show_written();
  void tell(devices::Rows rows);

  const MachineConfig& config_;
  const devices::Vga& vga_;
  devices::EventQueue& events_;
  FrameWatch& frame_;
  devices::EventQueue::TimerId timer_;
  bool armed_ = false, watched_ = false;
  bool text_changed_ = false, all_changed_ = false, unheard_ = false;
  devices::Blink blink_;
  devices::Picture picture_;  // as the output has it
  devices::Picture fresh_;    // drawn anew, to be compared with it
};

}  // namespace ringshift::machine
