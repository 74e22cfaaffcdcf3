#include "runtime/machine/image/qcow2_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace ringshift::machine {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::array<std::uint8_t, 4> kMagic = {'Q', 'F', 'I', 0xFB};
constexpr std::size_t kVersion2Bytes = 72, kVersion3Bytes = 104;
constexpr std::uint32_t kMostName = 1023;                  // bytes of a backing file's name
constexpr std::uint32_t kMostL1Entries = (32U << 20) / 8;  // QEMU's limit
constexpr std::uint64_t kL1Offset = 0x00FFFFFFFFFFFE00;    // in an entry of the L1 table

// Of the header's extensions.
constexpr std::uint32_t kEndOfExtensions = 0, kBackingFormat = 0xE2792ACA;

// Incompatible features.
constexpr std::uint64_t kDirty = 1, kCorrupt = 2, kDataFile = 4, kCompression = 8, kExtendedL2 = 16;

// The caller has looked whether there is so much.
std::uint64_t big_endian(Bytes bytes, std::size_t offset, unsigned count) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes.subspan(offset, count)) value = value << 8 | byte;
  return value;
}
std::uint32_t word(Bytes bytes, std::size_t offset) { return static_cast<std::uint32_t>(big_endian(bytes, offset, 4)); }
std::uint64_t quad(Bytes bytes, std::size_t offset) { return big_endian(bytes, offset, 8); }

std::string text(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// A name that can stand in a line, and in a path.
bool readable(std::string_view name) {
  return std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; });
}

using Problem = std::optional<std::string>;

Problem check_features(std::uint64_t features) {
  if ((features & kDataFile) != 0) return "keeps its data in another file, which is not supported";
  if ((features & kCorrupt) != 0) return "is marked as corrupt: see qemu-img check";
  const std::uint64_t unknown = features & ~(kDirty | kCorrupt | kDataFile | kCompression | kExtendedL2);
  if (unknown != 0) return fmt::format("needs features of qcow2 that are not known (bits {:x}h)", unknown);
  return std::nullopt;
}

// The format of the backing file, from the extensions: they end with one that says so, or with `bytes`.
Problem read_extensions(Bytes bytes, Qcow2Header& header) {
  constexpr std::size_t kHead = 8;
  while (bytes.size() >= kHead) {
    const std::uint32_t type = word(bytes, 0), length = word(bytes, 4);
    bytes = bytes.subspan(kHead);
    if (type == kEndOfExtensions) break;
    if (length > bytes.size()) return "is damaged: an extension of its header is too long";
    if (type == kBackingFormat) header.backing_format = text(bytes.first(length));
    bytes = bytes.subspan(std::min((std::size_t{length} + 7) & ~std::size_t{7}, bytes.size()));
  }
  return std::nullopt;
}

Problem read_backing_file(Bytes bytes, Qcow2Header& header) {
  const std::uint64_t offset = quad(bytes, 8);
  const std::uint32_t length = word(bytes, 16);
  if (offset == 0) return std::nullopt;
  if (length > kMostName || offset > bytes.size() || length > bytes.size() - offset) {
    return "is damaged: its backing file's name is not in its first cluster";
  }
  header.backing_file = text(bytes.subspan(offset, length));
  if (!readable(header.backing_file)) return "is damaged: its backing file has no readable name";
  return std::nullopt;
}

}  // namespace

bool has_qcow2_magic(Bytes beginning) {
  return beginning.size() >= kMagic.size() && std::ranges::equal(beginning.first(kMagic.size()), kMagic);
}

std::variant<Qcow2Header, std::string> parse_qcow2_header(Bytes beginning, std::uint64_t file_bytes) {
  if (!has_qcow2_magic(beginning)) return "is not a qcow2 image";
  if (beginning.size() < kVersion2Bytes) return "is truncated";
  Qcow2Header header;
  header.version = word(beginning, 4);
  if (header.version == 1) return "is a qcow image, which is not supported: see qemu-img convert";
  if (header.version != 2 && header.version != 3) return fmt::format("is qcow2 of unknown version {}", header.version);
  std::size_t header_bytes = kVersion2Bytes;
  if (header.version == 3) {
    if (beginning.size() < kVersion3Bytes) return "is truncated";
    header_bytes = word(beginning, 100);
  }
  const std::uint32_t cluster_bits = word(beginning, 20);
  if (cluster_bits < 9 || cluster_bits > 21) return fmt::format("is damaged: clusters of 2^{} bytes", cluster_bits);
  header.cluster_bytes = std::uint64_t{1} << cluster_bits;
  header.bytes = quad(beginning, 24);
  if (word(beginning, 32) != 0) return "is encrypted, which is not supported";
  header.l1_entries = word(beginning, 36);
  header.l1_offset = quad(beginning, 40);
  const std::uint64_t refcounts_offset = quad(beginning, 48);
  const std::uint64_t refcounts_bytes = word(beginning, 56) * header.cluster_bytes;

  const Bytes first_cluster = beginning.first(std::min<std::uint64_t>(beginning.size(), header.cluster_bytes));
  if (first_cluster.size() < header_bytes) return "is truncated";
  if (header.version == 3) {
    if (header_bytes < kVersion3Bytes) return "is damaged: its header is too short";
    if (auto problem = check_features(quad(beginning, 72))) return std::move(*problem);
  }
  if (header.l1_entries > kMostL1Entries) return "is damaged: its L1 table is too large";
  const auto inside = [file_bytes](std::uint64_t offset, std::uint64_t size) {
    return offset <= file_bytes && size <= file_bytes - offset;
  };
  if (!inside(header.l1_offset, std::uint64_t{header.l1_entries} * 8) || !inside(refcounts_offset, refcounts_bytes)) {
    return "is truncated";
  }
  if (auto problem = read_backing_file(first_cluster, header)) return std::move(*problem);
  // They stand between the header and the backing file's name.
  const std::uint64_t name = quad(beginning, 8);
  const Bytes extensions = first_cluster.first(name == 0 ? first_cluster.size() : static_cast<std::size_t>(name));
  if (extensions.size() < header_bytes) return "is damaged: its backing file's name is in the header";
  if (auto problem = read_extensions(extensions.subspan(header_bytes), header)) return std::move(*problem);
  if (!readable(header.backing_format)) return "is damaged: its backing file has no readable format";
  return header;
}

bool l1_entry_is_inside(std::span<const std::uint8_t, 8> entry, const Qcow2Header& header, std::uint64_t file_bytes) {
  const std::uint64_t table = quad(entry, 0) & kL1Offset;
  return table <= file_bytes && header.cluster_bytes <= file_bytes - table;
}

}  // namespace ringshift::machine
