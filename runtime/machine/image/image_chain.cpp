#include "runtime/machine/image/image_chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

namespace ringshift::machine {
namespace {

using Problem = std::optional<std::string>;

constexpr std::size_t kMostLinks = 200;  // each is an open file

// Formats that are not supported, by the bytes with which they begin.
struct Foreign {
  std::string_view magic, name;
};
constexpr Foreign kForeign[] = {
    {"KDMV", "a VMDK"},     {"COWD", "a VMDK"},    {"# Disk DescriptorFile", "a VMDK"},     {"<<< ", "a VDI"},
    {"vhdxfile", "a VHDX"}, {"conectix", "a VHD"}, {std::string_view("QED\0", 4), "a QED"}, {"LUKS\xBA\xBE", "a LUKS"}};

bool has_qcow2_name(std::string_view path) { return path.ends_with(".qcow2") || path.ends_with(".qcow"); }

// The format if nobody has said it.
Problem guess_format(std::string_view path, std::span<const std::uint8_t> beginning, ImageFormat& format) {
  const bool magic = has_qcow2_magic(beginning);
  if (has_qcow2_name(path)) {
    if (!magic) return "has the name of a qcow2 image, but not its contents: say format=raw if that is meant";
    format = ImageFormat::qcow2;
    return std::nullopt;
  }
  if (magic) return "looks like a qcow2 image, but a guest may have written that: say format=qcow2 or format=raw";
  format = ImageFormat::raw;
  const std::string_view text(reinterpret_cast<const char*>(beginning.data()), beginning.size());
  const auto* foreign =
      std::ranges::find_if(kForeign, [text](const Foreign& one) { return text.starts_with(one.magic); });
  if (foreign == std::end(kForeign)) return std::nullopt;
  return fmt::format("looks like {} image: convert it by qemu-img convert, or say format=raw", foreign->name);
}

Problem read_header(ImageLink& link, std::span<const std::uint8_t> beginning) {
  auto header = parse_qcow2_header(beginning, link.file.bytes());
  if (auto* problem = std::get_if<std::string>(&header)) return std::move(*problem);
  link.header = std::get<Qcow2Header>(std::move(header));
  std::vector<std::uint8_t> l1(std::size_t{link.header.l1_entries} * 8);
  if (const int error = link.file.read(link.header.l1_offset, l1)) return std::strerror(error);
  for (std::size_t at = 0; at < l1.size(); at += 8) {
    const std::span<const std::uint8_t, 8> entry(l1.data() + at, 8);
    if (!l1_entry_is_inside(entry, link.header, link.file.bytes())) return "is truncated";
  }
  return std::nullopt;
}

// Opens it and finds out what it is. The error is part of a line.
Problem examine(ImageLink& link, std::optional<ImageFormat> format, bool writes) {
  auto file = HostFile::open(link.path, writes);
  if (auto* problem = std::get_if<std::string>(&file)) return std::move(*problem);
  link.file = std::get<HostFile>(std::move(file));
  if (link.file.bytes() == 0) return "is empty";
  std::vector<std::uint8_t> beginning(std::min<std::uint64_t>(link.file.bytes(), kMostQcow2HeaderBytes));
  if (const int error = link.file.read(0, beginning)) return std::strerror(error);
  if (format) {
    link.format = *format;
  } else if (auto problem = guess_format(link.path, beginning, link.format)) {
    return problem;
  }
  return link.format == ImageFormat::qcow2 ? read_header(link, beginning) : std::nullopt;
}

// QEMU's names of things that are no files have a colon before the first slash.
bool is_plain(std::string_view name) { return name.substr(0, name.find('/')).find(':') == std::string_view::npos; }

// Where the backing file of `link` is, and its format if that is recorded. The error is part of a line.
Problem locate_backing(const ImageLink& link, std::string& path, std::optional<ImageFormat>& format) {
  const Qcow2Header& header = link.header;
  if (!is_plain(header.backing_file)) return fmt::format("its backing file '{}' is no file", header.backing_file);
  path = (std::filesystem::path(link.path).parent_path() / header.backing_file).string();
  format = format_named(header.backing_format);
  if (!header.backing_format.empty() && !format) {
    return fmt::format("its backing file '{}' has the format {}, which is not supported", header.backing_file,
                       header.backing_format);
  }
  return std::nullopt;
}

}  // namespace

std::string_view format_name(ImageFormat format) { return format == ImageFormat::qcow2 ? "qcow2" : "raw"; }

std::optional<ImageFormat> format_named(std::string_view name) {
  for (const ImageFormat format : {ImageFormat::raw, ImageFormat::qcow2}) {
    if (name == format_name(format)) return format;
  }
  return std::nullopt;
}

std::variant<std::vector<ImageLink>, std::string> find_image_chain(const std::string& path,
                                                                   std::optional<ImageFormat> format, bool writes) {
  const auto fail = [&path](std::string_view reason) { return fmt::format("disk '{}': {}", path, reason); };
  std::error_code unknown_folder;
  std::string next = std::filesystem::absolute(path, unknown_folder).string();
  if (unknown_folder) return fail(unknown_folder.message());
  std::vector<ImageLink> chain;
  while (true) {
    ImageLink link;
    link.path = std::move(next);
    if (std::ranges::any_of(chain, [&link](const ImageLink& other) { return other.file.is_at(link.path); })) {
      return fail(fmt::format("its backing file '{}' has it as a backing file", link.path));
    }
    // A qcow2 image is written by qemu-nbd, which locks it for that.
    const bool first = chain.empty();
    if (auto problem = examine(link, format, first && writes)) {
      return fail(first ? *problem : fmt::format("its backing file '{}': {}", link.path, *problem));
    }
    chain.push_back(std::move(link));
    const ImageLink& last = chain.back();
    if (last.header.backing_file.empty()) return chain;
    if (chain.size() == kMostLinks) return fail("has too many backing files");
    if (auto problem = locate_backing(last, next, format)) return fail(*problem);
  }
}

}  // namespace ringshift::machine
