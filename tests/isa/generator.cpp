#include "tests/isa/generator.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "tests/isa/case_builder.h"
#include "tests/isa/values.h"
#include "translator/isa/row.h"

namespace ringshift::test {
namespace {

using isa::kNoRegister;
using isa::Op;

constexpr std::uint32_t kReturnBytes = 8;  // of the native side's way back behind an instruction

}  // namespace

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

std::uint32_t random_flags(Rng& rng) {
  std::uint32_t flags = static_cast<std::uint32_t>(rng()) & eflags::kStatus;
  if (one_in(rng, 4)) flags |= eflags::kDf;
  if (one_in(rng, 16)) flags |= eflags::kAc;
  if (one_in(rng, 16)) flags |= eflags::kNt;
  if (one_in(rng, 4)) flags |= eflags::kId;
  return flags | eflags::kIf | eflags::kFixed;
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

// Any index, table and RPL, except those of the segment whose limit is the number of the host's processor.
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
  // Across the end of a segment of 4 GiB, which is its beginning.
  if (insn_.address_size == 4 && base != 0 && chance(16)) {
    target_ = base - static_cast<std::uint32_t>(rng_() % std::max(size, 2U));
  }
  // 16 bits reach nothing but code from there: INT3 on both sides.
  if (insn_.address_size == 2 && base == kCode) target_ = kCode + c_.slot * kSlotBytes;
  refused_ |= insn_.address_size == 2 && base == kCode && size > 16;
  if (insn_.host_align != 0 && !chance(6)) target_ &= ~15U;
  solve_address(target_ - base);
  // Parts of an operand that wrap, each on its own (exemptions.h).
  const bool of_x87_parts = insn_.op == Op::fp_environment || insn_.host_memory_bytes == 10;
  const bool of_parts = of_x87_parts || insn_.op == Op::fxsave || insn_.op == Op::fxrstor;
  refused_ |= of_parts && insn_.address_size == 2 && target_ - base > 0x10000 - size;
  refused_ |= of_x87_parts && base != 0 && target_ - base > 0U - size;
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
  // What cannot be poked may hold anything: TF, for one.
  refused_ |= writable_only && stack_top() + 16 > kReadOnly && stack_top() < kDataEnd;
}

std::uint64_t Builder::current(unsigned reg, unsigned width) const {
  const auto& g = c_.before.gpr;
  if (width == 1) return reg < 4 ? g[reg] & 0xFF : g[reg - 4] >> 8 & 0xFF;
  return width == 2 ? g[reg] & 0xFFFF : g[reg];
}

std::optional<Case> Builder::build() {
  Form bare = form_;
  if (form_.op == Op::invalid) std::erase(bare.prefixes, 0xF0);
  const auto insn = random_encoding(bare, rng_);
  if (!insn || (form_.op != Op::invalid && insn->op != form_.op)) return std::nullopt;
  insn_ = *insn;
  choose_segments();
  c_.before.eflags = random_flags(rng_);
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

std::optional<Case> generate(const Form& form, unsigned slot, Rng& rng, const GeneratorOptions& options) {
  return Builder(form, slot, rng, options).build();
}

}  // namespace ringshift::test
