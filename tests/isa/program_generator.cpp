#include "tests/isa/program_generator.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "tests/isa/exemptions.h"
#include "tests/isa/generator.h"
#include "tests/isa/program_writer.h"
#include "translator/isa/row.h"

namespace ringshift::test {
namespace {

using isa::Insn;
using isa::Op;

// ebp and esp point here, more or less; the counters of loops are far from both.
constexpr std::uint32_t kFrame = kData + 0x400, kStackTop = kData + 0x1400, kCounters = kData + 0x2C00;

bool usable(const Form& f) {
  if (f.op == Op::invalid || exempt(f)) return false;
  switch (f.op) {
    case Op::ud:
    case Op::fp_environment:  // stores pointers that are not emulated
    case Op::fxsave:
    case Op::iret:  // NT would make it a task switch
    case Op::aaa:   // undefined flags that are not silicon's
    case Op::aas:
    case Op::aam:
    case Op::aad:
    case Op::daa:
    case Op::das:
    // Branches are written with targets of their own.
    case Op::jcc:
    case Op::jmp:
    case Op::call:
    case Op::loop:
    case Op::loope:
    case Op::loopne:
    case Op::jcxz:
    case Op::jmp_far:
    case Op::call_far:
    // What would take the machine away from under the program; the units of the system have their like.
    case Op::lgdt:
    case Op::lidt:
    case Op::lldt:
    case Op::ltr:
    case Op::lmsw:
    case Op::mov_to_cr:
    case Op::mov_to_dr:
    case Op::wrmsr:
      return false;
    case Op::movs:  // overlapping moves with 16-bit addresses: a quirk of the host's
      return std::find(f.prefixes.begin(), f.prefixes.end(), 0x67) == f.prefixes.end();
    default:
      return true;
  }
}

// Changes ebp or esp in ways that leave little to be addressed.
bool moves_frame(const Insn& insn) {
  const auto frame = [](unsigned reg) { return reg == kEsp || reg == kEbp; };
  switch (insn.op) {
    case Op::push:
    case Op::pushf:
    case Op::popf:
      return false;
    case Op::enter:
    case Op::leave:
    case Op::popa:
      return true;
    default:
      break;
  }
  if (insn.form == isa::Form::opreg || insn.form == isa::Form::opreg_imm || insn.form == isa::Form::acc_opreg) {
    return frame(insn.reg);
  }
  return insn.width != 1 && insn.has_modrm && (frame(insn.reg) || (!insn.memory && frame(insn.rm)));
}

// They also find the host's own segments.
bool reads_descriptors(Op op) { return op == Op::lar || op == Op::lsl || op == Op::verr || op == Op::verw; }

bool is_far(const Instruction& i) { return i.bytes.front() == 0xEA; }

void append32(std::vector<std::uint8_t>& bytes, std::uint32_t value) {
  for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

}  // namespace

ProgramGenerator::ProgramGenerator() {
  for (const Form& f : enumerate_forms(decode::CodeSize::bits32)) {
    if (!usable(f)) continue;
    switch (isa::row(f.op).family) {
      case isa::Family::arithmetic:
      case isa::Family::data:
      case isa::Family::stack:
      case isa::Family::flags:
        forms_[kCommon].push_back(f);
        break;
      case isa::Family::string:
        forms_[f.op == Op::ins || f.op == Op::outs ? kRare : kString].push_back(f);
        break;
      case isa::Family::fp:
        forms_[kFloating].push_back(f);
        break;
      default:
        forms_[kRare].push_back(f);
        break;
    }
  }
  for (const Form& f : enumerate_forms(decode::CodeSize::bits16)) {
    const bool common = usable(f) && isa::row(f.op).family == isa::Family::arithmetic;
    if (common && !f.memory) forms_[kCommon16].push_back(f);
  }
}

Program ProgramGenerator::generate(Territory territory, Rng& rng) const {
  return ProgramWriter(*this, territory, rng).write();
}

std::uint8_t ProgramWriter::any_register() {
  constexpr std::array<std::uint8_t, 6> kRegisters{kEax, kEcx, kEdx, kEbx, kEsi, kEdi};
  return kRegisters[rng_() % kRegisters.size()];
}

// Not edi: a string instruction would fill the code with what the host does otherwise, such as DAS with its flags.
std::uint8_t ProgramWriter::pointer_register() {
  constexpr std::array<std::uint8_t, 3> kRegisters{kEax, kEdx, kEbx};
  return kRegisters[rng_() % kRegisters.size()];
}

void ProgramWriter::put32(Bytes bytes, std::uint32_t value) {
  append32(bytes, value);
  put(std::move(bytes));
}

void ProgramWriter::put_label(Bytes bytes, std::size_t target, bool relative, unsigned size, std::int32_t offset) {
  const auto at = static_cast<unsigned>(bytes.size());
  bytes.resize(bytes.size() + size);
  put(std::move(bytes));
  p_.code.back().label = Label{at, size, relative, 0, target, offset};
}

std::size_t ProgramWriter::later() { return kLater + here() + 1 + below(5); }

// ---- any instruction --------------------------------------------------------------------------

const Form& ProgramWriter::pick() {
  const std::uint32_t n = below(64);
  unsigned which = code16_ ? ProgramGenerator::kCommon16 : ProgramGenerator::kCommon;
  if (!code16_) {
    if (floating_ && n < 32) which = ProgramGenerator::kFloating;
    if (n >= 57) which = ProgramGenerator::kString;
    if (n == 63) which = ProgramGenerator::kRare;
  }
  return forms_[which][rng_() % forms_[which].size()];
}

void ProgramWriter::random() {
  for (;;) {
    const Form& form = pick();
    const auto insn = random_encoding(form, rng_);
    if (!insn || insn->op != form.op) continue;
    // The host's system call; and the one that comes back.
    if (insn->op == Op::int_n && (insn->imm == 0x80 || insn->imm == kReturningVector)) continue;
    if (!system_ && reads_descriptors(insn->op)) continue;
    if (moves_frame(*insn) && !chance(64)) continue;
    Bytes bytes(insn->bytes.begin(), insn->bytes.begin() + insn->length);
    if (insn->memory && insn->has_modrm && !chance(48)) bytes = tamed(*insn);
    if (isa::row(insn->op).family == isa::Family::string && !chance(8)) {  // registers of the usual kind
      if (insn->address_size == 2) continue;
      if (insn->repeated()) put32({0xB9}, below(40));
      if (chance(2)) put32({0xBE}, kData + 0x100 + below(0x2000));
      if (chance(2)) put32({0xBF}, kData + 0x100 + below(0x2000));
    }
    put(std::move(bytes));
    // A single-step trap comes one instruction later: not in what ends the code.
    if (insn->op == Op::popf) put({0x90});
    return;
  }
}

// The same instruction with a memory operand that is likely to be there.
ProgramWriter::Bytes ProgramWriter::tamed(const Insn& insn) {
  Bytes b(insn.bytes.begin(), insn.bytes.begin() + insn.modrm_offset);
  if (!chance(4)) {  // without segment prefixes, most of the time
    const auto override_of_other = [](std::uint8_t p) { return p == 0x2E || p == 0x26 || p == 0x64 || p == 0x65; };
    const auto end = b.begin() + insn.opcode_offset;
    b.erase(std::remove_if(b.begin(), end, override_of_other), end);
  }
  const auto reg = static_cast<std::uint8_t>(insn.modrm & 0x38);
  const bool aligned = insn.host_align != 0 && !chance(16);
  const std::uint32_t disp = below(0x200) & (aligned || chance(2) ? ~15U : ~0U);
  if (insn.address_size == 2) {
    const std::uint32_t at = kLowData + disp;
    b.insert(b.end(),
             {static_cast<std::uint8_t>(reg | 6), static_cast<std::uint8_t>(at), static_cast<std::uint8_t>(at >> 8)});
  } else {
    switch (aligned ? 1 + below(3) : below(4)) {
      case 0:  // [esp + disp8]
        b.insert(b.end(), {static_cast<std::uint8_t>(reg | 0x44), 0x24, static_cast<std::uint8_t>(disp & 0x7C)});
        break;
      case 1:  // [disp32]; sometimes across the end of a page
        b.push_back(static_cast<std::uint8_t>(reg | 5));
        append32(b, disp + (chance(8) ? kData + kPage - 0x100 : kFrame));
        break;
      default:  // [ebp + disp32]
        b.push_back(static_cast<std::uint8_t>(reg | 0x85));
        append32(b, disp);
        break;
    }
  }
  if (insn.imm_offset != 0) b.insert(b.end(), insn.bytes.begin() + insn.imm_offset, insn.bytes.begin() + insn.length);
  return b.size() <= 15 ? b : Bytes(insn.bytes.begin(), insn.bytes.begin() + insn.length);
}

// ---- the whole --------------------------------------------------------------------------------

Program ProgramWriter::write() {
  ring_ = system_ && chance(2) ? 0 : 3;
  floating_ = chance(3);
  const std::size_t limit = chance(4) ? 3 + below(8) : 10 + below(40);
  while (here() < limit) unit();
  end_ = here();
  put({0xCC});
  p_.code.back().fixed = true;
  for (unsigned i = 0; i < 2; ++i) {
    subroutines_.push_back(here());
    for (std::uint32_t n = below(6); n != 0; --n) random();
    chance(4) ? put({0xC2, 0x04, 0x00}) : put({0xC3});
  }
  resolve();
  state();
  return std::move(p_);
}

void ProgramWriter::resolve() {
  for (Instruction& i : p_.code) {
    if (!i.label) continue;
    std::size_t& target = i.label->target;
    if (target >= kSubroutines) {
      target = subroutines_[target - kSubroutines];
    } else if (target >= kLater) {
      target = std::min(target - kLater, end_);
    }
    // Not from 32-bit code into the middle of 16-bit code, which is garbage there.
    while (target < p_.code.size() && p_.code[target].code16 && !i.code16 && !is_far(i)) ++target;
  }
  std::size_t bytes = 0;
  for (const Instruction& i : p_.code) bytes += i.bytes.size();
  // Somewhere, across the end of a page, or up to the end of the code area.
  const std::uint32_t page = kCode + below(kCodePages - 2) * kPage;
  const auto length = static_cast<std::uint32_t>(bytes);
  p_.address = page + below(kPage);
  if (chance(3)) p_.address = page + kPage - 1 - below(std::min(length, kPage - 1));
  if (chance(8)) p_.address = kCode + kCodeBytes - length;
  // The guest alone has the end of the address space, and its beginning.
  if (system_ && chance(8)) p_.address = 0U - below(std::min(length, kPage - 1) + 1);
  // Those that lie within a page may be shortened: far labels are 16-bit in 16-bit code.
  for (Instruction& i : p_.code) {
    if (i.label && i.label->bytes == 2) i.label->base = kCode;
  }
}

void ProgramWriter::state() {
  Case& c = p_.state;
  Registers& r = c.before;
  for (auto& g : r.gpr) g = interesting(rng_);
  r.gpr[kEbp] = kFrame;
  r.gpr[kEsp] = kStackTop - below(64) * 4;
  if (chance(16)) r.gpr[kEsp] = kData + 16;  // pushes soon fault
  if (chance(16)) r.gpr[kEsp] = kReadOnly - 16;
  if (chance(8)) r.gpr[kEsp] += below(4);
  if (!chance(4)) r.gpr[kEsi] = kData + below(0x2000);
  if (!chance(4)) r.gpr[kEdi] = kData + below(0x2000);
  if (!chance(4)) r.gpr[kEcx] = below(32);
  r.eflags = random_flags(rng_);
  if (system_) r.eflags = (r.eflags & ~eflags::kNt) | (chance(2) ? eflags::kIopl : below(4) << 12);
  const std::uint16_t code = ring_ == 0 ? kKernelCode : kUserCode;
  const std::uint16_t data = ring_ == 0 ? kKernelData : kUserData;
  r.sel = {data, code, data, data, data, local_selector(kLdtFlat)};
  constexpr std::array kThreadSegments{kLdtBased, kLdtUnaligned, kLdtFlat, kLdtWrap};
  r.sel[static_cast<unsigned>(Seg::fs)] = local_selector(kThreadSegments[below(4)]);
  if (chance(2)) r.sel[static_cast<unsigned>(Seg::gs)] = local_selector(kThreadSegments[below(4)]);
  Poke counters{kCounters, std::vector<std::uint8_t>(std::size_t{counters_} * 4)};
  for (std::size_t i = 0; i < counters.bytes.size(); i += 4) counters.bytes[i] = static_cast<std::uint8_t>(below(5));
  if (!counters.bytes.empty()) c.pokes.push_back(counters);
  c.uses_fx = floating_;
  if (c.uses_fx) randomise_fx(rng_, c.fx);
}

// ---- units ------------------------------------------------------------------------------------

void ProgramWriter::unit() {
  const std::uint32_t n = below(24);
  switch (n) {
    case 0:
    case 1:
    case 2:
      conditional();
      break;
    case 3:
      branch();
      break;
    case 4:
      call();
      break;
    case 5:
      loop();
      break;
    case 6:
    case 7:
      stack_run();
      break;
    case 8:
      self_modification();
      break;
    case 9:
      if (chance(4)) code16();
      break;
    case 10:
    case 11:
    case 12:
    case 13:
      system_ ? system_unit() : random();
      break;
    default:
      random();
      break;
  }
}

void ProgramWriter::conditional() {
  if (chance(3)) {
    put_label({0x0F, static_cast<std::uint8_t>(0x80 | below(16))}, later(), true);
  } else {
    put_label({static_cast<std::uint8_t>(0x70 | below(16))}, later(), true, 1);
  }
}

void ProgramWriter::branch() {
  const std::uint8_t r = pointer_register();
  switch (below(5)) {
    case 0:
      put_label({0xEB}, later(), true, 1);
      break;
    case 1:
      put_label({static_cast<std::uint8_t>(0xE0 | below(4))}, later(), true, 1);  // loopne, loope, loop, jecxz
      break;
    case 2:  // mov r, target; jmp r
      put_label({static_cast<std::uint8_t>(0xB8 | r)}, later() + 1, false);
      put({0xFF, static_cast<std::uint8_t>(0xE0 | r)});
      break;
    case 3:  // push target; ret
      put_label({0x68}, later() + 1, false);
      put({0xC3});
      break;
    default:
      put_label({0xE9}, later(), true);
      break;
  }
}

void ProgramWriter::call() {
  const std::uint8_t r = pointer_register();
  switch (below(4)) {
    case 0:
      put_label({0xE8}, later(), true);  // nobody returns
      break;
    case 1:
      put_label({static_cast<std::uint8_t>(0xB8 | r)}, subroutine(), false);
      put({0xFF, static_cast<std::uint8_t>(0xD0 | r)});
      break;
    default:
      put_label({0xE8}, subroutine(), true);
      break;
  }
}

// A few times around: the counter is in memory, where nothing else comes.
void ProgramWriter::loop() {
  const std::size_t top = here();
  for (std::uint32_t n = 1 + below(3); n != 0; --n) chance(6) ? self_modification() : random();
  const std::uint32_t counter = kCounters + 4 * counters_++;
  put({0x83, 0x2D, static_cast<std::uint8_t>(counter), static_cast<std::uint8_t>(counter >> 8),
       static_cast<std::uint8_t>(counter >> 16), static_cast<std::uint8_t>(counter >> 24), 0x01});  // sub [counter], 1
  put_label({0x0F, 0x8F}, top, true);                                                               // jg top
}

void ProgramWriter::stack_run() {
  for (std::uint32_t n = 2 + below(4); n != 0; --n) {
    const auto r = static_cast<std::uint8_t>(below(8));
    switch (below(6)) {
      case 0:
        put({0x6A, static_cast<std::uint8_t>(rng_())});
        break;
      case 1:
        if (r != kEsp && r != kEbp) put({static_cast<std::uint8_t>(0x58 | r)});
        break;
      case 2:
        put({0x8B, 0x44, 0x24, static_cast<std::uint8_t>(below(64))});  // mov eax, [esp+n]
        break;
      case 3:
        put({0x83, 0xC4, static_cast<std::uint8_t>(below(17) - 8)});  // add esp, n
        break;
      default:
        put({static_cast<std::uint8_t>(0x50 | r)});
        break;
    }
  }
}

// A store to an instruction that follows, at once or a little later, or to any byte near by.
void ProgramWriter::self_modification() {
  const std::uint8_t r = any_register();
  const std::size_t distance = 1 + (chance(2) ? 0 : below(3));
  const std::size_t target = here() + distance;
  const auto reset = [&](Bytes opcode, std::int32_t offset, Bytes value) {
    const auto at = static_cast<unsigned>(opcode.size());
    opcode.resize(opcode.size() + 4);
    opcode.insert(opcode.end(), value.begin(), value.end());
    put(std::move(opcode));
    p_.code.back().label = Label{at, 4, false, 0, target, offset};
    for (std::size_t i = here(); i < target; ++i) put({static_cast<std::uint8_t>(0x40 | any_register())});
  };
  const auto any = [this] { return static_cast<std::uint8_t>(rng_()); };
  // The host does not give undefined flags as we do, nor INT1: no garbage for it.
  switch (below(system_ && chance(4) ? 5 : 4)) {
    case 0:  // mov dword [target + 1], imm32; ...; target: mov r, imm32
      reset({0xC7, 0x05}, 1, {any(), any(), any(), any()});
      put32({static_cast<std::uint8_t>(0xB8 | r)}, interesting(rng_));
      break;
    case 1:  // add byte [target + 2], imm8; ...; target: add r, imm8
      reset({0x80, 0x05}, 2, {any()});
      put({0x83, static_cast<std::uint8_t>(0xC0 | r), any()});
      break;
    case 2:  // mov byte [target], inc or dec; ...; target: inc r
      reset({0xC6, 0x05}, 0, {static_cast<std::uint8_t>((chance(2) ? 0x40 : 0x48) | r)});
      put({static_cast<std::uint8_t>(0x40 | r)});
      break;
    case 3:  // mov [target + 1], r
      reset({0x89, static_cast<std::uint8_t>(r << 3 | 5)}, 1, {});
      put32({static_cast<std::uint8_t>(0xB8 | any_register())}, 0);
      break;
    default:  // what comes of it is anybody's guess
      reset({0x80, 0x35}, static_cast<std::int32_t>(below(4)), {any()});
      random();
      break;
  }
}

// There and back: from far code of 16 bits.
void ProgramWriter::code16() {
  const std::uint16_t there = ring_ == 0 ? kKernelCode16 : local_selector(kLdtCode16);
  const std::uint16_t back = ring_ == 0 ? kKernelCode : kUserCode;
  const auto far = [this](Bytes bytes, std::uint16_t selector, std::uint32_t base) {
    const auto at = static_cast<unsigned>(bytes.size());
    bytes.resize(bytes.size() + 4);
    bytes.push_back(static_cast<std::uint8_t>(selector));
    bytes.push_back(static_cast<std::uint8_t>(selector >> 8));
    put(std::move(bytes));
    p_.code.back().label = Label{at, 4, false, base, here(), 0};
  };
  far({0xEA}, there, kCode);
  code16_ = true;
  for (std::uint32_t n = 1 + below(4); n != 0; --n) random();
  far({0x66, 0xEA}, back, 0);
  code16_ = false;
}

}  // namespace ringshift::test
