#include "tests/cli/test_guests.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>

#include "tests/support/boot_images.h"

namespace ringshift::test {

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "ringshift-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary folder";
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Folder::write(std::string_view name, std::span<const std::uint8_t> bytes) const {
  std::ofstream(path(name), std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return path(name);
}

std::string Folder::guest(std::string_view name, std::span<const std::uint8_t> code) const {
  constexpr std::size_t kEntry = 0x90;
  std::vector<std::uint8_t> image = small_elf(true);
  if (code.size() > image.size() - kEntry) ADD_FAILURE() << "the code of " << name << " is too long";
  std::ranges::copy(code, image.begin() + kEntry);
  return write(name, image);
}

Code debug_exit_code(std::uint8_t value) {
  return {
      0xB0, value,              // mov al, value
      0x66, 0xBA,  0x01, 0x05,  // mov dx, 501h
      0xEE,                     // out dx, al
      0xF4, 0xEB,  0xFD,        // hlt; jmp back to it
  };
}

const Code kPowerOff{
    0x66, 0xBA, 0x04, 0x06,  // mov dx, 604h
    0x66, 0xB8, 0x00, 0x20,  // mov ax, 2000h
    0x66, 0xEF,              // out dx, ax
    0xF4, 0xEB, 0xFD,        // hlt; jmp back to it
};

const Code kReset{
    0xB0, 0xFE,        // mov al, FEh
    0xE6, 0x64,        // out 64h, al
    0xF4, 0xEB, 0xFD,  // hlt; jmp back to it
};

const Code kTripleFault{0x0F, 0x0B};  // ud2

const Code kSpin{0xEB, 0xFE};  // jmp to itself

const Code kHalt{0xF4, 0xEB, 0xFD};  // hlt; jmp back to it

const Code kEcho{
    0x66, 0xBA, 0xF8, 0x03,  // mov dx, 3F8h
    0xB0, '>',               // mov al, '>'
    0xEE,                    // out dx, al
    0x66, 0xBA, 0xFD, 0x03,  // next: mov dx, 3FDh
    0xEC,                    // wait: in al, dx
    0xA8, 0x01,              // test al, 1
    0x74, 0xFB,              // jz wait
    0x66, 0xBA, 0xF8, 0x03,  // mov dx, 3F8h
    0xEC,                    // in al, dx
    0xFE, 0xC0,              // inc al
    0xEE,                    // out dx, al
    0xEB, 0xED,              // jmp next
};

const Code kChatter{
    0x66, 0xBA, 0xF8, 0x03,  // mov dx, 3F8h
    0xB0, 'y',               // mov al, 'y'
    0xEE,                    // next: out dx, al
    0xEB, 0xFD,              // jmp next
};

const Code kLines{
    0x66, 0xBA, 0xF8, 0x03,        // mov dx, 3F8h
    0xB9, 0x05, 0x00, 0x00, 0x00,  // mov ecx, 5
    0xBE, 0x23, 0x00, 0x10, 0x00,  // mov esi, the text behind the code, which is at 100010h
    0xF3, 0x6E,                    // rep outsb
    0xF4, 0xEB, 0xFD,              // hlt; jmp back to it
    'a',  '\n', '\t', 'b',  '\n',
};

}  // namespace ringshift::test
