#include "translator/plan/block.h"

namespace ringshift::translator::plan {
namespace {

using isa::Form;
using isa::Insn;
using isa::Op;

// True if the explicit memory operand is surely only read.
bool only_reads_memory(const Insn& insn) {
  switch (insn.op) {
    case Op::host_fp:
    case Op::host_int:
      return (insn.host_memory & 2U) == 0;
    case Op::cmp:
    case Op::test:
    case Op::bt:
    case Op::mul:
    case Op::imul:
    case Op::imul_reg:
    case Op::div:
    case Op::idiv:
    case Op::push:
    case Op::jmp_indirect:
    case Op::call_indirect:
    case Op::lea:
    case Op::xlat:
    case Op::nop:
    case Op::prefetch:
      return true;
    case Op::xchg:
      return false;
    default:
      return insn.form == Form::reg_rm || insn.form == Form::reg_rm_imm || insn.form == Form::acc_moffs;
  }
}

// A code segment is writable in real and V86 mode only; the runtime raises #GP.
bool writes_code_segment(const Insn& insn, const ModeKey& mode) {
  return insn.memory && insn.segment == Seg::cs && !mode.paragraphs && !only_reads_memory(insn);
}

// In a mode that is not plain. How far a repetition comes is known beforehand only if nothing is compared, and its
// end is within 4 GiB only if it has 16-bit addresses.
bool string_in_segments(const Insn& insn, const ModeKey& mode) {
  if (mode.plain()) return false;
  const bool compares = insn.op == Op::cmps || insn.op == Op::scas;
  return !insn.repeated() || (insn.address_size == 2 && !compares);
}

// Whether the load of a segment register, in real or V86 mode, is that of a selector and a base.
bool loads_paragraph(Seg segment, const ModeKey& mode) { return segment != Seg::cs && mode.reaches(segment); }

// A target or return address of the operand's size, not known before, which must not be beyond the limit of the code
// segment.
bool target_checkable(const Insn& insn, const ModeKey& mode) {
  const bool word = insn.stack_operand == 2;
  if (mode.code32 && word) return false;
  if (mode.plain()) return true;
  constexpr std::uint32_t kMostChecked = 0x7FFFFFFE;  // emit::check_code_limit
  return mode.cs_limit <= kMostChecked || mode.cs_limit == 0xFFFFFFFF || (word && mode.cs_limit >= 0xFFFF);
}

// plan_block() has looked whether the target is within the limit.
bool target_known(const Insn& insn, const ModeKey& mode) { return insn.width == 4 || !mode.code32; }

// An operand at a fixed offset that runs over 4 GiB, in a segment with a base of its own; with base 0 it runs over the
// end of the window. The runtime raises #GP or #SS.
bool runs_over_the_end(const Insn& insn, const ModeKey& mode) {
  if (!insn.memory || insn.base != isa::kNoRegister || insn.index != isa::kNoRegister) return false;
  if (!mode.plain() || insn.address_size != 4 || flat(insn.segment, mode)) return false;
  const std::uint32_t room = 0U - static_cast<std::uint32_t>(insn.disp);
  return room != 0 && room < memory_bytes(insn);
}

// Which ModRM field of a host instruction names a general register cannot be seen from its bytes
// alone; it matters only where that register is esp, which is elsewhere.
bool host_operands_known(const Insn& insn) {
  const unsigned esp = 1U << kEsp;
  return ((insn.host_gpr_read | insn.host_gpr_written) & esp) == 0 || host_register_fields(insn).known;
}

// The oldest CPU model that surely has an instruction. What of MMX, SSE and SSE2 is how old is for the runtime to tell.
CpuModel first_model(const Insn& insn) {
  switch (insn.op) {
    case Op::cmpxchg8b:
    case Op::rdtsc:
      return CpuModel::pentium;
    case Op::cmov:
    case Op::prefetch:
      return CpuModel::pentium3;
    case Op::fence:
    case Op::host_int:
      return CpuModel::core2;
    case Op::host_fp: {
      if (insn.map != 0) return CpuModel::core2;
      const bool of_p6 = !insn.memory && (insn.opcode == 0xDA || insn.opcode == 0xDB || insn.opcode == 0xDF);
      return of_p6 ? CpuModel::pentium3 : CpuModel::i486;
    }
    default:
      return CpuModel::i486;
  }
}

// The oldest model has no CR4.
bool control_register(std::uint8_t number, const Options& options) {
  return number == 0 || number == 2 || number == 3 || (number == 4 && options.model != CpuModel::i486);
}

// CVTPI2PS and CVTPI2PD from memory: whether a pending x87 exception is met is up to the maker of the host's CPU.
bool converts_mmx_from_memory(const Insn& insn) {
  return insn.map == 1 && insn.opcode == 0x2A && insn.memory && !insn.repeated();
}

bool needs_rex(const Insn& insn) { return insn.reg == kEsp || (!insn.memory && insn.rm == kEsp); }

}  // namespace

Seg far_pointer_segment(Op op) {
  switch (op) {
    case Op::lds:
      return Seg::ds;
    case Op::les:
      return Seg::es;
    case Op::lss:
      return Seg::ss;
    case Op::lfs:
      return Seg::fs;
    default:
      return Seg::gs;
  }
}

bool may_write_memory(const Insn& insn) {
  switch (insn.op) {
    case Op::push:
    case Op::pusha:
    case Op::pushf:
    case Op::push_seg:
    case Op::call:
    case Op::call_indirect:
    case Op::enter:
    case Op::movs:
    case Op::stos:
      return true;
    case Op::host_fp:
    case Op::host_int:
      return (insn.host_memory & 2U) != 0;
    default:
      return insn.memory && !only_reads_memory(insn);
  }
}

unsigned memory_bytes(const Insn& insn) {
  switch (insn.op) {
    case Op::host_fp:
    case Op::host_int:
      return insn.host_memory_bytes;
    case Op::movzx:
    case Op::movsx:
      return insn.source_width;
    case Op::push:
    case Op::pop:
      return insn.stack_operand;
    case Op::mov_from_seg:
    case Op::mov_to_seg:
      return 2;
    case Op::lds:
    case Op::les:
    case Op::lss:
    case Op::lfs:
    case Op::lgs:
      return insn.stack_operand + 2U;
    case Op::cmpxchg8b:
      return 8;
    default:
      return insn.width;
  }
}

bool immediate_can_be_loaded(const Insn& insn, Treatment treatment) {
  if (treatment != Treatment::copy || insn.imm_size != 4 || insn.width != 4) return false;
  switch (insn.op) {
    case Op::mov:
    case Op::add:
    case Op::or_:
    case Op::adc:
    case Op::sbb:
    case Op::and_:
    case Op::sub:
    case Op::xor_:
    case Op::cmp:
      return insn.form == Form::rm_imm || insn.form == Form::acc_imm || insn.form == Form::opreg_imm;
    default:
      return false;
  }
}

bool string_in_window(const Insn& insn, const ModeKey& mode) {
  if (insn.address_size != 4) return false;
  const bool reads_source = insn.op != Op::stos && insn.op != Op::scas;
  const bool uses_es = insn.op != Op::lods;
  return (!reads_source || flat(insn.segment, mode)) && (!uses_es || mode.flat_es);
}

bool flat(Seg segment, const ModeKey& mode) {
  switch (segment) {
    case Seg::es:
      return mode.flat_es;
    case Seg::cs:
      return mode.flat_cs;
    case Seg::ss:
      return mode.flat_ss;
    case Seg::ds:
      return mode.flat_ds;
    default:
      return false;
  }
}

HostFields host_register_fields(const Insn& insn) {
  const bool scalar = insn.repeated();
  switch (insn.map) {
    case 1:
      switch (insn.opcode) {
        case 0x6E:  // movd xmm, r32
        case 0xC4:  // pinsrw
          return {.known = true, .rm = true};
        case 0x7E:  // movd r32, xmm; with F3: movq xmm, xmm
          return {.known = true, .rm = !scalar};
        case 0x2A:  // cvtsi2ss, cvtsi2sd; without F2, F3: cvtpi2ps, cvtpi2pd
          return {.known = true, .rm = scalar};
        case 0x2C:
        case 0x2D:  // cvttss2si, cvtss2si, ...
          return {.known = true, .reg = scalar};
        case 0x50:  // movmskps
        case 0xC3:  // movnti
        case 0xC5:  // pextrw
        case 0xD7:  // pmovmskb
          return {.known = true, .reg = true};
        case 0xB8:  // popcnt
        case 0xBC:  // tzcnt
        case 0xBD:  // lzcnt
          return {.known = true, .reg = true, .rm = true};
        default:
          return {};
      }
    case 2:
      if (insn.opcode == 0xF0 || insn.opcode == 0xF1) {  // movbe, crc32
        // crc32 of a high byte register has no form with REX.
        const bool high_byte = insn.opcode == 0xF0 && insn.has(isa::prefix::kRepne) && !insn.memory && insn.rm >= 4;
        return {.known = !(high_byte && needs_rex(insn)), .reg = true, .rm = !high_byte};
      }
      if (insn.opcode == 0xF6) return {.known = true, .reg = true, .rm = true};  // adcx, adox
      return {};
    case 3:
      switch (insn.opcode) {
        case 0x14:  // pextrb, pextrw, pextrd, extractps
        case 0x15:
        case 0x16:
        case 0x17:
        case 0x20:  // pinsrb, pinsrd
        case 0x22:
          return {.known = true, .rm = true};
        default:
          return {};
      }
    default:
      return {};
  }
}

Treatment treatment(const Insn& insn, const ModeKey& mode, const Options& options) {
  if (writes_code_segment(insn, mode) || runs_over_the_end(insn, mode)) return Treatment::interpret;
  if (options.model < first_model(insn)) return Treatment::interpret;
  const auto when = [](bool condition, Treatment t) { return condition ? t : Treatment::interpret; };
  switch (insn.op) {
    case Op::add:
    case Op::or_:
    case Op::adc:
    case Op::sbb:
    case Op::and_:
    case Op::sub:
    case Op::xor_:
    case Op::cmp:
    case Op::test:
    case Op::inc:
    case Op::dec:
    case Op::not_:
    case Op::neg:
    case Op::mul:
    case Op::imul:
    case Op::imul_reg:
    case Op::div:
    case Op::idiv:
    case Op::rol:
    case Op::ror:
    case Op::rcl:
    case Op::rcr:
    case Op::shl:
    case Op::shr:
    case Op::sar:
    case Op::shld:
    case Op::shrd:
    case Op::bsf:
    case Op::bsr:
    case Op::mov:
    case Op::xchg:
    case Op::cmpxchg:
    case Op::cmpxchg8b:
    case Op::xadd:
    case Op::bswap:
    case Op::cmov:
    case Op::setcc:
    case Op::cbw:
    case Op::cwd:
    case Op::lahf:
    case Op::sahf:
    case Op::clc:
    case Op::stc:
    case Op::cmc:
    case Op::cld:
    case Op::std_:
      return Treatment::copy;
    case Op::bt:
    case Op::bts:
    case Op::btr:
    case Op::btc:
      if (!insn.memory || insn.form != Form::rm_reg) return Treatment::copy;
      // With 16-bit addresses, silicon cuts the sum of address and bit offset to 16 bits.
      return when(insn.address_size == 4, Treatment::expand);
    case Op::movzx:
    case Op::movsx: {
      const bool high_byte_to_esp = !insn.memory && insn.source_width == 1 && insn.rm >= 4 && insn.reg == kEsp;
      return high_byte_to_esp ? Treatment::expand : Treatment::copy;
    }
    case Op::pop:
      // An address with esp is computed after the increment, which wraps at 64 KiB there.
      return when(mode.stack32 || !insn.memory || insn.base != kEsp, Treatment::expand);
    case Op::pushf:
    case Op::popf:
      return when(!mode.v86() || mode.iopl_ok, Treatment::expand);
    case Op::lea:
    case Op::xlat:
    case Op::push:
    case Op::pusha:
    case Op::popa:
    case Op::push_seg:
    case Op::mov_from_seg:
    case Op::nop:
    case Op::pause:
    case Op::fence:
      return Treatment::expand;
    case Op::prefetch:
      return when(insn.opcode != 0xAE, Treatment::expand);  // CLFLUSH faults as a load does
    case Op::leave:
      return when(insn.stack_operand == 4 || !mode.stack32, Treatment::expand);
    case Op::mov_to_seg:
      return when(mode.paragraphs && insn.reg < kSegCount && loads_paragraph(static_cast<Seg>(insn.reg), mode),
                  Treatment::expand);
    case Op::pop_seg:
      return when(mode.paragraphs && loads_paragraph(static_cast<Seg>(insn.reg), mode), Treatment::expand);
    case Op::lds:
    case Op::les:
    case Op::lss:
    case Op::lfs:
    case Op::lgs:
      return when(mode.paragraphs && loads_paragraph(far_pointer_segment(insn.op), mode), Treatment::expand);
    case Op::cli:
    case Op::sti:
      return when(mode.iopl_ok, Treatment::expand);
    case Op::mov_from_cr:
      return when(mode.cpl == 0 && control_register(insn.reg, options), Treatment::expand);
    case Op::rdtsc:
      return when(!mode.time_stamp_trap && !options.deterministic_time, Treatment::expand);
    case Op::movs:
    case Op::cmps:
    case Op::stos:
    case Op::lods:
    case Op::scas:
      return when(string_in_window(insn, mode) || string_in_segments(insn, mode), Treatment::expand);
    case Op::host_fp:
      if (converts_mmx_from_memory(insn)) return Treatment::interpret;
      return when(!mode.fp_trap && (insn.map == 0 || !mode.sse_trap) && host_operands_known(insn), Treatment::copy);
    case Op::host_int:
      return when(host_operands_known(insn), Treatment::copy);
    case Op::fwait:
      return when(!mode.fp_trap, Treatment::copy);
    case Op::call:
      // The next instruction as target only asks for eip: nobody will return there.
      if (insn.stack_operand == 4 && insn.width == 4 && insn.imm == 0) return Treatment::expand;
      return when(target_known(insn, mode) && insn.stack_operand == insn.width, Treatment::side_exit);
    case Op::call_indirect:
      return when(target_checkable(insn, mode), Treatment::side_exit);
    case Op::ret:
      return when(target_checkable(insn, mode), Treatment::branch);
    case Op::jcc:
      return when(target_known(insn, mode), Treatment::side_exit);
    case Op::jmp:
      return when(target_known(insn, mode), Treatment::branch);
    case Op::jmp_indirect:
      return when(target_checkable(insn, mode), Treatment::branch);
    case Op::loop:
    case Op::loope:
    case Op::loopne:
    case Op::jcxz:
      return when(target_known(insn, mode) && (insn.address_size == 4 || !mode.plain()), Treatment::branch);
    default:
      return Treatment::interpret;
  }
}

}  // namespace ringshift::translator::plan
