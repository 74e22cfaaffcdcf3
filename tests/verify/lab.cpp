#include "tests/verify/lab.h"

#include <Zydis/Zydis.h>

#include <string_view>

namespace ringshift::testing {

Subject::Subject(const translator::Fragment& fragment) : return_sites(fragment.return_sites) {
  for (const translator::DirectExit& exit : fragment.exits) {
    if (exit.patchable) patches.push_back({exit.patch_offset, exit.stub_offset});
  }
}

verify::VerifyRequest Subject::request(std::span<const std::uint8_t> code) const {
  return {.code = code,
          .host_address = kHostAddress,
          .return_sites = return_sites,
          .patches = patches,
          .stubs = kStubs,
          .is_entry = {}};
}

std::string verdict(verify::Verifier& verifier, const verify::VerifyRequest& request) {
  const auto violation = verifier.verify(request);
  if (!violation) return {};
  return violation->reason.empty() ? "refused without a reason" : violation->reason;
}

std::string verdict(verify::Verifier& verifier, const translator::Fragment& fragment) {
  return verdict(verifier, Subject(fragment).request(fragment.code));
}

const std::vector<Source>& template_sources() {
  static const std::vector<Source> all = [] {
    constexpr std::string_view kBlocks[] = {
        "8B 44 24 08 03 04 8B 89 41 FC F4",           // loads and stores; hlt
        "00 64 24 04 8A 24 24 0FC0 2C 0C C3",         // high bytes beside esp; ret
        "0FAB 08 0FBB 4C 24 10 66 0FA3 08 C2 0800",   // bit strings
        "D7 67 8B 40 08 65 A1 14000000 EB 10",        // xlat, 16-bit address, TLS; jmp
        "65 8B 5C 8B 04 64 C7 03 78563412 75 0E",     // bases with index; jne
        "50 54 6A FF FF 74 24 08 5C 8F 04 24 60 61",  // push and pop
        "C9 C3",                                      // leave
        "E8 10000000",                                // call in the page
        "E8 00100000",                                // ... to another page
        "FF D0",                                      // call eax
        "FF 14 85 00104008",                          // call [table]
        "FF E1",                                      // jmp ecx
        "FF 24 85 00104008",                          // switch
        "F3 A5 AA F2 AE AC F3 A6 66 AB",              // strings
        "9C 58 9D",                                   // pushf, popf
        "FA 8C D8 8C 1C 24 0F31 FB 90",               // cli, segments, rdtsc, sti
        "FB",                                         // sti at the end
        "E2 10",                                      // loop
        "E3 F0",                                      // jecxz
        "0F44 C1 0FB1 0B F0 0FC7 08 F7 F1 75 80",     // cmov, cmpxchg, cmpxchg8b, div
        "D9 05 00104008 DE C1 DD 1C 24 DF E0 9E",     // x87
        "66 0F6E C4 0F 58 04 24 F2 0F2C E0",          // SSE with esp
        "0FF7 C1 66 0FF7 D1",                         // masked stores
    };
    std::vector<Source> sources;
    for (const std::string_view block : kBlocks) {
      for (const translator::ModeKey& mode : {kernel_mode(), user_mode()}) {
        for (const bool counted : {false, true}) {
          sources.push_back({.bytes = hex(block), .mode = mode, .options = {.count_retired = counted}});
        }
        sources.push_back(movable({.bytes = hex(block), .mode = mode, .eip = kGuestAddress + 0x123}));
      }
    }
    return sources;
  }();
  return all;
}

std::vector<std::uint32_t> instruction_starts(std::span<const std::uint8_t> code) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  std::vector<std::uint32_t> starts;
  for (std::size_t offset = 0; offset < code.size();) {
    starts.push_back(static_cast<std::uint32_t>(offset));
    ZydisDecodedInstruction z;
    if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, nullptr, code.data() + offset, code.size() - offset, &z))) {
      break;
    }
    offset += z.length;
  }
  starts.push_back(static_cast<std::uint32_t>(code.size()));
  return starts;
}

std::vector<std::uint8_t> with_exit(std::vector<std::uint8_t> bytes) {
  const std::vector<std::uint8_t> eip{0x41, 0xB8, 0, 0, 0, 0};  // mov r8d, 0
  bytes.insert(bytes.end(), eip.begin(), eip.end());
  bytes.push_back(0xE9);
  const auto relative = static_cast<std::uint32_t>(kStubs.exit_interpret - (kHostAddress + bytes.size() + 4));
  for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(relative >> (8 * i)));
  return bytes;
}

}  // namespace ringshift::testing
