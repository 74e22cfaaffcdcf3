#include "examples/ring_lab/probes.h"

#include <fmt/format.h>

namespace ringshift::ring_lab {
namespace {

constexpr std::uint32_t kNoInterrupts = 0x002, kInterrupts = 0x202, kIf = 0x200;
constexpr std::uint32_t kNewStack = kData + 0x400;
constexpr std::uint8_t kGp = 13;

constexpr Sight value(std::uint32_t eax) { return {Sight::Kind::value, 0, eax}; }
constexpr Sight general_protection(std::uint16_t selector) { return {Sight::Kind::fault, kGp, selector & 0xFFFCU}; }

std::vector<Probe> make_probes() {
  return {
      // The registers of the machine can be read by anyone: the guest sees the host's.
      {"SGDT", "sgdt [ebx]", {0x0F, 0x01, 0x03, 0x8B, 0x43, 0x02}, kNoInterrupts, value(kGdtBase), "base"},
      {"SIDT", "sidt [ebx]", {0x0F, 0x01, 0x0B, 0x8B, 0x43, 0x02}, kNoInterrupts, value(kIdtBase), "base"},
      {"SLDT", "sldt eax", {0x0F, 0x00, 0xC0}, kNoInterrupts, value(kLdt), "LDT"},
      {"SMSW", "smsw eax", {0x0F, 0x01, 0xE0}, kNoInterrupts, value(kCr0), "CR0"},
      // The guest has cleared IF; the processor's, which decides about the host's interrupts, is set.
      {"PUSHF", "pushf; pop eax", {0x9C, 0x58, 0x25, 0x00, 0x02, 0x00, 0x00}, kNoInterrupts, value(0), "IF"},
      // The guest clears IF; in ring 3 the processor ignores that.
      {"POPF",
       "push 2; popf; pushf; pop eax",
       {0x6A, 0x02, 0x9D, 0x9C, 0x58, 0x25, 0x00, 0x02, 0x00, 0x00},
       kInterrupts,
       value(0),
       "IF"},
      // The guest asks for its kernel's data segment: a program may not know of it.
      {"LAR",
       "lar eax, ecx",
       {0xB9, kKernelData, 0, 0, 0, 0x31, 0xC0, 0x0F, 0x02, 0xC1},
       kNoInterrupts,
       value(0x00CF9300),
       "rights"},
      {"LSL",
       "lsl eax, ecx",
       {0xB9, kKernelData, 0, 0, 0, 0x31, 0xC0, 0x0F, 0x03, 0xC1},
       kNoInterrupts,
       value(0xFFFFFFFF),
       "limit"},
      {"VERR",
       "verr cx",
       {0xB9, kKernelData, 0, 0, 0, 0x0F, 0x00, 0xE1, 0x0F, 0x94, 0xC0, 0x0F, 0xB6, 0xC0},
       kNoInterrupts,
       value(1),
       "ZF"},
      {"VERW",
       "verw cx",
       {0xB9, kKernelData, 0, 0, 0, 0x0F, 0x00, 0xE9, 0x0F, 0x94, 0xC0, 0x0F, 0xB6, 0xC0},
       kNoInterrupts,
       value(1),
       "ZF"},
      // In ring 0 the stack segment must be one of ring 0; in ring 3 one of ring 3 is right.
      {"POP",
       "push 2Bh; pop ss; mov eax, ss",
       {0x6A, kUserData, 0x17, 0x8C, 0xD0},
       kNoInterrupts,
       general_protection(kUserData),
       "SS"},
      // The ring is in the low bits of the selector.
      {"PUSH", "push cs; pop eax", {0x0E, 0x58}, kNoInterrupts, value(kKernelCode), "CS"},
      // Code of ring 3 cannot be called or jumped to from ring 0.
      {"CALL far",
       "call 23h:next; mov eax, cs",
       {0x9A, 0x07, 0x00, 0x02, 0x00, kUserCode, 0x00, 0x8C, 0xC8},
       kNoInterrupts,
       general_protection(kUserCode),
       "CS"},
      {"JMP far",
       "jmp 23h:next; mov eax, cs",
       {0xEA, 0x07, 0x00, 0x02, 0x00, kUserCode, 0x00, 0x8C, 0xC8},
       kNoInterrupts,
       general_protection(kUserCode),
       "CS"},
      // Natively a system call of the host: getpid.
      {"INT n",
       "mov eax, 20; int 80h",
       {0xB8, 20, 0x00, 0x00, 0x00, 0xCD, 0x80},
       kNoInterrupts,
       {Sight::Kind::handler, 0x80, 0},
       "host pid"},
      // A return to ring 3 takes a stack along; one within ring 3 does not.
      {"RET far",
       "push 2Bh, 30400h, 23h, next; retf; mov eax, esp",
       {0x6A, kUserData, 0x68, 0x00, 0x04, 0x03, 0x00, 0x6A, kUserCode, 0x68, 0x0F, 0x00, 0x02, 0x00, 0xCB, 0x89, 0xE0},
       kNoInterrupts,
       value(kNewStack),
       "ESP"},
      {"STR", "str eax", {0x0F, 0x00, 0xC8}, kNoInterrupts, value(kTss), "TSS"},
      {"MOV", "mov eax, cs", {0x8C, 0xC8}, kNoInterrupts, value(kKernelCode), "CS"},
  };
}

}  // namespace

const std::vector<Probe>& probes() {
  static const std::vector<Probe> all = make_probes();
  return all;
}

std::string text(const Probe& probe, const Sight& sight) {
  switch (sight.kind) {
    case Sight::Kind::fault:
      return sight.vector == kGp ? fmt::format("#GP({:04x})", sight.value) : fmt::format("vector {}", sight.vector);
    case Sight::Kind::handler:
      return fmt::format("handler {:02x}", sight.vector);
    case Sight::Kind::refused:
      return "refused";
    case Sight::Kind::hung:
      return "hung";
    case Sight::Kind::value:
      break;
  }
  if (probe.means == "IF") return fmt::format("IF {}", (sight.value & kIf) != 0 ? 1 : 0);
  if (probe.means == "ZF") return fmt::format("ZF {}", sight.value);
  if (probe.means == "host pid") return fmt::format("host pid {}", sight.value);
  const bool is_selector = probe.means == "CS" || probe.means == "SS" || probe.means == "LDT" || probe.means == "TSS";
  return is_selector ? fmt::format("{} {:04x}", probe.means, sight.value)
                     : fmt::format("{} {:08x}", probe.means, sight.value);
}

}  // namespace ringshift::ring_lab
