// What is looked at in a qcow2 image before qemu-nbd opens it: who its backing file is, and why it cannot be used.
// Source: QEMU's docs/interop/qcow2.txt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>

namespace ringshift::machine {

struct Qcow2Header {
  unsigned version = 0;
  std::uint64_t bytes = 0;  // of the medium
  std::uint64_t cluster_bytes = 0;
  std::uint64_t l1_offset = 0;
  std::uint32_t l1_entries = 0;
  std::string backing_file{};    // as it is written there; empty: none
  std::string backing_format{};  // empty: the image does not say
};

inline constexpr std::size_t kMostQcow2HeaderBytes = 2 << 20;  // a cluster, which may not be larger

// Whether a file that begins so is a qcow2 image, or wants to be taken for one.
[[nodiscard]] bool has_qcow2_magic(std::span<const std::uint8_t> beginning);

// `beginning`: of the file, kMostQcow2HeaderBytes or all of it; `file_bytes`: its size. The error is part of a line:
// "is encrypted, which is not supported".
[[nodiscard]] std::variant<Qcow2Header, std::string> parse_qcow2_header(std::span<const std::uint8_t> beginning,
                                                                        std::uint64_t file_bytes);

// Whether what an entry of the L1 table refers to, if anything, lies in the file.
[[nodiscard]] bool l1_entry_is_inside(std::span<const std::uint8_t, 8> entry, const Qcow2Header& header,
                                      std::uint64_t file_bytes);

}  // namespace ringshift::machine
