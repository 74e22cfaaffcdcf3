#include "tests/support/boot_images.h"

#include "runtime/machine/boot/byte_view.h"

namespace ringshift::test {
namespace {

using machine::boot::put;

constexpr std::uint8_t kHlt = 0xF4;

void put_multiboot_header(std::vector<std::uint8_t>& image, std::uint64_t at, std::uint32_t flags) {
  put<std::uint32_t>(image, at, 0x1BADB002);
  put<std::uint32_t>(image, at + 4, flags);
  put<std::uint32_t>(image, at + 8, 0U - 0x1BADB002U - flags);
}

}  // namespace

std::vector<std::uint8_t> small_bzimage() {
  constexpr std::uint64_t kSetup = 2 * 512, kCode = 4096;
  std::vector<std::uint8_t> image(kSetup + kCode);
  image[0x1F1] = 1;
  put<std::uint32_t>(image, 0x1F4, kCode / 16);
  put<std::uint16_t>(image, 0x1FE, 0xAA55);
  image[0x201] = 0x6A;
  put<std::uint32_t>(image, 0x202, 0x53726448);  // "HdrS"
  put<std::uint16_t>(image, 0x206, 0x020F);
  image[0x211] = 1;                              // loaded high
  put<std::uint32_t>(image, 0x22C, 0x7FFFFFFF);  // highest address of an initrd
  put<std::uint32_t>(image, 0x230, 0x200000);    // alignment
  image[0x234] = 1;                              // relocatable
  put<std::uint32_t>(image, 0x238, 2047);        // command line
  put<std::uint64_t>(image, 0x258, 0x100000);    // preferred address
  put<std::uint32_t>(image, 0x260, 0x10000);     // memory it needs
  for (std::uint64_t i = kSetup; i < image.size(); ++i) image[i] = kHlt;
  return image;
}

std::vector<std::uint8_t> small_elf(bool multiboot) {
  constexpr std::uint32_t kOffset = 0x80, kFile = 64, kMemory = 128, kLinear = 0xC0100000, kPhysical = 0x100000;
  std::vector<std::uint8_t> image(kOffset + kFile, kHlt);
  for (std::uint64_t i = 0; i < kOffset; ++i) image[i] = 0;
  put<std::uint32_t>(image, 0, 0x464C457F);
  image[4] = image[5] = image[6] = 1;
  put<std::uint16_t>(image, 16, 2);
  put<std::uint16_t>(image, 18, 3);
  put<std::uint32_t>(image, 24, kLinear + 16);
  put<std::uint32_t>(image, 28, 52);
  put<std::uint16_t>(image, 42, 32);
  put<std::uint16_t>(image, 44, 1);
  put<std::uint32_t>(image, 52, 1);
  put<std::uint32_t>(image, 56, kOffset);
  put<std::uint32_t>(image, 60, kLinear);
  put<std::uint32_t>(image, 64, kPhysical);
  put<std::uint32_t>(image, 68, kFile);
  put<std::uint32_t>(image, 72, kMemory);
  if (multiboot) put_multiboot_header(image, kOffset, 3);
  return image;
}

std::vector<std::uint8_t> small_multiboot_addresses() {
  constexpr std::uint32_t kLoad = 0x100000, kHeader = 16, kSize = 256;
  std::vector<std::uint8_t> image(kSize, kHlt);
  put_multiboot_header(image, kHeader, 1U << 16);
  put<std::uint32_t>(image, kHeader + 12, kLoad + kHeader);
  put<std::uint32_t>(image, kHeader + 16, kLoad);
  put<std::uint32_t>(image, kHeader + 20, kLoad + kSize);
  put<std::uint32_t>(image, kHeader + 24, kLoad + 2 * kSize);
  put<std::uint32_t>(image, kHeader + 28, kLoad + 64);
  return image;
}

}  // namespace ringshift::test
