// The verifier in front of translations made for tests.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/listing/host_code.h"
#include "translator/verify/verifier.h"

namespace ringshift::testing {

// What the verifier is asked about a fragment. `fragment` must outlive it.
struct Subject {
  explicit Subject(const translator::Fragment& fragment);
  [[nodiscard]] verify::VerifyRequest request(std::span<const std::uint8_t> code) const;

  std::vector<std::uint32_t> return_sites;
  std::vector<verify::PatchSite> patches;
};

// Empty if the verifier accepts, else its reason.
[[nodiscard]] std::string verdict(verify::Verifier& verifier, const verify::VerifyRequest& request);
[[nodiscard]] std::string verdict(verify::Verifier& verifier, const translator::Fragment& fragment);

// Guest blocks that between them need every template of host code that translations are made of.
[[nodiscard]] const std::vector<Source>& template_sources();

// The offsets where the host instructions of code from the translator start, and its size.
[[nodiscard]] std::vector<std::uint32_t> instruction_starts(std::span<const std::uint8_t> code);

// Host code that consists of `bytes` and an exit to the interpreter.
[[nodiscard]] std::vector<std::uint8_t> with_exit(std::vector<std::uint8_t> bytes);

}  // namespace ringshift::testing
