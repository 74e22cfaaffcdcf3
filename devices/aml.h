// A small writer of ACPI Machine Language: each function returns the encoding of one object; objects nest by value.
// Source: ACPI specification 2.0, chapters 17 (AML) and 6.4 (resource data types).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

namespace ringshift::devices::aml {

using Bytes = std::vector<std::uint8_t>;

Bytes join(std::initializer_list<Bytes> parts);

// Integers take the shortest encoding.
Bytes integer(std::uint32_t value);
// "PNP0A03" and the like: three letters, four hexadecimal digits.
Bytes eisa_id(std::string_view id);
Bytes buffer(const Bytes& contents);
// At most 255 elements.
Bytes package(const std::vector<Bytes>& elements);

// Names are one segment of at most four characters, padded with '_'; a scope's may begin with '\'.
Bytes name(std::string_view segment, const Bytes& value);
Bytes scope(std::string_view path, const Bytes& contents);
Bytes device(std::string_view segment, const Bytes& contents);

// Resource descriptors. A template is a buffer of them, with the end tag added.
Bytes resource_template(std::initializer_list<Bytes> descriptors);
Bytes io(std::uint16_t first, std::uint8_t count);  // fixed, 16-bit decode
Bytes irq(unsigned number);                         // edge, active high, exclusive
Bytes dma(unsigned channel);                        // compatibility mode, 8-bit
Bytes bus_range(std::uint16_t first, std::uint16_t last);
Bytes io_range(std::uint16_t first, std::uint16_t last);
Bytes memory_fixed(std::uint32_t first, std::uint32_t size);  // read-only
Bytes memory_range(std::uint32_t first, std::uint32_t last, bool cacheable);

}  // namespace ringshift::devices::aml
