// The human monitor's commands, and the line that they are typed in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "cli/line_editor.h"
#include "tests/cli/control_lab.h"

namespace ringshift::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class MonitorTest : public testing::Test {
 protected:
  std::string monitor(std::string_view line) { return lab.execute(line); }
  CpuState& state() { return lab.machine->processor().state; }
  void poke(std::uint32_t address, std::uint32_t value) {
    lab.machine->processor().mmu.physical().write(address, 4, value);
  }
  test::ControlLab lab;
};

TEST_F(MonitorTest, StopsContinuesAndSaysSo) {
  EXPECT_EQ(monitor("info status"), "VM status: running\n");
  EXPECT_EQ(monitor("stop"), "");
  EXPECT_EQ(monitor("info status\r\n"), "VM status: paused\n");
  EXPECT_EQ(monitor("c"), "");
  EXPECT_EQ(monitor("info status"), "VM status: running\n");
}

TEST_F(MonitorTest, SaysWhatItDoesNotKnow) {
  EXPECT_EQ(monitor("dance"), "unknown command: 'dance'\n");
  EXPECT_THAT(monitor("info qtree"), StartsWith("info: nothing is known of 'qtree'"));
  EXPECT_EQ(monitor("eject nothing"), "Error: Device 'nothing' not found\n");
  EXPECT_EQ(monitor("sendkey ctrl-nothing"), "sendkey: no such keys: 'ctrl-nothing'\n");
  EXPECT_THAT(monitor("screendump x.png"), HasSubstr("there is no screen"));
  EXPECT_EQ(monitor(""), "");
}

TEST_F(MonitorTest, HelpNamesEveryCommand) {
  for (const char* name : {"stop", "system_reset", "quit", "xp /FMT", "change"})
    EXPECT_THAT(monitor("help"), HasSubstr(name));
}

TEST_F(MonitorTest, QuitEndsTheRun) {
  monitor("q");
  EXPECT_TRUE(lab.quit);
}

TEST_F(MonitorTest, ShowsMemoryInItsFormats) {
  poke(0x8000, 0x44434241);
  poke(0x8004, 0xFFFFFFFF);
  EXPECT_EQ(monitor("xp /2xw 0x8000"), "00008000: 0x44434241 0xffffffff\n");
  EXPECT_EQ(monitor("x/4c 0x8000"), "00008000: 'A' 'B' 'C' 'D'\n");
  EXPECT_EQ(monitor("x /dw 0x8000+4"), "00008004: -1\n");
  EXPECT_EQ(monitor("x /uh 32768 + 4"), "00008004: 65535\n");
  EXPECT_EQ(monitor("x /xg 0x8000"), "00008000: 0xffffffff44434241\n");
  state().gpr[kEsi] = 0x8001;
  EXPECT_EQ(monitor("x /xb $esi"), "00008001: 0x42\n");
}

TEST_F(MonitorTest, MemoryThatIsNotThereIsSaidToBe) {
  EXPECT_EQ(monitor("xp /xw 0x80000000"), "80000000: Cannot access memory\n");
  EXPECT_EQ(monitor("x /zz 0"), "no such format: 'zz'\n");
  EXPECT_EQ(monitor("x nowhere"), "no address: 'nowhere'\n");
}

TEST_F(MonitorTest, TellsOfPages) {
  EXPECT_EQ(monitor("info mem"), "PG disabled\n");
  poke(0x10000 + 4 * 1, 0x11000 | 7);      // 400000: a table for everybody
  poke(0x11000 + 4 * 2, 0x5000 | 0x63);    // 402000: writable, supervisor, accessed and dirty
  poke(0x11000 + 4 * 3, 0x9000 | 3);       // 403000
  poke(0x11000 + 4 * 4, 0x9000 | 5);       // 404000: read-only, for users
  poke(0x10000 + 4 * 2, 0x800000 | 0x83);  // 800000: 4 MiB
  state().cr3 = 0x10000;
  state().cr0 |= cr0::kPg;
  state().cr4 |= cr4::kPse;
  EXPECT_EQ(monitor("info mem"),
            "00402000-00404000 00002000 -rw\n"
            "00404000-00405000 00001000 ur-\n"
            "00800000-00c00000 00400000 -rw\n");
  EXPECT_THAT(monitor("info tlb"), StartsWith("00402000: 000005000 --DA---W\n"));
  state().cr0 &= ~cr0::kPg;
}

TEST_F(MonitorTest, RegistersAreThoseOfTheDump) {
  state().gpr[kEbx] = 0x5AA5;
  EXPECT_THAT(monitor("info registers"), HasSubstr("ebx 00005aa5"));
}

TEST(MonitorWithFirmware, ListsItsDrives) {
  test::ControlLab lab(true);
  EXPECT_EQ(lab.execute("info block"),
            "ide1-cd0: [not inserted]\n    Removable device: not locked, tray closed\n"
            "floppy0: [not inserted]\n    Removable device: not locked, tray closed\n");
}

// ---- the line ---------------------------------------------------------------------------------

LineEditor::Result type(LineEditor& editor, std::string_view text) {
  return editor.feed({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

TEST(LineEditor, EchoesAndEndsLines) {
  LineEditor editor;
  const auto result = type(editor, "stop\rco");
  EXPECT_EQ(result.echo, "stop\r\nco");
  EXPECT_EQ(result.lines, std::vector<std::string>{"stop"});
  EXPECT_EQ(type(editor, "nt\r").lines, std::vector<std::string>{"cont"});
}

TEST(LineEditor, TakesBackCharactersAndLines) {
  LineEditor editor;
  EXPECT_EQ(type(editor, "ab\x7F\x7F\x7F").echo, "ab\b \b\b \b");
  EXPECT_EQ(type(editor, "xyz\x15q\r").lines, std::vector<std::string>{"q"});
}

}  // namespace
}  // namespace ringshift::cli
