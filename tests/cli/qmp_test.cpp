// QMP: how commands are found in the stream, what they answer, and which events there are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/json_stream.h"
#include "cli/qmp_commands.h"
#include "cli/qmp_session.h"
#include "tests/cli/control_lab.h"
#include "tests/cli/test_guests.h"

namespace ringshift::cli {
namespace {

using machine::MachineEvent;
using nlohmann::json;
using testing::HasSubstr;

// ---- the stream -------------------------------------------------------------------------------

using Texts = std::vector<std::optional<std::string>>;

TEST(JsonStream, FindsObjectsWithOrWithoutNewlines) {
  JsonStream stream;
  EXPECT_EQ(stream.feed(R"({"a":1}{"b":[2]} )"), (Texts{R"({"a":1})", R"({"b":[2]})"}));
  EXPECT_EQ(stream.feed("\n{\"c\""), Texts{});
  EXPECT_EQ(stream.feed(":3}"), Texts{R"({"c":3})"});
}

TEST(JsonStream, BracesInStringsAreText) {
  JsonStream stream;
  EXPECT_EQ(stream.feed(R"({"a":"}\"}\\"})"), Texts{R"({"a":"}\"}\\"})"});
}

TEST(JsonStream, LeavesOutTheLineOfWhatIsNoObject) {
  JsonStream stream;
  EXPECT_EQ(stream.feed("stop {}\n{}"), (Texts{std::nullopt, "{}"}));
}

TEST(JsonStream, GivesUpOnWhatIsTooDeepOrTooLong) {
  JsonStream stream;
  EXPECT_EQ(stream.feed(std::string(JsonStream::kDeepest + 1, '[') + "\n{}"), (Texts{std::nullopt, "{}"}));
  EXPECT_EQ(stream.feed("{\"" + std::string(JsonStream::kMost, 'a') + "\n{}"), (Texts{std::nullopt, "{}"}));
}

// ---- commands ---------------------------------------------------------------------------------

class Qmp : public testing::Test {
 protected:
  Qmp() {
    lab.on_event = [this](const MachineEvent& event) { session.on_event(event); };
    session.open();
  }
  // All that it has said since the last time.
  std::vector<json> heard() {
    std::vector<json> all;
    std::istringstream lines(std::exchange(said, {}));
    for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line));
    return all;
  }
  // The answer to a command; events before it are in `events`.
  json run(const std::string& name, const json& arguments = json::object()) {
    heard();
    session.receive(json{{"execute", name}, {"arguments", arguments}}.dump());
    auto all = heard();
    if (all.empty()) return nullptr;
    json answer = all.back();
    all.pop_back();
    events.clear();
    for (const json& event : all) events.push_back(event["event"]);
    return answer;
  }
  void negotiate() { EXPECT_EQ(run("qmp_capabilities"), json::parse(R"({"return":{}})")); }
  std::string error(const std::string& name, const json& arguments = json::object()) {
    const json answer = run(name, arguments);
    return answer.contains("error")
               ? answer["error"]["class"].get<std::string>() + ": " + answer["error"]["desc"].get<std::string>()
               : "no error";
  }

  test::ControlLab lab{true};
  std::string said;
  std::vector<std::string> events;
  QmpSession session{*lab.machine,
                     {[this](std::string_view text) { said += text; }, [this] { lab.quit = true; },
                      [this](std::string_view line) { return lab.execute(line); }}};
};

TEST_F(Qmp, GreetsWithItsVersion) {
  const auto greeting = heard();
  ASSERT_EQ(greeting.size(), 1U);
  EXPECT_TRUE(greeting[0]["QMP"]["version"]["qemu"]["major"].is_number());
}

TEST_F(Qmp, NeedsNegotiationFirstAndOnce) {
  EXPECT_THAT(error("query-status"), HasSubstr("CommandNotFound: Expecting capabilities negotiation"));
  negotiate();
  EXPECT_THAT(error("qmp_capabilities"), HasSubstr("already complete"));
}

TEST_F(Qmp, StopsAndContinuesWithEvents) {
  negotiate();
  EXPECT_EQ(run("stop"), json::parse(R"({"return":{}})"));
  EXPECT_EQ(events, std::vector<std::string>{"STOP"});
  EXPECT_EQ(run("query-status")["return"]["status"], "paused");
  run("cont");
  EXPECT_EQ(events, std::vector<std::string>{"RESUME"});
  EXPECT_EQ(run("query-status")["return"]["running"], true);
}

TEST_F(Qmp, AnswersCarryTheIdOfTheirCommand) {
  negotiate();
  session.receive(R"({"execute":"stop","id":{"n":7}})");
  EXPECT_EQ(heard().back()["id"]["n"], 7);
  session.receive(R"({"execute":"nothing","id":8})");
  EXPECT_EQ(heard().back()["id"], 8);
}

TEST_F(Qmp, SaysWhatIsWrong) {
  negotiate();
  EXPECT_EQ(error("nothing"), "CommandNotFound: The command nothing has not been found");
  EXPECT_EQ(error("stop", {{"x", 1}}), "GenericError: Parameter 'x' is unexpected");
  EXPECT_EQ(error("screendump"), "GenericError: Parameter 'filename' is missing");
  EXPECT_EQ(error("screendump", {{"filename", 1}}),
            "GenericError: Invalid parameter type for 'filename', expected: string");
  EXPECT_EQ(error("eject", {{"device", "tape0"}}), "DeviceNotFound: Device 'tape0' not found");
  session.receive("[]");
  EXPECT_EQ(heard()[0]["error"]["desc"], "QMP input must be a JSON object");
  session.receive("{\"execute\"}");
  EXPECT_EQ(heard()[0]["error"]["desc"], "JSON parse error, invalid input");
  session.receive(R"({"id":1})");
  EXPECT_EQ(heard()[0]["error"]["desc"], "QMP input lacks member 'execute'");
}

TEST_F(Qmp, NamesItsCommands) {
  negotiate();
  const json commands = run("query-commands")["return"];
  EXPECT_EQ(commands.size(), qmp_commands().size() + 2);
}

TEST_F(Qmp, QuitEndsTheRunAndTellsWhy) {
  negotiate();
  run("quit");
  EXPECT_TRUE(lab.quit);
  const machine::RunEnd end;
  session.on_event({MachineEvent::Kind::ended, {}, {}, &end});
  const json event = heard().back();
  EXPECT_EQ(event["event"], "SHUTDOWN");
  EXPECT_EQ(event["data"], json::parse(R"({"guest":false,"reason":"host-qmp-quit"})"));
}

TEST_F(Qmp, MediaComeAndGo) {
  negotiate();
  const test::Folder folder;
  const std::string iso = folder.write("disc.iso", std::vector<std::uint8_t>(4096));
  json drives = run("query-block")["return"];
  ASSERT_EQ(drives.size(), 2U);
  EXPECT_EQ(drives[0]["device"], "ide1-cd0");
  EXPECT_FALSE(drives[0].contains("inserted"));
  EXPECT_EQ(error("blockdev-change-medium", {{"id", "ide1-cd0"}, {"filename", iso}}), "no error");
  drives = run("query-block")["return"];
  EXPECT_EQ(drives[0]["inserted"]["file"], iso);
  EXPECT_EQ(drives[0]["inserted"]["ro"], true);
  EXPECT_EQ(error("eject", {{"device", "ide1-cd0"}}), "no error");
  drives = run("query-block")["return"];
  EXPECT_EQ(drives[0]["tray_open"], true);
  EXPECT_FALSE(drives[0].contains("inserted"));
  EXPECT_THAT(error("blockdev-change-medium", {{"id", "ide1-cd0"}, {"filename", iso + "x"}}), HasSubstr("disc.isox"));
}

TEST_F(Qmp, KeysAreKnownByNameOrNumber) {
  negotiate();
  EXPECT_EQ(error("send-key", json::parse(R"({"keys":[{"type":"qcode","data":"ctrl"},{"type":"number","data":46}]})")),
            "no error");
  EXPECT_EQ(error("send-key", json::parse(R"({"keys":[{"type":"qcode","data":"any"}]})")),
            "GenericError: Invalid parameter 'any'");
  EXPECT_EQ(error("input-send-event", json::parse(R"({"events":[{"type":"btn","data":{}}]})")),
            "GenericError: a button event needs members 'down' and 'button'");
  EXPECT_EQ(error("input-send-event", json::parse(R"({"events":[{"type":"rel","data":{"axis":"x","value":5}},
                                                                {"type":"mtt","data":{}}]})")),
            "GenericError: Parameter 'type' does not accept value 'mtt'");
  EXPECT_EQ(error("input-send-event", json::parse(R"({"events":[{"type":"abs","data":{"axis":"x","value":5}}]})")),
            "no error");
}

TEST_F(Qmp, TheScreenGoesToAPngFile) {
  negotiate();
  const test::Folder folder;
  EXPECT_EQ(error("screendump", {{"filename", folder.path("screen.png")}}), "no error");
  std::string start(4, ' ');
  std::ifstream(folder.path("screen.png"), std::ios::binary).read(start.data(), 4);
  EXPECT_EQ(start, "\x89PNG");
}

TEST_F(Qmp, HasTheHumanMonitorToo) {
  negotiate();
  EXPECT_EQ(run("human-monitor-command", {{"command-line", "info status"}})["return"], "VM status: running\n");
}

TEST_F(Qmp, ThePowerButtonIsToldOf) {
  negotiate();
  run("system_powerdown");
  EXPECT_EQ(events, std::vector<std::string>{"POWERDOWN"});
}

}  // namespace
}  // namespace ringshift::cli
