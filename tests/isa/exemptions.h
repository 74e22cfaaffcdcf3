// What is not compared with the host CPU, each with its reason and with the directed test that covers it instead.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "tests/isa/form.h"
#include "translator/isa/insn.h"

namespace ringshift::test {

// Operations that the host cannot serve as oracle for.
struct Exemption {
  isa::Op op;
  std::string_view reason;
  std::string_view test;  // of tests/engine
};
inline constexpr std::string_view kUmip = "the host's kernel sets CR4.UMIP, and emulates with values of its own";
inline constexpr std::array kExemptions{
    Exemption{isa::Op::invalid, "no instruction; LOCK prefixes that must be refused are forms of their own",
              "ReservedEncodings, LockOfWhatTakesNoneIsUndefined"},
    Exemption{isa::Op::sgdt, kUmip, "SystemSensitive, Sgdt"},
    Exemption{isa::Op::sidt, kUmip, "SystemSensitive, Sidt"},
    Exemption{isa::Op::sldt, kUmip, "SystemSensitive, Sldt"},
    Exemption{isa::Op::str, kUmip, "SystemSensitive, Str"},
    Exemption{isa::Op::smsw, kUmip, "SystemSensitive, Smsw"},
    Exemption{isa::Op::cpuid, "the CPU model is ours", "SystemRegisters, CpuidTellsTheTruthAboutInstructions"},
    Exemption{isa::Op::rdtsc, "the counter is ours", "SystemRegisters, TheTimeStampCounterCanBeWritten"},
    Exemption{isa::Op::sysenter, "enters the host's kernel (Intel), or is undefined in long mode (AMD)",
              "SystemSysenter, EntersRing0FromAnyRing"},
    Exemption{isa::Op::sysexit, "#GP(0) on Intel, undefined in long mode on AMD",
              "SystemSysenter, ExitGoesToRing3WithEcxAndEdx"},
    Exemption{isa::Op::int1, "hypervisors report the address of the instruction itself",
              "SystemDebug, Int1IsATrapThatLeavesDr6"},
};
constexpr bool exempt(isa::Op op) {
  return std::ranges::any_of(kExemptions, [op](const Exemption& e) { return e.op == op; });
}

// The same of single forms, where makers of CPUs differ.
struct FormExemption {
  bool (*applies)(const Form& form);
  std::string_view reason;
  std::string_view test;
};
inline bool has_prefix(const Form& f, std::uint8_t prefix) {
  return std::ranges::find(f.prefixes, prefix) != f.prefixes.end();
}
inline bool repeated(const Form& f) { return has_prefix(f, 0xF3) || has_prefix(f, 0xF2); }
inline constexpr std::array kFormExemptions{
    FormExemption{[](const Form& f) { return f.map == 1 && f.opcode == 0x0D && !f.memory; },
                  "AMD refuses PREFETCHW of a register; for Intel it is a NOP like its neighbours",
                  "ReservedEncodings, PrefetchOfARegisterIsANop"},
    FormExemption{[](const Form& f) { return (f.op == isa::Op::bsf || f.op == isa::Op::bsr) && has_prefix(f, 0xF3); },
                  "TZCNT and LZCNT on the host; our model ignores the prefix",
                  "ReservedEncodings, BitScansIgnoreTheRepeatPrefix"},
    FormExemption{[](const Form& f) { return (f.op == isa::Op::loope || f.op == isa::Op::loopne) && repeated(f); },
                  "a reserved prefix: AMD's lets it choose the condition, Intel's ignores it",
                  "ReservedEncodings, ConditionalLoopsIgnoreRepeatPrefixes"},
    FormExemption{
        [](const Form& f) { return f.op == isa::Op::invalid && f.map == 1 && (f.opcode == 0x20 || f.opcode == 0x22); },
        "AMD gives LOCK MOV CR0 a meaning (CR8)", "ReservedEncodings, LockOfWhatTakesNoneIsUndefined"},
    FormExemption{
        [](const Form& f) { return f.op == isa::Op::invalid && f.map == 1 && f.opcode == 0x00 && f.reg == 5; },
        "AMD ignores LOCK before VERW", "ReservedEncodings, LockOfWhatTakesNoneIsUndefined"},
    FormExemption{[](const Form& f) {
                    return f.op == isa::Op::host_fp && f.map == 1 && f.opcode == 0x2A && f.memory && !repeated(f);
                  },
                  "with an x87 exception pending, Intel's CVTPI2PS from memory raises #MF, AMD's does not",
                  "ReservedEncodings, ConversionsFromMemoryMeetPendingX87Exceptions"},
};

inline bool exempt(const Form& f) {
  if (exempt(f.op) && f.op != isa::Op::invalid) return true;
  return std::ranges::any_of(kFormExemptions, [&f](const FormExemption& e) { return e.applies(f); });
}

// What the generators do not make of any instruction.
struct StateExemption {
  std::string_view what;
  std::string_view reason;
  std::string_view test;
};
inline constexpr std::string_view kWrapOfParts = "their parts wrap each on its own on AMD's; not described by the SDM";
inline constexpr std::array kStateExemptions{
    StateExemption{"EFLAGS.TF", "the trap would end the case inside the harness",
                   "SystemDebug, TfTrapsBehindEveryInstruction"},
    StateExemption{"IRET with EFLAGS.NT", "#GP(0) in long mode", "SystemTask, IretWithNtReturnsToTheLinkedTask"},
    StateExemption{"IOPL, privileged state, V86 mode", "a host process has ring 3 and IOPL 0 alone",
                   "SystemSensitive, Popf"},
    StateExemption{"FNSTENV, FNSAVE, FLDENV, FRSTOR, FXSAVE, FXRSTOR and operands of 10 bytes across the end of 16-bit "
                   "addresses",
                   kWrapOfParts, "ReservedEncodings, X87ImagesDoNotWrapAt64Kilobytes"},
    StateExemption{"FNSTENV, FNSAVE, FLDENV, FRSTOR and operands of 10 bytes across the end of 4 GiB", kWrapOfParts,
                   "ReservedEncodings, X87OperandsDoNotWrapAtFourGigabytes"},
};

}  // namespace ringshift::test
