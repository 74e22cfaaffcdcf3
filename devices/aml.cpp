#include "devices/aml.h"

#include <cassert>

namespace ringshift::devices::aml {

namespace {

constexpr std::uint8_t kZeroOp = 0x00, kOneOp = 0x01, kNameOp = 0x08, kBytePrefix = 0x0A, kWordPrefix = 0x0B;
constexpr std::uint8_t kDWordPrefix = 0x0C, kScopeOp = 0x10, kBufferOp = 0x11, kPackageOp = 0x12, kExtended = 0x5B;
constexpr std::uint8_t kDeviceOp = 0x82;

// Address space descriptors.
constexpr std::uint8_t kMemory = 0, kIo = 1, kBus = 2;
constexpr std::uint8_t kFixedRange = 0x0C;   // producer, positive decode, both ends fixed
constexpr std::uint8_t kEntireRange = 0x03;  // ISA and other addresses
constexpr std::uint8_t kReadWrite = 0x01, kCacheable = 0x02;

void append(Bytes& to, const Bytes& from) { to.insert(to.end(), from.begin(), from.end()); }

void append_le(Bytes& to, std::uint32_t value, unsigned size) {
  for (unsigned i = 0; i < size; ++i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

// PkgLength counts itself: one byte up to 63, else a nibble and one to three bytes.
Bytes with_length(const Bytes& contents) {
  Bytes out;
  if (contents.size() + 1 < 0x40) {
    out.push_back(static_cast<std::uint8_t>(contents.size() + 1));
  } else {
    unsigned more = 1;
    while (contents.size() + 1 + more >= (std::size_t{1} << (4 + 8 * more))) ++more;
    assert(more <= 3);
    const auto total = static_cast<std::uint32_t>(contents.size() + 1 + more);
    out.push_back(static_cast<std::uint8_t>(more << 6 | (total & 15)));
    append_le(out, total >> 4, more);
  }
  append(out, contents);
  return out;
}

Bytes name_string(std::string_view path) {
  Bytes out;
  out.reserve(5);
  if (path.starts_with('\\')) {
    out.push_back('\\');
    path.remove_prefix(1);
  }
  assert(!path.empty() && path.size() <= 4);
  for (std::size_t i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(i < path.size() ? path[i] : '_'));
  return out;
}

Bytes address_space(unsigned size, std::uint8_t type, std::uint8_t flags, std::uint32_t first, std::uint32_t last) {
  Bytes out{static_cast<std::uint8_t>(size == 2 ? 0x88 : 0x87)};  // word, dword
  append_le(out, 3 + 5 * size, 2);
  append(out, {type, kFixedRange, flags});
  for (const std::uint32_t field : {0U, first, last, 0U, last - first + 1}) append_le(out, field, size);
  return out;
}

unsigned hex(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'A' + 10); }

}  // namespace

Bytes join(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const Bytes& part : parts) append(out, part);
  return out;
}

Bytes integer(std::uint32_t value) {
  if (value == 0) return {kZeroOp};
  if (value == 1) return {kOneOp};
  const unsigned size = value <= 0xFF ? 1 : value <= 0xFFFF ? 2 : 4;
  Bytes out{size == 1 ? kBytePrefix : size == 2 ? kWordPrefix : kDWordPrefix};
  append_le(out, value, size);
  return out;
}

Bytes eisa_id(std::string_view id) {
  assert(id.size() == 7);
  // Three letters of five bits and four digits, most significant byte first.
  std::uint32_t packed = 0;
  for (const char letter : id.substr(0, 3)) packed = packed << 5 | static_cast<std::uint32_t>(letter - 'A' + 1);
  for (const char digit : id.substr(3)) packed = packed << 4 | hex(digit);
  return {kDWordPrefix, static_cast<std::uint8_t>(packed >> 24), static_cast<std::uint8_t>(packed >> 16),
          static_cast<std::uint8_t>(packed >> 8), static_cast<std::uint8_t>(packed)};
}

Bytes buffer(const Bytes& contents) {
  return join({{kBufferOp}, with_length(join({integer(static_cast<std::uint32_t>(contents.size())), contents}))});
}

Bytes package(const std::vector<Bytes>& elements) {
  assert(elements.size() <= 255);
  Bytes body{static_cast<std::uint8_t>(elements.size())};
  for (const Bytes& element : elements) append(body, element);
  return join({{kPackageOp}, with_length(body)});
}

Bytes name(std::string_view segment, const Bytes& value) { return join({{kNameOp}, name_string(segment), value}); }

Bytes scope(std::string_view path, const Bytes& contents) {
  return join({{kScopeOp}, with_length(join({name_string(path), contents}))});
}

Bytes device(std::string_view segment, const Bytes& contents) {
  return join({{kExtended, kDeviceOp}, with_length(join({name_string(segment), contents}))});
}

Bytes resource_template(std::initializer_list<Bytes> descriptors) {
  return buffer(join({join(descriptors), {0x79, 0x00}}));  // end tag; checksum 0 means none
}

Bytes io(std::uint16_t first, std::uint8_t count) {
  Bytes out{0x47, 0x01};
  append_le(out, first, 2);
  append_le(out, first, 2);
  append(out, {1, count});
  return out;
}

Bytes irq(unsigned number) {
  Bytes out{0x22};
  append_le(out, 1U << number, 2);
  return out;
}

Bytes dma(unsigned channel) { return {0x2A, static_cast<std::uint8_t>(1U << channel), 0x00}; }

Bytes bus_range(std::uint16_t first, std::uint16_t last) { return address_space(2, kBus, 0, first, last); }
Bytes io_range(std::uint16_t first, std::uint16_t last) { return address_space(2, kIo, kEntireRange, first, last); }
Bytes memory_fixed(std::uint32_t first, std::uint32_t size) {
  Bytes out{0x86, 9, 0, 0};
  append_le(out, first, 4);
  append_le(out, size, 4);
  return out;
}
Bytes memory_range(std::uint32_t first, std::uint32_t last, bool cacheable) {
  return address_space(4, kMemory, static_cast<std::uint8_t>(kReadWrite | (cacheable ? kCacheable : 0)), first, last);
}

}  // namespace ringshift::devices::aml
