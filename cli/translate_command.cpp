#include "cli/translate_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cli/exit_code.h"
#include "cli/message.h"
#include "translator/verify/verifier.h"

namespace ringshift::cli {
namespace {

// Where the code would run: any addresses do, as nothing runs.
constexpr std::uint64_t kHostAddress = 0x10000000;
constexpr abi::StubTable kStubs{.exit_direct = 0x0F000000,
                                .exit_interpret = 0x0F000100,
                                .exit_interrupt = 0x0F000200,
                                .exit_brief = 0x0F000300,
                                .lookup = 0x0F000400};

std::optional<std::string> find_violation(const translator::Fragment& fragment) {
  verify::VerifyRequest request{.code = fragment.code,
                                .host_address = kHostAddress,
                                .return_sites = fragment.return_sites,
                                .patches = {},
                                .stubs = kStubs,
                                .is_entry = {}};
  std::vector<verify::PatchSite> patches;
  for (const auto& exit : fragment.exits) {
    if (exit.same_page) patches.push_back({exit.patch_offset, exit.stub_offset});
  }
  request.patches = patches;
  const auto violation = verify::verify(request);
  if (!violation) return std::nullopt;
  return fmt::format("+{:#x}: {}", violation->offset, violation->reason);
}

}  // namespace

Translation translate_all(const TranslateRequest& request) {
  constexpr std::uint32_t kPage = 4096;
  Translation all;
  all.mode = request.mode;
  all.address = request.address;
  std::uint32_t offset = 0;
  while (offset < request.code.size()) {
    const std::uint32_t eip = request.address + offset;
    const auto rest = std::span(request.code).subspan(offset);
    const translator::Request block{
        .eip = eip,
        .mode = request.mode,
        .bytes = rest,
        .in_page = static_cast<std::uint32_t>(std::min<std::size_t>(rest.size(), kPage - eip % kPage)),
        .host_address = kHostAddress,
        .first_site = 0,
        .stubs = kStubs,
        .options = request.options};
    auto listing = request.mode.code32 ? listing::list_block(block) : listing::list_interpreted(block);
    if (listing.guest.empty()) {
      all.undecodable = offset;
      break;
    }
    offset += listing.guest_bytes;
    auto violation = request.mode.code32 ? find_violation(listing.fragment) : std::nullopt;
    all.blocks.push_back({std::move(listing), std::move(violation)});
  }
  return all;
}

std::string hex_bytes(const std::vector<std::uint8_t>& bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

int translate(const TranslateRequest& request) {
  const Translation all = translate_all(request);
  const std::string text = request.json ? as_json(all) : as_text(all);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) != 0) return kExitHostError;
  for (const auto& block : all.blocks) {
    if (!block.violation) continue;
    say(fmt::format("the verifier refuses a block: {}", *block.violation));
    return kExitHostError;
  }
  if (all.undecodable) return bad_usage(fmt::format("the bytes from offset {} are no instruction", *all.undecodable));
  return 0;
}

}  // namespace ringshift::cli
