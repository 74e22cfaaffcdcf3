// The guest code that the tests of translations share: everything that can be decoded, and much that cannot.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "tests/listing/host_code.h"

namespace ringshift::testing {

using Visit = std::function<void(const Source&)>;

// Every opcode of the one- or two-byte map behind `prefixes`, with a set of operands, as the kernel and as a
// user with data segments that are not flat. `prefixes` may end in 0F 38 or 0F 3A.
void visit_opcodes(const std::vector<std::uint8_t>& prefixes, bool two_byte, const Visit& visit);

// visit_opcodes() for all maps, with each of the prefixes that matter.
void visit_one_byte_opcodes(const Visit& visit);
void visit_two_byte_opcodes(const Visit& visit);
void visit_three_byte_opcodes(const Visit& visit);

// Blocks of random bytes in random modes.
void visit_random_bytes(std::uint32_t seed, unsigned count, const Visit& visit);

}  // namespace ringshift::testing
