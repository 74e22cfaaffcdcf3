// What becomes of a host that cannot read or write: errors, and nothing else.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "runtime/machine/block_worker.h"
#include "tests/images/image_lab.h"

namespace ringshift::machine {
namespace {

// No file may grow beyond that, as if the host's disk were full there. It goes for the children too.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) : before_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, before_handler_);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  void (*before_handler_)(int);
  rlimit before_{};
};

using ImageErrors = ImageLab;

TEST_F(ImageErrors, AFullDiskFailsTheWriteThatDoesNotFit) {
  write_file("d.img", Bytes(1 << 20, 1));
  ASSERT_EQ(run("truncate -s 4M d.img"), "");
  const auto image = open("d.img");
  {
    const FileLimit limit(2 << 20);
    EXPECT_TRUE(image->write(0, Bytes(512, 2)));
    EXPECT_FALSE(image->write(3 << 20, Bytes(512, 2)));
    EXPECT_EQ(image->error(), EFBIG);
    EXPECT_TRUE(image->write(512, Bytes(512, 3))) << "the others go on";
    EXPECT_TRUE(image->flush());
  }
  EXPECT_EQ(read(*image, 511, 2), (Bytes{2, 3}));
  EXPECT_EQ(read(*image, 3 << 20, 1), Bytes{0});
  EXPECT_TRUE(image->write(3 << 20, Bytes(512, 2))) << "there is room again";
}

TEST_F(ImageErrors, AFullTemporaryFolderFailsASnapshotsWrites) {
  write_file("d.img", Bytes(4 << 20, 1));
  const auto image = open("d.img", {.snapshot = true});
  const FileLimit limit(1 << 20);
  EXPECT_TRUE(image->write(0, Bytes(512, 2)));
  EXPECT_FALSE(image->write(2 << 20, Bytes(512, 2)));
  EXPECT_FALSE(image->write((1 << 20) - 512, Bytes(8192, 2))) << "in part";
  EXPECT_EQ(read(*image, 2 << 20, 512), Bytes(512, 1)) << "as before";
  EXPECT_EQ(read(*image, 0, 513), [] {
    Bytes expected(513, 2);
    expected[512] = 1;
    return expected;
  }());
}

TEST_F(ImageErrors, AFullDiskFailsTheWritesOfAQcow2Image) {
  ASSERT_EQ(run("qemu-img create -q -f qcow2 d.qcow2 64M"), "");
  {
    const FileLimit limit(2 << 20);
    const auto image = open("d.qcow2");
    ASSERT_NE(image, nullptr);
    std::uint64_t at = 0;
    while (at < 8 << 20 && image->write(at, Bytes(65536, static_cast<std::uint8_t>(1 + at / 65536)))) at += 65536;
    EXPECT_GT(at, 1U << 20);
    EXPECT_LT(at, 2U << 20);
    EXPECT_NE(image->error(), 0);
    EXPECT_TRUE(image->write(0, Bytes(512, 0x77))) << "where there is room already";
    EXPECT_TRUE(image->flush());
    for (std::uint64_t back = 65536; back < at; back += 65536) {
      ASSERT_EQ(read(*image, back, 65536), Bytes(65536, static_cast<std::uint8_t>(1 + back / 65536)));
    }
  }
  EXPECT_EQ(run("qemu-img check -q -f qcow2 d.qcow2"), "");
}

TEST_F(ImageErrors, WhatSomebodyHasCutOffIsNotZeros) {
  write_file("d.img", Bytes(1 << 20, 1));
  const auto image = open("d.img");
  ASSERT_EQ(run("truncate -s 512k d.img"), "");
  Bytes data(512);
  EXPECT_TRUE(image->read(0, data));
  EXPECT_FALSE(image->read(600'000, data));
  EXPECT_EQ(image->error(), EIO);
  EXPECT_TRUE(image->write(0, data));
  EXPECT_FALSE(image->write((1 << 20) - 512, data)) << "it would make a hole of what is missing";
  EXPECT_FALSE(image->read(600'000, data));
}

TEST_F(ImageErrors, TheLogHearsOfEachKindOnce) {
  ASSERT_EQ(run("truncate -s 4M d.img"), "");
  std::vector<std::string> lines;
  BlockWorker worker({}, [&](std::string_view line) { lines.emplace_back(line); });
  const auto medium = worker.medium(open("d.img"));
  const FileLimit limit(2 << 20);
  unsigned failed = 0;
  const auto count = [&](const devices::BlockRequest::Result& result) { failed += result.ok ? 0 : 1; };
  using Op = devices::BlockRequest::Op;
  for (int i = 0; i < 3; ++i) medium->submit({Op::write, 3 << 20, 0, Bytes(512), count});
  EXPECT_EQ(failed, 3U);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("d.img': File too large"), std::string::npos) << lines[0];
}

TEST_F(ImageErrors, ATemporaryFolderMayBeMissing) {
  write_file("d.img", Bytes(4096));
  const char* before = std::getenv("TMPDIR");
  const std::string folder = before == nullptr ? "" : before;
  ::setenv("TMPDIR", "/nowhere", 1);
  EXPECT_EQ(error("d.img", {.snapshot = true}),
            "disk 'd.img': no temporary file for its snapshot: No such file or directory");
  if (before == nullptr) {
    ::unsetenv("TMPDIR");
  } else {
    ::setenv("TMPDIR", folder.c_str(), 1);
  }
}

}  // namespace
}  // namespace ringshift::machine
