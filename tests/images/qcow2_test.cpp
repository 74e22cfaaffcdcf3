// qcow2 images: what a guest reads and writes, and what QEMU's tools then say of the file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <iterator>
#include <random>
#include <thread>

#include "runtime/machine/image/image_chain.h"
#include "runtime/machine/image/qcow2_image.h"
#include "tests/images/image_lab.h"

namespace ringshift::machine {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

class Qcow2 : public ImageLab {
 protected:
  // "" of an image with neither errors nor leaks. It may still be in use for a moment.
  std::string check(const std::string& name) const {
    std::string said;
    for (int i = 0; i < 100; ++i) {
      said = run("qemu-img check -q -f qcow2 " + name);
      if (said.find("Is another process using the image") == std::string::npos) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return said;
  }
};

TEST_F(Qcow2, WritesReachTheImage) {
  ASSERT_EQ(run("qemu-img create -q -f qcow2 d.qcow2 10M"), "");
  {
    const auto image = open("d.qcow2");
    ASSERT_NE(image, nullptr);
    EXPECT_EQ(image->bytes(), 10U << 20);
    EXPECT_EQ(read(*image, 0, 512), Bytes(512, 0));
    EXPECT_TRUE(image->write(70'000, Bytes(200'000, 0xAB)));
    EXPECT_TRUE(image->flush());
    EXPECT_EQ(read(*image, 69'999, 3), (Bytes{0, 0xAB, 0xAB}));
  }
  EXPECT_EQ(check("d.qcow2"), "");
  EXPECT_THAT(run("qemu-io -f qcow2 -r -c 'read -P 0xAB 70000 200000' -c 'read -P 0 270000 1000' d.qcow2"),
              testing::Not(HasSubstr("failed")));
}

TEST_F(Qcow2, IsAMediumLikeAnyOther) {
  constexpr std::size_t kSize = 3 << 20;
  ASSERT_EQ(run("qemu-img create -q -f qcow2 -o cluster_size=4k d.qcow2 3M"), "");
  Bytes model(kSize, 0);
  {
    const auto image = open("d.qcow2");
    std::mt19937 random(1);
    for (unsigned i = 0; i < 400; ++i) {
      const std::size_t offset = random() % kSize, size = 1 + random() % std::min<std::size_t>(kSize - offset, 100'000);
      const Bytes data(size, static_cast<std::uint8_t>(i));
      if (i % 3 == 0) {
        ASSERT_TRUE(image->write(offset, data));
        std::copy(data.begin(), data.end(), model.begin() + static_cast<std::ptrdiff_t>(offset));
      }
      ASSERT_EQ(read(*image, offset, size), Bytes(model.begin() + static_cast<std::ptrdiff_t>(offset),
                                                  model.begin() + static_cast<std::ptrdiff_t>(offset + size)));
    }
  }
  EXPECT_EQ(check("d.qcow2"), "");
  ASSERT_EQ(run("qemu-img convert -f qcow2 -O raw d.qcow2 d.img"), "");
  EXPECT_EQ(read_file("d.img"), model);
}

TEST_F(Qcow2, TheEndOfALastSectorReadsAsZeros) {
  ASSERT_EQ(run("qemu-img create -q -f qcow2 d.qcow2 1536"), "");
  const auto image = open("d.qcow2");
  EXPECT_TRUE(image->write(1024, Bytes(1024, 1)));
  EXPECT_EQ(read(*image, 1535, 513), [] {
    Bytes expected(513, 0);
    expected[0] = 1;
    return expected;
  }());
}

TEST_F(Qcow2, ReadsCompressedAndOldImages) {
  Bytes contents(200'000);
  for (std::size_t i = 0; i < contents.size(); ++i) contents[i] = static_cast<std::uint8_t>(i / 100);
  write_file("d.img", contents);
  for (const std::string options :
       {"compat=0.10", "compression_type=zlib", "compression_type=zstd", "extended_l2=on"}) {
    ASSERT_EQ(run("qemu-img convert -c -f raw -O qcow2 -o " + options + " d.img d.qcow2"), "") << options;
    EXPECT_EQ(read(*open("d.qcow2"), 0, contents.size()), contents) << options;
  }
}

// ---- backing files ----------------------------------------------------------------------------

TEST_F(Qcow2, ABackingFileIsReadAndNotWritten) {
  Bytes base(1 << 20, 0x11);
  write_file("base.img", base);
  ASSERT_EQ(run("mkdir up && qemu-img create -q -f qcow2 -b ../base.img -F raw up/middle.qcow2"), "");
  ASSERT_EQ(run("qemu-img create -q -f qcow2 -b up/middle.qcow2 -F qcow2 top.qcow2 2M"), "");
  {
    const auto image = open("top.qcow2");
    ASSERT_NE(image, nullptr);
    EXPECT_TRUE(image->write(1000, Bytes(2, 0x22)));
    EXPECT_EQ(read(*image, 999, 4), (Bytes{0x11, 0x22, 0x22, 0x11}));
    EXPECT_EQ(read(*image, (1 << 20) - 1, 2), (Bytes{0x11, 0}));
    ASSERT_EQ(image->files().size(), 3U);
    EXPECT_EQ(image->files()[0].backing_name, "up/middle.qcow2");
    EXPECT_EQ(image->files()[0].backing_format, "qcow2");
    EXPECT_EQ(image->files()[1].format, ImageFormat::qcow2);
    EXPECT_EQ(image->files()[2].format, ImageFormat::raw);
    EXPECT_THAT(image->files()[2].path, EndsWith("base.img"));
  }
  EXPECT_EQ(read_file("base.img"), base);
  EXPECT_EQ(check("top.qcow2"), "");
}

TEST_F(Qcow2, NamesMayHaveCommasAndColons) {
  write_file("a,b:c.img", Bytes(1 << 20, 0x33));
  ASSERT_EQ(run("qemu-img create -q -f qcow2 -b './a,b:c.img' -F raw './d,e:f.qcow2'"), "");
  EXPECT_EQ(read(*open("d,e:f.qcow2"), 0, 2), (Bytes{0x33, 0x33}));
}

TEST_F(Qcow2, WhatIsMissingIsNamed) {
  write_file("base.img", Bytes(1 << 20));
  ASSERT_EQ(run("qemu-img create -q -f qcow2 -b base.img -F raw d.qcow2 && rm base.img"), "");
  EXPECT_EQ(error("d.qcow2"), "disk 'd.qcow2': its backing file 'base.img': No such file or directory");
  EXPECT_EQ(error("nowhere.qcow2"), "disk 'nowhere.qcow2': No such file or directory");
}

TEST_F(Qcow2, ALoopOfBackingFilesIsAnError) {
  ASSERT_EQ(run("qemu-img create -q -f qcow2 a.qcow2 1M && qemu-img create -q -f qcow2 -b a.qcow2 -F qcow2 b.qcow2 &&"
                "qemu-img rebase -q -u -f qcow2 -b b.qcow2 -F qcow2 a.qcow2"),
            "");
  for (const bool read_only : {false, true}) {
    EXPECT_EQ(error("b.qcow2", {.read_only = read_only}),
              "disk 'b.qcow2': its backing file 'b.qcow2' has it as a backing file");
  }
}

// A name such as nbd:localhost:10809 would have QEMU open a connection.
TEST_F(Qcow2, ABackingFileMustBeAFile) {
  ASSERT_EQ(
      run("qemu-img create -q -f qcow2 d.qcow2 1M && qemu-img rebase -q -u -f qcow2 -b nbd:host:1 -F raw d.qcow2"), "");
  EXPECT_EQ(error("d.qcow2"), "disk 'd.qcow2': its backing file 'nbd:host:1' is no file");
  ASSERT_EQ(run("qemu-img rebase -q -u -f qcow2 -b base.vmdk -F vmdk d.qcow2"), "");
  EXPECT_EQ(error("d.qcow2"),
            "disk 'd.qcow2': its backing file 'base.vmdk' has the format vmdk, which is not supported");
}

// ---- which format -----------------------------------------------------------------------------

TEST_F(Qcow2, TheNameDecidesAboutTheFormat) {
  ASSERT_EQ(run("qemu-img create -q -f qcow2 d.qcow2 1M && cp d.qcow2 d.img"), "");
  EXPECT_EQ(open("d.qcow2")->files()[0].format, ImageFormat::qcow2);
  EXPECT_EQ(open("d.img", {.format = ImageFormat::qcow2})->bytes(), 1U << 20);
  EXPECT_GT(open("d.img", {.format = ImageFormat::raw})->bytes(), 100'000U);
  write_file("raw.qcow2", Bytes(4096));
  EXPECT_EQ(error("raw.qcow2"),
            "disk 'raw.qcow2': has the name of a qcow2 image, but not its contents: say format=raw if that is meant");
  EXPECT_EQ(open("raw.qcow2", {.format = ImageFormat::raw})->bytes(), 4096U);
}

// Else it would choose a backing file, and read any file of the host at the next start.
TEST_F(Qcow2, AGuestCannotMakeOneOfItsRawDisk) {
  ASSERT_EQ(run("echo secret >secret; truncate -s 64k secret; qemu-img create -q -f qcow2 -b secret -F raw evil.qcow2"),
            "");
  write_file("disk.img", Bytes(1 << 20));
  ASSERT_TRUE(open("disk.img")->write(0, read_file("evil.qcow2")));
  EXPECT_EQ(error("disk.img"),
            "disk 'disk.img': looks like a qcow2 image, but a guest may have written that: "
            "say format=qcow2 or format=raw");
  // Nor of a raw backing file whose format is not recorded, as it was not until QEMU 6.1.
  ASSERT_EQ(run("qemu-img create -q -f qcow2 -u -b disk.img -F raw d.qcow2 1M"), "");
  Bytes image = read_file("d.qcow2");
  constexpr std::uint8_t kBackingFormat[] = {0xE2, 0x79, 0x2A, 0xCA};
  const auto extension = std::search(image.begin(), image.end(), std::begin(kBackingFormat), std::end(kBackingFormat));
  ASSERT_NE(extension, image.end());
  std::fill_n(extension, std::size(kBackingFormat), std::uint8_t{0});
  write_file("old.qcow2", image);
  EXPECT_THAT(error("old.qcow2"), HasSubstr("its backing file 'disk.img': looks like a qcow2 image"));
  // One whose format is recorded is what it is recorded to be.
  EXPECT_EQ(read(*open("d.qcow2"), 0, 4), (Bytes{'Q', 'F', 'I', 0xFB}));
}

TEST_F(Qcow2, OtherFormatsAreToldApart) {
  ASSERT_EQ(run("qemu-img create -q -f vmdk d.img 1M"), "");
  EXPECT_EQ(error("d.img"), "disk 'd.img': looks like a VMDK image: convert it by qemu-img convert, or say format=raw");
  EXPECT_EQ(error("d.img", {.format = ImageFormat::qcow2}), "disk 'd.img': is not a qcow2 image");
}

TEST_F(Qcow2, WhatIsNotSupportedIsSaid) {
  ASSERT_EQ(run("qemu-img create -q -f qcow2 -o data_file=d.data d.qcow2 1M"), "");
  EXPECT_EQ(error("d.qcow2"), "disk 'd.qcow2': keeps its data in another file, which is not supported");
  ASSERT_EQ(run("qemu-img create -q -f qcow2 e.qcow2 1M"), "");
  Bytes image = read_file("e.qcow2");
  image[35] = 2;  // the method: LUKS
  write_file("e.qcow2", image);
  EXPECT_EQ(error("e.qcow2"), "disk 'e.qcow2': is encrypted, which is not supported");
}

TEST_F(Qcow2, ATruncatedImageIsNotOpened) {
  ASSERT_EQ(run("qemu-img create -q -f qcow2 d.qcow2 64M && qemu-io -f qcow2 -c 'write -q 0 1M' d.qcow2"), "");
  for (const char* size : {"20", "100", "65536", "200000", "300000"}) {
    ASSERT_EQ(run(std::string("cp d.qcow2 t.qcow2 && truncate -s ") + size + " t.qcow2"), "");
    EXPECT_EQ(error("t.qcow2"), "disk 't.qcow2': is truncated") << size;
  }
}

// ---- snapshots --------------------------------------------------------------------------------

TEST_F(Qcow2, SnapshotKeepsTheFileAsItIs) {
  ASSERT_EQ(run("qemu-img create -q -f qcow2 d.qcow2 1M && qemu-io -f qcow2 -c 'write -q -P 5 0 1M' d.qcow2"), "");
  const Bytes before = read_file("d.qcow2");
  {
    const auto one = open("d.qcow2", {.snapshot = true});
    const auto other = open("d.qcow2", {.snapshot = true});
    EXPECT_TRUE(one->write(100, Bytes(1000, 6)));
    EXPECT_TRUE(one->flush());
    EXPECT_EQ(read(*one, 99, 2), (Bytes{5, 6}));
    EXPECT_EQ(read(*other, 99, 2), (Bytes{5, 5}));
  }
  EXPECT_EQ(read_file("d.qcow2"), before);
}

// ---- sudden ends ------------------------------------------------------------------------------

// Whoever writes is killed: what it was told to be written is there, and the image is sound.
TEST_F(Qcow2, SurvivesThatTheMachineIsKilled) {
  constexpr std::size_t kBlock = 8192, kBlocks = 4000;
  ASSERT_EQ(run("qemu-img create -q -f qcow2 -o cluster_size=4k d.qcow2 64M"), "");
  auto* written = static_cast<std::atomic<std::size_t>*>(
      ::mmap(nullptr, sizeof(std::atomic<std::size_t>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  const pid_t writer = ::fork();
  if (writer == 0) {
    const auto image = open("d.qcow2");
    for (std::size_t i = 0; i < kBlocks; ++i) {
      // All over the disk.
      if (!image->write(i * 1237 % kBlocks * kBlock, Bytes(kBlock, static_cast<std::uint8_t>(i % 251 + 1)))) break;
      *written = i + 1;
    }
    ::pause();
  }
  while (*written < 500) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ::kill(writer, SIGKILL);
  ::waitpid(writer, nullptr, 0);
  EXPECT_EQ(check("d.qcow2"), "");
  const auto image = open("d.qcow2");
  ASSERT_NE(image, nullptr);
  for (std::size_t i = 0; i < *written; ++i) {
    ASSERT_EQ(read(*image, i * 1237 % kBlocks * kBlock, kBlock), Bytes(kBlock, static_cast<std::uint8_t>(i % 251 + 1)));
  }
  ::munmap(written, sizeof *written);
}

// The same to the program that writes for us: what was flushed is there, and clusters may have leaked at most.
TEST_F(Qcow2, SurvivesThatItsServerIsKilled) {
  ASSERT_EQ(run("qemu-img create -q -f qcow2 d.qcow2 64M"), "");
  auto chain = std::get<0>(find_image_chain(path("d.qcow2"), std::nullopt, true));
  auto opened = Qcow2Image::open(std::move(chain), true);
  const auto image = std::get<0>(std::move(opened));
  EXPECT_EQ(image->write(0, Bytes(100'000, 7)), 0);
  EXPECT_EQ(image->flush(), 0);
  EXPECT_EQ(image->write(10 << 20, Bytes(100'000, 8)), 0);
  ::kill(image->server(), SIGKILL);
  Bytes data(512);
  EXPECT_EQ(image->read(0, data), EIO);
  EXPECT_EQ(image->words(), "qemu-nbd has ended");
  EXPECT_EQ(image->write(0, data), EIO);
  EXPECT_EQ(image->flush(), EIO);
  EXPECT_THAT(check("d.qcow2"), testing::AnyOf("", EndsWith("status 3")));
  EXPECT_EQ(read(*open("d.qcow2"), 0, 100'000), Bytes(100'000, 7));
}

TEST_F(Qcow2, NoServerIsLeftBehind) {
  ASSERT_EQ(run("qemu-img create -q -f qcow2 d.qcow2 1M"), "");
  pid_t server = 0;
  {
    auto chain = std::get<0>(find_image_chain(path("d.qcow2"), std::nullopt, false));
    const auto image = std::get<0>(Qcow2Image::open(std::move(chain), false));
    server = image->server();
    EXPECT_EQ(::kill(server, 0), 0);
    EXPECT_EQ(::getpgid(server), server) << "out of the terminal's reach";
  }
  EXPECT_EQ(::kill(server, 0), -1);
}

TEST_F(Qcow2, TheServerMayBeMissing) {
  ASSERT_EQ(run("qemu-img create -q -f qcow2 d.qcow2 1M"), "");
  const char* search_path = std::getenv("PATH");
  const std::string before = search_path == nullptr ? "" : search_path;
  ::setenv("PATH", "/nowhere", 1);
  EXPECT_EQ(error("d.qcow2"), "disk 'd.qcow2': needs qemu-nbd, of Debian's package qemu-utils");
  ::setenv("PATH", before.c_str(), 1);
}

}  // namespace
}  // namespace ringshift::machine
