#include "runtime/semantics/host_thunk.h"

#include <cpuid.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace ringshift {
namespace {

constexpr std::size_t kRegionBytes = 1U << 20;
constexpr std::size_t kStubBytes = 32;
constexpr std::uint8_t kRet = 0xC3;

// ThunkContext, as the entry code addresses it.
static_assert(offsetof(ThunkContext, gpr) == 0);
static_assert(offsetof(ThunkContext, flags) == 32);
static_assert(offsetof(ThunkContext, memory) == 40);
static_assert(offsetof(ThunkContext, fx) == 48);
static_assert(offsetof(ThunkContext, body) == 56);
static_assert(offsetof(ThunkContext, scratch) == 64);
static_assert(offsetof(ThunkContext, host_mxcsr) == 72);

// Loads the guest's registers, calls the stub, stores them, and gives C++ back a clean x87, MXCSR and DF.
// FNINIT and FXSAVE do not wait, so an exception that the instruction left pending is not raised on the host.
[[gnu::naked, gnu::noinline]] void enter_stub(ThunkContext* /*context*/) {
  __asm__ volatile(
      "push %rbx; push %rbp; push %r12; push %r15\n"
      "mov %rdi, %r15\n"
      "mov 48(%r15), %rax\n"
      "test %rax, %rax; jz 1f\n"
      "fxrstor64 (%rax)\n"
      "1: "
      "mov 40(%r15), %r8\n"
      "mov 64(%r15), %r9\n"
      "pushq 32(%r15); popfq\n"
      "mov (%r15), %eax; mov 4(%r15), %ecx; mov 8(%r15), %edx; mov 12(%r15), %ebx\n"
      "mov 16(%r15), %r12d; mov 20(%r15), %ebp; mov 24(%r15), %esi; mov 28(%r15), %edi\n"
      "call *56(%r15)\n"
      "mov %eax, (%r15); mov %ecx, 4(%r15); mov %edx, 8(%r15); mov %ebx, 12(%r15)\n"
      "mov %r12d, 16(%r15); mov %ebp, 20(%r15); mov %esi, 24(%r15); mov %edi, 28(%r15)\n"
      "pushfq; popq 32(%r15)\n"
      "cld\n"
      "mov 48(%r15), %rax\n"
      "test %rax, %rax; jz 2f\n"
      "fxsave64 (%rax)\n"
      "fninit\n"
      "ldmxcsr 72(%r15)\n"
      "2: pop %r15; pop %r12; pop %rbp; pop %rbx\n"
      "ret\n");
}

// Which fields of ModRM name general registers. Everything else that comes here names x87, MMX or XMM
// registers there, or an opcode extension.
struct GprFields {
  bool reg = false;
  bool rm = false;
};

GprFields gpr_fields(const isa::Insn& insn, bool rep, bool repne) {
  const bool scalar = rep || repne;
  switch (insn.map) {
    case 1:
      switch (insn.opcode) {
        case 0x2A:
          return {false, scalar};  // cvtsi2ss, cvtsi2sd; else from MMX
        case 0x2C:
        case 0x2D:
          return {scalar, false};  // cvt(t)ss2si, cvt(t)sd2si; else to MMX
        case 0x50:                 // movmskps, movmskpd
        case 0xC3:                 // movnti
        case 0xC5:                 // pextrw
        case 0xD7:
          return {true, false};  // pmovmskb
        case 0x6E:
          return {false, true};  // movd
        case 0x7E:
          return {false, !rep};  // movd; with F3: movq between XMM registers
        case 0xC4:
          return {false, true};  // pinsrw
        case 0xB8:               // popcnt
        case 0xBC:               // tzcnt
        case 0xBD:
          return {true, true};  // lzcnt
        default:
          return {};
      }
    case 2:
      return {insn.opcode == 0xF0 || insn.opcode == 0xF1 || insn.opcode == 0xF6,
              insn.opcode == 0xF0 || insn.opcode == 0xF1 || insn.opcode == 0xF6};  // movbe, crc32, adcx, adox
    case 3:
      switch (insn.opcode) {
        case 0x14:  // pextrb
        case 0x15:  // pextrw
        case 0x16:  // pextrd
        case 0x17:  // extractps
        case 0x20:  // pinsrb
        case 0x22:
          return {false, true};  // pinsrd
        default:
          return {};
      }
    default:
      return {};
  }
}

}  // namespace

std::optional<HostEncoding> host_encoding(const isa::Insn& insn) {
  if (insn.map > 3) return std::nullopt;
  const std::uint8_t first = insn.bytes[insn.opcode_offset];
  if (insn.map != 0 && first != 0x0F) return std::nullopt;  // VEX, EVEX, XOP
  HostEncoding out;
  const auto put = [&out](std::uint8_t byte) { out.bytes[out.size++] = byte; };

  const bool x87 = insn.map == 0;
  const bool movnti = insn.map == 1 && insn.opcode == 0xC3;
  const bool integer = insn.op == isa::Op::host_int && !movnti;
  bool rep = false;
  bool repne = false;
  bool operand_size = false;
  for (unsigned i = 0; i < insn.opcode_offset; ++i) {
    const std::uint8_t b = insn.bytes[i];
    if (b == 0x66) operand_size = true;
    if (b == 0xF3 || b == 0xF2) {  // the last one counts
      rep = b == 0xF3;
      repne = b == 0xF2;
    }
  }
  // 66 is part of the opcode in SSE, an operand size elsewhere, where it depends on the code segment.
  if (integer) operand_size = insn.width == 2;
  if (movnti) operand_size = false;  // always 32 bits
  if (operand_size && !x87) put(0x66);
  if (rep && !x87) put(0xF3);
  if (repne && !x87) put(0xF2);

  const GprFields gprs = gpr_fields(insn, rep, repne);
  const std::uint8_t mod = insn.modrm >> 6;
  const std::uint8_t reg = (insn.modrm >> 3) & 7U;
  const std::uint8_t rm = insn.modrm & 7U;
  const bool memory = insn.has_modrm && mod != 3;
  // crc32 r32, r8: the only byte register operand. AH..BH do not go with the REX prefix that ESP needs.
  const bool byte_register = insn.map == 2 && insn.opcode == 0xF0 && repne && !memory;
  std::uint8_t rex = 0;
  if (gprs.reg && reg == kEsp) rex |= 4;
  if (memory || byte_register || (gprs.rm && rm == kEsp)) rex |= 1;
  if (rex != 0) put(static_cast<std::uint8_t>(0x40U | rex));

  const unsigned opcode_end = insn.has_modrm ? insn.modrm_offset : insn.length;
  for (unsigned i = insn.opcode_offset; i < opcode_end; ++i) put(insn.bytes[i]);
  if (!insn.has_modrm) return out;
  if (memory) {
    put(static_cast<std::uint8_t>(reg << 3));  // [r8]
  } else if (byte_register) {
    put(static_cast<std::uint8_t>(0xC0U | (reg << 3) | 1U));  // r9b
    out.scratch_source = rm;
  } else {
    put(insn.modrm);
  }
  for (unsigned i = 0; i < insn.imm_size; ++i) put(insn.bytes[insn.imm_offset + i]);
  return out;
}

HostThunks::HostThunks() {
  const int fd = memfd_create("ringshift-thunks", MFD_CLOEXEC);
  if (fd < 0) return;
  if (ftruncate(fd, kRegionBytes) == 0) {
    void* w = mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    void* x = mmap(nullptr, kRegionBytes, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (w != MAP_FAILED) write_alias_ = static_cast<std::uint8_t*>(w);
    if (x != MAP_FAILED) exec_alias_ = static_cast<std::uint8_t*>(x);
  }
  close(fd);
}

HostThunks::~HostThunks() {
  if (write_alias_ != nullptr) munmap(write_alias_, kRegionBytes);
  if (exec_alias_ != nullptr) munmap(exec_alias_, kRegionBytes);
}

std::size_t HostThunks::Hash::operator()(const std::array<std::uint8_t, 16>& bytes) const {
  std::uint64_t lo = 0;
  std::uint64_t hi = 0;
  std::memcpy(&lo, bytes.data(), 8);
  std::memcpy(&hi, bytes.data() + 8, 8);
  const std::uint64_t mixed = (lo ^ (hi * 0x9E3779B97F4A7C15ULL)) * 0xD6E8FEB86659FD93ULL;
  return static_cast<std::size_t>(mixed ^ (mixed >> 32));
}

const void* HostThunks::stub(const HostEncoding& code) {
  const auto found = stubs_.find(code.bytes);
  if (found != stubs_.end()) return found->second;
  if (write_alias_ == nullptr || exec_alias_ == nullptr) return nullptr;
  if (used_ + kStubBytes > kRegionBytes) {  // full: begin again
    stubs_.clear();
    used_ = 0;
  }
  std::uint8_t* to = write_alias_ + used_;
  std::memcpy(to, code.bytes.data(), code.size);
  to[code.size] = kRet;
  const void* body = exec_alias_ + used_;
  used_ += kStubBytes;
  stubs_.emplace(code.bytes, body);
  // Code written through another linear address is seen for certain only after a serializing instruction
  // (SDM vol. 3, 9.1.3, cross-modifying code).
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  __cpuid(0, eax, ebx, ecx, edx);
  return body;
}

bool HostThunks::run(const HostEncoding& code, ThunkContext& context) {
  context.body = stub(code);
  if (context.body == nullptr) return false;
  enter_stub(&context);
  return true;
}

}  // namespace ringshift
