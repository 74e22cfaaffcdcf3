// The units of random programs that only a guest may run: privileged and sensitive instructions.
#include <array>

#include "tests/isa/program_writer.h"

namespace ringshift::test {

void ProgramWriter::system_unit() {
  switch (below(ring_ == 0 || chance(4) ? 8 : 5)) {
    case 0:
    case 1:
      flags_unit();
      break;
    case 2:
      segment_unit();
      break;
    case 3:
      interrupt_unit();
      break;
    case 4:
      far_unit();
      break;
    case 5:
      control_unit();
      break;
    case 6:
      table_unit();
      break;
    default:
      breakpoint_unit();
      break;
  }
}

void ProgramWriter::flags_unit() {
  switch (below(6)) {
    case 0:
      put({0xFA});  // cli
      break;
    case 1:
      put({0xFB});  // sti
      break;
    case 2: {  // push imm32; popf: without TF and VM, most of the time
      std::uint32_t flags = static_cast<std::uint32_t>(rng_()) & 0x3FFFFFU & ~eflags::kNt;
      if (!chance(16)) flags &= ~(eflags::kTf | eflags::kVm);
      put32({0x68}, flags);
      put({0x9D});
      break;
    }
    case 3:
      put({0x9C});  // pushf; pop r
      put({static_cast<std::uint8_t>(0x58 | any_register())});
      break;
    case 4:
      put({0x66, 0x9C});  // pushf; popf, of 16 bits
      put({0x66, 0x9D});
      break;
    default:
      put({0x9C});
      put({0x9D});
      break;
  }
}

void ProgramWriter::segment_unit() {
  constexpr std::array<std::uint16_t, 14> kSelectors{0,
                                                     3,
                                                     kUserData,
                                                     kUserData,
                                                     kKernelData,
                                                     kUserCode,
                                                     local_selector(kLdtFlat),
                                                     local_selector(kLdtFlat),
                                                     local_selector(kLdtBased),
                                                     local_selector(kLdtSmall),
                                                     local_selector(kLdtDown32),
                                                     local_selector(kLdtReadOnly),
                                                     local_selector(kLdtAbsent),
                                                     0xFFF8};
  const std::uint16_t selector = kSelectors[below(chance(4) ? kSelectors.size() : 9)];
  const std::uint8_t r = any_register();
  switch (below(5)) {
    case 0:
    case 1: {  // mov r, selector; mov sreg, r
      constexpr std::array<std::uint8_t, 5> kLoadable{0, 3, 4, 5, 3};
      put32({static_cast<std::uint8_t>(0xB8 | r)}, selector);
      put({0x8E, static_cast<std::uint8_t>(0xC0 | kLoadable[below(5)] << 3 | r)});
      break;
    }
    case 2: {  // push selector; pop sreg
      constexpr std::array<std::uint8_t, 3> kPops{0x07, 0x1F, 0x07};
      put32({0x68}, selector);
      put({kPops[below(3)]});
      break;
    }
    case 3:  // mov r, ss; mov ss, r; and what the shadow covers
      put({0x8C, static_cast<std::uint8_t>(0xD0 | r)});
      put({0x8E, static_cast<std::uint8_t>(0xD0 | r)});
      if (chance(2)) put({0x89, 0xE4});  // mov esp, esp
      break;
    default:  // from now on the data segment is not flat, until it is
      put32({static_cast<std::uint8_t>(0xB8 | r)}, local_selector(kLdtBased));
      put({0x8E, static_cast<std::uint8_t>(0xD8 | r)});
      random();
      put32({static_cast<std::uint8_t>(0xB8 | r)}, kUserData);
      put({0x8E, static_cast<std::uint8_t>(0xD8 | r)});
      break;
  }
}

void ProgramWriter::interrupt_unit() {
  const std::uint8_t code = ring_ == 0 ? kKernelCode : kUserCode;
  switch (below(5)) {
    case 0:
    case 1:
      put({0xCD, static_cast<std::uint8_t>(kReturningVector)});
      break;
    case 2:
      put({0xCE});  // into
      break;
    case 3:  // pushf; push cs; push target; iret
      put({0x9C});
      put({0x6A, code});
      put_label({0x68}, later() + 1, false);
      put({0xCF});
      break;
    default:  // the same to ring 3, with its stack
      if (ring_ == 0 && !chance(4)) break;
      put({0x89, 0xE0});       // mov eax, esp
      put({0x6A, kUserData});  // push ss
      put({0x50});             // push eax
      put({0x9C});
      put({0x6A, kUserCode});
      put_label({0x68}, later() + 1, false);
      put({0xCF});
      ring_ = 3;
      break;
  }
}

void ProgramWriter::far_unit() {
  const std::uint16_t code = ring_ == 0 ? kKernelCode : kUserCode;
  const std::uint16_t based = ring_ == 0 ? kKernelCodeBased : local_selector(kLdtCodeBased);
  const auto far = [this](std::uint8_t opcode, std::uint16_t selector, std::uint32_t base, std::size_t target) {
    put({opcode, 0, 0, 0, 0, static_cast<std::uint8_t>(selector), static_cast<std::uint8_t>(selector >> 8)});
    p_.code.back().label = Label{1, 4, false, base, target, 0};
  };
  switch (below(4)) {
    case 0:
      far(0xEA, code, 0, later());
      break;
    case 1:  // call far; and the return address is dropped
      far(0x9A, code, 0, here() + 1);
      put({0x83, 0xC4, 0x08});
      break;
    case 2:  // push cs; push target; retf
      put({0x0E});
      put_label({0x68}, later() + 1, false);
      put({0xCB});
      break;
    default:  // into a segment whose base is not 0, and back
      far(0xEA, based, kCode, here() + 1);
      random();
      far(0xEA, code, 0, here() + 1);
      break;
  }
}

void ProgramWriter::control_unit() {
  const std::uint8_t r = any_register();
  // mov r, crN; xor r, bit; mov crN, r: as one, so that nothing jumps to its end with a register full of garbage.
  const auto flip = [this, r](unsigned number, std::uint32_t bit) {
    const auto rm = static_cast<std::uint8_t>(0xC0 | number << 3 | r);
    Bytes bytes{0x0F, 0x20, rm, 0x81, static_cast<std::uint8_t>(0xF0 | r)};
    for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<std::uint8_t>(bit >> (8 * i)));
    bytes.insert(bytes.end(), {0x0F, 0x22, rm});
    put(std::move(bytes));
  };
  switch (below(6)) {
    case 0:  // CR0: TS, MP, AM or WP the other way round
    case 1: {
      constexpr std::array<std::uint32_t, 4> kBits{cr0::kTs, cr0::kMp, cr0::kAm, cr0::kWp};
      flip(0, kBits[below(4)]);
      break;
    }
    case 2:
      put({0x0F, 0x06});  // clts
      break;
    case 3:  // CR3 as it is
      flip(3, 0);
      break;
    case 4: {  // CR4: PGE, TSD, DE or OSFXSR the other way round
      constexpr std::array<std::uint32_t, 4> kBits{cr4::kPge, cr4::kTsd, cr4::kDe, cr4::kOsfxsr};
      flip(4, kBits[below(4)]);
      break;
    }
    default:
      put32({0x0F, 0x01, 0x3D}, (chance(2) ? kData : kCode) + below(0x3000));  // invlpg
      break;
  }
}

void ProgramWriter::table_unit() {
  const std::uint8_t r = any_register();
  const std::uint32_t at = kData + 0x600 + below(0x40);
  switch (below(6)) {
    case 0:
      put32({0x0F, 0x01, 0x05}, at);  // sgdt
      break;
    case 1:
      put32({0x0F, 0x01, 0x0D}, at);  // sidt
      break;
    case 2:
      put({0x0F, 0x00, static_cast<std::uint8_t>(0xC0 | r)});  // sldt
      break;
    case 3:
      put({0x0F, 0x00, static_cast<std::uint8_t>(0xC8 | r)});  // str
      break;
    case 4:
      put({0x0F, 0x01, static_cast<std::uint8_t>(0xE0 | r)});  // smsw
      break;
    default:
      put32({0xB8}, below(2));
      put({0x0F, 0xA2});  // cpuid
      break;
  }
}

// Execution or data breakpoints that are met, perhaps.
void ProgramWriter::breakpoint_unit() {
  const std::uint8_t r = any_register();
  if (chance(2)) {  // disarm all
    put({0x31, static_cast<std::uint8_t>(0xC0 | r << 3 | r)});
    put({0x0F, 0x23, static_cast<std::uint8_t>(0xC0 | 7 << 3 | r)});
    return;
  }
  if (chance(2)) {
    put_label({static_cast<std::uint8_t>(0xB8 | r)}, later() + 3, false);
    put({0x0F, 0x23, static_cast<std::uint8_t>(0xC0 | r)});  // mov dr0, r
    put32({static_cast<std::uint8_t>(0xB8 | r)}, 0x401);
  } else {
    put32({static_cast<std::uint8_t>(0xB8 | r)}, kData + 0x400 + below(0x40) * 4);
    put({0x0F, 0x23, static_cast<std::uint8_t>(0xC0 | r)});
    put32({static_cast<std::uint8_t>(0xB8 | r)}, 0xD0401 | (chance(2) ? 0x20000U : 0U));  // 4 bytes, write or access
  }
  put({0x0F, 0x23, static_cast<std::uint8_t>(0xC0 | 7 << 3 | r)});
}

}  // namespace ringshift::test
