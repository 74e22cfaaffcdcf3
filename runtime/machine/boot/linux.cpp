// The 32-bit boot protocol of Linux/x86 (Documentation/x86/boot.rst and zero-page.rst in Linux).
#include <algorithm>

#include "runtime/machine/boot/boot_plan.h"
#include "runtime/machine/boot/byte_view.h"

namespace ringshift::machine::boot {
namespace {

// Offsets in the image's first sectors; the setup header has the same offsets in boot_params.
namespace hdr {
constexpr std::uint64_t kSetupSects = 0x1F1, kSysSize = 0x1F4, kVidMode = 0x1FA, kBootFlag = 0x1FE, kJump = 0x201,
                        kMagic = 0x202, kVersion = 0x206, kTypeOfLoader = 0x210, kLoadFlags = 0x211,
                        kCode32Start = 0x214, kRamdiskImage = 0x218, kRamdiskSize = 0x21C, kCmdLinePtr = 0x228,
                        kInitrdAddrMax = 0x22C, kAlignment = 0x230, kRelocatable = 0x234, kCmdlineSize = 0x238,
                        kPrefAddress = 0x258, kInitSize = 0x260;
}
// Offsets in boot_params alone.
namespace params {
constexpr std::uint64_t kSize = 0x1000, kExtMemK = 0x002, kAcpiRsdp = 0x070, kAltMemK = 0x1E0, kE820Entries = 0x1E8,
                        kHeader = 0x1F1, kHeaderEnd = 0x290, kE820Table = 0x2D0;
}
constexpr std::uint32_t kHdrS = 0x53726448;
constexpr std::uint8_t kLoadedHigh = 0x01;
constexpr std::uint8_t kUnknownLoader = 0xFF;
constexpr std::uint64_t kSectorSize = 512;
constexpr PhysAddr kLowPlaces = 0x9F000;  // parameters, command line and GDT go below

struct Kernel {
  std::uint16_t version = 0;
  std::uint32_t alignment = 0x1000;
  bool relocatable = false;
  PhysAddr preferred = 0x100000;
  std::uint64_t init_size = 0;  // memory from the load address on that the kernel needs before it reads the map
  std::uint64_t cmdline_max = 255;
  PhysAddr initrd_end = 0x38000000;
  std::uint64_t setup_bytes = 0;
  std::span<const std::uint8_t> code;
};

std::variant<Kernel, std::string> parse(const ByteView& image) {
  if (!image.has(0, hdr::kInitSize + 4)) return truncated(hdr::kInitSize + 4, image.size());
  if (image.u16(hdr::kBootFlag) != 0xAA55) return "damaged Linux kernel: the boot flag AA55 is missing";
  Kernel kernel;
  kernel.version = image.u16(hdr::kVersion);
  if (kernel.version < 0x0202 || (image.u8(hdr::kLoadFlags) & kLoadedHigh) == 0) {
    return "a Linux kernel too old to boot (zImage, or boot protocol before 2.02)";
  }
  const std::uint64_t sectors = image.u8(hdr::kSetupSects);
  kernel.setup_bytes = ((sectors == 0 ? 4 : sectors) + 1) * kSectorSize;
  // The size is in paragraphs; older build tools did not fill up the last one.
  const std::uint64_t paragraphs =
      kernel.version >= 0x0204 ? image.u32(hdr::kSysSize) : std::uint64_t{image.u16(hdr::kSysSize)};
  const std::uint64_t end = kernel.setup_bytes + paragraphs * 16;
  if (image.size() + 15 < end) return truncated(end, image.size());
  kernel.code = image.sub(kernel.setup_bytes, paragraphs * 16);
  if (kernel.code.empty()) return "damaged Linux kernel: it has no protected-mode code";

  if (kernel.version >= 0x0203) kernel.initrd_end = PhysAddr{image.u32(hdr::kInitrdAddrMax)} + 1;
  if (kernel.version >= 0x0205) {
    kernel.relocatable = image.u8(hdr::kRelocatable) != 0;
    kernel.alignment = image.u32(hdr::kAlignment);
    if (kernel.relocatable && (kernel.alignment == 0 || (kernel.alignment & (kernel.alignment - 1)) != 0)) {
      return "damaged Linux kernel: its alignment is not a power of two";
    }
  }
  if (kernel.version >= 0x0206) kernel.cmdline_max = image.u32(hdr::kCmdlineSize);
  if (kernel.version >= 0x020A) {
    kernel.preferred = image.u64(hdr::kPrefAddress);
    kernel.init_size = image.u32(hdr::kInitSize);
  }
  kernel.init_size = std::max<std::uint64_t>(kernel.init_size, kernel.code.size());
  return kernel;
}

std::vector<std::uint8_t> boot_params(const ByteView& image, const BootRequest& request, const Kernel& kernel,
                                      PhysAddr load_address, PhysAddr command_line, PhysAddr initrd) {
  std::vector<std::uint8_t> zero_page(params::kSize);
  const std::uint64_t header_end = std::min<std::uint64_t>(hdr::kMagic + image.u8(hdr::kJump), params::kHeaderEnd);
  const auto header = image.sub(params::kHeader, header_end - params::kHeader);
  std::copy(header.begin(), header.end(), zero_page.begin() + params::kHeader);

  put<std::uint16_t>(zero_page, hdr::kVidMode, 0xFFFF);  // "normal"
  put<std::uint8_t>(zero_page, hdr::kTypeOfLoader, kUnknownLoader);
  put(zero_page, hdr::kCode32Start, static_cast<std::uint32_t>(load_address));
  put(zero_page, hdr::kCmdLinePtr, static_cast<std::uint32_t>(command_line));
  if (!request.modules.empty()) {
    put(zero_page, hdr::kRamdiskImage, static_cast<std::uint32_t>(initrd));
    put(zero_page, hdr::kRamdiskSize, static_cast<std::uint32_t>(request.modules[0].bytes.size()));
  }
  const std::uint64_t extended_kib = (request.memory.low_end() - MemoryLayout::kHigh) / kKiB;
  put(zero_page, params::kExtMemK, static_cast<std::uint16_t>(std::min<std::uint64_t>(extended_kib, 0xFC00)));
  put(zero_page, params::kAltMemK, static_cast<std::uint32_t>(extended_kib));
  if (kernel.version >= 0x020E) put(zero_page, params::kAcpiRsdp, request.rsdp);

  const auto map = request.memory.e820();
  put(zero_page, params::kE820Entries, static_cast<std::uint8_t>(map.size()));
  std::uint64_t at = params::kE820Table;
  for (const E820Entry& range : map) {
    put(zero_page, at, range.base);
    put(zero_page, at + 8, range.size);
    put(zero_page, at + 16, range.type);
    at += 20;
  }
  return zero_page;
}

// Where the kernel asks to be, else, if it can move, the lowest place above 1 MiB.
std::optional<PhysAddr> place_kernel(const Kernel& kernel, Placer& placer) {
  if (placer.take(kernel.preferred, kernel.init_size)) return kernel.preferred;
  if (!kernel.relocatable) return std::nullopt;
  return placer.take_above(MemoryLayout::kHigh, kernel.init_size, kernel.alignment);
}

}  // namespace

std::optional<BootResult> plan_linux(const BootRequest& request) {
  const ByteView image(request.kernel.bytes);
  if (image.u32(hdr::kMagic) != kHdrS) return std::nullopt;
  auto parsed = parse(image);
  if (const auto* reason = std::get_if<std::string>(&parsed)) return error_line("kernel", request.kernel, *reason);
  const Kernel& kernel = std::get<Kernel>(parsed);

  if (request.command_line.size() > kernel.cmdline_max || request.command_line.size() >= 0x10000) {
    return error_line("kernel", request.kernel,
                      "the command line is longer than the " + std::to_string(kernel.cmdline_max) + " bytes it takes");
  }
  if (request.modules.size() > 1) {
    return error_line("initrd", request.modules[1], "Linux takes one initrd only");
  }

  Placer placer(request.memory);
  const auto load_address = place_kernel(kernel, placer);
  if (!load_address) {
    return error_line("kernel", request.kernel, placer.no_room(kernel.preferred, kernel.init_size));
  }
  std::vector<std::uint8_t> command_line(request.command_line.begin(), request.command_line.end());
  command_line.push_back(0);
  const auto command_line_at = placer.take_below(kLowPlaces, command_line.size(), 16);
  const auto params_at = placer.take_below(kLowPlaces, params::kSize, mmu::kPageSize);
  const auto gdt_at = placer.take_below(kLowPlaces, boot_gdt().size(), 16);
  if (!command_line_at || !params_at || !gdt_at) {
    return error_line("kernel", request.kernel, placer.no_room(params::kSize));
  }
  PhysAddr initrd_at = 0;
  if (!request.modules.empty()) {
    const Image& initrd = request.modules[0];
    if (initrd.bytes.empty()) return error_line("initrd", initrd, "the file is empty");
    const auto at = placer.take_below(kernel.initrd_end, initrd.bytes.size(), mmu::kPageSize);
    if (!at || *at < MemoryLayout::kHigh) return error_line("initrd", initrd, placer.no_room(initrd.bytes.size()));
    initrd_at = *at;
  }

  BootPlan plan;
  plan.format = "Linux bzImage";
  plan.pieces.push_back({*load_address, kernel.code, 0});
  if (!request.modules.empty()) plan.pieces.push_back({initrd_at, request.modules[0].bytes, 0});
  add_owned(plan, *params_at, boot_params(image, request, kernel, *load_address, *command_line_at, initrd_at));
  add_owned(plan, *command_line_at, std::move(command_line));
  add_owned(plan, *gdt_at, boot_gdt());
  plan.entry.gdt = *gdt_at;
  plan.entry.eip = static_cast<std::uint32_t>(*load_address);
  plan.entry.gpr[kEsi] = static_cast<std::uint32_t>(*params_at);
  return plan;
}

}  // namespace ringshift::machine::boot
