// Integer operations done by the host's own instruction, flags included.
//
// The guest's CPU is the host's CPU, so that flags which the SDM leaves undefined come out as silicon
// makes them. Flags travel as AH and OF (LAHF, SETO), which costs a tenth of PUSHF and POPF and needs
// no stack, so that the red zone is safe.
#pragma once

#include <cstdint>

#include "runtime/state/eflags.h"
#include "translator/isa/op.h"

namespace ringshift::host {

using isa::Op;

// EFLAGS status bits as they travel: AH = SF ZF AF PF CF, AL = OF.
[[nodiscard]] inline std::uint32_t to_ax(std::uint32_t flags) { return ((flags & 0xD5U) << 8) | ((flags >> 11) & 1U); }
[[nodiscard]] inline std::uint32_t from_ax(std::uint32_t ax) { return ((ax >> 8) & 0xD5U) | ((ax & 1U) << 11); }

// Assembly text around the instruction. Loading: 1 + 127 overflows, 0 + 127 does not.
#define RINGSHIFT_LOAD_FLAGS "addb $0x7f, %%al\n\tsahf\n\t"
#define RINGSHIFT_SAVE_FLAGS "\n\tlahf\n\tseto %%al"

// Two operands; `flags` is the guest's before and the status flags after.
template <Op kOp, class T>
inline T binary(T a, T b, std::uint32_t& flags) {
  std::uint32_t ax;
  if constexpr (kOp == Op::add) {
    asm("add %[b], %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "=&a"(ax) : [b] "q"(b) : "cc");
  } else if constexpr (kOp == Op::or_) {
    asm("or %[b], %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "=&a"(ax) : [b] "q"(b) : "cc");
  } else if constexpr (kOp == Op::adc) {
    asm("bt $0, %[f]\n\tadc %[b], %[a]" RINGSHIFT_SAVE_FLAGS
        : [a] "+q"(a), "=&a"(ax)
        : [b] "q"(b), [f] "r"(flags)
        : "cc");
  } else if constexpr (kOp == Op::sbb) {
    asm("bt $0, %[f]\n\tsbb %[b], %[a]" RINGSHIFT_SAVE_FLAGS
        : [a] "+q"(a), "=&a"(ax)
        : [b] "q"(b), [f] "r"(flags)
        : "cc");
  } else if constexpr (kOp == Op::and_) {
    asm("and %[b], %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "=&a"(ax) : [b] "q"(b) : "cc");
  } else if constexpr (kOp == Op::sub) {
    asm("sub %[b], %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "=&a"(ax) : [b] "q"(b) : "cc");
  } else if constexpr (kOp == Op::xor_) {
    asm("xor %[b], %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "=&a"(ax) : [b] "q"(b) : "cc");
  } else if constexpr (kOp == Op::cmp) {
    asm("cmp %[b], %[a]" RINGSHIFT_SAVE_FLAGS : "=&a"(ax) : [a] "q"(a), [b] "q"(b) : "cc");
  } else {
    static_assert(kOp == Op::test);
    asm("test %[b], %[a]" RINGSHIFT_SAVE_FLAGS : "=&a"(ax) : [a] "q"(a), [b] "q"(b) : "cc");
  }
  flags = from_ax(ax);
  return a;
}

// INC and DEC leave CF: the caller keeps it.
template <Op kOp, class T>
inline T unary(T a, std::uint32_t& flags) {
  std::uint32_t ax;
  if constexpr (kOp == Op::inc) {
    asm("inc %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "=&a"(ax) : : "cc");
  } else if constexpr (kOp == Op::dec) {
    asm("dec %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "=&a"(ax) : : "cc");
  } else {
    static_assert(kOp == Op::neg);
    asm("neg %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "=&a"(ax) : : "cc");
  }
  flags = from_ax(ax);
  return a;
}

template <Op kOp, class T>
inline T shift(T a, std::uint8_t count, std::uint32_t& flags) {
  std::uint32_t ax = to_ax(flags);
  if constexpr (kOp == Op::rol) {
    asm(RINGSHIFT_LOAD_FLAGS "rol %%cl, %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "+a"(ax) : "c"(count) : "cc");
  } else if constexpr (kOp == Op::ror) {
    asm(RINGSHIFT_LOAD_FLAGS "ror %%cl, %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "+a"(ax) : "c"(count) : "cc");
  } else if constexpr (kOp == Op::rcl) {
    asm(RINGSHIFT_LOAD_FLAGS "rcl %%cl, %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "+a"(ax) : "c"(count) : "cc");
  } else if constexpr (kOp == Op::rcr) {
    asm(RINGSHIFT_LOAD_FLAGS "rcr %%cl, %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "+a"(ax) : "c"(count) : "cc");
  } else if constexpr (kOp == Op::shl) {
    asm(RINGSHIFT_LOAD_FLAGS "shl %%cl, %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "+a"(ax) : "c"(count) : "cc");
  } else if constexpr (kOp == Op::shr) {
    asm(RINGSHIFT_LOAD_FLAGS "shr %%cl, %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "+a"(ax) : "c"(count) : "cc");
  } else {
    static_assert(kOp == Op::sar);
    asm(RINGSHIFT_LOAD_FLAGS "sar %%cl, %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+q"(a), "+a"(ax) : "c"(count) : "cc");
  }
  flags = from_ax(ax);
  return a;
}

// SHLD, SHRD; T of 2 or 4 bytes. For 2 bytes and counts above 16 the result is undefined: silicon's.
template <Op kOp, class T>
inline T double_shift(T a, T fill, std::uint8_t count, std::uint32_t& flags) {
  std::uint32_t ax = to_ax(flags);
  if constexpr (kOp == Op::shld) {
    asm(RINGSHIFT_LOAD_FLAGS "shld %%cl, %[b], %[a]" RINGSHIFT_SAVE_FLAGS
        : [a] "+r"(a), "+a"(ax)
        : "c"(count), [b] "r"(fill)
        : "cc");
  } else {
    static_assert(kOp == Op::shrd);
    asm(RINGSHIFT_LOAD_FLAGS "shrd %%cl, %[b], %[a]" RINGSHIFT_SAVE_FLAGS
        : [a] "+r"(a), "+a"(ax)
        : "c"(count), [b] "r"(fill)
        : "cc");
  }
  flags = from_ax(ax);
  return a;
}

// BT, BTS, BTR, BTC on a register: `bit` counts modulo the width.
template <Op kOp, class T>
inline T bit_test(T a, T bit, std::uint32_t& flags) {
  std::uint32_t ax = to_ax(flags);
  if constexpr (kOp == Op::bt) {
    asm(RINGSHIFT_LOAD_FLAGS "bt %[b], %[a]" RINGSHIFT_SAVE_FLAGS : "+a"(ax) : [a] "r"(a), [b] "r"(bit) : "cc");
  } else if constexpr (kOp == Op::bts) {
    asm(RINGSHIFT_LOAD_FLAGS "bts %[b], %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+r"(a), "+a"(ax) : [b] "r"(bit) : "cc");
  } else if constexpr (kOp == Op::btr) {
    asm(RINGSHIFT_LOAD_FLAGS "btr %[b], %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+r"(a), "+a"(ax) : [b] "r"(bit) : "cc");
  } else {
    static_assert(kOp == Op::btc);
    asm(RINGSHIFT_LOAD_FLAGS "btc %[b], %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+r"(a), "+a"(ax) : [b] "r"(bit) : "cc");
  }
  flags = from_ax(ax);
  return a;
}

// BSF, BSR: with a source of 0 the destination keeps `old`, as all processors do.
template <Op kOp, class T>
inline T bit_scan(T old, T source, std::uint32_t& flags) {
  std::uint32_t ax = to_ax(flags);
  if constexpr (kOp == Op::bsf) {
    asm(RINGSHIFT_LOAD_FLAGS "bsf %[b], %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+r"(old), "+a"(ax) : [b] "r"(source) : "cc");
  } else {
    static_assert(kOp == Op::bsr);
    asm(RINGSHIFT_LOAD_FLAGS "bsr %[b], %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+r"(old), "+a"(ax) : [b] "r"(source) : "cc");
  }
  flags = from_ax(ax);
  return old;
}

template <class T>
struct Wide {
  T low;
  T high;
};

// MUL and one-operand IMUL.
template <Op kOp, class T>
inline Wide<T> multiply(T a, T b, std::uint32_t& flags) {
  static_assert(kOp == Op::mul || kOp == Op::imul);
  std::uint32_t ax = to_ax(flags);
  Wide<T> product{};
  if constexpr (sizeof(T) == 1) {
    std::uint16_t both = 0;
    if constexpr (kOp == Op::mul) {
      asm(RINGSHIFT_LOAD_FLAGS "mov %[a], %%al\n\tmulb %[b]\n\tmov %%ax, %[r]" RINGSHIFT_SAVE_FLAGS
          : "+a"(ax), [r] "=&r"(both)
          : [a] "q"(a), [b] "q"(b)
          : "cc");
    } else {
      asm(RINGSHIFT_LOAD_FLAGS "mov %[a], %%al\n\timulb %[b]\n\tmov %%ax, %[r]" RINGSHIFT_SAVE_FLAGS
          : "+a"(ax), [r] "=&r"(both)
          : [a] "q"(a), [b] "q"(b)
          : "cc");
    }
    product = {static_cast<T>(both), static_cast<T>(both >> 8)};
  } else {
    std::uint32_t low = a;
    std::uint32_t high = 0;
    if constexpr (kOp == Op::mul) {
      asm(RINGSHIFT_LOAD_FLAGS "mov %[r], %%eax\n\tmul %[b]\n\tmov %%eax, %[r]" RINGSHIFT_SAVE_FLAGS
          : "+a"(ax), [r] "+&r"(low), "=&d"(high)
          : [b] "r"(b)
          : "cc");
    } else {
      asm(RINGSHIFT_LOAD_FLAGS "mov %[r], %%eax\n\timul %[b]\n\tmov %%eax, %[r]" RINGSHIFT_SAVE_FLAGS
          : "+a"(ax), [r] "+&r"(low), "=&d"(high)
          : [b] "r"(b)
          : "cc");
    }
    product = {static_cast<T>(low), static_cast<T>(high)};
  }
  flags = from_ax(ax);
  return product;
}

template <class T>
inline T multiply_truncated(T a, T b, std::uint32_t& flags) {
  std::uint32_t ax = to_ax(flags);
  asm(RINGSHIFT_LOAD_FLAGS "imul %[b], %[a]" RINGSHIFT_SAVE_FLAGS : [a] "+r"(a), "+a"(ax) : [b] "r"(b) : "cc");
  flags = from_ax(ax);
  return a;
}

// DIV and IDIV. The caller has made sure that the quotient fits. Result: low = quotient, high = remainder.
template <Op kOp, class T>
inline Wide<T> divide(Wide<T> dividend, T divisor, std::uint32_t& flags) {
  static_assert(kOp == Op::div || kOp == Op::idiv);
  std::uint32_t ax = to_ax(flags);
  std::uint32_t low = sizeof(T) == 1 ? dividend.low | (std::uint32_t{dividend.high} << 8) : dividend.low;
  std::uint32_t high = dividend.high;
  if constexpr (kOp == Op::div) {
    asm(RINGSHIFT_LOAD_FLAGS "mov %[r], %%eax\n\tdiv %[b]\n\tmov %%eax, %[r]" RINGSHIFT_SAVE_FLAGS
        : "+a"(ax), [r] "+&r"(low), "+&d"(high)
        : [b] "q"(divisor)
        : "cc");
  } else {
    asm(RINGSHIFT_LOAD_FLAGS "mov %[r], %%eax\n\tidiv %[b]\n\tmov %%eax, %[r]" RINGSHIFT_SAVE_FLAGS
        : "+a"(ax), [r] "+&r"(low), "+&d"(high)
        : [b] "q"(divisor)
        : "cc");
  }
  flags = from_ax(ax);
  if constexpr (sizeof(T) == 1) return {static_cast<T>(low), static_cast<T>(low >> 8)};
  return {static_cast<T>(low), static_cast<T>(high)};
}

// BSWAP of a 16-bit register is undefined: silicon's.
[[nodiscard]] inline std::uint32_t swap_word(std::uint32_t a) {
  asm(".byte 0x66, 0x0f, 0xc8" : "+a"(a));  // bswap ax
  return a;
}

#undef RINGSHIFT_LOAD_FLAGS
#undef RINGSHIFT_SAVE_FLAGS

}  // namespace ringshift::host
