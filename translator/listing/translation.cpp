#include "translator/listing/translation.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "translator/verify/verifier.h"

namespace ringshift::listing {
namespace {

// Where the code would run: any addresses do, as nothing runs.
constexpr std::uint64_t kHostAddress = 0x10000000;
constexpr abi::StubTable kStubs{.exit_direct = 0x0F000000,
                                .exit_interpret = 0x0F000100,
                                .exit_interrupt = 0x0F000200,
                                .exit_brief = 0x0F000300,
                                .lookup = 0x0F000400,
                                .return_mismatch = 0x0F000500};

std::optional<std::string> find_violation(const translator::Fragment& fragment, const translator::ModeKey& mode) {
  verify::VerifyRequest request{.code = fragment.code,
                                .host_address = kHostAddress,
                                .return_sites = fragment.return_sites,
                                .patches = {},
                                .stubs = kStubs,
                                .paragraphs = mode.paragraphs,
                                .is_entry = {}};
  std::vector<verify::PatchSite> patches;
  for (const auto& exit : fragment.exits) {
    if (exit.patchable) patches.push_back({exit.patch_offset, exit.stub_offset});
  }
  request.patches = patches;
  const auto violation = verify::verify(request);
  if (!violation) return std::nullopt;
  return fmt::format("+{:#x}: {}", violation->offset, violation->reason);
}

}  // namespace

Translation translate_all(std::span<const std::uint8_t> code, std::uint32_t address, const translator::ModeKey& mode,
                          const translator::Options& options, bool interpreted) {
  constexpr std::uint32_t kPage = 4096;
  Translation all;
  all.mode = mode;
  all.interpreted = interpreted;
  all.address = address;
  std::uint32_t offset = 0;
  while (offset < code.size()) {
    const std::uint32_t eip = address + offset;
    const auto rest = code.subspan(offset);
    const translator::Request block{
        .eip = eip,
        .mode = mode,
        .bytes = rest,
        .in_page = static_cast<std::uint32_t>(std::min<std::size_t>(rest.size(), kPage - eip % kPage)),
        .host_address = kHostAddress,
        .stubs = kStubs,
        .options = options};
    auto listing = interpreted ? list_interpreted(block) : list_block(block);
    if (listing.guest.empty()) {
      all.undecodable = offset;
      break;
    }
    offset += listing.guest_bytes;
    auto violation = interpreted ? std::nullopt : find_violation(listing.fragment, mode);
    all.blocks.push_back({std::move(listing), std::move(violation)});
  }
  return all;
}

}  // namespace ringshift::listing
