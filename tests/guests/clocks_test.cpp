// All clocks of a machine, as a guest reads them, agree with each other. In virtual time, where nothing is ever late.
#include <cmath>
#include <map>
#include <sstream>

#include "tests/guests/checking_guest.h"

namespace ringshift::machine {
namespace {

constexpr double kPmHertz = 3'579'545, kHpetHertz = 100e6;
// How often each interrupt comes, in Hz.
const std::map<std::string, double> kRates{
    {"pit", 1193181.8 / 65536}, {"rtc-periodic", 2}, {"rtc-update", 1}, {"apic-timer", 5}, {"hpet", 5}};

struct Report {
  std::map<std::string, double> counters;
  struct Interrupt {
    double count = 0, first = 0, last = 0;
  };
  std::map<std::string, Interrupt> interrupts;
  std::array<std::uint32_t, 3> crystal{};
};

Report read_report(const std::string& text) {
  Report report;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind, name;
    words >> kind >> std::hex;
    const auto number = [&words] {
      std::uint64_t value = 0;
      words >> value;
      return static_cast<double>(value);
    };
    if (kind == "counter") {
      words >> name;
      report.counters[name] = number();
    } else if (kind == "interrupt") {
      words >> name;
      auto& interrupt = report.interrupts[name];
      interrupt.count = number();
      interrupt.first = number();
      interrupt.last = number();
    } else if (kind == "crystal") {
      for (std::uint32_t& value : report.crystal) words >> value;
    }
  }
  return report;
}

class Clocks : public testing::TestWithParam<EngineKind> {
 protected:
  // The guest sleeps for most of these seconds, which cost nothing.
  static Report run(unsigned seconds, EngineKind engine) {
    MachineConfig config = checking_config(CLOCKS_GUEST, engine);
    config.virtual_time = true;
    config.translate.deterministic = true;
    config.apic = config.hpet = true;
    config.command_line = std::to_string(seconds);
    std::string said;
    config.serial_output = [&said](std::span<const std::uint8_t> bytes) { said.append(bytes.begin(), bytes.end()); };
    auto created = Machine::create(std::move(config));
    if (auto* error = std::get_if<std::string>(&created)) {
      ADD_FAILURE() << *error;
      return {};
    }
    EXPECT_EQ(std::get<std::unique_ptr<Machine>>(created)->run().reason, RunEnd::Reason::powered_off) << said;
    return read_report(said);
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, Clocks, testing::Values(EngineKind::translate, EngineKind::interpret), engine_of);

// A millionth, and what lies between two readings.
void expect_equal(double a, double b, const std::string& what) { EXPECT_NEAR(a / b, 1.0, 2e-5) << what; }

TEST_P(Clocks, AllAgree) {
  constexpr unsigned kSeconds = 20;
  Report report = run(kSeconds, GetParam());
  const double seconds = report.counters["tsc"] / 1e9;  // of virtual time
  EXPECT_NEAR(seconds, kSeconds, 0.03);
  expect_equal(report.counters["pm-timer"] / kPmHertz, seconds, "PM timer");
  expect_equal(report.counters["hpet"] / kHpetHertz, seconds, "HPET");
  for (const auto& [name, rate] : kRates) {
    const auto& interrupt = report.interrupts[name];
    ASSERT_GE(interrupt.count, std::floor((seconds - 1) * rate)) << name;
    expect_equal((interrupt.count - 1) / ((interrupt.last - interrupt.first) / 1e9), rate, name);
  }
  const auto [denominator, numerator, hertz] = report.crystal;
  ASSERT_NE(denominator, 0U);
  expect_equal(static_cast<double>(hertz) * numerator / denominator, 1e9, "CPUID leaf 15h");
}

}  // namespace
}  // namespace ringshift::machine
