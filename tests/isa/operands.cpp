// Operands that make an instruction interesting.
#include <array>

#include "tests/isa/case_builder.h"

namespace ringshift::test {

using isa::Op;

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
      poke(stack_top(), code_target(sel(Seg::cs), insn_.stack_operand), insn_.stack_operand);
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
      const std::uint32_t at = stack_top();
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
      poke(stack_top(), pick_data_selector() | (rng_() << 16), insn_.stack_operand);
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
      poke(stack_top(), rng_() & ~std::uint64_t{eflags::kTf}, insn_.stack_operand);
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
      }
      if (insn_.form == isa::Form::rm_reg) refuse_code_in_reach(insn_.segment);
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

}  // namespace ringshift::test
