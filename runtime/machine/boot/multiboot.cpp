// The Multiboot Specification, version 0.6.96: a header in the first 8 KiB, ELF or address fields,
// and an information structure that EBX points to.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/machine/boot/boot_plan.h"
#include "runtime/machine/boot/byte_view.h"
#include "runtime/machine/boot/elf.h"

namespace ringshift::machine::boot {
namespace {

constexpr std::uint32_t kHeaderMagic = 0x1BADB002, kLoaderMagic = 0x2BADB002;
constexpr std::uint64_t kSearch = 8192;
// Header flags: what the kernel requires.
constexpr std::uint32_t kAddressFields = 1U << 16;
constexpr std::uint32_t kUnknownRequired = 0x0000FFF8;
// Info flags: which fields are valid.
constexpr std::uint32_t kHasMemory = 1U << 0, kHasCommandLine = 1U << 2, kHasModules = 1U << 3, kHasMap = 1U << 6,
                        kHasLoaderName = 1U << 9;
constexpr std::uint64_t kInfoSize = 120, kModuleSize = 16, kMapEntrySize = 24;

std::optional<std::uint64_t> find_header(const ByteView& image) {
  const std::uint64_t end = std::min(image.size(), kSearch);
  for (std::uint64_t at = 0; at + 12 <= end; at += 4) {
    if (image.u32(at) == kHeaderMagic && image.u32(at) + image.u32(at + 4) + image.u32(at + 8) == 0) return at;
  }
  return std::nullopt;
}

// Section 3.1.3: the kernel says itself where its parts go.
std::variant<ElfProgram, std::string> parse_address_fields(const ByteView& image, std::uint64_t header) {
  if (!image.has(header, 32)) return truncated(header + 32, image.size());
  const std::uint64_t header_address = image.u32(header + 12), load = image.u32(header + 16);
  const std::uint64_t load_end = image.u32(header + 20), bss_end = image.u32(header + 24);
  if (load > header_address || header_address - load > header) {
    return "a multiboot header whose load address lies outside the file";
  }
  const std::uint64_t offset = header - (header_address - load);
  if (load_end != 0 && load_end < load) return "a multiboot header whose load end is before its start";
  const std::uint64_t size = load_end != 0 ? load_end - load : image.size() - offset;
  if (!image.has(offset, size)) return truncated(offset + size, image.size());
  const std::uint64_t end = load + size;
  if (bss_end != 0 && bss_end < end) return "a multiboot header whose bss ends before its data";
  ElfProgram program;
  program.pieces.push_back({load, image.sub(offset, size), bss_end != 0 ? bss_end - end : 0});
  program.entry = image.u32(header + 28);
  return program;
}

// The information structure and all that it points to, as one block of low memory.
class InfoBlock {
 public:
  std::uint64_t append(std::span<const std::uint8_t> bytes) {
    const std::uint64_t at = (bytes_.size() + 7) & ~std::uint64_t{7};
    bytes_.resize(at);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return at;
  }
  std::uint64_t append_text(std::string_view text) {
    std::vector<std::uint8_t> copy(text.begin(), text.end());
    copy.push_back(0);
    return append(copy);
  }
  std::uint64_t append_zeros(std::uint64_t size) { return append(std::vector<std::uint8_t>(size)); }
  // A field that will hold the address of `target`, once it is known where the block goes.
  void point(std::uint64_t field, std::uint64_t target) {
    put(bytes_, field, static_cast<std::uint32_t>(target));
    pointers_.push_back(field);
  }
  void set(std::uint64_t field, std::uint64_t value) { put(bytes_, field, static_cast<std::uint32_t>(value)); }
  void set64(std::uint64_t field, std::uint64_t value) { put(bytes_, field, value); }
  [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }
  [[nodiscard]] std::vector<std::uint8_t> at(PhysAddr base) && {
    for (const std::uint64_t field : pointers_) {
      put(bytes_, field, ByteView(bytes_).u32(field) + static_cast<std::uint32_t>(base));
    }
    return std::move(bytes_);
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::vector<std::uint64_t> pointers_;
};

InfoBlock make_info(const BootRequest& request, std::span<const PhysAddr> modules) {
  InfoBlock block;
  const std::uint64_t info = block.append_zeros(kInfoSize);
  block.set(info, kHasMemory | kHasCommandLine | kHasModules | kHasMap | kHasLoaderName);
  block.set(info + 4, MemoryLayout::kExtendedBios / kKiB);
  block.set(info + 8, (request.memory.low_end() - MemoryLayout::kHigh) / kKiB);
  std::string command_line = request.kernel.name;
  if (!request.command_line.empty()) command_line.append(" ").append(request.command_line);
  block.point(info + 16, block.append_text(command_line));

  block.set(info + 20, modules.size());
  const std::uint64_t list = block.append_zeros(modules.size() * kModuleSize);
  if (!modules.empty()) block.point(info + 24, list);
  for (std::uint64_t i = 0; i < modules.size(); ++i) {
    const std::uint64_t entry = list + i * kModuleSize;
    block.set(entry, modules[i]);
    block.set(entry + 4, modules[i] + request.modules[i].bytes.size());
    block.point(entry + 8, block.append_text(request.modules[i].name));
  }

  const auto ranges = request.memory.e820();
  const std::uint64_t map = block.append_zeros(ranges.size() * kMapEntrySize);
  block.set(info + 44, ranges.size() * kMapEntrySize);
  block.point(info + 48, map);
  for (std::uint64_t i = 0; i < ranges.size(); ++i) {
    const std::uint64_t entry = map + i * kMapEntrySize;
    block.set(entry, kMapEntrySize - 4);  // the size field does not count itself
    block.set64(entry + 4, ranges[i].base);
    block.set64(entry + 12, ranges[i].size);
    block.set(entry + 20, ranges[i].type);
  }
  block.point(info + 64, block.append_text("Ringshift"));
  return block;
}

}  // namespace

std::optional<BootResult> plan_multiboot(const BootRequest& request) {
  const ByteView image(request.kernel.bytes);
  const auto header = find_header(image);
  if (!header) return std::nullopt;
  const std::uint32_t flags = image.u32(*header + 4);
  if ((flags & kUnknownRequired) != 0) {
    return error_line("kernel", request.kernel,
                      fmt::format("its multiboot header requires unknown features ({:#x})", flags & kUnknownRequired));
  }
  auto parsed = (flags & kAddressFields) != 0 ? parse_address_fields(image, *header)
                : is_elf(image)               ? parse_elf(image)
                                : std::string("a multiboot kernel that is neither ELF nor has address fields");
  if (const auto* reason = std::get_if<std::string>(&parsed)) return error_line("kernel", request.kernel, *reason);
  auto& program = std::get<ElfProgram>(parsed);

  Placer placer(request.memory);
  PhysAddr kernel_end = MemoryLayout::kHigh;
  for (const Piece& piece : program.pieces) {
    const std::uint64_t size = piece.bytes.size() + piece.zeros;
    if (!placer.take(piece.address, size)) {
      return error_line("kernel", request.kernel, placer.no_room(piece.address, size));
    }
    kernel_end = std::max(kernel_end, piece.address + size);
  }
  BootPlan plan;
  plan.format = "multiboot kernel";
  plan.pieces = std::move(program.pieces);
  // Modules follow the kernel, on pages of their own.
  std::vector<PhysAddr> modules;
  for (const Image& module : request.modules) {
    const auto at = placer.take_above(kernel_end, module.bytes.size(), mmu::kPageSize);
    if (!at) return error_line("initrd", module, placer.no_room(module.bytes.size()));
    modules.push_back(*at);
    plan.pieces.push_back({*at, module.bytes, 0});
  }
  InfoBlock info = make_info(request, modules);
  const auto info_at = placer.take_below(MemoryLayout::kExtendedBios, info.size(), 16);
  const auto gdt_at = placer.take_below(MemoryLayout::kExtendedBios, boot_gdt().size(), 16);
  if (!info_at || !gdt_at) return error_line("kernel", request.kernel, placer.no_room(info.size()));
  add_owned(plan, *info_at, std::move(info).at(*info_at));
  add_owned(plan, *gdt_at, boot_gdt());
  plan.entry.gdt = *gdt_at;
  plan.entry.eip = program.entry;
  plan.entry.gpr[kEax] = kLoaderMagic;
  plan.entry.gpr[kEbx] = static_cast<std::uint32_t>(*info_at);
  return plan;
}

}  // namespace ringshift::machine::boot
