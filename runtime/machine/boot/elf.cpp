#include "runtime/machine/boot/elf.h"

#include <fmt/format.h>

namespace ringshift::machine::boot {
namespace {

constexpr std::uint32_t kElfMagic = 0x464C457F;
constexpr std::uint8_t kClass32 = 1, kLittleEndian = 1;
constexpr std::uint16_t kExecutable = 2, kMachine386 = 3;
constexpr std::uint32_t kPtLoad = 1;
constexpr std::uint64_t kHeaderSize = 52, kProgramHeaderSize = 32;

}  // namespace

bool is_elf(const ByteView& image) { return image.u32(0) == kElfMagic; }

std::variant<ElfProgram, std::string> parse_elf(const ByteView& image) {
  if (image.has(4, 1) && image.u8(4) != kClass32) return "a 64-bit ELF file; the guest's CPU has 32 bits";
  if (!image.has(0, kHeaderSize)) return truncated(kHeaderSize, image.size());
  if (image.u8(5) != kLittleEndian || image.u16(18) != kMachine386) return "an ELF file for another processor";
  if (image.u16(16) != kExecutable) return "an ELF file that is not an executable (ET_EXEC)";

  const std::uint32_t entry = image.u32(24);
  const std::uint64_t table = image.u32(28);
  const std::uint64_t entry_size = image.u16(42);
  const std::uint64_t count = image.u16(44);
  if (count == 0) return "an ELF file without program headers";
  if (entry_size < kProgramHeaderSize) return "an ELF file with damaged program headers";
  if (!image.has(table, count * entry_size)) return truncated(table + count * entry_size, image.size());

  ElfProgram program;
  program.entry = entry;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t at = table + i * entry_size;
    if (image.u32(at) != kPtLoad) continue;
    const std::uint64_t offset = image.u32(at + 4), file_size = image.u32(at + 16), memory_size = image.u32(at + 20);
    const std::uint32_t linear = image.u32(at + 8), physical = image.u32(at + 12);
    if (memory_size < file_size) return "an ELF file with a segment larger in the file than in memory";
    if (memory_size == 0) continue;
    if (!image.has(offset, file_size)) return truncated(offset + file_size, image.size());
    program.pieces.push_back({physical, image.sub(offset, file_size), memory_size - file_size});
    // A kernel linked high starts with paging off: its entry, too, is meant at the physical address.
    if (entry >= linear && entry - linear < memory_size) program.entry = entry - linear + physical;
  }
  if (program.pieces.empty()) return "an ELF file with nothing to load";
  return program;
}

std::optional<BootResult> plan_elf(const BootRequest& request) {
  const ByteView image(request.kernel.bytes);
  if (!is_elf(image)) return std::nullopt;
  auto parsed = parse_elf(image);
  if (const auto* reason = std::get_if<std::string>(&parsed)) return error_line("kernel", request.kernel, *reason);
  auto& program = std::get<ElfProgram>(parsed);
  if (!request.modules.empty()) {
    return error_line("initrd", request.modules[0], "an ELF kernel without a multiboot header takes no modules");
  }

  Placer placer(request.memory);
  BootPlan plan;
  plan.format = "ELF executable";
  for (const Piece& piece : program.pieces) {
    const std::uint64_t size = piece.bytes.size() + piece.zeros;
    if (!placer.take(piece.address, size)) {
      return error_line("kernel", request.kernel, placer.no_room(piece.address, size));
    }
  }
  plan.pieces = std::move(program.pieces);
  constexpr std::uint64_t kStack = 4096;
  const auto stack = placer.take_below(MemoryLayout::kExtendedBios, kStack, 16);
  const auto gdt = placer.take_below(MemoryLayout::kExtendedBios, boot_gdt().size(), 16);
  if (!stack || !gdt) return error_line("kernel", request.kernel, placer.no_room(kStack));
  add_owned(plan, *gdt, boot_gdt());
  plan.entry.gdt = *gdt;
  plan.entry.eip = program.entry;
  plan.entry.gpr[kEsp] = static_cast<std::uint32_t>(*stack + kStack);
  return plan;
}

}  // namespace ringshift::machine::boot
