#include "runtime/machine/boot/boot_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "runtime/machine/boot/byte_view.h"

namespace ringshift::machine::boot {
namespace {

void write_zeros(mmu::PhysicalMap& physical, PhysAddr address, std::uint64_t size) {
  static constexpr std::array<std::uint8_t, 65536> kZeros{};
  while (size != 0) {
    const std::uint64_t step = std::min<std::uint64_t>(size, kZeros.size());
    physical.copy_in(address, kZeros.data(), step);
    address += step;
    size -= step;
  }
}

void enter_flat(const Entry& entry, CpuState& state) {
  constexpr std::uint16_t kCommon =
      segment::kPresent | segment::kNonSystem | segment::kAccessed | segment::kBig | segment::kGranular;
  const SegmentRegister code{kBootCs, kCommon | segment::kCode | segment::kReadable, 0, 0xFFFFFFFF};
  const SegmentRegister data{kBootDs, kCommon | segment::kWritable, 0, 0xFFFFFFFF};
  for (const Seg s : {Seg::es, Seg::ss, Seg::ds, Seg::fs, Seg::gs}) state.set_segment(s, data);
  state.set_segment(Seg::cs, code);
  state.gdtr = {static_cast<std::uint32_t>(entry.gdt), static_cast<std::uint32_t>(boot_gdt().size() - 1)};
  state.idtr = {0, 0};
  state.cr0 = cr0::kPe | cr0::kEt;
}

void enter_real(CpuState& state) {
  const SegmentRegister data{0, segment::kPresent | segment::kNonSystem | segment::kWritable | segment::kAccessed, 0,
                             0xFFFF};
  SegmentRegister code = data;
  code.attributes |= segment::kCode;
  for (const Seg s : {Seg::es, Seg::ss, Seg::ds, Seg::fs, Seg::gs}) state.set_segment(s, data);
  state.set_segment(Seg::cs, code);
  state.idtr = {0, 0x3FF};
  state.cr0 = cr0::kEt;
}

}  // namespace

BootResult plan_boot(const BootRequest& request) {
  if (request.kernel.bytes.empty()) return error_line("kernel", request.kernel, "the file is empty");
  for (const auto loader : {plan_linux, plan_multiboot, plan_elf, plan_boot_sector}) {
    if (auto result = loader(request)) return std::move(*result);
  }
  return error_line("kernel", request.kernel,
                    "unknown format (not a Linux bzImage, a multiboot kernel, a 32-bit ELF or a boot sector)");
}

std::optional<BootResult> plan_boot_sector(const BootRequest& request) {
  constexpr std::uint64_t kSector = 512;
  constexpr PhysAddr kLoadAddress = 0x7C00;
  const ByteView image(request.kernel.bytes);
  if (image.size() != kSector || image.u16(kSector - 2) != 0xAA55) return std::nullopt;
  if (!request.modules.empty()) {
    return error_line("initrd", request.modules[0], "a boot sector takes no modules");
  }
  BootPlan plan;
  plan.format = "boot sector";
  plan.pieces.push_back({kLoadAddress, request.kernel.bytes, 0});
  plan.entry.protected_mode = false;
  plan.entry.eip = kLoadAddress;
  plan.entry.gpr[kEsp] = kLoadAddress;
  plan.entry.gpr[kEdx] = 0x80;  // the first hard disk, as a BIOS says where it booted from
  return plan;
}

void apply(const BootPlan& plan, mmu::PhysicalMap& physical, CpuState& state) {
  for (const Piece& piece : plan.pieces) {
    physical.copy_in(piece.address, piece.bytes.data(), piece.bytes.size());
    write_zeros(physical, piece.address + piece.bytes.size(), piece.zeros);
  }
  if (plan.entry.protected_mode) {
    enter_flat(plan.entry, state);
  } else {
    enter_real(state);
  }
  state.gpr = plan.entry.gpr;
  state.eip = plan.entry.eip;
  state.set_eflags(eflags::kFixed);
}

void add_owned(BootPlan& plan, PhysAddr address, std::vector<std::uint8_t> bytes) {
  plan.owned.push_back(std::move(bytes));
  plan.pieces.push_back({address, plan.owned.back(), 0});
}

std::vector<std::uint8_t> boot_gdt() {
  std::vector<std::uint8_t> gdt(4 * sizeof(std::uint64_t));
  put<std::uint64_t>(gdt, kBootCs, 0x00CF9B000000FFFFULL);
  put<std::uint64_t>(gdt, kBootDs, 0x00CF93000000FFFFULL);
  return gdt;
}

std::string error_line(std::string_view kind, const Image& image, std::string_view reason) {
  return fmt::format("{} '{}': {}", kind, image.name, reason);
}

std::string truncated(std::uint64_t needs, std::uint64_t has) {
  return fmt::format("truncated: needs {} bytes, has {}", needs, has);
}

const E820Entry* Placer::conflict(PhysAddr base, std::uint64_t size) const {
  for (const E820Entry& used : used_) {
    if (base < used.base + used.size && used.base < base + size) return &used;
  }
  return nullptr;
}

bool Placer::take(PhysAddr base, std::uint64_t size) {
  const bool inside = std::any_of(usable_.begin(), usable_.end(), [&](const E820Entry& range) {
    return base >= range.base && base <= range.base + range.size && size <= range.base + range.size - base;
  });
  if (!inside || conflict(base, size) != nullptr) return false;
  if (size != 0) used_.push_back({base, size, E820Entry::kReserved});
  return true;
}

std::optional<PhysAddr> Placer::take_below(PhysAddr end, std::uint64_t size, std::uint64_t align) {
  for (auto range = usable_.rbegin(); range != usable_.rend(); ++range) {
    PhysAddr top = std::min(end, range->base + range->size);
    while (top >= range->base && size <= top - range->base) {
      const PhysAddr base = (top - size) & ~(align - 1);
      if (base < range->base) break;
      const E820Entry* used = conflict(base, size);
      if (used == nullptr) {
        used_.push_back({base, size, E820Entry::kReserved});
        return base;
      }
      top = used->base;
    }
  }
  return std::nullopt;
}

std::optional<PhysAddr> Placer::take_above(PhysAddr start, std::uint64_t size, std::uint64_t align) {
  for (const E820Entry& range : usable_) {
    const PhysAddr end = range.base + range.size;
    PhysAddr bottom = std::max(start, range.base);
    while (true) {
      const PhysAddr base = (bottom + align - 1) & ~(align - 1);
      if (base > end || size > end - base) break;
      const E820Entry* used = conflict(base, size);
      if (used == nullptr) {
        used_.push_back({base, size, E820Entry::kReserved});
        return base;
      }
      bottom = used->base + used->size;
    }
  }
  return std::nullopt;
}

std::string Placer::no_room(PhysAddr base, std::uint64_t size) const {
  return fmt::format("does not fit in memory: needs {:#x} to {:#x}, the guest has {} MiB", base, base + size,
                     bytes_ / kMiB);
}

std::string Placer::no_room(std::uint64_t size) const {
  return fmt::format("does not fit in memory: needs {} more bytes, the guest has {} MiB", size, bytes_ / kMiB);
}

}  // namespace ringshift::machine::boot
