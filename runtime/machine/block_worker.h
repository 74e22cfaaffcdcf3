// The host thread that reads and writes the drives' images, so that the guest does not wait for the host's disk.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "devices/block.h"
#include "runtime/machine/disk_image.h"

namespace ringshift::machine {

class BlockWorker {
 public:
  // `wake` is called on the worker's thread when deliver() has something to do. Empty: requests are done at once and on
  // the caller's thread, which is deterministic. `log` is called within submit() and deliver(), with a line for each
  // new trouble that an image has.
  BlockWorker(std::function<void()> wake, std::function<void(std::string_view)> log);
  // Does what has been asked for; nobody hears of the results.
  ~BlockWorker();
  BlockWorker(const BlockWorker&) = delete;
  BlockWorker& operator=(const BlockWorker&) = delete;

  // A drive's view of an image. It must not be used after the worker has ended.
  std::unique_ptr<devices::BlockMedium> medium(std::shared_ptr<DiskImage> image);
  // Calls BlockRequest::done of what is finished. On the virtual CPU's thread.
  void deliver();

 private:
  struct Job {
    std::shared_ptr<DiskImage> image;
    devices::BlockRequest request;
    devices::BlockRequest::Result result{};
    int error = 0;  // as errno has it
    std::string words{};
  };
  class Medium;

  static void perform(Job& job);
  void submit(Job job);
  void answer(Job job);
  void work();

  std::function<void()> wake_;
  std::function<void(std::string_view)> log_;
  // What the log has heard last of an image, for as long as that goes on.
  std::map<const DiskImage*, int> told_;
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<Job> waiting_;
  std::vector<Job> finished_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace ringshift::machine
