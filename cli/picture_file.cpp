#include "cli/picture_file.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "cli/message.h"
#include "cli/png_file.h"
#include "runtime/machine/quiet_thread.h"

namespace ringshift::cli {
namespace {

constexpr auto kPause = std::chrono::milliseconds(500);

}  // namespace

PictureFile::PictureFile(std::string path)
    : path_(std::move(path)), thread_(machine::start_quiet_thread([this] { write(); })) {}

void PictureFile::show(const devices::Picture& picture, devices::Rows rows) {
  const std::lock_guard lock(mutex_);
  devices::copy_rows(picture, rows, picture_);
  changed_ = true;
  news_.notify_one();
}

void PictureFile::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    news_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void PictureFile::write() {
  std::unique_lock lock(mutex_);
  while (true) {
    news_.wait(lock, [this] { return changed_ || closing_; });
    if (!std::exchange(changed_, false)) return;
    const devices::Picture picture = picture_;
    lock.unlock();
    const auto error = write_png(picture, path_);
    lock.lock();
    if (error) return say(*error);
    news_.wait_for(lock, kPause, [this] { return closing_; });
  }
}

}  // namespace ringshift::cli
