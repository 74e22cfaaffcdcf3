// Booting without firmware: from images to what is written where, and the CPU's state at the entry.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mmu/physical_map.h"
#include "runtime/machine/memory_layout.h"
#include "runtime/state/cpu_state.h"

namespace ringshift::machine::boot {

// A file's contents, and its name for messages.
struct Image {
  std::string name;
  std::vector<std::uint8_t> bytes;
};

// `zeros` bytes of zero follow the contents.
struct Piece {
  PhysAddr address = 0;
  std::span<const std::uint8_t> bytes;
  std::uint64_t zeros = 0;
};

struct Entry {
  bool protected_mode = true;  // flat 32-bit segments, paging off; else real mode at 0:eip
  std::uint32_t eip = 0;
  std::array<std::uint32_t, kGprCount> gpr{};
  PhysAddr gdt = 0;  // protected mode: where the plan put boot_gdt()
};

// Can be applied again and again: a reset boots from it. Refers to the images it was made from.
struct BootPlan {
  BootPlan() = default;
  BootPlan(BootPlan&&) = default;
  BootPlan& operator=(BootPlan&&) = default;
  BootPlan(const BootPlan&) = delete;  // pieces refer to `owned`
  BootPlan& operator=(const BootPlan&) = delete;
  ~BootPlan() = default;

  std::string format;  // "Linux bzImage", ...
  std::vector<Piece> pieces;
  std::vector<std::vector<std::uint8_t>> owned;  // contents that we made
  Entry entry;
};

struct BootRequest {
  const Image& kernel;
  std::span<const Image> modules;  // Linux: at most one, the initial RAM disk
  std::string_view command_line;
  const MemoryLayout& memory;
  PhysAddr rsdp = 0;  // the ACPI root pointer, or 0
};

// The error is one readable line that names the image.
using BootResult = std::variant<BootPlan, std::string>;

// Recognizes the kernel's format: bzImage, multiboot, ELF, boot sector.
[[nodiscard]] BootResult plan_boot(const BootRequest& request);

// The loaders of each format. Those that return nullopt say: not this format.
[[nodiscard]] std::optional<BootResult> plan_linux(const BootRequest& request);
[[nodiscard]] std::optional<BootResult> plan_multiboot(const BootRequest& request);
[[nodiscard]] std::optional<BootResult> plan_elf(const BootRequest& request);
[[nodiscard]] std::optional<BootResult> plan_boot_sector(const BootRequest& request);

// Writes the pieces and sets the CPU's state. The state must have been reset.
void apply(const BootPlan& plan, mmu::PhysicalMap& physical, CpuState& state);

// Adds contents that the plan itself owns.
void add_owned(BootPlan& plan, PhysAddr address, std::vector<std::uint8_t> bytes);

// Flat segments at the selectors that Linux's boot protocol asks for: 10h code, 18h data.
inline constexpr std::uint16_t kBootCs = 0x10, kBootDs = 0x18;
[[nodiscard]] std::vector<std::uint8_t> boot_gdt();

// One line for an image that cannot be used.
[[nodiscard]] std::string error_line(std::string_view kind, const Image& image, std::string_view reason);
[[nodiscard]] std::string truncated(std::uint64_t needs, std::uint64_t has);

// Hands out memory that nothing else of the plan uses.
class Placer {
 public:
  explicit Placer(const MemoryLayout& memory) : usable_(memory.loadable()), bytes_(memory.bytes()) {}

  // Takes exactly this range. False if it is not RAM or in use.
  [[nodiscard]] bool take(PhysAddr base, std::uint64_t size);
  // Takes the highest such range that ends at or below `end`, or the lowest that starts at or above
  // `start`. `align` is a power of two.
  [[nodiscard]] std::optional<PhysAddr> take_below(PhysAddr end, std::uint64_t size, std::uint64_t align);
  [[nodiscard]] std::optional<PhysAddr> take_above(PhysAddr start, std::uint64_t size, std::uint64_t align);

  // The reason to give when a range could not be had.
  [[nodiscard]] std::string no_room(PhysAddr base, std::uint64_t size) const;
  [[nodiscard]] std::string no_room(std::uint64_t size) const;

 private:
  [[nodiscard]] const E820Entry* conflict(PhysAddr base, std::uint64_t size) const;
  std::vector<E820Entry> usable_;
  std::vector<E820Entry> used_;
  std::uint64_t bytes_;
};

}  // namespace ringshift::machine::boot
