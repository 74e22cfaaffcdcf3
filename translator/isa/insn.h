// One decoded guest instruction, as both engines consume it.
#pragma once

#include <array>
#include <cstdint>

#include "runtime/state/segment.h"
#include "translator/isa/op.h"

namespace ringshift::isa {

// Where the explicit operands of an instruction are. "rm" is the ModRM r/m operand (register or
// memory), "reg" the ModRM reg field. The destination comes first.
enum class Form : std::uint8_t {
  none,        // no explicit operand (or implicit ones that Op tells)
  rm_reg,      // add [mem], ecx
  reg_rm,      // add ecx, [mem]
  rm_imm,      // add [mem], 5          imm is sign-extended to 32 bits
  acc_imm,     // add eax, 5
  rm,          // inc [mem]; mul ecx; push [mem]
  reg_rm_imm,  // imul ecx, [mem], 5
  rm_reg_imm,  // shld [mem], ecx, 5
  rm_one,      // shl [mem], 1       (opcodes D0, D1)
  rm_cl,       // shl [mem], cl
  rm_reg_cl,   // shld [mem], ecx, cl
  opreg,       // inc ecx; push ecx; bswap ecx (register in the low bits of the opcode: Insn::reg)
  opreg_imm,   // mov ecx, 5
  acc_opreg,   // xchg eax, ecx
  acc_moffs,   // mov eax, [disp]    (A0, A1: memory operand with disp only)
  moffs_acc,   // mov [disp], eax
  imm,         // push 5; int 21h; ret 8
  relative,    // jmp, jcc, call, loop: Insn::target() wraps to width
  far_imm,     // jmp 08:1234        (imm = offset, imm2 = selector)
  imm_imm,     // enter 16, 1        (imm, imm2)
  acc_dx,
  dx_acc,  // in eax, dx; out dx, eax
  acc_port,
  port_acc,  // in eax, 60h; out 60h, eax (imm = port)
  rm_sreg,
  sreg_rm,  // mov ax, ds; mov ds, ax (Insn::reg = Seg)
  sreg,     // push ds; pop ds (Insn::reg = Seg)
  reg_cr,
  cr_reg,
  reg_dr,
  dr_reg,  // Insn::reg = CR/DR number, Insn::rm = general register
  host,    // host_fp, host_int and their like: the bytes tell; see the host_* fields
};

inline constexpr std::uint8_t kNoRegister = 0xFF;

// Prefixes present.
namespace prefix {
inline constexpr std::uint8_t kLock = 1, kRep = 2 /* F3 */, kRepne = 4 /* F2 */, kOperandSize = 8, kAddressSize = 16,
                              kSegment = 32 /* an override is present */;
}

struct Insn {
  Op op = Op::invalid;
  Form form = Form::none;
  std::uint8_t length = 0;         // bytes, 1 to 15
  std::uint8_t width = 4;          // operand size in bytes: 1, 2 or 4. For movzx/movsx: of the destination
  std::uint8_t source_width = 4;   // movzx, movsx: of the source
  std::uint8_t address_size = 4;   // 2 or 4; also selects cx/ecx, si/esi, di/edi
  std::uint8_t stack_operand = 4;  // push, pop, call, ret ...: bytes moved, 2 or 4
  std::uint8_t prefixes = 0;
  std::uint8_t condition = 0;  // jcc, setcc, cmov: the low 4 bits of the opcode
  std::uint8_t opcode = 0;     // last opcode byte
  std::uint8_t map = 0;        // 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A
  std::uint8_t modrm = 0;
  bool has_modrm = false;
  bool memory = false;   // there is an explicit memory operand: the fields below hold
  std::uint8_t reg = 0;  // register number: of ModRM.reg, or of the opcode, or segment, CR, DR
  std::uint8_t rm = 0;   // register number of ModRM.rm when not memory
  std::uint8_t base = kNoRegister;
  std::uint8_t index = kNoRegister;
  std::uint8_t scale = 1;          // 1, 2, 4, 8
  Seg segment = Seg::ds;           // effective segment of the memory operand (or of the string source)
  std::uint8_t host_gpr_read = 0;  // host ops: general registers read and written, one bit each
  std::uint8_t host_gpr_written = 0;
  std::uint8_t host_memory = 0;         // host ops: 1 memory is read, 2 written (3: both)
  std::uint8_t host_align = 0;          // host ops: alignment that silicon demands of the operand (16), or 0
  std::uint16_t host_memory_bytes = 0;  // host ops: size of the memory operand
  std::uint16_t mnemonic = 0;           // ZydisMnemonic of the host ops
  std::uint16_t imm2 = 0;               // far selector; enter's level
  std::int32_t disp = 0;
  std::uint32_t imm = 0;  // sign-extended where the instruction does so
  // Offsets within `bytes`, 0 if absent: for emitters that copy an instruction and rewrite its operand.
  std::uint8_t opcode_offset = 0;  // of the first byte of the opcode (0F escape included)
  std::uint8_t modrm_offset = 0;
  std::uint8_t disp_offset = 0, disp_size = 0;
  std::uint8_t imm_offset = 0, imm_size = 0;
  std::array<std::uint8_t, 15> bytes{};

  [[nodiscard]] bool has(std::uint8_t p) const { return (prefixes & p) != 0; }
  [[nodiscard]] bool repeated() const { return has(prefix::kRep) || has(prefix::kRepne); }
  // Target of a relative branch at `eip`; a 16-bit operand size truncates it to 16 bits.
  [[nodiscard]] std::uint32_t target(std::uint32_t eip) const {
    const std::uint32_t t = eip + length + imm;
    return width == 2 ? t & 0xFFFFU : t;
  }
};

}  // namespace ringshift::isa
