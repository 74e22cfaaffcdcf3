// The remote serial protocol: its packets, and what the stub answers.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/gdb_packets.h"
#include "cli/gdb_registers.h"
#include "cli/gdb_stub.h"
#include "tests/cli/control_lab.h"

namespace ringshift::cli {
namespace {

using Item = GdbPackets::Item;
using machine::MachineEvent;
using testing::HasSubstr;
using testing::StartsWith;

// ---- packets ----------------------------------------------------------------------------------

TEST(GdbPackets, AreTakenOutOfTheirFrames) {
  GdbPackets packets;
  const auto items = packets.feed("+$g#67noise$m0,4#fd");
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].data, "g");
  EXPECT_EQ(items[1].data, "m0,4");
}

TEST(GdbPackets, MayArriveInPieces) {
  GdbPackets packets;
  for (const char c : std::string("$g#6")) EXPECT_TRUE(packets.feed({&c, 1}).empty());
  ASSERT_EQ(packets.feed("7").size(), 1U);
}

TEST(GdbPackets, WithAWrongSumAreBroken) {
  GdbPackets packets;
  EXPECT_EQ(packets.feed("$g#68")[0].kind, Item::Kind::broken);
  EXPECT_EQ(packets.feed("$g#6x")[0].kind, Item::Kind::broken);
  EXPECT_EQ(packets.feed("$g#67")[0].kind, Item::Kind::packet);
}

TEST(GdbPackets, ThatAreTooLongAreBroken) {
  GdbPackets packets;
  const auto items = packets.feed(gdb_frame(std::string(GdbPackets::kMost + 1, 'a')));
  ASSERT_EQ(items.size(), 1U);
  EXPECT_EQ(items[0].kind, Item::Kind::broken);
}

TEST(GdbPackets, CtrlCStandsBetweenThem) {
  GdbPackets packets;
  EXPECT_EQ(packets.feed("\x03")[0].kind, Item::Kind::interrupt);
}

TEST(GdbPackets, EscapeWhatFramesAreMadeOf) {
  GdbPackets packets;
  const std::string bytes = "a$b#c}d*e";
  EXPECT_EQ(gdb_frame("#"), "$}\x03#80");
  EXPECT_EQ(packets.feed(gdb_frame(bytes))[0].data, bytes);
}

TEST(GdbNumbers, AreHexadecimalAndHave32Bits) {
  std::string_view text = "Ff,";
  EXPECT_EQ(take_hex(text), 255U);
  EXPECT_EQ(text, ",");
  EXPECT_FALSE(take_hex(text));
  text = "100000000";
  EXPECT_FALSE(take_hex(text));
  EXPECT_EQ(from_hex("6162"), "ab");
  EXPECT_FALSE(from_hex("6"));
  EXPECT_FALSE(from_hex("6g"));
}

// ---- the stub ---------------------------------------------------------------------------------

class Stub : public testing::Test {
 protected:
  Stub() {
    lab.on_event = [this](const MachineEvent& event) { stub.on_event(event); };
    stub.open();
  }
  // What it answers to a packet, without the frame.
  std::string ask(std::string_view payload) {
    said.clear();
    stub.receive(gdb_frame(payload));
    GdbPackets packets;
    std::string all;
    for (const Item& item : packets.feed(said)) all += item.data;
    return all;
  }
  CpuState& state() { return lab.machine->processor().state; }

  test::ControlLab lab;
  std::string said;
  GdbStub stub{*lab.machine,
               {[this](std::string_view text) { said += text; }, [this] { disconnected = true; },
                [this] { lab.quit = true; }, [this](std::string_view line) { return lab.execute(line); }}};
  bool disconnected = false;
};

TEST_F(Stub, StopsTheGuestWhenADebuggerComesAndLetsItGo) {
  EXPECT_TRUE(lab.machine->stopped());
  EXPECT_EQ(ask("?"), "T02thread:1;");
  stub.close();
  EXPECT_FALSE(lab.machine->stopped());
}

TEST_F(Stub, AcknowledgesUntilItIsToldNotTo) {
  ask("QStartNoAckMode");
  EXPECT_EQ(said, "+$OK#9a");
  ask("qC");
  EXPECT_THAT(said, StartsWith("$QC1#"));
}

TEST_F(Stub, AsksForABrokenPacketAgainAndRepeatsItsOwn) {
  stub.receive("$g#00");
  EXPECT_EQ(said, "-");
  ask("qC");
  const std::string answer = said.substr(1);
  said.clear();
  stub.receive("-");
  EXPECT_EQ(said, answer);
}

TEST_F(Stub, TellsRegistersInTheOrderOfItsDescription) {
  state().gpr[kEax] = 0x12345678;
  state().eip = 0xC0100000;
  const std::string all = ask("g");
  EXPECT_EQ(all.substr(0, 8), "78563412");
  EXPECT_EQ(all.substr(8 * 8, 8), "000010c0");
  EXPECT_EQ(ask("p8"), "000010c0");
  EXPECT_EQ(ask("p1000"), "E45");
  EXPECT_EQ(all.size(), 2 * gdb_registers(state()).size());
}

TEST_F(Stub, DescribesItsRegistersInPieces) {
  std::string xml;
  while (true) {
    const std::string piece = ask("qXfer:features:read:target.xml:" + fmt::format("{:x}", xml.size()) + ",100");
    xml += piece.substr(1);
    if (piece[0] == 'l') break;
    ASSERT_EQ(piece[0], 'm');
  }
  EXPECT_EQ(xml, gdb_target_description());
  EXPECT_THAT(xml, HasSubstr("<reg name=\"cr3\" bitsize=\"32\""));
}

TEST_F(Stub, WritesRegistersButNotThoseThatMakeAMode) {
  EXPECT_EQ(ask("P8=00001000"), "OK");
  EXPECT_EQ(state().eip, 0x100000U);
  EXPECT_EQ(ask("Pa=3412"), "E22") << "too short";
  EXPECT_EQ(ask("Pa=34120000"), "E22") << "cs in protected mode";
  const std::string all = ask("g");
  EXPECT_EQ(ask("G" + all), "OK") << "what is there already";
  EXPECT_EQ(ask("Gffffffff" + all.substr(8)), "OK");
  EXPECT_EQ(state().gpr[kEax], 0xFFFFFFFF);
}

TEST_F(Stub, ReadsAndWritesMemory) {
  EXPECT_EQ(ask("M8000,3:0a0b0c"), "OK");
  EXPECT_EQ(ask("m8000,3"), "0a0b0c");
  EXPECT_EQ(ask(std::string("X8000,2:\x7F") + '\0'), "OK");
  EXPECT_EQ(ask("m8000,3"), "7f000c");
  EXPECT_EQ(ask("m80000000,4"), "E14") << "nothing is there";
  EXPECT_EQ(ask("m1ffffe,4").size(), 4U) << "as much as there is";
  EXPECT_EQ(ask("M8000,3:0a0b"), "E22");
}

TEST_F(Stub, ReportsWhyTheGuestStopped) {
  using Cause = MachineEvent::Cause;
  ask("Z0,8000,1");
  said.clear();
  ask("vCont;c");
  EXPECT_FALSE(lab.machine->stopped());
  EXPECT_EQ(said, "+") << "the answer is the next stop";
  stub.receive("\x03");
  EXPECT_THAT(said, HasSubstr("$T02thread:1;#"));
  ask("c");
  state().eip = 0x8000;
  stub.on_event({MachineEvent::Kind::stopped, Cause::breakpoint});
  EXPECT_THAT(said, HasSubstr("T05swbreak:;thread:1;"));
  ask("c");
  stub.on_event({MachineEvent::Kind::stopped, Cause::watchpoint, {0x1234, 4, false, true}});
  EXPECT_THAT(said, HasSubstr("T05watch:1234;"));
}

TEST_F(Stub, RefusesPointsThatItDoesNotHave) {
  EXPECT_EQ(ask("Z5,0,1"), "");
  EXPECT_EQ(ask("Z2,0,0"), "E22");
  EXPECT_EQ(ask("Z0,zz,1"), "E22");
  EXPECT_EQ(ask("z0,8000,1"), "OK") << "gone is gone";
}

TEST_F(Stub, GivesMonitorCommandsToTheMonitor) {
  const std::string answer = ask("qRcmd," + to_hex("info status"));
  EXPECT_EQ(answer, "O" + to_hex("VM status: paused\n") + "OK");
}

TEST_F(Stub, DetachesAndKills) {
  EXPECT_EQ(ask("D"), "OK");
  EXPECT_TRUE(disconnected);
  EXPECT_FALSE(lab.machine->stopped());
  stub.open();
  ask("k");
  EXPECT_TRUE(lab.quit);
}

TEST_F(Stub, KnowsNothingOfOtherPackets) { EXPECT_EQ(ask("vMustReplyEmpty"), ""); }

// ---- tags -------------------------------------------------------------------------------------

TEST(GdbRegisters, TagsTellWhatTheStackHolds) {
  CpuState s;
  s.fx[4] = 0x03;  // physical registers 0 and 1; TOP is 0
  s.fx[32 + 7] = 0x80;
  s.fx[32 + 9] = 0x3F;
  s.fx[32 + 8] = 0xFF;  // st0 is 1.0, st1 is 0
  const auto tags = gdb_register(s, 26);
  ASSERT_TRUE(tags);
  EXPECT_EQ(to_hex(*tags), "f4ff0000");
}

}  // namespace
}  // namespace ringshift::cli
