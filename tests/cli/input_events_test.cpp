// QMP's InputEvents become what keyboard and mouse do.
#include "cli/input_events.h"

#include <gtest/gtest.h>

namespace ringshift::cli {
namespace {

using devices::PointerMove;
using nlohmann::json;

std::vector<PointerMove> moves(const char* events, PointerHand& hand) {
  auto read = read_input_events(json::parse(events), 640, 480, hand);
  if (const auto* error = std::get_if<std::string>(&read)) ADD_FAILURE() << *error;
  return std::get<InputEvents>(read).moves;
}

TEST(InputEvents, MovesOfBothAxesAreOne) {
  PointerHand hand;
  EXPECT_EQ(
      moves(R"([{"type":"rel","data":{"axis":"x","value":7}},{"type":"rel","data":{"axis":"y","value":-3}}])", hand),
      (std::vector<PointerMove>{{.dx = 7, .dy = -3}}));
}

TEST(InputEvents, ButtonsAreHeldUntilTheyAreReleased) {
  PointerHand hand;
  EXPECT_EQ(moves(R"([{"type":"btn","data":{"down":true,"button":"left"}}])", hand),
            (std::vector<PointerMove>{{.buttons = devices::pointer::kLeft}}));
  EXPECT_EQ(moves(R"([{"type":"rel","data":{"axis":"x","value":1}},{"type":"btn","data":{"down":true,"button":"right"}},
                      {"type":"rel","data":{"axis":"x","value":2}}])",
                  hand),
            (std::vector<PointerMove>{{.dx = 1, .buttons = 1}, {.buttons = 3}, {.dx = 2, .buttons = 3}}));
  EXPECT_EQ(moves(R"([{"type":"btn","data":{"down":false,"button":"left"}}])", hand),
            (std::vector<PointerMove>{{.buttons = 2}}));
}

TEST(InputEvents, TheWheelTurnsOnceForEachPress) {
  PointerHand hand;
  EXPECT_EQ(moves(R"([{"type":"btn","data":{"down":true,"button":"wheel-down"}},
                      {"type":"btn","data":{"down":false,"button":"wheel-down"}}])",
                  hand),
            (std::vector<PointerMove>{{.wheel = 1}}));
}

TEST(InputEvents, AbsolutePositionsAreTheWayFromTheLast) {
  PointerHand hand;
  EXPECT_TRUE(
      moves(R"([{"type":"abs","data":{"axis":"x","value":0}},{"type":"abs","data":{"axis":"y","value":16384}}])", hand)
          .empty());
  EXPECT_EQ(
      moves(R"([{"type":"abs","data":{"axis":"x","value":16384}},{"type":"abs","data":{"axis":"y","value":32767}}])",
            hand),
      (std::vector<PointerMove>{{.dx = 320, .dy = 239}}));
}

TEST(InputEvents, AnErrorChangesNothing) {
  PointerHand hand;
  const auto read = read_input_events(json::parse(R"([{"type":"btn","data":{"down":true,"button":"left"}},
                                                     {"type":"btn","data":{"down":true,"button":"nose"}}])"),
                                      640, 480, hand);
  EXPECT_EQ(std::get<std::string>(read), "Parameter 'button' does not accept value 'nose'");
  EXPECT_EQ(hand.buttons, 0U);
}

TEST(InputEvents, KeysAreInOrder) {
  PointerHand hand;
  const auto read =
      read_input_events(json::parse(R"([{"type":"key","data":{"down":true,"key":{"type":"qcode","data":"ctrl"}}},
                      {"type":"key","data":{"down":false,"key":{"type":"number","data":29}}}])"),
                        640, 480, hand);
  const auto& keys = std::get<InputEvents>(read).keys;
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0].code, 0x1D);
  EXPECT_TRUE(keys[0].pressed);
  EXPECT_EQ(keys[1].code, 0x1D);
  EXPECT_FALSE(keys[1].pressed);
}

}  // namespace
}  // namespace ringshift::cli
