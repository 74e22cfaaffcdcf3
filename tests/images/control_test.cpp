// What monitors tell of images, and how they put them in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "cli/qmp_session.h"
#include "tests/cli/control_lab.h"
#include "tests/images/image_lab.h"

namespace ringshift::machine {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ImageControl : public ImageLab {
 protected:
  ImageControl() {
    EXPECT_EQ(run("truncate -s 1440k base.img && qemu-img create -q -f qcow2 -b base.img -F raw top.qcow2"), "");
    session.open();
    qmp("qmp_capabilities");
  }
  json qmp(const std::string& command, const json& arguments = json::object()) {
    said.clear();
    session.receive(json{{"execute", command}, {"arguments", arguments}}.dump());
    return json::parse(said.substr(0, said.find('\n')));
  }

  test::ControlLab lab{true};
  std::string said;
  cli::QmpSession session{*lab.machine,
                          {[this](std::string_view text) { said += text; }, [] {},
                           [this](std::string_view line) { return lab.execute(line); }}};
};

TEST_F(ImageControl, QueryBlockTellsFormatAndBackingFile) {
  EXPECT_TRUE(qmp("blockdev-change-medium", {{"id", "floppy0"}, {"filename", path("top.qcow2")}}).contains("return"));
  const json drive = qmp("query-block")["return"][1];
  EXPECT_EQ(drive["io-status"], "ok");
  const json& inserted = drive["inserted"];
  EXPECT_EQ(inserted["drv"], "qcow2");
  EXPECT_EQ(inserted["file"], path("top.qcow2"));
  EXPECT_EQ(inserted["backing_file"], path("base.img"));
  EXPECT_EQ(inserted["backing_file_depth"], 1);
  const json& image = inserted["image"];
  EXPECT_EQ(image["format"], "qcow2");
  EXPECT_EQ(image["virtual-size"], 1440 * 1024);
  EXPECT_EQ(image["cluster-size"], 65536);
  EXPECT_EQ(image["backing-filename"], "base.img");
  EXPECT_EQ(image["full-backing-filename"], path("base.img"));
  EXPECT_EQ(image["backing-filename-format"], "raw");
  EXPECT_EQ(image["backing-image"]["format"], "raw");
  EXPECT_THAT(lab.execute("info block"),
              HasSubstr("top.qcow2 (qcow2, 1474560 bytes)\n    Backing file: " + path("base.img")));
}

TEST_F(ImageControl, TheFormatMayBeSaid) {
  ASSERT_EQ(run("qemu-img create -q -f qcow2 disk.img 1440k"), "");
  const auto change = [this](const std::string& format) {
    json arguments{{"id", "floppy0"}, {"filename", path("disk.img")}};
    if (!format.empty()) arguments["format"] = format;
    const json answer = qmp("blockdev-change-medium", arguments);
    return answer.contains("error") ? answer["error"]["desc"].get<std::string>() : "";
  };
  EXPECT_THAT(change(""), HasSubstr("say format=qcow2 or format=raw"));
  EXPECT_EQ(change("vmdk"), "Unknown driver 'vmdk'");
  EXPECT_EQ(change("qcow2"), "");
  EXPECT_EQ(qmp("query-block")["return"][1]["inserted"]["drv"], "qcow2");
  EXPECT_THAT(lab.execute("change floppy0 " + path("disk.img") + " vdi"), HasSubstr("the formats are"));
}

// What a guest has written to a disk that was ejected is in its file.
TEST_F(ImageControl, EjectingClosesTheImage) {
  EXPECT_TRUE(qmp("blockdev-change-medium", {{"id", "floppy0"}, {"filename", path("top.qcow2")}}).contains("return"));
  EXPECT_THAT(error("top.qcow2"), HasSubstr("is in use"));
  EXPECT_TRUE(qmp("eject", {{"device", "floppy0"}}).contains("return"));
  EXPECT_EQ(error("top.qcow2"), "");
}

}  // namespace
}  // namespace ringshift::machine
