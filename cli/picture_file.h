// The screen as a PNG file that follows it, for scripts.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "devices/picture.h"
#include "devices/vga_picture.h"

namespace ringshift::cli {

// Written by a thread of its own, at most twice a second, and replaced as a whole.
class PictureFile {
 public:
  explicit PictureFile(std::string path);
  // The last picture is in the file then.
  ~PictureFile() { close(); }
  PictureFile(const PictureFile&) = delete;
  PictureFile& operator=(const PictureFile&) = delete;

  // These rows have changed; any thread.
  void show(const devices::Picture& picture, devices::Rows rows);
  void close();

 private:
  void write();

  std::string path_;
  std::mutex mutex_;
  std::condition_variable news_;
  devices::Picture picture_;
  bool changed_ = false, closing_ = false;
  std::thread thread_;
};

}  // namespace ringshift::cli
