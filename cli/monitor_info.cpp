#include "cli/monitor_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <functional>
#include <optional>
#include <vector>

#include "cli/monitor.h"
#include "runtime/machine/debug_memory.h"
#include "runtime/machine/register_dump.h"

namespace ringshift::cli {
namespace {

using machine::Machine;

std::string info_status(Machine& machine) {
  return fmt::format("VM status: {}\n", machine.stopped() ? "paused" : "running");
}

std::string info_registers(Machine& machine) { return machine::register_dump(machine.cpu()); }

std::string info_version(Machine&) { return fmt::format("Ringshift {}\n", version_text()); }

std::string info_cpus(Machine& machine) {
  const CpuState& s = machine.cpu();
  return fmt::format("* CPU #0: cs:eip {:04x}:{:08x}{}\n", s.segment(Seg::cs).selector, s.eip,
                     s.halted != 0 ? " (halted)" : "");
}

std::string info_name(Machine&) { return ""; }

std::string info_pic(Machine& machine) {
  const auto chip = [](std::string_view name, const devices::Pic::Chip& c) {
    return fmt::format(
        "{}: irr={:02x} imr={:02x} isr={:02x} base={:02x} lowest={} elcr={:02x} auto_eoi={:d} lines={:02x}\n", name,
        c.irr, c.imr, c.isr, c.base, c.lowest, c.elcr, c.auto_eoi, c.lines);
  };
  return chip("pic0", machine.pic().master()) + chip("pic1", machine.pic().slave());
}

std::string info_block(Machine& machine) {
  std::string text;
  for (const machine::DriveInfo& drive : machine.drives()) {
    text += drive.name + ": ";
    if (!drive.image) {
      text += "[not inserted]";
    } else {
      const auto& files = drive.image->files();
      text += fmt::format("{} ({}, {} bytes{})", drive.file, machine::format_name(files[0].format),
                          drive.image->bytes(), drive.image->writable() ? "" : ", read-only");
      if (files.size() > 1) {
        text += fmt::format("\n    Backing file: {} (chain depth: {})", files[1].path, files.size() - 1);
      }
    }
    if (drive.removable) {
      text += fmt::format("\n    Removable device: {}locked, tray {}", drive.locked ? "" : "not ",
                          drive.tray_open ? "open" : "closed");
    }
    text += '\n';
  }
  return text;
}

// ---- paging -----------------------------------------------------------------------------------

struct Page {
  std::uint32_t linear = 0;
  std::uint64_t bytes = 0, physical = 0, entry = 0;  // `entry` with the rights of all levels
};

constexpr std::uint64_t kPresent = 1, kRights = 6, kLarge = 0x80;  // present; writable and user
constexpr std::uint64_t kAddress = 0x000FFFFFFFFFF000;

// One table of 4 KiB; entries of 4 or 8 bytes.
std::vector<std::uint64_t> read_table(const mmu::Mmu& mmu, std::uint64_t address, bool wide) {
  std::array<std::uint8_t, 4096> bytes{};
  std::vector<std::uint64_t> entries(wide ? 512 : 1024, 0);
  if (machine::read_physical(mmu, address, bytes) != bytes.size()) return entries;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    std::memcpy(&entries[i], &bytes[i * (wide ? 8 : 4)], wide ? 8 : 4);
  }
  return entries;
}

std::vector<Page> mapped_pages(Machine& machine) {
  const Cpu& cpu = machine.processor();
  const CpuState& s = cpu.state;
  std::vector<Page> pages;
  const bool pae = (s.cr4 & cr4::kPae) != 0;
  const std::uint64_t large_bytes = pae ? 2U << 20 : 4U << 20;
  const auto directory = [&](std::uint64_t address, std::uint64_t first) {
    const auto entries = read_table(cpu.mmu, address, pae);
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const std::uint64_t pde = entries[i], at = first + i * large_bytes;
      if ((pde & kPresent) == 0) continue;
      if ((pde & kLarge) != 0 && (pae || (s.cr4 & cr4::kPse) != 0)) {
        pages.push_back({static_cast<std::uint32_t>(at), large_bytes, pde & kAddress & ~(large_bytes - 1), pde});
        continue;
      }
      const auto table = read_table(cpu.mmu, pde & kAddress, pae);
      for (std::size_t j = 0; j < table.size(); ++j) {
        if ((table[j] & kPresent) == 0) continue;
        const std::uint64_t entry = table[j] & (pde | ~kRights);
        pages.push_back({static_cast<std::uint32_t>(at + j * 4096), 4096, table[j] & kAddress, entry});
      }
    }
  };
  if (!pae) {
    directory(s.cr3 & 0xFFFFF000U, 0);
    return pages;
  }
  for (std::uint64_t i = 0; i < 4; ++i) {
    if ((s.pdpte[i] & kPresent) != 0) directory(s.pdpte[i] & kAddress, i << 30);
  }
  return pages;
}

std::string info_tlb(Machine& machine) {
  if (!machine.cpu().paging()) return "PG disabled\n";
  constexpr std::string_view kBits = "PWUTCADSG";  // from bit 0
  std::string text;
  for (const Page& page : mapped_pages(machine)) {
    text += fmt::format("{:08x}: {:09x} ", page.linear, page.physical);
    for (std::size_t i = kBits.size(); i-- > 1;) text += (page.entry >> i & 1) != 0 ? kBits[i] : '-';
    text += '\n';
  }
  return text;
}

std::string info_mem(Machine& machine) {
  if (!machine.cpu().paging()) return "PG disabled\n";
  std::string text;
  std::uint64_t first = 0, end = 0, rights = 0;
  const auto tell = [&] {
    if (end == first) return;
    text += fmt::format("{:08x}-{:08x} {:08x} {}r{}\n", first, end, end - first, (rights & 4) != 0 ? 'u' : '-',
                        (rights & 2) != 0 ? 'w' : '-');
  };
  for (const Page& page : mapped_pages(machine)) {
    if (page.linear != end || (page.entry & kRights) != rights || end == first) {
      tell();
      first = page.linear;
      rights = page.entry & kRights;
    }
    end = page.linear + page.bytes;
  }
  tell();
  return text;
}

struct Topic {
  std::string_view name;
  std::string (*tell)(Machine&);
};
constexpr Topic kTopics[] = {
    {"status", info_status}, {"registers", info_registers}, {"mem", info_mem},   {"tlb", info_tlb},  {"pic", info_pic},
    {"block", info_block},   {"version", info_version},     {"cpus", info_cpus}, {"name", info_name}};

// ---- memory -----------------------------------------------------------------------------------

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// A number, decimal or 0x, or a register: $eip.
std::optional<std::uint64_t> term(const CpuState& s, std::string_view text) {
  if (text.starts_with('$')) {
    text.remove_prefix(1);
    constexpr std::array<std::string_view, 8> kGprs{"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    const auto* found = std::ranges::find(kGprs, text);
    if (found != kGprs.end()) return s.gpr[static_cast<std::size_t>(found - kGprs.begin())];
    if (text == "eip" || text == "pc") return s.eip;
    return std::nullopt;
  }
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc{} || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

// Terms with + and - between them.
std::optional<std::uint64_t> evaluate(const CpuState& s, std::string_view text) {
  text = trimmed(text);
  std::uint64_t sum = 0;
  bool minus = false;
  while (true) {
    const std::size_t end = std::min(text.find_first_of("+-"), text.size());
    const auto value = term(s, trimmed(text.substr(0, end)));
    if (!value) return std::nullopt;
    sum = minus ? sum - *value : sum + *value;
    if (end == text.size()) return sum;
    minus = text[end] == '-';
    text.remove_prefix(end + 1);
  }
}

struct Format {
  std::uint32_t count = 1;
  char format = 'x';
  unsigned size = 4;
};

std::optional<Format> parse_format(std::string_view text) {
  Format format;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), format.count);
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  bool sized = false;
  for (const char c : text) {
    constexpr std::string_view kSizes = "bhwg";
    if (const std::size_t size = kSizes.find(c); size != std::string_view::npos) {
      format.size = 1U << size;
      sized = true;
    } else if (std::string_view("xduoc").find(c) != std::string_view::npos) {
      format.format = c;
    } else {
      return std::nullopt;
    }
  }
  if (format.format == 'c' && !sized) format.size = 1;
  return format;
}

std::string item(const Format& format, std::uint64_t value) {
  const unsigned bits = format.size * 8;
  switch (format.format) {
    case 'd':
      return fmt::format("{}", static_cast<std::int64_t>(value << (64 - bits)) >> (64 - bits));
    case 'u':
      return fmt::format("{}", value);
    case 'o':
      return fmt::format("{:#o}", value);
    case 'c':
      return value >= 0x20 && value < 0x7F ? fmt::format("'{}'", static_cast<char>(value))
                                           : fmt::format("'\\x{:02x}'", value);
    default:
      return fmt::format("{:#0{}x}", value, format.size * 2 + 2);
  }
}

}  // namespace

std::string monitor_info(Machine& machine, std::string_view what) {
  const auto* found = std::ranges::find(kTopics, what, &Topic::name);
  if (found != std::end(kTopics)) return found->tell(machine);
  std::string text = what.empty() ? "info of:" : fmt::format("info: nothing is known of '{}'; of:", what);
  for (const Topic& topic : kTopics) text += fmt::format(" {}", topic.name);
  return text + '\n';
}

std::string monitor_memory(Machine& machine, std::string_view arguments, bool physical) {
  constexpr std::uint32_t kMost = 65536;  // bytes
  arguments = trimmed(arguments);
  Format format;
  if (arguments.starts_with('/')) {
    const std::string_view text = arguments.substr(1, arguments.find(' ') - 1);
    const auto parsed = parse_format(text);
    if (!parsed) return fmt::format("no such format: '{}'\n", text);
    format = *parsed;
    arguments.remove_prefix(text.size() + 1);
  }
  auto address = evaluate(machine.cpu(), arguments);
  if (!address) return fmt::format("no address: '{}'\n", trimmed(arguments));
  format.count = std::min(format.count, kMost / format.size);
  const unsigned a_line = format.size == 8 ? 2 : format.size == 1 ? 8 : 4;
  std::string text;
  for (std::uint32_t i = 0; i < format.count; ++i) {
    std::array<std::uint8_t, 8> bytes{};
    const std::span<std::uint8_t> part(bytes.data(), format.size);
    const std::uint64_t at = *address + std::uint64_t{i} * format.size;
    const mmu::Mmu& mmu = machine.processor().mmu;
    const std::size_t got = physical ? machine::read_physical(mmu, at, part)
                                     : machine::read_linear(mmu, static_cast<std::uint32_t>(at), part);
    if (i % a_line == 0) text += fmt::format("{}{:08x}:", i == 0 ? "" : "\n", at);
    if (got != part.size()) return text + " Cannot access memory\n";
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    text += ' ' + item(format, value);
  }
  return text + '\n';
}

}  // namespace ringshift::cli
