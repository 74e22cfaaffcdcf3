// The debugger's and QMP's protocols against mutations of what their peers really send. A failure names its seed.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "cli/gdb_packets.h"
#include "tests/fuzz/fuzz_control.h"

namespace ringshift::fuzz {
namespace {

constexpr unsigned kPeers = 1500;

constexpr std::string_view kPackets[] = {"qSupported:multiprocess+;swbreak+",
                                         "QStartNoAckMode",
                                         "?",
                                         "g",
                                         "G00112233445566778899aabb",
                                         "p8",
                                         "P8=00001000",
                                         "P1a=0000000000000000003f",
                                         "m100000,40",
                                         "m0,ffffffff",
                                         "mfffffffe,10",
                                         "M100000,4:90909090",
                                         "X100000,2:}\x03}\x04",
                                         "Z0,100000,1",
                                         "Z2,2000,4",
                                         "z0,100000,1",
                                         "Z4,0,ffffffff",
                                         "qXfer:features:read:target.xml:0,fff",
                                         "qXfer:features:read:target.xml:ffffffff,fff",
                                         "qRcmd,696e666f20726567697374657273",
                                         "qRcmd,782f38787720246569702b34",
                                         "vCont?",
                                         "vCont;s:1;c",
                                         "s",
                                         "c100000",
                                         "R00",
                                         "Hg0",
                                         "qfThreadInfo",
                                         "qAttached"};

constexpr std::string_view kCommands[] = {
    R"({"execute":"qmp_capabilities"})",
    R"({"execute":"qmp_capabilities","arguments":{"enable":[]},"id":1})",
    R"({"execute":"query-status","id":{"a":[1,2]}})",
    R"({"execute":"query-block"})",
    R"({"execute":"query-commands"})",
    R"({"execute":"stop"}{"execute":"cont"})",
    R"({"execute":"system_reset"})",
    R"({"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"ctrl"},{"type":"number","data":46}]}})",
    R"({"execute":"input-send-event","arguments":{"events":[{"type":"btn","data":{"down":true,"button":"left"}}]}})",
    R"({"execute":"input-send-event","arguments":{"events":[{"type":"rel","data":{"axis":"x","value":-7}}]}})",
    R"({"execute":"input-send-event","arguments":{"events":[{"type":"abs","data":{"axis":"y","value":32767}}]}})",
    R"({"execute":"inject-nmi"})",
    R"({"execute":"input-send-event","arguments":{"events":[{"type":"key","data":{"down":true,"key":{"type":"qcode","data":"a"}}}]}})",
    R"({"execute":"eject","arguments":{"device":"ide1-cd0","force":true}})",
    R"({"execute":"blockdev-change-medium","arguments":{"id":"floppy0","filename":"nothing.img"}})",
    R"({"execute":"human-monitor-command","arguments":{"command-line":"info mem"}})",
    R"({"execute":"human-monitor-command","arguments":{"command-line":"xp /300xb 0x100000-1"}})",
    R"({"execute":"human-monitor-command","arguments":{"command-line":"sendkey ctrl-alt-\u0000"}})",
    R"([1,{"execute":"quit"}])",
    "\n{]\n",
    R"("text with \"quotes\" and { braces")"};

void mutate(std::string& bytes, std::mt19937& random) {
  const unsigned edits = random() % 8;
  for (unsigned i = 0; i < edits && !bytes.empty(); ++i) {
    const std::size_t at = random() % bytes.size();
    switch (random() % 4) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(at, 1 + random() % 8);
        break;
      case 2:
        bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 16));
        break;
      default:
        bytes.insert(at, 1, "{}[]\"\\:,#$}*+-\x03"[random() % 15]);
        break;
    }
  }
}

std::string gdb_peer(std::mt19937& random) {
  std::string bytes;
  const auto packets = 1 + random() % 12;
  for (unsigned i = 0; i < packets; ++i) {
    std::string payload(kPackets[random() % std::size(kPackets)]);
    // Half of the damage is inside of well-formed packets.
    if (random() % 2 == 0) mutate(payload, random);
    bytes += (random() % 4 == 0 ? "+" : "") + cli::gdb_frame(payload);
  }
  return bytes;
}

std::string qmp_peer(std::mt19937& random) {
  std::string bytes(random() % 8 == 0 ? "" : kCommands[0]);
  const auto commands = 1 + random() % 12;
  for (unsigned i = 0; i < commands; ++i) {
    bytes += kCommands[random() % std::size(kCommands)];
    if (random() % 2 == 0) bytes += '\n';
  }
  return bytes;
}

class Peers : public testing::TestWithParam<bool> {};

TEST_P(Peers, GetWellFormedAnswersToWhateverTheySend) {
  for (std::uint32_t seed = 1; seed <= kPeers; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(2 * seed + (GetParam() ? 1 : 0));
    std::string bytes = GetParam() ? gdb_peer(random) : qmp_peer(random);
    if (random() % 2 == 0) mutate(bytes, random);
    std::vector<std::uint8_t> input{GetParam() ? std::uint8_t{1} : std::uint8_t{0},
                                    static_cast<std::uint8_t>(random())};
    input.insert(input.end(), bytes.begin(), bytes.end());
    EXPECT_EQ(LLVMFuzzerTestOneInput(input.data(), input.size()), 0);
  }
}
INSTANTIATE_TEST_SUITE_P(Both, Peers, testing::Bool(), [](const auto& gdb) { return gdb.param ? "gdb" : "qmp"; });

}  // namespace
}  // namespace ringshift::fuzz
