#include "tests/isa/generator.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "tests/isa/values.h"
#include "translator/isa/row.h"

namespace ringshift::test {
namespace {

using isa::Insn;
using isa::kNoRegister;
using isa::Op;

constexpr std::uint32_t kReturnBytes = 8;  // of the native side's way back behind an instruction

unsigned index_of(Seg s) { return static_cast<unsigned>(s); }

// ---- bytes ------------------------------------------------------------------------------------

// The form's bytes with everything free at random; the decoder then says how many count.
std::optional<Insn> random_encoding(const Form& form, Rng& rng) {
  std::vector<std::uint8_t> b = form.prefixes;
  if (one_in(rng, 8)) {
    constexpr std::array<std::uint8_t, 6> kOverrides{0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65};
    b.insert(b.begin(), kOverrides[rng() % kOverrides.size()]);
  }
  if (form.map != 0) b.push_back(0x0F);
  if (form.map == 2) b.push_back(0x38);
  if (form.map == 3) b.push_back(0x3A);
  b.push_back(form.opcode);
  if (form.has_modrm) {
    auto modrm = static_cast<std::uint8_t>(rng());
    if (form.memory) {
      if (modrm >= 0xC0) modrm ^= 0x80;
    } else {
      modrm |= 0xC0;
      if (form.rm != 0xFF) modrm = static_cast<std::uint8_t>((modrm & 0xF8) | form.rm);
    }
    b.push_back(static_cast<std::uint8_t>((modrm & 0xC7) | form.reg << 3));
  }
  while (b.size() < 15) b.push_back(interesting_byte(rng));
  const auto decoded = decode::decode(b, form.size);
  if (decoded.failure != decode::Failure::none) return std::nullopt;
  return decoded.insn;
}

// ---- one case ---------------------------------------------------------------------------------

class Builder {
 public:
  Builder(const Form& form, unsigned slot, Rng& rng, const GeneratorOptions& options)
      : form_(form), rng_(rng), options_(options) {
    c_.slot = slot;
  }

  std::optional<Case> build();

 private:
  [[nodiscard]] bool chance(unsigned n) { return one_in(rng_, n); }
  std::uint32_t& gpr(unsigned r) { return c_.before.gpr[r]; }
  std::uint16_t& sel(Seg s) { return c_.before.sel[index_of(s)]; }
  [[nodiscard]] std::uint32_t base_of(std::uint16_t selector) const {
    const unsigned i = selector >> 3;
    return (selector & 4U) != 0 && i < kLocalSegments.size() ? kLocalSegments[i].base : 0;
  }
  [[nodiscard]] std::uint32_t base_of(Seg s) const { return base_of(c_.before.sel[index_of(s)]); }
  void poke(std::uint32_t linear, std::uint64_t value, unsigned bytes) {
    Poke p{linear, std::vector<std::uint8_t>(bytes)};
    std::memcpy(p.bytes.data(), &value, std::min<std::size_t>(bytes, 8));
    c_.pokes.push_back(std::move(p));
  }
  template <class T>
  void patch(unsigned offset, T value, unsigned bytes) {
    std::memcpy(insn_.bytes.data() + offset, &value, bytes);
  }

  void choose_segments();
  void choose_flags();
  void place();
  std::uint32_t pick_linear(std::uint32_t size, bool low, bool writable_only = false);
  std::uint32_t offset_in_slot();
  std::uint32_t code_target(std::uint16_t selector, unsigned offset_bytes);
  std::uint16_t pick_data_selector();
  std::uint16_t pick_code_selector();
  std::uint16_t pick_any_selector();
  void point_memory_operand();
  void solve_address(std::uint32_t offset);
  void point(unsigned reg, Seg seg, std::uint32_t linear);
  void point_stack(std::uint32_t below, bool writable_only = false);
  std::uint32_t operand_bytes() const;
  std::uint64_t current(unsigned reg, unsigned width) const;
  // 16 bits from the base of the code reach instructions, which are not the same on both sides.
  void refuse_code_in_reach(Seg s) { refused_ |= insn_.address_size == 2 && base_of(s) == kCode; }
  void special();
  void special_branch();
  void special_far();
  void special_segment();
  void special_string();
  void divide();
  void compare_exchange();
  void bound();
  void far_pointer(std::uint32_t linear, unsigned offset_bytes, bool code);

  const Form& form_;
  Rng& rng_;
  GeneratorOptions options_;
  Case c_;
  Insn insn_;
  bool refused_ = false;
  std::uint32_t target_ = 0;  // linear address of the memory operand
};

void Builder::choose_segments() {
  for (const Seg s : {Seg::es, Seg::ss, Seg::ds}) sel(s) = kUserData;
  sel(Seg::fs) = sel(Seg::gs) = options_.flat_only ? kUserData : local_selector(kLdtFlat);
  sel(Seg::cs) = form_.size == decode::CodeSize::bits16 ? local_selector(kLdtCode16) : kUserCode;
  if (options_.flat_only) return;
  constexpr std::array kAny{kLdtFlat,     kLdtBased,     kLdtBased, kLdtSmall, kLdtDown32,      kLdtDown16,
                            kLdtReadOnly, kLdtUnaligned, kLdtWrap,  kLdtCode,  kLdtExecuteOnly, kLdtCodeBased};
  for (const Seg s : {Seg::fs, Seg::gs}) {
    sel(s) = chance(8) ? std::uint16_t{0} : local_selector(kAny[rng_() % kAny.size()]);
    if (sel(s) == local_selector(kLdtExecuteOnly)) sel(s) = local_selector(kLdtUnaligned);
  }
  for (const Seg s : {Seg::es, Seg::ds}) {
    if (chance(12)) sel(s) = local_selector(kAny[rng_() % (kAny.size() - 2)]);
    if (chance(40)) sel(s) = 0;
  }
  if (chance(16)) sel(Seg::ss) = local_selector(kAny[rng_() % 6]);
  if (form_.size == decode::CodeSize::bits32 && chance(10)) {
    constexpr std::array kCodeSegments{kLdtCode, kLdtExecuteOnly, kLdtCodeBased};
    sel(Seg::cs) = local_selector(kCodeSegments[rng_() % kCodeSegments.size()]);
  }
}

void Builder::choose_flags() {
  std::uint32_t flags = static_cast<std::uint32_t>(rng_()) & eflags::kStatus;
  if (chance(4)) flags |= eflags::kDf;
  if (chance(16)) flags |= eflags::kAc;
  if (chance(16)) flags |= eflags::kNt;
  if (chance(4)) flags |= eflags::kId;
  c_.before.eflags = flags | eflags::kIf | eflags::kFixed;
}

// The instruction lies in its slot; at the end of a page it often crosses to the next one.
void Builder::place() {
  c_.offset = 16 + static_cast<std::uint32_t>(rng_() % 17);
  // Whether UD0 and UD1 have a ModRM byte to fetch differs between vendors.
  const bool ud = form_.map == 1 && (form_.opcode == 0xFF || form_.opcode == 0xB9);
  if (ud) {
    c_.offset = 16;
    c_.before.eip = case_address(c_) - base_of(Seg::cs);
    return;
  }
  const bool last_of_page = c_.slot % (kPage / kSlotBytes) == kPage / kSlotBytes - 1;
  if (last_of_page) c_.offset = kSlotBytes - static_cast<std::uint32_t>(rng_() % (insn_.length + 1U));
  // Nothing begins beyond the end of the code, where a 16-bit segment has no more offsets.
  if (c_.slot == kSlots - 1 && c_.offset == kSlotBytes) --c_.offset;
  c_.before.eip = case_address(c_) - base_of(Seg::cs);
}

// ---- addresses --------------------------------------------------------------------------------

std::uint32_t Builder::pick_linear(std::uint32_t size, bool low, bool writable_only) {
  const std::uint32_t begin = low ? kLowData : kData;
  const std::uint32_t end = low ? kLowEnd : kReadOnly;
  const std::uint32_t inside = begin + static_cast<std::uint32_t>(rng_() % (end - begin - std::min(size, 0x400U)));
  const std::uint32_t across = static_cast<std::uint32_t>(rng_() % std::max(size, 2U));
  switch (rng_() % 32) {
    case 0:
    case 1:
    case 2:  // into the next page
      return begin + kPage * (1 + static_cast<std::uint32_t>(rng_() % ((end - begin) / kPage - 1))) - across;
    case 3:  // into what cannot be written, or is not there
      return writable_only ? begin + 8 - across : end - across;
    case 4:  // out of nothing
      return begin - across;
    case 5:
      return writable_only || low ? inside : kReadOnly + static_cast<std::uint32_t>(rng_() % (kPage - size));
    case 6:
      return writable_only || low ? inside : kDataEnd - across;
    case 7:
      return chance(2) ? (static_cast<std::uint32_t>(rng_()) & 0x0FFFFFFFU) | 0x50000000U : 0U - across;
    default:
      return chance(4) ? inside : inside & ~15U;
  }
}

// An offset in the slot that holds INT3.
std::uint32_t Builder::offset_in_slot() {
  const std::uint32_t behind = c_.offset + insn_.length + kReturnBytes;
  if (behind >= kSlotBytes || chance(2)) return static_cast<std::uint32_t>(rng_() % std::min(c_.offset, 16U));
  return behind + static_cast<std::uint32_t>(rng_() % (kSlotBytes - behind));
}

// An offset to branch to: INT3 in the slot, data that must not be executed, or nothing at all.
std::uint32_t Builder::code_target(std::uint16_t selector, unsigned offset_bytes) {
  const std::uint32_t base = base_of(selector);
  // Cut to 16 bits, an offset must not lead into another slot's instruction.
  const bool cut = base != 0 && offset_bytes == 2;
  switch (cut ? 7 : rng_() % 8) {
    case 0:
      return kData + static_cast<std::uint32_t>(rng_() % kPage) - base;
    case 1:
      return (static_cast<std::uint32_t>(rng_()) | 0x80000000U) - base;
    default:
      return kCode + c_.slot * kSlotBytes + offset_in_slot() - base;
  }
}

std::uint16_t Builder::pick_data_selector() {
  switch (rng_() % 8) {
    case 0:
      return pick_any_selector();
    case 1:
      return static_cast<std::uint16_t>(rng_() % 4);
    case 2:
      return kUserData;
    default:
      return local_selector(static_cast<unsigned>(rng_() % kLdtCodeBased));
  }
}

std::uint16_t Builder::pick_code_selector() {
  constexpr std::array kCodeSegments{kLdtCode, kLdtExecuteOnly, kLdtCodeBased, kLdtCode16, kLdtAbsentCode};
  switch (rng_() % 8) {
    case 0: {
      const std::uint16_t s = pick_any_selector();
      return (s & 0xFFFC) == 0x30 ? kUserCode : s;  // 64-bit code
    }
    case 1:
    case 2:
      return kUserCode;
    default:
      return local_selector(kCodeSegments[rng_() % kCodeSegments.size()]);
  }
}

// Any index, table and RPL, except those whose descriptors only the host has.
std::uint16_t Builder::pick_any_selector() {
  auto s = static_cast<std::uint16_t>(rng_() % 0xC0);
  if (chance(8)) s = static_cast<std::uint16_t>(rng_());
  if ((s & 0xFFFC) == 0x78) s = static_cast<std::uint16_t>(s - 0x18);
  return s;
}

// Sets registers or displacement so that the effective address is `offset`, as far as the form allows.
void Builder::solve_address(std::uint32_t offset) {
  const std::uint32_t mask = insn_.address_size == 2 ? 0xFFFFU : 0xFFFFFFFFU;
  const auto disp = static_cast<std::uint32_t>(insn_.disp);
  const auto set = [&](unsigned reg, std::uint32_t value) { gpr(reg) = (gpr(reg) & ~mask) | (value & mask); };
  if (insn_.base != kNoRegister && insn_.base != insn_.index) {
    const std::uint32_t scaled = insn_.index == kNoRegister ? 0 : gpr(insn_.index) * insn_.scale;
    set(insn_.base, offset - disp - scaled);
  } else if (insn_.base != kNoRegister) {
    // (1 + scale) * register: an odd factor has an inverse modulo 2^32.
    const std::uint32_t factor = 1U + insn_.scale;
    std::uint32_t wanted = offset - disp;
    if (factor == 2) {
      set(insn_.base, wanted / 2);
    } else {
      std::uint32_t inverse = 1;
      for (unsigned i = 0; i < 5; ++i) inverse *= 2 - factor * inverse;
      set(insn_.base, wanted * inverse);
    }
  } else {
    const std::uint32_t scaled = insn_.index == kNoRegister ? 0 : gpr(insn_.index) * insn_.scale;
    if (insn_.disp_size == insn_.address_size) {
      insn_.disp = static_cast<std::int32_t>(offset - scaled);
      patch(insn_.disp_offset, insn_.disp, insn_.disp_size);
      if (insn_.address_size == 2) insn_.disp = static_cast<std::int16_t>(insn_.disp);
    }
  }
}

std::uint32_t Builder::operand_bytes() const {
  switch (insn_.op) {
    case Op::cmpxchg8b:
      return 8;
    case Op::bound:
      return 2U * insn_.width;
    case Op::les:
    case Op::lds:
    case Op::lss:
    case Op::lfs:
    case Op::lgs:
    case Op::jmp_far_indirect:
    case Op::call_far_indirect:
      return 2U + insn_.width;
    case Op::lgdt:
    case Op::lidt:
      return 6;
    case Op::fxsave:
    case Op::fxrstor:
      return 512;
    case Op::fp_environment:
      return insn_.opcode == 0xDD ? 108 : 28;
    case Op::movzx:
    case Op::movsx:
      return insn_.source_width;
    default:
      return insn_.form == isa::Form::host ? std::max<std::uint32_t>(insn_.host_memory_bytes, 1) : insn_.width;
  }
}

void Builder::point_memory_operand() {
  const std::uint32_t size = operand_bytes();
  const std::uint32_t base = base_of(insn_.segment);
  const bool low = insn_.address_size == 2 && base < kData - 0x1000;
  target_ = pick_linear(size, low);
  // Across the end of what 16 bits can address.
  if (insn_.address_size == 2 && base == kLocalSegments[kLdtWrap].base && chance(4)) {
    target_ = base + 0x10000 - 1 - static_cast<std::uint32_t>(rng_() % size);
  }
  // 16 bits reach nothing but code from there: INT3 on both sides.
  if (insn_.address_size == 2 && base == kCode) target_ = kCode + c_.slot * kSlotBytes;
  refused_ |= insn_.address_size == 2 && base == kCode && size > 16;
  if (insn_.host_align != 0 && !chance(6)) target_ &= ~15U;
  solve_address(target_ - base);
  // Whether an offset may wrap where the limit is 4 GiB is open; we refuse it only where that is free of cost.
  refused_ |= base != 0 && target_ - base > 0U - size;
  if (chance(2)) return;
  if (size <= 8) {
    poke(target_, interesting(rng_) | std::uint64_t{interesting(rng_)} << 32, size);
  }
}

void Builder::point(unsigned reg, Seg seg, std::uint32_t linear) {
  const std::uint32_t mask = insn_.address_size == 2 ? 0xFFFFU : 0xFFFFFFFFU;
  gpr(reg) = (gpr(reg) & ~mask) | ((linear - base_of(seg)) & mask);
}

// esp, so that `below` bytes under it and some above are mostly writable.
void Builder::point_stack(std::uint32_t below, bool writable_only) {
  std::uint32_t linear = pick_linear(16, false, writable_only);
  if (!chance(8)) linear += below;
  if (!chance(8)) linear &= ~3U;
  gpr(kEsp) = linear - base_of(Seg::ss);
}

std::uint64_t Builder::current(unsigned reg, unsigned width) const {
  const auto& g = c_.before.gpr;
  if (width == 1) return reg < 4 ? g[reg] & 0xFF : g[reg - 4] >> 8 & 0xFF;
  return width == 2 ? g[reg] & 0xFFFF : g[reg];
}

// ---- operands that make an instruction interesting --------------------------------------------

// A dividend whose quotient fits, most of the time.
void Builder::divide() {
  std::uint64_t divisor = insn_.memory ? interesting(rng_) : current(insn_.rm, insn_.width);
  if (insn_.memory) {
    divisor &= insn_.width == 1 ? 0xFF : insn_.width == 2 ? 0xFFFF : 0xFFFFFFFF;
    poke(target_, divisor, insn_.width);
  }
  if (chance(3)) return;
  const unsigned bits = insn_.width * 8U;
  std::uint64_t quotient = interesting(rng_) & ((std::uint64_t{1} << bits) - 1);
  if (insn_.op == Op::idiv) quotient >>= 1;
  std::uint64_t dividend = quotient * divisor + (divisor != 0 ? rng_() % divisor : 0);
  if (insn_.op == Op::idiv && chance(2)) dividend = 0 - dividend;
  if (insn_.width == 1) {
    gpr(kEax) = (gpr(kEax) & 0xFFFF0000U) | (dividend & 0xFFFF);
  } else if (insn_.width == 2) {
    gpr(kEax) = (gpr(kEax) & 0xFFFF0000U) | (dividend & 0xFFFF);
    gpr(kEdx) = (gpr(kEdx) & 0xFFFF0000U) | (dividend >> 16 & 0xFFFF);
  } else {
    gpr(kEax) = static_cast<std::uint32_t>(dividend);
    gpr(kEdx) = static_cast<std::uint32_t>(dividend >> 32);
  }
}

void Builder::compare_exchange() {
  if (chance(2)) return;
  if (insn_.op == Op::cmpxchg8b) {
    poke(target_, gpr(kEax) | std::uint64_t{gpr(kEdx)} << 32, 8);
  } else if (insn_.memory) {
    poke(target_, gpr(kEax), insn_.width);
  } else {
    gpr(insn_.width == 1 ? insn_.rm & 3U : insn_.rm) = gpr(kEax);
  }
}

void Builder::bound() {
  const std::uint32_t index = gpr(insn_.reg);
  const std::uint32_t lower = chance(3) ? interesting(rng_) : index - static_cast<std::uint32_t>(rng_() % 3);
  const std::uint32_t upper = chance(3) ? interesting(rng_) : index + static_cast<std::uint32_t>(rng_() % 3) - 1;
  poke(target_, lower, insn_.width);
  poke(target_ + insn_.width, upper, insn_.width);
}

void Builder::special_branch() {
  const auto relative = [&] {
    const std::uint32_t next = c_.before.eip + insn_.length;
    const std::uint32_t target = code_target(sel(Seg::cs), insn_.width);
    patch(insn_.imm_offset, target - next, insn_.imm_size);
    // Through 8 bits only the slot is in reach.
    if (insn_.imm_size == 1)
      patch(insn_.imm_offset, kCode + c_.slot * kSlotBytes + offset_in_slot() - case_address(c_) - insn_.length, 1);
  };
  switch (insn_.op) {
    case Op::loop:
    case Op::loope:
    case Op::loopne:
    case Op::jcxz:
      if (!chance(3)) gpr(kEcx) = (chance(2) ? 0U : gpr(kEcx) & 0xFFFF0000U) | static_cast<std::uint32_t>(rng_() % 3);
      relative();
      break;
    case Op::jcc:
    case Op::jmp:
      relative();
      break;
    case Op::call:
      relative();
      point_stack(4);
      break;
    case Op::jmp_indirect:
    case Op::call_indirect: {
      const std::uint32_t target = code_target(sel(Seg::cs), insn_.width);
      if (insn_.op == Op::call_indirect) point_stack(4);
      if (insn_.memory) {
        point_memory_operand();
        // A target read from the read-only page is none of ours, and may lead into another slot's instruction.
        refused_ |= insn_.width == 2 && base_of(Seg::cs) != 0 && target_ + 2 > kReadOnly && target_ < kDataEnd;
        poke(target_, target, insn_.width);
      } else {
        gpr(insn_.rm) = target;
      }
      break;
    }
    case Op::ret:
      point_stack(0, true);
      poke(gpr(kEsp) + base_of(Seg::ss), code_target(sel(Seg::cs), insn_.stack_operand), insn_.stack_operand);
      break;
    default:
      break;
  }
}

// offset:selector in memory
void Builder::far_pointer(std::uint32_t linear, unsigned offset_bytes, bool code) {
  const std::uint16_t selector = code ? pick_code_selector() : pick_data_selector();
  const std::uint32_t offset = code ? code_target(selector, offset_bytes) : interesting(rng_);
  poke(linear, offset, offset_bytes);
  poke(linear + offset_bytes, selector, 2);
}

void Builder::special_far() {
  switch (insn_.op) {
    case Op::jmp_far:
    case Op::call_far: {
      if (insn_.op == Op::call_far) point_stack(8);
      const std::uint16_t selector = pick_code_selector();
      patch(insn_.imm_offset, code_target(selector, insn_.imm_size), insn_.imm_size);
      patch(insn_.imm_offset + insn_.imm_size, selector, 2);
      break;
    }
    case Op::jmp_far_indirect:
    case Op::call_far_indirect:
      if (insn_.op == Op::call_far_indirect) point_stack(8);
      point_memory_operand();
      far_pointer(target_, insn_.width, true);
      break;
    case Op::ret_far:
    case Op::iret: {
      point_stack(0, true);
      const std::uint32_t at = gpr(kEsp) + base_of(Seg::ss);
      const unsigned size = insn_.stack_operand;
      std::uint16_t selector = pick_code_selector();
      // The order of checks differs between vendors where a return to another ring would read more of the stack.
      if (insn_.op == Op::ret_far) selector |= 3;
      poke(at, code_target(selector, size), size);
      poke(at + size, selector | (chance(2) ? rng_() << 16 : 0), size);
      if (insn_.op == Op::iret) {
        poke(at + 2 * size, rng_() & ~std::uint64_t{eflags::kTf | eflags::kRf}, size);
        c_.before.eflags &= ~eflags::kNt;  // a nested task in the guest, #GP in long mode
      }
      break;
    }
    default:
      break;
  }
}

void Builder::special_segment() {
  switch (insn_.op) {
    case Op::mov_to_seg:
    case Op::lar:
    case Op::lsl:
    case Op::verr:
    case Op::verw:
    case Op::arpl: {
      const std::uint16_t selector = insn_.op == Op::mov_to_seg ? pick_data_selector() : pick_any_selector();
      if (insn_.memory) {
        point_memory_operand();
        poke(target_, selector, 2);
      } else {
        gpr(insn_.rm) = (gpr(insn_.rm) & 0xFFFF0000U) | selector;
      }
      break;
    }
    case Op::pop_seg:
      point_stack(0);
      poke(gpr(kEsp) + base_of(Seg::ss), pick_data_selector() | (rng_() << 16), insn_.stack_operand);
      break;
    case Op::push_seg:
      point_stack(4);
      break;
    case Op::lds:
    case Op::les:
    case Op::lss:
    case Op::lfs:
    case Op::lgs:
      point_memory_operand();
      far_pointer(target_, insn_.width, false);
      break;
    default:
      break;
  }
}

void Builder::special_string() {
  const std::uint32_t mask = insn_.address_size == 2 ? 0xFFFFU : 0xFFFFFFFFU;
  const bool low = insn_.address_size == 2;
  const auto near = [&](Seg s) { return low && base_of(s) < kData - 0x1000; };
  refuse_code_in_reach(insn_.segment);
  const std::uint32_t from = pick_linear(insn_.width, near(insn_.segment));
  std::uint32_t to = pick_linear(insn_.width, near(Seg::es));
  if (chance(4)) to = from + static_cast<std::uint32_t>(rng_() % 9) - 4;  // overlapping
  point(kEsi, insn_.segment, from);
  point(kEdi, Seg::es, to);
  // Zen's fast REP MOVS tells an overlap by all 32 bits, even if addresses have 16.
  if (low && insn_.op == Op::movs) {
    gpr(kEsi) &= 0xFFFFU;
    gpr(kEdi) &= 0xFFFFU;
  }
  std::uint32_t count = static_cast<std::uint32_t>(rng_() % 20);
  if (chance(16)) count = static_cast<std::uint32_t>(rng_() % 6000);
  if (chance(40)) count = static_cast<std::uint32_t>(rng_());
  gpr(kEcx) = (gpr(kEcx) & ~mask) | (count & mask);
  if (insn_.op == Op::cmps || insn_.op == Op::scas) {
    // Equal bytes, so that a repeated comparison lasts.
    const auto fill = static_cast<std::uint8_t>(rng_());
    const std::uint32_t length = static_cast<std::uint32_t>(rng_() % 96);
    const std::uint32_t back = (c_.before.eflags & eflags::kDf) != 0 ? length : 0;
    c_.pokes.push_back({to - back, std::vector<std::uint8_t>(length, fill)});
    if (insn_.op == Op::cmps) c_.pokes.push_back({from - back, std::vector<std::uint8_t>(length, fill)});
    if (insn_.op == Op::scas && !chance(3)) gpr(kEax) = fill * 0x01010101U;
  }
}

void Builder::special() {
  switch (insn_.op) {
    case Op::movs:
    case Op::cmps:
    case Op::stos:
    case Op::lods:
    case Op::scas:
    case Op::ins:
    case Op::outs:
      special_string();
      return;
    case Op::jcc:
    case Op::jmp:
    case Op::call:
    case Op::loop:
    case Op::loope:
    case Op::loopne:
    case Op::jcxz:
    case Op::jmp_indirect:
    case Op::call_indirect:
    case Op::ret:
      special_branch();
      return;
    case Op::jmp_far:
    case Op::call_far:
    case Op::jmp_far_indirect:
    case Op::call_far_indirect:
    case Op::ret_far:
    case Op::iret:
      special_far();
      return;
    case Op::mov_to_seg:
    case Op::lar:
    case Op::lsl:
    case Op::verr:
    case Op::verw:
    case Op::arpl:
    case Op::pop_seg:
    case Op::push_seg:
    case Op::lds:
    case Op::les:
    case Op::lss:
    case Op::lfs:
    case Op::lgs:
      special_segment();
      return;
    default:
      break;
  }
  switch (insn_.op) {
    case Op::push:
    case Op::pop:
    case Op::pushf:
      point_stack(4);
      break;
    case Op::popf:
      point_stack(0, true);
      poke(gpr(kEsp) + base_of(Seg::ss), rng_() & ~std::uint64_t{eflags::kTf}, insn_.stack_operand);
      break;
    case Op::pusha:
      point_stack(32);
      break;
    case Op::popa:
      point_stack(0);
      break;
    case Op::enter:
      point_stack(16);
      gpr(kEbp) = pick_linear(16, false) + 32 - base_of(Seg::ss);
      if (chance(2)) patch(insn_.imm_offset + insn_.imm_size, static_cast<std::uint8_t>(rng_() % 4), 1);
      break;
    case Op::leave:
      gpr(kEbp) = pick_linear(4, false) - base_of(Seg::ss);
      break;
    case Op::xlat:
      refuse_code_in_reach(insn_.segment);
      point(kEbx, insn_.segment,
            pick_linear(1, insn_.address_size == 2 && base_of(insn_.segment) < kData - 0x1000) - (gpr(kEax) & 0xFF));
      break;
    case Op::masked_store:
      point(kEdi, insn_.segment, pick_linear(16, insn_.address_size == 2 && base_of(insn_.segment) < kData - 0x1000));
      break;
    case Op::int_n:
      // The host's system call; and INT 3 and INT 4 by the long encoding are welcome.
      if (insn_.imm == 0x80) patch(insn_.imm_offset, std::uint8_t{0x81}, 1);
      break;
    case Op::aam:
      if (chance(8)) patch(insn_.imm_offset, std::uint8_t{0}, 1);
      break;
    case Op::bt:
    case Op::bts:
    case Op::btr:
    case Op::btc:
      if (insn_.form == isa::Form::rm_reg && !chance(8)) {
        gpr(insn_.reg) = static_cast<std::uint32_t>(static_cast<std::int32_t>(rng_() % 512) - 256);
        refuse_code_in_reach(insn_.segment);
      }
      break;
    default:
      break;
  }
  if (insn_.memory) point_memory_operand();
  switch (insn_.op) {
    case Op::div:
    case Op::idiv:
      divide();
      break;
    case Op::cmpxchg:
    case Op::cmpxchg8b:
      compare_exchange();
      break;
    case Op::bound:
      if (insn_.memory) bound();
      break;
    default:
      break;
  }
}

std::optional<Case> Builder::build() {
  Form bare = form_;
  if (form_.op == Op::invalid) std::erase(bare.prefixes, 0xF0);
  const auto insn = random_encoding(bare, rng_);
  if (!insn || (form_.op != Op::invalid && insn->op != form_.op)) return std::nullopt;
  insn_ = *insn;
  choose_segments();
  choose_flags();
  for (auto& r : c_.before.gpr) r = interesting(rng_);
  place();
  special();
  // IRET to a 16-bit stack leaves the upper half of esp as it was on the native side.
  const std::uint16_t ss = sel(Seg::ss);
  if (ss == local_selector(kLdtSmall) || ss == local_selector(kLdtDown16)) {
    gpr(kEsp) = (gpr(kEsp) & 0xFFFFU) | (kNativeContext & 0xFFFF0000U);
    if (insn_.base == kEsp && base_of(insn_.segment) == 0) return std::nullopt;  // would address the native side
  }
  c_.bytes.assign(insn_.bytes.begin(), insn_.bytes.begin() + insn_.length);
  if (form_.op == Op::invalid) c_.bytes.insert(c_.bytes.begin(), 0xF0);
  c_.uses_fx = insn_.form == isa::Form::host || isa::row(insn_.op).family == isa::Family::fp;
  if (c_.uses_fx) randomise_fx(rng_, c_.fx);
  if (c_.bytes.size() > 15 || refused_) return std::nullopt;
  return std::move(c_);
}

}  // namespace

std::optional<Case> generate(const Form& form, unsigned slot, Rng& rng, const GeneratorOptions& options) {
  return Builder(form, slot, rng, options).build();
}

}  // namespace ringshift::test
