// Any bytes at all are either a qcow2 image, with an L1 table in the file and names that fit a line, or an error of one
// line. In a file too, where the backing file's name is followed.
#include "tests/fuzz/fuzz_qcow2.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "runtime/machine/image/image_chain.h"

namespace {

using namespace ringshift::machine;

void require(bool condition) {
  if (!condition) std::abort();
}

bool in_one_line(const std::string& text) { return text.find('\n') == std::string::npos; }

void check_header(const Qcow2Header& header, std::uint64_t file_bytes) {
  require(header.version == 2 || header.version == 3);
  require(header.cluster_bytes >= 512 && header.cluster_bytes <= kMostQcow2HeaderBytes);
  require(header.l1_offset <= file_bytes && std::uint64_t{header.l1_entries} * 8 <= file_bytes - header.l1_offset);
  require(header.backing_file.size() < 1024);
  require(in_one_line(header.backing_file) && in_one_line(header.backing_format));
}

void check_parser(const std::uint8_t* data, std::size_t size) {
  const auto parsed = parse_qcow2_header({data, std::min(size, kMostQcow2HeaderBytes)}, size);
  if (const auto* error = std::get_if<std::string>(&parsed)) {
    require(!error->empty() && in_one_line(*error));
    return;
  }
  const auto& header = std::get<Qcow2Header>(parsed);
  check_header(header, size);
  for (std::uint32_t i = 0; i < header.l1_entries; ++i) {
    static_cast<void>(l1_entry_is_inside(
        std::span<const std::uint8_t, 8>(data + header.l1_offset + std::size_t{i} * 8, 8), header, size));
  }
}

void check_chain(const std::uint8_t* data, std::size_t size) {
  const int file = ::memfd_create("image", MFD_CLOEXEC);
  require(file >= 0 && ::write(file, data, size) == static_cast<ssize_t>(size));
  const auto found = find_image_chain("/proc/self/fd/" + std::to_string(file), ImageFormat::qcow2, false);
  ::close(file);
  if (const auto* error = std::get_if<std::string>(&found)) {
    require(error->starts_with("disk '/proc/self/fd/") && in_one_line(*error));
    return;
  }
  for (const ImageLink& link : std::get<0>(found)) {
    if (link.format == ImageFormat::qcow2) check_header(link.header, link.file.bytes());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check_parser(data, size);
  check_chain(data, size);
  return 0;
}
