#include "runtime/machine/block_worker.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "runtime/machine/quiet_thread.h"

namespace ringshift::machine {

class BlockWorker::Medium final : public devices::BlockMedium {
 public:
  Medium(BlockWorker& worker, std::shared_ptr<DiskImage> image) : worker_(worker), image_(std::move(image)) {}
  [[nodiscard]] std::uint64_t bytes() const override { return image_->bytes(); }
  [[nodiscard]] bool writable() const override { return image_->writable(); }
  void submit(devices::BlockRequest request) override { worker_.submit({image_, std::move(request)}); }

 private:
  BlockWorker& worker_;
  std::shared_ptr<DiskImage> image_;
};

BlockWorker::BlockWorker(std::function<void()> wake, std::function<void(std::string_view)> log)
    : wake_(std::move(wake)), log_(std::move(log)) {
  if (wake_) thread_ = start_quiet_thread([this] { work(); });
}

BlockWorker::~BlockWorker() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    posted_.notify_one();
  }
  thread_.join();
}

std::unique_ptr<devices::BlockMedium> BlockWorker::medium(std::shared_ptr<DiskImage> image) {
  return std::make_unique<Medium>(*this, std::move(image));
}

void BlockWorker::perform(Job& job) {
  using Op = devices::BlockRequest::Op;
  devices::BlockRequest& request = job.request;
  devices::BlockRequest::Result& result = job.result;
  switch (request.op) {
    case Op::read:
      result.data.resize(request.size);
      result.ok = job.image->read(request.offset, result.data);
      break;
    case Op::write:
      result.ok = job.image->write(request.offset, request.data);
      result.data = std::move(request.data);
      break;
    case Op::flush:
      result.ok = job.image->flush();
      break;
  }
  if (result.ok) return;
  job.error = job.image->error();
  job.words = job.image->words();
}

void BlockWorker::answer(Job job) {
  int& told = told_[job.image.get()];
  if (job.error != 0 && job.error != told && log_) {
    log_(fmt::format("disk '{}': {}{}; the guest is told of this and further errors", job.image->files().front().path,
                     std::strerror(job.error), job.words.empty() ? "" : " (" + job.words + ")"));
  }
  if (job.error != 0) told = job.error;
  job.request.done(std::move(job.result));
}

void BlockWorker::submit(Job job) {
  if (!wake_) {
    {
      const QuietSection quiet;
      perform(job);
    }
    answer(std::move(job));
    return;
  }
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(job));
  posted_.notify_one();
}

void BlockWorker::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    posted_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    perform(job);
    lock.lock();
    finished_.push_back(std::move(job));
    const bool tell = !ending_;
    lock.unlock();
    if (tell) wake_();
    lock.lock();
  }
}

void BlockWorker::deliver() {
  std::vector<Job> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (Job& job : finished) answer(std::move(job));
}

}  // namespace ringshift::machine
