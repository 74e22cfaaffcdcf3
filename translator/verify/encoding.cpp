#include "translator/verify/encoding.h"

namespace ringshift::verify {
namespace {

// SDM vol. 2, appendix A.
bool one_byte_has_modrm(unsigned op) {
  if (op < 0x40) return (op & 7U) < 4;
  switch (op) {
    case 0x63:
    case 0x69:
    case 0x6B:
    case 0xC0:
    case 0xC1:
    case 0xC6:
    case 0xC7:
    case 0xF6:
    case 0xF7:
    case 0xFE:
    case 0xFF:
      return true;
    default:
      return (op >= 0x80 && op <= 0x8F) || (op >= 0xD0 && op <= 0xD3) || (op >= 0xD8 && op <= 0xDF);
  }
}

bool two_byte_has_modrm(unsigned op) {
  if ((op >= 0x04 && op <= 0x0C) || op == 0x0E || (op >= 0x30 && op <= 0x37) || (op >= 0x80 && op <= 0x8F))
    return false;
  return op != 0x77 && !(op >= 0xA0 && op <= 0xA2) && !(op >= 0xA8 && op <= 0xAA) && !(op >= 0xC8 && op <= 0xCF);
}

bool is_rex(unsigned b) { return (b & 0xF0U) == 0x40; }

bool is_legacy_prefix(unsigned b) {
  return b == 0x26 || b == 0x2E || b == 0x36 || b == 0x3E || (b >= 0x64 && b <= 0x67) || b == 0xF0 || b == 0xF2 ||
         b == 0xF3;
}

bool take_once(bool& seen) {
  if (seen) return false;
  return seen = true;
}

class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool more() const { return at_ < bytes_.size() && at_ < 15; }
  [[nodiscard]] std::uint8_t peek() const { return bytes_[at_]; }
  std::uint8_t next() { return bytes_[at_++]; }
  [[nodiscard]] std::uint8_t at() const { return static_cast<std::uint8_t>(at_); }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

// False if a prefix is refused. Leaves the reader at REX, VEX or the opcode.
bool read_prefixes(Reader& in, Encoding& e) {
  while (in.more()) {
    bool ok = true;
    switch (in.peek()) {
      case 0x65:
        ok = take_once(e.gs);
        break;
      case 0x66:
        ok = !e.repne && !e.rep && take_once(e.operand16);
        break;
      case 0x67:
        ok = take_once(e.addr32);
        break;
      case 0xF0:
        ok = take_once(e.lock);
        break;
      case 0xF2:
        ok = take_once(e.repne);
        break;
      case 0xF3:
        ok = take_once(e.rep);
        break;
      case 0x26:
      case 0x2E:
      case 0x36:
      case 0x3E:
      case 0x64:
        return false;
      default:
        return !(e.rep && e.repne);
    }
    if (!ok) return false;
    in.next();
  }
  return false;
}

bool read_vex(Reader& in, Encoding& e) {
  if (e.operand16 || e.lock || e.rep || e.repne) return false;
  e.vex = true;
  const bool three = in.next() == 0xC4;
  if (!in.more()) return false;
  const std::uint8_t first = in.next();
  if (!three) {
    e.map = 1;
  } else {
    if (!in.more()) return false;
    e.map = first & 0x1FU;
    e.wide = (in.next() & 0x80U) != 0;
  }
  if (!in.more() || e.map < 1 || e.map > 3) return false;
  e.opcode = in.next();
  e.has_modrm = !(e.map == 1 && e.opcode == 0x77);
  return true;
}

bool read_opcode(Reader& in, Encoding& e) {
  if (is_rex(in.peek())) {
    e.rex = in.next();
    e.wide = (e.rex & 8U) != 0;
    // A second one would replace the first in silicon; Capstone holds to the first.
    if (!in.more() || is_rex(in.peek()) || is_legacy_prefix(in.peek())) return false;
  }
  const std::uint8_t first = in.peek();
  if (first == 0x62 || first == 0x8F) return false;
  if (first == 0xC4 || first == 0xC5) return e.rex == 0 && read_vex(in, e);
  e.opcode = in.next();
  if (e.opcode != 0x0F) {
    e.has_modrm = one_byte_has_modrm(e.opcode);
    return true;
  }
  if (!in.more()) return false;
  e.opcode = in.next();
  e.map = 1;
  e.has_modrm = two_byte_has_modrm(e.opcode);
  if (e.opcode != 0x38 && e.opcode != 0x3A) return true;
  if (!in.more()) return false;
  e.map = e.opcode == 0x38 ? 2 : 3;
  e.opcode = in.next();
  e.has_modrm = true;
  return true;
}

bool read_modrm(Reader& in, Encoding& e) {
  if (!in.more()) return false;
  e.modrm_offset = in.at();
  e.modrm = in.next();
  const unsigned mod = e.modrm >> 6U;
  const unsigned rm = e.modrm & 7U;
  if (mod == 3) return true;
  unsigned base = rm;
  if (rm == 4) {
    if (!in.more()) return false;
    base = in.next() & 7U;
  }
  if (mod == 1) e.disp_size = 1;
  if (mod == 2 || (mod == 0 && base == 5)) e.disp_size = 4;
  return true;
}

}  // namespace

std::optional<Encoding> read_encoding(std::span<const std::uint8_t> bytes) {
  Encoding e;
  Reader in(bytes);
  if (!read_prefixes(in, e) || !read_opcode(in, e)) return std::nullopt;
  if (e.has_modrm && !read_modrm(in, e)) return std::nullopt;
  e.header_size = in.at();
  return e;
}

}  // namespace ringshift::verify
