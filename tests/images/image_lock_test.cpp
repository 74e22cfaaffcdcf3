// Who may use an image at the same time: Ringshift twice, and Ringshift and QEMU, each in both orders.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "tests/images/image_lab.h"

namespace ringshift::machine {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr DiskImage::Options kWrite{}, kRead{.read_only = true}, kSnapshot{.snapshot = true};

class ImageLock : public ImageLab, public testing::WithParamInterface<ImageFormat> {
 protected:
  ImageLock() { EXPECT_EQ(run("qemu-img create -q -f " + format + " " + name + " 1M"), ""); }
  // As a program of QEMU's that reads or writes it.
  std::string qemu(bool writes) const {
    return run("qemu-io -f " + format + (writes ? " -c 'write 0 512' " : " -r -c 'read 0 512' ") + name);
  }
  // While a program of QEMU's has it open.
  std::string error_beside_qemu(bool qemu_writes, const DiskImage::Options& options) const {
    const std::string command = "echo $$; exec stdbuf -oL qemu-io -f " + format + (qemu_writes ? " " : " -r ") +
                                "-c 'read 0 512' -c 'sleep 60000' " + path(name);
    FILE* qemu_io = ::popen(command.c_str(), "re");
    std::array<char, 200> line{};
    EXPECT_NE(std::fgets(line.data(), line.size(), qemu_io), nullptr);
    const int pid = std::atoi(line.data());
    EXPECT_NE(std::fgets(line.data(), line.size(), qemu_io), nullptr);  // that it has read something
    std::string said = error(name, options);
    ::kill(pid, SIGTERM);
    ::pclose(qemu_io);
    return said;
  }

  const std::string format{format_name(GetParam())};
  const std::string name = "disk." + format;
  const std::string in_use = "disk '" + name + "': is in use by another program";
};

INSTANTIATE_TEST_SUITE_P(Formats, ImageLock, testing::Values(ImageFormat::raw, ImageFormat::qcow2),
                         [](const auto& format) { return std::string(format_name(format.param)); });

TEST_P(ImageLock, WhoWritesIsAlone) {
  const auto writer = open(name, kWrite);
  EXPECT_EQ(error(name, kWrite), in_use);
  EXPECT_EQ(error(name, kRead), in_use);
  EXPECT_EQ(error(name, kSnapshot), in_use);
  EXPECT_THAT(qemu(true), HasSubstr("lock"));
  // Its tools read a raw image whoever writes to it.
  EXPECT_EQ(qemu(false).find("lock") != std::string::npos, GetParam() != ImageFormat::raw);
}

TEST_P(ImageLock, ReadersShare) {
  const auto reader = open(name, kRead);
  const auto snapshot = open(name, kSnapshot);
  EXPECT_EQ(error(name, kRead), "");
  EXPECT_EQ(error(name, kSnapshot), "");
  EXPECT_EQ(error(name, kWrite), in_use);
  EXPECT_THAT(qemu(true), HasSubstr("lock"));
  EXPECT_THAT(qemu(false), Not(HasSubstr("lock")));
}

TEST_P(ImageLock, LocksEndWithTheImage) {
  { const auto writer = open(name, kWrite); }
  EXPECT_EQ(error(name, kWrite), "");
  EXPECT_THAT(qemu(true), Not(HasSubstr("lock")));
}

TEST_P(ImageLock, OfQemuAreRespected) {
  EXPECT_EQ(error_beside_qemu(true, kWrite), in_use);
  EXPECT_EQ(error_beside_qemu(true, kRead), in_use);
  EXPECT_EQ(error_beside_qemu(false, kWrite), GetParam() == ImageFormat::raw ? "" : in_use);
  EXPECT_EQ(error_beside_qemu(false, kRead), "");
}

class BackingLock : public ImageLab {};

TEST_F(BackingLock, ABackingFileIsReadByManyAndWrittenByNobody) {
  ASSERT_EQ(
      run("truncate -s 1M base.img && for n in 1 2; do qemu-img create -q -f qcow2 -b base.img -F raw $n.qcow2; done"),
      "");
  {
    const auto one = open("1.qcow2"), other = open("2.qcow2");
    EXPECT_EQ(error("base.img"), "disk 'base.img': is in use by another program");
    EXPECT_EQ(error("base.img", {.read_only = true}), "");
    EXPECT_THAT(run("qemu-io -f raw -c 'write 0 512' base.img"), HasSubstr("lock"));
  }
  const auto writer = open("base.img");
  EXPECT_EQ(error("1.qcow2"), "disk '1.qcow2': its backing file 'base.img': is in use by another program");
}

}  // namespace
}  // namespace ringshift::machine
