// What the guest gets of what is typed at a raw terminal.
#include "cli/escape_filter.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace ringshift::cli {
namespace {

using Command = EscapeFilter::Command;
using Commands = std::vector<Command>;

struct Typed {
  std::string guest;
  Commands commands;
};

// Types each text as one read of the terminal.
template <class... Text>
Typed type(Text... texts) {
  EscapeFilter filter;
  Typed all;
  for (const std::string_view text : {std::string_view(texts)...}) {
    const auto result = filter.feed({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    all.guest.append(result.bytes.begin(), result.bytes.end());
    all.commands.insert(all.commands.end(), result.commands.begin(), result.commands.end());
  }
  return all;
}

TEST(EscapeFilter, PassesWhatIsNoCommand) {
  const Typed typed = type("ls -l\r\x03\x1B[Ax");
  EXPECT_EQ(typed.guest, "ls -l\r\x03\x1B[Ax");
  EXPECT_TRUE(typed.commands.empty());
}

TEST(EscapeFilter, CtrlAXQuitsAndWhatFollowsIsNotRead) {
  const Typed typed = type("ab\x01xcd");
  EXPECT_EQ(typed.guest, "ab");
  EXPECT_EQ(typed.commands, Commands{Command::quit});
}

TEST(EscapeFilter, ACommandMayComeInTwoReads) { EXPECT_EQ(type("\x01", "x").commands, Commands{Command::quit}); }

TEST(EscapeFilter, CtrlATwiceSendsItOnce) {
  EXPECT_EQ(type("\x01\x01x").guest, "\x01x");
  EXPECT_EQ(type("\x01", "\x01", "\x01", "\x01").guest, "\x01\x01");
  EXPECT_TRUE(type("\x01\x01x").commands.empty());
}

TEST(EscapeFilter, KnowsTheOtherCommands) {
  const Typed typed = type("\x01z1\x01h2\x01?3\x01", "c");
  EXPECT_EQ(typed.guest, "123");
  EXPECT_EQ(typed.commands, (Commands{Command::suspend, Command::help, Command::help, Command::monitor}));
}

TEST(EscapeFilter, DropsWhatItDoesNotKnow) {
  const Typed typed = type("1\x01q2");
  EXPECT_EQ(typed.guest, "12");
  EXPECT_TRUE(typed.commands.empty());
}

}  // namespace
}  // namespace ringshift::cli
