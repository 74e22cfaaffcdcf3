#include "cli/bench/initrd.h"

#include <fmt/format.h>

namespace ringshift::cli {
namespace {

void pad(std::vector<std::uint8_t>& archive) { archive.resize((archive.size() + 3) & ~std::size_t{3}); }

void append(std::vector<std::uint8_t>& archive, std::uint32_t number, const InitrdEntry& entry) {
  // Magic, then 13 numbers of 8 digits: inode, mode, user, group, links, time, size, device of the file and of the
  // archive (major, minor), length of the name, checksum.
  const std::string header =
      fmt::format("070701{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{:08X}", number,
                  entry.mode, 0, 0, 1, 0, entry.contents.size(), 0, 0, 0, 0, entry.path.size() + 1, 0);
  archive.insert(archive.end(), header.begin(), header.end());
  archive.insert(archive.end(), entry.path.begin(), entry.path.end());
  archive.push_back(0);
  pad(archive);
  archive.insert(archive.end(), entry.contents.begin(), entry.contents.end());
  pad(archive);
}

}  // namespace

std::vector<std::uint8_t> make_initrd(std::span<const InitrdEntry> entries) {
  std::vector<std::uint8_t> archive;
  std::uint32_t number = 1;
  for (const InitrdEntry& entry : entries) append(archive, number++, entry);
  append(archive, 0, {"TRAILER!!!", 0, {}});
  return archive;
}

}  // namespace ringshift::cli
