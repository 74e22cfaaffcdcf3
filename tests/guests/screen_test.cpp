// A guest goes through the video modes of SeaBIOS's VGA BIOS, and somebody looks.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <thread>

#include "runtime/machine/machine.h"

namespace ringshift::machine {
namespace {

using devices::Picture;
using devices::Rows;

constexpr const char* kBios = "/usr/share/seabios/bios-256k.bin";
constexpr const char* kVgaBios = "/usr/share/seabios/vgabios-stdvga.bin";

std::vector<std::uint8_t> contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The VGA's first 16 colours, as its BIOS sets them; 256 of mode 13h begin with the same.
std::uint32_t standard_color(unsigned i) {
  constexpr std::uint32_t kDark[] = {0x000000, 0x0000AA, 0x00AA00, 0x00AAAA, 0xAA0000, 0xAA00AA, 0xAA5500, 0xAAAAAA};
  return i < 8 ? kDark[i] : (i == 14 ? 0xFFFF55 : kDark[i - 8] + 0x555555);
}

class ScreenGuest : public testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kBios) || !std::filesystem::exists(kVgaBios)) {
      GTEST_SKIP() << "Debian's package seabios is not installed";
    }
    floppy_ = std::filesystem::path(testing::TempDir()) / ("screen-guest-" + std::to_string(getpid()));
    std::filesystem::copy_file(SCREEN_GUEST, floppy_, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(floppy_, 1440 * kKiB);
    MachineConfig config;
    config.memory_bytes = 16 * kMiB;
    config.engine = GetParam();
    config.timeout_ns = 100'000'000'000;
    config.firmware = Firmware{contents(kBios), contents(kVgaBios), BootDevice::floppy, false};
    auto image = DiskImage::open(floppy_, {});
    ASSERT_TRUE(std::holds_alternative<std::shared_ptr<DiskImage>>(image)) << std::get<std::string>(image);
    config.floppy = std::get<std::shared_ptr<DiskImage>>(image);
    config.serial_output = [this](std::span<const std::uint8_t> bytes) {
      change([&] { said_.append(bytes.begin(), bytes.end()); });
    };
    config.picture_output = [this](const Picture& picture, Rows rows) {
      change([&] {
        if (picture_.width != picture.width || picture_.height != picture.height) {
          picture_ = picture;
        } else {
          for (unsigned y = rows.first; y < rows.end; ++y) std::ranges::copy(picture.row(y), picture_.row(y).begin());
        }
        rows_told_ += rows.end - rows.first;
      });
    };
    auto created = Machine::create(std::move(config));
    ASSERT_TRUE(std::holds_alternative<std::unique_ptr<Machine>>(created)) << std::get<std::string>(created);
    machine_ = std::move(std::get<std::unique_ptr<Machine>>(created));
    thread_ = std::thread([this] { machine_->run(); });
  }
  void TearDown() override {
    if (machine_) machine_->request_stop();
    if (thread_.joinable()) thread_.join();
    std::filesystem::remove(floppy_);
  }

  template <class F>
  void change(F what) {
    const std::lock_guard lock(mutex_);
    what();
    changed_.notify_all();
  }
  template <class F>
  [[nodiscard]] bool becomes(F condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(90), condition);
  }
  // The guest has drawn picture `letter`.
  [[nodiscard]] bool draws(char letter) {
    return becomes([&] { return said_.ends_with(letter); });
  }
  void next() {
    const Key enter[] = {{0x1C, true}, {0x1C, false}};
    machine_->keyboard_input(enter);
  }
  // A viewer sees the pixel in this colour, of a picture with this width.
  [[nodiscard]] bool shows(unsigned width, unsigned x, unsigned y, std::uint32_t color) {
    return becomes([&] { return picture_.width == width && std::as_const(picture_).row(y)[x] == color; });
  }
  [[nodiscard]] std::uint32_t pixel(unsigned x, unsigned y) {
    const std::lock_guard lock(mutex_);
    return std::as_const(picture_).row(y)[x];
  }

  std::filesystem::path floppy_;
  std::unique_ptr<Machine> machine_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string said_;
  Picture picture_;
  std::uint64_t rows_told_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Engines, ScreenGuest, testing::Values(EngineKind::translate, EngineKind::interpret),
                         [](const auto& kind) {
                           return kind.param == EngineKind::translate ? "translate" : "interpret";
                         });

TEST_P(ScreenGuest, ViewersFollowItsPictures) {
  machine_->watch_screen(true);
  ASSERT_TRUE(draws('a'));
  ASSERT_TRUE(shows(320, 15, 0, standard_color(15)));
  for (unsigned i = 0; i < 16; ++i) EXPECT_EQ(pixel(i, 0), standard_color(i));
  EXPECT_EQ(pixel(319, 199), pixel((199 * 320 + 319) % 256, 0));

  next();
  ASSERT_TRUE(draws('b'));
  ASSERT_TRUE(shows(640, 639, 479, standard_color(1)));
  for (unsigned y = 0; y < 480; ++y) ASSERT_EQ(pixel(y, y), standard_color((480 - y) % 16));

  next();
  ASSERT_TRUE(draws('c'));
  ASSERT_TRUE(shows(1024, 1023, 767, 1024 * 768 - 1));
  for (unsigned i = 0; i < 1024 * 768; i += 997) ASSERT_EQ(pixel(i % 1024, i / 1024), i);

  const std::uint64_t before = rows_told_;
  next();
  ASSERT_TRUE(draws('d'));
  ASSERT_TRUE(shows(1024, 7, 500, 0xFF00FF));
  EXPECT_EQ(rows_told_ - before, 1U) << "of one pixel a row is told";

  next();
  ASSERT_TRUE(draws('e'));
  ASSERT_TRUE(shows(1024, 1023, 767, 1));
  EXPECT_EQ(pixel(7, 500), 1U);

  next();
  ASSERT_TRUE(draws('f'));
  ASSERT_TRUE(becomes([&] { return picture_.width == 720; }));
}

TEST_P(ScreenGuest, AViewerWhoComesLateSeesAll) {
  ASSERT_TRUE(draws('a'));
  next();
  ASSERT_TRUE(draws('b'));
  next();
  ASSERT_TRUE(draws('c'));
  EXPECT_EQ(rows_told_, 0U) << "nobody looked";
  machine_->watch_screen(true);
  ASSERT_TRUE(shows(1024, 1023, 767, 1024 * 768 - 1));
  machine_->watch_screen(false);
  next();
  ASSERT_TRUE(draws('d'));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(pixel(7, 500), 500U * 1024 + 7) << "a viewer who has gone sees nothing";
  machine_->watch_screen(true);
  ASSERT_TRUE(shows(1024, 7, 500, 0xFF00FF));
}

}  // namespace
}  // namespace ringshift::machine
