#include "runtime/state/eflags.h"
#include "translator/isa/row.h"

namespace ringshift::isa {
namespace {

using namespace eflags;

constexpr std::uint32_t kNone = 0;
constexpr std::uint32_t kAllButCf = kStatus & ~kCf;
constexpr std::uint32_t kAllButZf = kStatus & ~kZf;

// What is true of an operation unless a row says otherwise.
struct Traits {
  Privilege privilege = Privilege::any;
  bool sensitive = false;
  std::uint32_t read = 0;
  std::uint32_t written = 0;
  std::uint32_t undefined = 0;
  bool conditional = false;
  bool may_fault = false;
  bool ends_block = false;
};

constexpr Row make(Op op, std::string_view name, Family family, Class cls, const Traits& t) {
  return Row{op,     name,      family,      cls,           t.privilege, t.sensitive,
             t.read, t.written, t.undefined, t.conditional, t.may_fault, t.ends_block};
}

constexpr Row alu(Op op, std::string_view name, std::uint32_t read, std::uint32_t written, std::uint32_t undefined,
                  bool conditional = false) {
  return make(op, name, Family::arithmetic, Class::identical,
              {.read = read, .written = written, .undefined = undefined, .conditional = conditional});
}
constexpr Row decimal(Op op, std::string_view name, std::uint32_t read, std::uint32_t undefined) {
  return make(op, name, Family::arithmetic, Class::callout, {.read = read, .written = kStatus, .undefined = undefined});
}
constexpr Row divide(Op op, std::string_view name) {
  return make(op, name, Family::arithmetic, Class::identical,
              {.written = kStatus, .undefined = kStatus, .may_fault = true});
}
constexpr Row data(Op op, std::string_view name, std::uint32_t read = 0, std::uint32_t written = 0) {
  return make(op, name, Family::data, Class::identical, {.read = read, .written = written});
}
constexpr Row stack(Op op, std::string_view name) {
  return make(op, name, Family::stack, Class::expanded, {.may_fault = true});
}
constexpr Row flag(Op op, std::string_view name, std::uint32_t read, std::uint32_t written) {
  return make(op, name, Family::flags, Class::identical, {.read = read, .written = written});
}
constexpr Row branch(Op op, std::string_view name, std::uint32_t read, bool may_fault) {
  return make(op, name, Family::branch, Class::control_flow,
              {.read = read, .may_fault = may_fault, .ends_block = true});
}
constexpr Row far(Op op, std::string_view name, bool sensitive, std::uint32_t read = 0, std::uint32_t written = 0,
                  Privilege privilege = Privilege::any) {
  return make(op, name, Family::far, Class::callout,
              {.privilege = privilege,
               .sensitive = sensitive,
               .read = read,
               .written = written,
               .may_fault = true,
               .ends_block = true});
}
constexpr Row text(Op op, std::string_view name, std::uint32_t written = 0) {
  return make(op, name, Family::string, Class::expanded,
              {.read = kDf, .written = written, .conditional = written != 0, .may_fault = true});
}
constexpr Row port(Op op, std::string_view name, Family family, std::uint32_t read = 0) {
  return make(op, name, family, Class::callout, {.privilege = Privilege::io, .read = read, .may_fault = true});
}
constexpr Row segment(Op op, std::string_view name, Class cls, bool sensitive) {
  return make(op, name, Family::segment, cls, {.sensitive = sensitive, .may_fault = true});
}
constexpr Row protection(Op op, std::string_view name) {
  return make(op, name, Family::segment, Class::callout,
              {.privilege = Privilege::protected_only,
               .sensitive = op != Op::arpl,
               .read = kStatus & ~kZf,
               .written = kZf,
               .may_fault = true});
}
constexpr Row table_store(Op op, std::string_view name) {
  const bool protected_only = op == Op::sldt || op == Op::str;
  return make(
      op, name, Family::system, Class::callout,
      {.privilege = protected_only ? Privilege::protected_only : Privilege::any, .sensitive = true, .may_fault = true});
}
// A privileged instruction after which the mode may be another, so that a block must end.
constexpr Row privileged(Op op, std::string_view name, bool ends_block, std::uint32_t undefined = 0) {
  return make(op, name, Family::system, Class::callout,
              {.privilege = Privilege::cpl0,
               .written = undefined,
               .undefined = undefined,
               .may_fault = true,
               .ends_block = ends_block});
}
constexpr Row hint(Op op, std::string_view name) { return make(op, name, Family::hint, Class::identical, {}); }
constexpr Row fp(Op op, std::string_view name, Class cls, std::uint32_t read, std::uint32_t written) {
  return make(op, name, Family::fp, cls,
              {.read = read, .written = written, .conditional = written != 0, .may_fault = true});
}

constexpr std::array<Row, kOpCount> kTable{
    make(Op::invalid, "invalid", Family::system, Class::callout, {.may_fault = true, .ends_block = true}),

    alu(Op::add, "add", kNone, kStatus, kNone),
    alu(Op::or_, "or", kNone, kStatus, kAf),
    alu(Op::adc, "adc", kCf, kStatus, kNone),
    alu(Op::sbb, "sbb", kCf, kStatus, kNone),
    alu(Op::and_, "and", kNone, kStatus, kAf),
    alu(Op::sub, "sub", kNone, kStatus, kNone),
    alu(Op::xor_, "xor", kNone, kStatus, kAf),
    alu(Op::cmp, "cmp", kNone, kStatus, kNone),
    alu(Op::test, "test", kNone, kStatus, kAf),
    alu(Op::inc, "inc", kNone, kAllButCf, kNone),
    alu(Op::dec, "dec", kNone, kAllButCf, kNone),
    alu(Op::not_, "not", kNone, kNone, kNone),
    alu(Op::neg, "neg", kNone, kStatus, kNone),
    alu(Op::mul, "mul", kNone, kStatus, kStatus & ~(kCf | kOf)),
    alu(Op::imul, "imul", kNone, kStatus, kStatus & ~(kCf | kOf)),
    alu(Op::imul_reg, "imul r", kNone, kStatus, kStatus & ~(kCf | kOf)),
    divide(Op::div, "div"),
    divide(Op::idiv, "idiv"),
    alu(Op::rol, "rol", kNone, kCf | kOf, kOf, true),
    alu(Op::ror, "ror", kNone, kCf | kOf, kOf, true),
    alu(Op::rcl, "rcl", kCf, kCf | kOf, kOf, true),
    alu(Op::rcr, "rcr", kCf, kCf | kOf, kOf, true),
    alu(Op::shl, "shl", kNone, kStatus, kOf | kAf | kCf, true),
    alu(Op::shr, "shr", kNone, kStatus, kOf | kAf | kCf, true),
    alu(Op::sar, "sar", kNone, kStatus, kOf | kAf, true),
    alu(Op::shld, "shld", kNone, kStatus, kStatus, true),
    alu(Op::shrd, "shrd", kNone, kStatus, kStatus, true),
    alu(Op::bt, "bt", kNone, kAllButZf, kAllButZf & ~kCf),
    alu(Op::bts, "bts", kNone, kAllButZf, kAllButZf & ~kCf),
    alu(Op::btr, "btr", kNone, kAllButZf, kAllButZf & ~kCf),
    alu(Op::btc, "btc", kNone, kAllButZf, kAllButZf & ~kCf),
    alu(Op::bsf, "bsf", kNone, kStatus, kAllButZf),
    alu(Op::bsr, "bsr", kNone, kStatus, kAllButZf),
    decimal(Op::aaa, "aaa", kAf, kStatus & ~(kAf | kCf)),
    decimal(Op::aas, "aas", kAf, kStatus & ~(kAf | kCf)),
    make(Op::aam, "aam", Family::arithmetic, Class::callout,
         {.written = kStatus, .undefined = kOf | kAf | kCf, .may_fault = true}),
    decimal(Op::aad, "aad", kNone, kOf | kAf | kCf),
    decimal(Op::daa, "daa", kAf | kCf, kOf),
    decimal(Op::das, "das", kAf | kCf, kOf),

    data(Op::mov, "mov"),
    data(Op::movzx, "movzx"),
    data(Op::movsx, "movsx"),
    data(Op::lea, "lea"),
    data(Op::xchg, "xchg"),
    data(Op::cmpxchg, "cmpxchg", kNone, kStatus),
    data(Op::cmpxchg8b, "cmpxchg8b", kNone, kZf),
    data(Op::xadd, "xadd", kNone, kStatus),
    data(Op::bswap, "bswap"),
    make(Op::xlat, "xlat", Family::data, Class::expanded, {.may_fault = true}),
    data(Op::cmov, "cmovcc", kStatus & ~kAf),
    data(Op::setcc, "setcc", kStatus & ~kAf),
    data(Op::cbw, "cbw"),
    data(Op::cwd, "cwd"),
    flag(Op::lahf, "lahf", kStatus & ~kOf, kNone),
    flag(Op::sahf, "sahf", kNone, kStatus & ~kOf),
    make(Op::salc, "salc", Family::data, Class::expanded, {.read = kCf}),
    stack(Op::push, "push"),
    stack(Op::pop, "pop"),
    stack(Op::pusha, "pusha"),
    stack(Op::popa, "popa"),
    stack(Op::enter, "enter"),
    stack(Op::leave, "leave"),
    make(Op::push_seg, "push sreg", Family::stack, Class::inlined, {.sensitive = true, .may_fault = true}),
    make(Op::pop_seg, "pop sreg", Family::segment, Class::callout,
         {.sensitive = true, .may_fault = true, .ends_block = true}),
    make(Op::pushf, "pushf", Family::flags, Class::inlined,
         {.privilege = Privilege::filtered, .sensitive = true, .read = kNative, .may_fault = true}),
    make(Op::popf, "popf", Family::flags, Class::inlined,
         {.privilege = Privilege::filtered, .sensitive = true, .written = kNative, .may_fault = true}),
    flag(Op::clc, "clc", kNone, kCf),
    flag(Op::stc, "stc", kNone, kCf),
    flag(Op::cmc, "cmc", kCf, kCf),
    flag(Op::cld, "cld", kNone, kDf),
    flag(Op::std_, "std", kNone, kDf),

    branch(Op::jcc, "jcc", kStatus & ~kAf, false),
    branch(Op::jmp, "jmp", kNone, false),
    branch(Op::jmp_indirect, "jmp r/m", kNone, false),
    branch(Op::call, "call", kNone, true),
    branch(Op::call_indirect, "call r/m", kNone, true),
    branch(Op::ret, "ret", kNone, true),
    branch(Op::loop, "loop", kNone, false),
    branch(Op::loope, "loope", kZf, false),
    branch(Op::loopne, "loopne", kZf, false),
    branch(Op::jcxz, "jcxz", kNone, false),

    far(Op::jmp_far, "jmp far", true),
    far(Op::jmp_far_indirect, "jmp far m", true),
    far(Op::call_far, "call far", true),
    far(Op::call_far_indirect, "call far m", true),
    far(Op::ret_far, "ret far", true),
    far(Op::iret, "iret", false, kNone, kNative, Privilege::filtered),
    far(Op::int_n, "int", true, kNative, kNone, Privilege::filtered),
    far(Op::int3, "int3", false, kNative),
    far(Op::int1, "int1", false, kNative),
    far(Op::into, "into", false, kNative),
    make(Op::bound, "bound", Family::far, Class::callout, {.may_fault = true}),
    far(Op::sysenter, "sysenter", false),
    far(Op::sysexit, "sysexit", false, kNone, kNone, Privilege::cpl0),

    text(Op::movs, "movs"),
    text(Op::cmps, "cmps", kStatus),
    text(Op::stos, "stos"),
    text(Op::lods, "lods"),
    text(Op::scas, "scas", kStatus),
    port(Op::ins, "ins", Family::string, kDf),
    port(Op::outs, "outs", Family::string, kDf),

    port(Op::in, "in", Family::io),
    port(Op::out, "out", Family::io),

    make(Op::cli, "cli", Family::flags, Class::inlined, {.privilege = Privilege::iopl}),
    make(Op::sti, "sti", Family::flags, Class::inlined, {.privilege = Privilege::iopl}),
    make(Op::hlt, "hlt", Family::system, Class::callout, {.privilege = Privilege::cpl0, .ends_block = true}),

    segment(Op::mov_from_seg, "mov from sreg", Class::inlined, true),
    make(Op::mov_to_seg, "mov to sreg", Family::segment, Class::callout,
         {.sensitive = true, .may_fault = true, .ends_block = true}),
    make(Op::lds, "lds", Family::segment, Class::callout, {.may_fault = true, .ends_block = true}),
    make(Op::les, "les", Family::segment, Class::callout, {.may_fault = true, .ends_block = true}),
    make(Op::lss, "lss", Family::segment, Class::callout, {.may_fault = true, .ends_block = true}),
    make(Op::lfs, "lfs", Family::segment, Class::callout, {.may_fault = true, .ends_block = true}),
    make(Op::lgs, "lgs", Family::segment, Class::callout, {.may_fault = true, .ends_block = true}),
    protection(Op::arpl, "arpl"),
    protection(Op::lar, "lar"),
    protection(Op::lsl, "lsl"),
    protection(Op::verr, "verr"),
    protection(Op::verw, "verw"),

    table_store(Op::sgdt, "sgdt"),
    table_store(Op::sidt, "sidt"),
    privileged(Op::lgdt, "lgdt", false),
    privileged(Op::lidt, "lidt", false),
    table_store(Op::sldt, "sldt"),
    privileged(Op::lldt, "lldt", false),
    table_store(Op::str, "str"),
    privileged(Op::ltr, "ltr", false),
    table_store(Op::smsw, "smsw"),
    privileged(Op::lmsw, "lmsw", true),
    privileged(Op::clts, "clts", true),
    // MOV to and from CR and DR leave the status flags undefined by the SDM; silicon leaves them alone.
    privileged(Op::mov_from_cr, "mov from cr", false, kStatus),
    privileged(Op::mov_to_cr, "mov to cr", true, kStatus),
    privileged(Op::mov_from_dr, "mov from dr", false, kStatus),
    privileged(Op::mov_to_dr, "mov to dr", true, kStatus),
    privileged(Op::invlpg, "invlpg", true),
    privileged(Op::invd, "invd", false),
    privileged(Op::wbinvd, "wbinvd", false),
    privileged(Op::rdmsr, "rdmsr", false),
    privileged(Op::wrmsr, "wrmsr", true),
    make(Op::rdtsc, "rdtsc", Family::system, Class::inlined, {.privilege = Privilege::filtered, .may_fault = true}),
    make(Op::rdpmc, "rdpmc", Family::system, Class::callout, {.privilege = Privilege::filtered, .may_fault = true}),
    make(Op::cpuid, "cpuid", Family::system, Class::callout, {}),

    hint(Op::nop, "nop"),
    hint(Op::pause, "pause"),
    hint(Op::prefetch, "prefetch"),
    hint(Op::fence, "fence"),

    // Which flags depends on the instruction: fcomi, comiss, ptest write, fcmov reads.
    fp(Op::host_fp, "x87, mmx or sse", Class::identical, kStatus, kStatus),
    make(Op::host_int, "popcnt, bmi, ...", Family::arithmetic, Class::identical,
         {.written = kStatus, .conditional = true}),
    fp(Op::fwait, "fwait", Class::identical, kNone, kNone),
    fp(Op::fp_environment, "fpenv", Class::callout, kNone, kNone),
    fp(Op::fxsave, "fxsave", Class::callout, kNone, kNone),
    fp(Op::fxrstor, "fxrstor", Class::callout, kNone, kNone),
    fp(Op::masked_store, "maskmov", Class::callout, kNone, kNone),
    make(Op::ud, "ud", Family::system, Class::callout, {.may_fault = true, .ends_block = true}),
};

constexpr bool in_order() {
  for (unsigned i = 0; i < kOpCount; ++i) {
    if (kTable[i].op != static_cast<Op>(i)) return false;
  }
  return true;
}
static_assert(in_order(), "row i describes operation i");

constexpr unsigned count_sensitive() {
  unsigned n = 0;
  for (const Row& r : kTable) n += r.sensitive_unprivileged ? 1U : 0U;
  return n;
}
// The 17 of Robin and Irvine. They count VERR and VERW as one; jmp, call and mov have two rows each here.
static_assert(count_sensitive() == 17 + 1 + 3);

}  // namespace

constinit const std::array<Row, kOpCount> kRows = kTable;

}  // namespace ringshift::isa
