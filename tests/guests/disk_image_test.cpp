// Disk images in files, and the thread that works on them.
#include "runtime/machine/disk_image.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string>
#include <thread>

#include "runtime/machine/block_worker.h"

namespace ringshift::machine {
namespace {

using Bytes = std::vector<std::uint8_t>;

class DiskImageTest : public testing::Test {
 protected:
  DiskImageTest() {
    const int fd = ::mkstemp(path.data());
    Bytes contents(kSize);
    std::iota(contents.begin(), contents.end(), std::uint8_t{0});
    EXPECT_EQ(::write(fd, contents.data(), contents.size()), static_cast<ssize_t>(kSize));
    ::close(fd);
  }
  ~DiskImageTest() override { ::unlink(path.c_str()); }

  std::shared_ptr<DiskImage> open(const DiskImage::Options& options) {
    auto opened = DiskImage::open(path, options);
    if (const auto* error = std::get_if<std::string>(&opened)) {
      ADD_FAILURE() << *error;
      return nullptr;
    }
    return std::get<std::shared_ptr<DiskImage>>(opened);
  }
  std::string error(const DiskImage::Options& options) {
    const auto opened = DiskImage::open(path, options);
    const auto* error = std::get_if<std::string>(&opened);
    return error == nullptr ? "" : *error;
  }
  static Bytes read(DiskImage& image, std::uint64_t offset, std::size_t size) {
    Bytes out(size, 0xEE);
    EXPECT_TRUE(image.read(offset, out));
    return out;
  }

  static constexpr std::size_t kSize = 20'000;  // no multiple of anything
  std::string path = testing::TempDir() + "ringshift-image-XXXXXX";
};

TEST_F(DiskImageTest, WritesReachTheFile) {
  {
    const auto image = open({});
    EXPECT_TRUE(image->write(512, Bytes(3, 0xAB)));
    EXPECT_TRUE(image->flush());
  }
  EXPECT_EQ(read(*open({.read_only = true}), 511, 5), (Bytes{0xFF, 0xAB, 0xAB, 0xAB, 0x03}));
}

TEST_F(DiskImageTest, ReadOnlyRefusesWrites) {
  const auto image = open({.read_only = true});
  EXPECT_FALSE(image->writable());
  EXPECT_FALSE(image->write(0, Bytes(1)));
}

TEST_F(DiskImageTest, BeyondTheEndAreZeros) { EXPECT_EQ(read(*open({}), kSize - 1, 3), (Bytes{0x1F, 0, 0})); }

TEST_F(DiskImageTest, SnapshotKeepsTheFileAsItIs) {
  {
    const auto image = open({.snapshot = true});
    EXPECT_TRUE(image->write(100, Bytes(5000, 0xCD)));
    EXPECT_EQ(read(*image, 99, 3), (Bytes{99, 0xCD, 0xCD}));
    EXPECT_EQ(read(*image, 5099, 2), (Bytes{0xCD, static_cast<std::uint8_t>(5100)}));
  }
  EXPECT_EQ(read(*open({}), 99, 3), (Bytes{99, 100, 101}));
}

// Against a plain array.
TEST_F(DiskImageTest, SnapshotIsAMediumLikeAnyOther) {
  const auto image = open({.snapshot = true});
  Bytes model = read(*image, 0, kSize);
  std::mt19937 random(1);
  for (unsigned i = 0; i < 500; ++i) {
    const std::size_t offset = random() % kSize, size = 1 + random() % (kSize - offset);
    const Bytes data(size, static_cast<std::uint8_t>(i));
    if (i % 3 == 0) {
      ASSERT_TRUE(image->write(offset, data));
      std::copy(data.begin(), data.end(), model.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    ASSERT_EQ(read(*image, offset, size), Bytes(model.begin() + static_cast<std::ptrdiff_t>(offset),
                                                model.begin() + static_cast<std::ptrdiff_t>(offset + size)));
  }
}

TEST_F(DiskImageTest, WhoWritesIsAlone) {
  const auto writer = open({});
  EXPECT_NE(error({}).find("is in use"), std::string::npos);
  EXPECT_NE(error({.snapshot = true}).find("is in use"), std::string::npos);
}

TEST_F(DiskImageTest, ReadersShare) {
  const auto reader = open({.read_only = true});
  EXPECT_EQ(error({.snapshot = true}), "");
  EXPECT_NE(error({}).find("is in use"), std::string::npos);
}

TEST_F(DiskImageTest, WorkerAnswersWhereItIsAskedTo) {
  std::atomic<unsigned> wakes{0};
  BlockWorker worker([&] { ++wakes; }, {});
  const auto medium = worker.medium(open({}));
  unsigned answers = 0;
  const auto here = std::this_thread::get_id();
  const auto check = [&](const devices::BlockRequest::Result& result) {
    EXPECT_TRUE(result.ok);
    EXPECT_EQ(std::this_thread::get_id(), here);
    ++answers;
  };
  using Op = devices::BlockRequest::Op;
  medium->submit({Op::write, 10, 0, Bytes{1, 2, 3}, check});
  medium->submit({Op::flush, 0, 0, {}, check});
  medium->submit({Op::read, 9, 5, {}, [&](const devices::BlockRequest::Result& result) {
                    EXPECT_EQ(result.data, (Bytes{9, 1, 2, 3, 13})) << "in order";
                    check(result);
                  }});
  EXPECT_EQ(answers, 0U) << "nothing is told before it is asked for";
  while (answers < 3) {
    std::this_thread::yield();
    worker.deliver();
  }
  EXPECT_GE(wakes, 1U);
}

TEST_F(DiskImageTest, WorkerEndsWithItsWorkDone) {
  const auto image = open({});
  {
    BlockWorker worker([] {}, {});
    const auto medium = worker.medium(image);
    for (std::uint64_t i = 0; i < 100; ++i) {
      medium->submit({devices::BlockRequest::Op::write, i, 0, Bytes{0x77}, [](const auto&) { ADD_FAILURE(); }});
    }
  }
  EXPECT_EQ(read(*image, 0, 101), [] {
    Bytes expected(101, 0x77);
    expected[100] = 100;
    return expected;
  }());
}

}  // namespace
}  // namespace ringshift::machine
