// The verifier in front of the translation cache, on request.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/engine/translate_engine.h"

namespace ringshift::engine {

// False, with a report: the fragment's code is not confined and must not run.
bool TranslateEngine::check(const Record& record, const translator::Fragment& fragment,
                            std::span<const std::uint8_t> guest) {
  if (!verifier_) verifier_ = std::make_unique<verify::Verifier>();
  verify::VerifyRequest request;
  request.code = fragment.code;
  request.host_address = cache_->base() + record.host_offset;
  request.return_sites = fragment.return_sites;
  request.stubs = stubs_.table;
  const auto violation = verifier_->verify(request);
  if (!violation) return true;
  ++stats_.rejected;
  guest = guest.first(std::min<std::size_t>(guest.size(), record.guest_bytes));
  cpu_.platform.report(fmt::format("fragment refused: eip {:#010x}, bytes {:02x}: host code at +{:#x}: {}", record.eip,
                                   fmt::join(guest, " "), violation->offset, violation->reason)
                           .c_str());
  return false;
}

}  // namespace ringshift::engine
