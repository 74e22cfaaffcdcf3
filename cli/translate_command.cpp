#include "cli/translate_command.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli/exit_code.h"
#include "cli/message.h"

namespace ringshift::cli {
Translation translate_all(const TranslateRequest& request) {
  return listing::translate_all(request.code, request.address, request.mode, request.options);
}

std::string hex_bytes(const std::vector<std::uint8_t>& bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

int translate(const TranslateRequest& request) {
  const Translation all = translate_all(request);
  const std::string text = request.json ? as_json(all, request.assembler) : as_text(all, request.assembler);
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
