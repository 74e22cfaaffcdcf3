// What viewers on the network see and do.
#include "cli/vnc_server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <vector>

#include "cli/key_symbols.h"
#include "tests/cli/rfb_client.h"

namespace ringshift::cli {
namespace {

using devices::Picture;
using devices::PointerMove;
using test::RfbClient;

Picture picture_of(unsigned width, unsigned height, std::uint32_t color) {
  return {width, height, std::vector<std::uint32_t>(std::size_t{width} * height, color)};
}

// A server with a guest that remembers what it is told.
class VncTest : public testing::Test {
 protected:
  void TearDown() override {
    if (server) server->stop();
  }

  void serve(VncOptions options = {}) {
    // Whatever else runs here: the first free one.
    for (unsigned display = 200 + static_cast<unsigned>(getpid()) % 500; !server && display < 1000; ++display) {
      options.display = display;
      auto created = VncServer::create(options);
      if (auto* made = std::get_if<std::unique_ptr<VncServer>>(&created)) server = std::move(*made);
      rfb_port = 5900 + static_cast<int>(display);
      web_port = 5800 + static_cast<int>(display);
    }
    ASSERT_NE(server, nullptr);
    server->start({[this](std::span<const machine::Key> some) {
                     tell([&] { keys.insert(keys.end(), some.begin(), some.end()); });
                   },
                   [this](const PointerMove& move) { tell([&] { moves.push_back(move); }); },
                   [this](bool on) {
                     tell([&] { watched = on; });
                     if (on && screen) server->show(*screen, {0, screen->height});
                   }});
  }
  template <class F>
  void tell(F change) {
    const std::lock_guard lock(mutex);
    change();
    told.notify_all();
  }
  template <class F>
  bool becomes(F condition) {
    std::unique_lock lock(mutex);
    return told.wait_for(lock, std::chrono::seconds(20), condition);
  }
  std::vector<std::pair<unsigned, bool>> typed() {
    std::vector<std::pair<unsigned, bool>> out;
    for (const machine::Key& key : keys) out.emplace_back(key.code, key.pressed);
    return out;
  }

  std::mutex mutex;
  std::condition_variable told;
  std::vector<machine::Key> keys;
  std::vector<PointerMove> moves;
  bool watched = false;
  std::optional<Picture> screen;
  std::unique_ptr<VncServer> server;
  int rfb_port = 0, web_port = 0;
};

using Typed = std::vector<std::pair<unsigned, bool>>;

TEST_F(VncTest, ViewersSeeThePicture) {
  screen = picture_of(720, 400, 0x123456);
  screen->row(399)[719] = 0xFF0001;
  serve();
  RfbClient viewer(rfb_port);
  ASSERT_TRUE(viewer.accepted());
  EXPECT_EQ(viewer.width(), 720U);
  EXPECT_EQ(viewer.height(), 400U);
  EXPECT_TRUE(viewer.wait_for(719, 399, 0xFF0001));
  EXPECT_EQ(viewer.pixel(0, 0), 0x123456U);
}

TEST_F(VncTest, OnlyWhatHasChangedIsSent) {
  screen = picture_of(640, 480, 0);
  serve();
  RfbClient viewer(rfb_port);
  ASSERT_TRUE(viewer.update(true));
  const auto before = viewer.received();
  screen->row(100)[8] = 0xFFFFFF;
  server->show(*screen, {96, 112});
  EXPECT_TRUE(viewer.wait_for(8, 100, 0xFFFFFF) && viewer.received() - before < 640U * 480 + 640U * 16);
}

TEST_F(VncTest, TheViewerFollowsTheSizeOfTheScreen) {
  screen = picture_of(640, 480, 0x0000FF);
  serve();
  RfbClient viewer(rfb_port);
  ASSERT_TRUE(viewer.wait_for(0, 0, 0x0000FF));
  screen = picture_of(1024, 768, 0x00FF00);
  server->show(*screen, {0, 768});
  EXPECT_TRUE(viewer.wait_for(1023, 767, 0x00FF00));
  EXPECT_EQ(viewer.width(), 1024U);
}

TEST_F(VncTest, NobodyLooksWithoutViewers) {
  serve();
  EXPECT_FALSE(watched);
  {
    const RfbClient viewer(rfb_port);
    EXPECT_TRUE(becomes([this] { return watched; }));
  }
  EXPECT_TRUE(becomes([this] { return !watched; }));
}

TEST_F(VncTest, KeysArriveAsScanCodes) {
  serve();
  RfbClient viewer(rfb_port);
  for (const auto& [symbol, down] : {std::pair{0xFFE1U, true},
                                     {unsigned{'A'}, true},
                                     {unsigned{'A'}, true},
                                     {unsigned{'A'}, false},
                                     {0xFFE1U, false},
                                     {0xFF52U, true},
                                     {0xFF52U, false}}) {
    viewer.key(symbol, down);
  }
  EXPECT_TRUE(becomes([this] { return keys.size() >= 6; }));
  EXPECT_EQ(typed(), (Typed{{0x2A, true}, {0x1E, true}, {0x1E, false}, {0x2A, false}, {0xE048, true}, {0xE048, false}}))
      << "and the viewer's repetition is left out";
}

TEST_F(VncTest, AViewerThatLeavesHoldsNoKeys) {
  serve();
  {
    RfbClient viewer(rfb_port);
    viewer.key(0xFFE3, true);
    EXPECT_TRUE(becomes([this] { return !keys.empty(); }));
  }
  EXPECT_TRUE(becomes([this] { return keys.size() == 2; }));
  EXPECT_EQ(typed(), (Typed{{0x1D, true}, {0x1D, false}}));
}

TEST_F(VncTest, ThePointerMovesTheMouse) {
  serve();
  RfbClient viewer(rfb_port);
  viewer.pointer(100, 100, 0);
  viewer.pointer(103, 98, 0);
  viewer.pointer(103, 98, 5);
  viewer.pointer(103, 98, 0);
  viewer.pointer(103, 98, 8);
  viewer.pointer(103, 98, 0);
  viewer.pointer(103, 98, 16);
  EXPECT_TRUE(becomes([this] { return moves.size() >= 5; }));
  const std::vector<PointerMove> expected = {{.dx = 3, .dy = -2},
                                             {.buttons = devices::pointer::kLeft | devices::pointer::kRight},
                                             {},
                                             {.wheel = -1},
                                             {.wheel = 1}};
  EXPECT_EQ(moves, expected);
}

TEST_F(VncTest, APasswordIsAskedFor) {
  serve({.password = "secret"});
  EXPECT_TRUE(RfbClient(rfb_port, "secret").accepted());
  EXPECT_FALSE(RfbClient(rfb_port, "guess").accepted());
  EXPECT_FALSE(RfbClient(rfb_port).accepted());
}

TEST_F(VncTest, ATakenPortIsAnError) {
  serve();
  const auto second = VncServer::create({.display = static_cast<unsigned>(rfb_port - 5900)});
  ASSERT_TRUE(std::holds_alternative<std::string>(second));
  EXPECT_NE(std::get<std::string>(second).find("cannot listen on 127.0.0.1"), std::string::npos);
}

// The example of RFC 6455, 1.3.
TEST_F(VncTest, BrowsersComeOverWebsockets) {
  serve();
  const std::string answer = test::ask(rfb_port,
                                       "GET /websockify HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                       "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                       "Origin: http://localhost\r\nSec-WebSocket-Protocol: binary\r\n"
                                       "Sec-WebSocket-Version: 13\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 101")) << answer;
  EXPECT_NE(answer.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n\x82\x0CRFB 003.008\n")) << "a binary frame of 12 bytes";
}

TEST_F(VncTest, AViewersPageIsServed) {
  const auto directory = std::filesystem::path(testing::TempDir()) / ("vnc-web-" + std::to_string(getpid()));
  std::filesystem::create_directories(directory);
  std::ofstream(directory / "vnc.html") << "<p>viewer</p>";
  std::ofstream(directory / "rfb.js") << "export default 1;";
  serve({.web = directory.string()});
  EXPECT_NE(test::ask(web_port, "GET /vnc.html HTTP/1.0\r\n\r\n").find("<p>viewer</p>"), std::string::npos);
  const std::string script = test::ask(web_port, "GET /rfb.js HTTP/1.0\r\n\r\n");
  EXPECT_NE(script.find("application/javascript"), std::string::npos) << script;
  EXPECT_EQ(test::ask(web_port, "GET /../../../../etc/passwd HTTP/1.0\r\n\r\n").find("root:"), std::string::npos);
  std::filesystem::remove_all(directory);
}

TEST(KeySymbols, AreKeysOfAUsKeyboard) {
  EXPECT_EQ(key_of_symbol('a'), 0x1E);
  EXPECT_EQ(key_of_symbol('!'), 0x02);
  EXPECT_EQ(key_of_symbol(' '), 0x39);
  EXPECT_EQ(key_of_symbol(0xFF0D), 0x1C);
  EXPECT_EQ(key_of_symbol(0xFFBE), 0x3B);
  EXPECT_EQ(key_of_symbol(0xFFC9), 0x58);
  EXPECT_EQ(key_of_symbol(0xFFFF), 0xE053);
  EXPECT_EQ(key_of_symbol(0x1000000), std::nullopt);
  EXPECT_EQ(key_of_symbol(0), std::nullopt);
}

TEST(KeySymbols, EveryPrintableCharacterHasAKey) {
  for (std::uint32_t c = ' '; c < 0x7F; ++c) EXPECT_NE(key_of_symbol(c), std::nullopt) << static_cast<char>(c);
}

}  // namespace
}  // namespace ringshift::cli
