#include "runtime/machine/image/qcow2_image.h"

#include <libnbd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "runtime/machine/quiet_thread.h"

namespace ringshift::machine {
namespace {

// Tells qemu-nbd every file and its format: it looks for nothing by itself, and so does not follow what it finds in
// them.
std::string image_options(const std::vector<ImageLink>& chain) {
  std::string options, prefix;
  for (const ImageLink& link : chain) {
    if (!options.empty()) options += ',';
    options += prefix + "driver=" + std::string(format_name(link.format)) + ',';
    options += prefix + "file.driver=" + (link.file.is_device() ? "host_device," : "file,");
    options += prefix + "file.filename=";
    for (const char c : link.path) options += c == ',' ? std::string(",,") : std::string(1, c);
    prefix += "backing.";
  }
  return options;
}

}  // namespace

Qcow2Image::Qcow2Image(NbdServer server, std::vector<ImageLink> chain)
    : server_(std::move(server)), chain_(std::move(chain)) {}

std::variant<std::unique_ptr<Qcow2Image>, std::string> Qcow2Image::open(std::vector<ImageLink> chain, bool writes) {
  const QuietSection quiet;  // libnbd ends a call that a signal interrupts
  std::vector<std::string> arguments = {"--image-opts"};
  if (!writes) arguments.emplace_back("--read-only");
  arguments.push_back(image_options(chain));
  if (writes) chain.front().file.close();  // and so unlocks it: its writer is qemu-nbd
  auto started = NbdServer::start(arguments);
  if (auto* error = std::get_if<std::string>(&started)) return std::move(*error);
  std::unique_ptr<Qcow2Image> image(new Qcow2Image(std::get<NbdServer>(std::move(started)), std::move(chain)));
  image->writes_ = writes;
  image->nbd_ = nbd_create();
  if (image->nbd_ == nullptr) return nbd_get_error();
  if (nbd_connect_socket(image->nbd_, image->server_.take_socket()) != 0) {
    nbd_close(std::exchange(image->nbd_, nullptr));
    return image->server_.last_words();
  }
  const std::int64_t bytes = nbd_get_size(image->nbd_);
  if (bytes < 0) return nbd_get_error();
  image->bytes_ = static_cast<std::uint64_t>(bytes);
  return image;
}

Qcow2Image::~Qcow2Image() {
  const QuietSection quiet;
  if (nbd_ == nullptr) return;
  nbd_shutdown(nbd_, 0);
  nbd_close(nbd_);
}

// Of the call that has just failed.
int Qcow2Image::error() const {
  const int error = nbd_get_errno();
  return error == 0 || nbd_aio_is_ready(nbd_) <= 0 ? EIO : error;
}

std::string Qcow2Image::words() {
  std::string said = server_.words();
  if (nbd_aio_is_ready(nbd_) > 0) return said;
  return said.empty() ? "qemu-nbd has ended" : "qemu-nbd has ended: " + said;
}

int Qcow2Image::read(std::uint64_t offset, std::span<std::uint8_t> to) {
  const auto there = static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), bytes_ - std::min(bytes_, offset)));
  std::fill(to.begin() + static_cast<std::ptrdiff_t>(there), to.end(), std::uint8_t{0});
  return there == 0 || nbd_pread(nbd_, to.data(), there, offset, 0) == 0 ? 0 : error();
}

int Qcow2Image::write(std::uint64_t offset, std::span<const std::uint8_t> from) {
  const auto there = static_cast<std::size_t>(std::min<std::uint64_t>(from.size(), bytes_ - std::min(bytes_, offset)));
  return there == 0 || nbd_pwrite(nbd_, from.data(), there, offset, 0) == 0 ? 0 : error();
}

int Qcow2Image::flush() {
  if (!writes_ || flush_error_ != 0) return flush_error_;
  if (nbd_flush(nbd_, 0) != 0) flush_error_ = error();
  return flush_error_;
}

}  // namespace ringshift::machine
