// The verifier in front of the translation cache, on request.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "runtime/engine/translate_engine.h"

namespace ringshift::engine {

// False, with a report: the fragment's code is not confined and must not run.
bool TranslateEngine::check(const translator::Request& request, const translator::Fragment& fragment) {
  if (!verifier_) verifier_ = std::make_unique<verify::Verifier>();
  std::vector<verify::PatchSite> patches;
  for (const auto& exit : fragment.exits) {
    if (exit.patchable) patches.push_back({exit.patch_offset, exit.stub_offset});
  }
  const auto violation = verifier_->verify({.code = fragment.code,
                                            .host_address = request.host_address,
                                            .return_sites = fragment.return_sites,
                                            .patches = patches,
                                            .stubs = stubs_.table,
                                            .paragraphs = request.mode.paragraphs,
                                            .is_entry = {}});
  if (!violation) return true;
  ++stats_.rejected;
  const auto guest = request.bytes.first(std::min<std::size_t>(request.bytes.size(), fragment.guest_bytes));
  cpu_.platform.report(fmt::format("fragment refused: eip {:#010x}, bytes {:02x}: host code at +{:#x}: {}", request.eip,
                                   fmt::join(guest, " "), violation->offset, violation->reason)
                           .c_str());
  return false;
}

}  // namespace ringshift::engine
