#include "runtime/machine/screen_feed.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace ringshift::machine {
namespace {

using devices::Rows;

constexpr std::uint64_t kFrameNs = 33'000'000;  // between two looks at the screen
// The VGA's cursor blinks every 16 of its 70 frames a second, its characters half as often.
constexpr std::uint64_t kBlinkNs = 8 * 1'000'000'000ULL / 70;
// Rows that did not change between two that did are told along with them.
constexpr unsigned kGap = 16;

devices::Blink blink_at(std::uint64_t now_ns) {
  const std::uint64_t phase = now_ns / kBlinkNs;
  return {(phase & 1) == 0, (phase & 2) == 0};
}

// The lowest `count`.
std::uint64_t bits(unsigned count) { return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1; }

// The blocks of the frame buffer that are shown.
std::uint64_t blocks_of(const devices::PackedRows& packed) {
  const std::uint64_t end = packed.first + std::uint64_t{packed.bytes_per_line} * packed.height;
  const auto first = static_cast<unsigned>(packed.first / FrameWatch::kBlockBytes);
  const std::uint64_t count = (end + FrameWatch::kBlockBytes - 1) / FrameWatch::kBlockBytes - first;
  return bits(static_cast<unsigned>(count)) << first;
}

}  // namespace

ScreenFeed::ScreenFeed(const MachineConfig& config, const devices::Vga& vga, devices::EventQueue& events,
                       FrameWatch& frame)
    : config_(config), vga_(vga), events_(events), frame_(frame), timer_(events.add([this](std::uint64_t) {
        armed_ = false;
        show();
      })) {}

void ScreenFeed::changed() {
  text_changed_ = all_changed_ = true;
  if (config_.screen_output) arm();
}

void ScreenFeed::watch(bool on) {
  if (std::exchange(watched_, on && config_.picture_output) == on) return;
  if (on) {
    picture_ = {};
    all_changed_ = true;
    arm();
  } else {
    frame_.stop();
  }
}

void ScreenFeed::arm() {
  if (std::exchange(armed_, true)) return;
  events_.arm(timer_, events_.clock().now_ns() + kFrameNs);
}

void ScreenFeed::show() {
  show_text();
  if (!watched_) return;
  show_picture();
  arm();  // a frame buffer is looked at again, whether or not anything tells of a change
}

void ScreenFeed::show_text() {
  if (!std::exchange(text_changed_, false) || !config_.screen_output) return;
  config_.screen_output(devices::text_screen(vga_.state()));
}

void ScreenFeed::show_picture() {
  const devices::VgaState& vga = vga_.state();
  const devices::Blink blink = blink_at(events_.clock().now_ns());
  const bool blinked = devices::blinks(vga) && blink != blink_;
  if (std::exchange(all_changed_, unheard_) || blinked) {
    blink_ = blink;
    const devices::PackedRows packed = devices::packed_rows(vga);
    // From here on its writes are awaited.
    if (packed.bytes_per_line != 0) static_cast<void>(frame_.take(blocks_of(packed)));
    fresh_ = devices::vga_picture(vga, blink);
    if (fresh_.width == picture_.width && fresh_.height == picture_.height) return tell({0, picture_.height});
    picture_ = fresh_;
    return config_.picture_output(picture_, {0, picture_.height});
  }
  show_written();
}

// Draws the rows that lie in blocks which have been written.
void ScreenFeed::show_written() {
  const devices::PackedRows packed = devices::packed_rows(vga_.state());
  if (packed.bytes_per_line == 0) return;
  std::uint64_t written = frame_.take(blocks_of(packed));
  const auto row_of = [&](std::uint64_t byte) {
    return byte <= packed.first ? 0 : static_cast<unsigned>((byte - packed.first) / packed.bytes_per_line);
  };
  while (written != 0) {
    const auto first = static_cast<unsigned>(std::countr_zero(written));
    const auto count = static_cast<unsigned>(std::countr_one(written >> first));
    written &= ~(bits(count) << first);
    const std::uint64_t begin = std::uint64_t{first} * FrameWatch::kBlockBytes;
    const std::uint64_t end = begin + std::uint64_t{count} * FrameWatch::kBlockBytes;
    const Rows rows{row_of(begin), std::min(row_of(end - 1) + 1, packed.height)};
    devices::draw_rows(vga_.state(), blink_, rows, fresh_);
    tell(rows);
  }
}

// Of these rows, drawn anew, those that have changed.
void ScreenFeed::tell(Rows rows) {
  Rows run;
  for (unsigned y = rows.first; y < rows.end; ++y) {
    const auto before = picture_.row(y);
    if (std::ranges::equal(std::as_const(fresh_).row(y), before)) continue;
    std::ranges::copy(std::as_const(fresh_).row(y), before.begin());
    if (!run.empty() && y >= run.end + kGap) {
      config_.picture_output(picture_, run);
      run = {};
    }
    if (run.empty()) run.first = y;
    run.end = y + 1;
  }
  if (!run.empty()) config_.picture_output(picture_, run);
}

}  // namespace ringshift::machine
