#include "tests/fuzz/fuzz_control.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "cli/gdb_stub.h"
#include "cli/monitor.h"
#include "cli/qmp_session.h"
#include "tests/support/boot_images.h"

namespace {

using namespace ringshift;  // NOLINT(google-build-using-namespace): as short as a fuzz entry may be

void require(bool fact) {
  if (!fact) std::abort();
}

std::unique_ptr<machine::Machine> make_machine() {
  machine::MachineConfig config;
  config.memory_bytes = 2 * machine::kMiB;
  config.engine = machine::EngineKind::interpret;
  config.virtual_time = true;
  config.kernel = {"kernel", test::small_multiboot_addresses()};
  auto created = machine::Machine::create(std::move(config));
  require(std::holds_alternative<std::unique_ptr<machine::Machine>>(created));
  return std::get<std::unique_ptr<machine::Machine>>(std::move(created));
}

// In pieces of a size that `cut` says; 0: all at once.
template <class Session>
void feed(Session& session, std::string_view bytes, std::size_t cut) {
  session.open();
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, cut == 0 ? bytes.size() : cut);
    session.receive(piece);
    bytes.remove_prefix(piece.size());
  }
  session.close();
}

std::string talk_gdb(std::string_view bytes, std::size_t cut) {
  const auto machine = make_machine();
  std::string said;
  cli::Monitor monitor(*machine, [] {});
  cli::GdbStub stub(*machine, {[&said](std::string_view text) { said += text; }, [] {}, [] {},
                               [&monitor](std::string_view line) { return monitor.execute(line); }});
  feed(stub, bytes, cut);
  return said;
}

std::string talk_qmp(std::string_view bytes, std::size_t cut) {
  const auto machine = make_machine();
  std::string said;
  cli::Monitor monitor(*machine, [] {});
  cli::QmpSession session(*machine, {[&said](std::string_view text) { said += text; }, [] {},
                                     [&monitor](std::string_view line) { return monitor.execute(line); }});
  feed(session, bytes, cut);
  return said;
}

// Whole packets with the right sums.
void check_gdb(std::string_view said) {
  cli::GdbPackets packets;
  for (const auto& item : packets.feed(said)) require(item.kind != cli::GdbPackets::Item::Kind::broken);
}

// A line is an object, and is the greeting or an answer.
void check_qmp(std::string_view said) {
  while (!said.empty()) {
    const std::size_t end = said.find("\r\n");
    require(end != std::string_view::npos);
    const auto value = nlohmann::json::parse(said.substr(0, end), nullptr, false);
    require(value.is_object());
    require(value.contains("return") + value.contains("error") + value.contains("QMP") == 1);
    said.remove_prefix(end + 2);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const bool gdb = (data[0] & 1) != 0;
  const std::string whole = gdb ? talk_gdb(bytes, 0) : talk_qmp(bytes, 0);
  gdb ? check_gdb(whole) : check_qmp(whole);
  // However it arrives, the answers are the same.
  const std::size_t cut = 1 + data[1] % 16;
  require((gdb ? talk_gdb(bytes, cut) : talk_qmp(bytes, cut)) == whole);
  return 0;
}
