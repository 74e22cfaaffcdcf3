// A guest of these tests that checks something by itself and ends with the number of what was wrong.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "runtime/machine/machine.h"

namespace ringshift::machine {

inline std::vector<std::uint8_t> file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline MachineConfig checking_config(const std::string& image, EngineKind engine) {
  MachineConfig config;
  config.memory_bytes = 16 * kMiB;
  config.engine = engine;
  config.kernel = {"kernel", file_bytes(image)};
  config.debug_exit = DebugExitPort{};
  config.timeout_ns = 100'000'000'000;
  return config;
}

// Runs it to its end, which must be 0.
inline void expect_pass(MachineConfig config) {
  auto created = Machine::create(std::move(config));
  ASSERT_TRUE(std::holds_alternative<std::unique_ptr<Machine>>(created)) << std::get<std::string>(created);
  const RunEnd end = std::get<std::unique_ptr<Machine>>(created)->run();
  ASSERT_EQ(end.reason, RunEnd::Reason::debug_exit) << end.message;
  EXPECT_EQ(end.code >> 1, 0U) << "the number of the guest's check that failed";
}

inline std::string engine_of(const testing::TestParamInfo<EngineKind>& info) {
  return info.param == EngineKind::translate ? "Translate" : "Interpret";
}

}  // namespace ringshift::machine
