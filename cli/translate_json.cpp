// Listings for programs.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/translate_command.h"

namespace ringshift::cli {
namespace {

using nlohmann::ordered_json;

ordered_json host_json(const std::vector<listing::HostLine>& lines) {
  ordered_json all = ordered_json::array();
  for (const auto& line : lines) {
    all.push_back({{"offset", line.offset}, {"bytes", hex_bytes(line.bytes)}, {"text", line.text}});
  }
  return all;
}

ordered_json guest_json(const listing::GuestLine& line) {
  const isa::Row& row = isa::row(line.op);
  return {{"address", line.eip},
          {"bytes", hex_bytes(line.bytes)},
          {"text", line.text},
          {"operation", row.name},
          {"class", listing::name(row.cls)},
          {"treatment", listing::name(line.treatment)},
          {"sensitive", row.sensitive_unprivileged},
          {"callouts", line.callouts},
          {"host", host_json(line.host)},
          {"out_of_line", host_json(line.out_of_line)}};
}

ordered_json block_json(const Translation::Block& block) {
  ordered_json guest = ordered_json::array();
  for (const auto& line : block.listing.guest) guest.push_back(guest_json(line));
  ordered_json violation = nullptr;
  if (block.violation) violation = *block.violation;
  return {{"guest_bytes", block.listing.guest_bytes},
          {"host_bytes", block.listing.host_bytes},
          {"instructions", guest},
          {"epilogue", host_json(block.listing.epilogue)},
          {"violation", violation}};
}

}  // namespace

std::string as_json(const Translation& translation, std::optional<assemble::Assembler> assembler) {
  ordered_json blocks = ordered_json::array();
  for (const auto& block : translation.blocks) blocks.push_back(block_json(block));
  ordered_json undecodable = nullptr;
  if (translation.undecodable) undecodable = *translation.undecodable;
  ordered_json assembled_by = nullptr;
  if (assembler) assembled_by = assemble::name(*assembler);
  const ordered_json all{{"assembler", assembled_by},
                         {"address", translation.address},
                         {"mode", translation.mode.code32 ? 32 : 16},
                         {"cpl", translation.mode.cpl},
                         {"blocks", blocks},
                         {"undecodable", undecodable}};
  return all.dump(2) + "\n";
}

}  // namespace ringshift::cli
