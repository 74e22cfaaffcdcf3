#include "tests/isa/program.h"

#include <fmt/format.h>

#include <cstring>

#include "tests/isa/compare.h"
#include "translator/decode/decoder.h"

namespace ringshift::test {
namespace {

// Address of each instruction, and of the end.
std::vector<std::uint32_t> addresses(const Program& program) {
  std::vector<std::uint32_t> at{program.address};
  for (const Instruction& i : program.code) at.push_back(at.back() + static_cast<std::uint32_t>(i.bytes.size()));
  return at;
}

// False if the value does not fit.
bool resolve(std::vector<std::uint8_t>& bytes, const Label& label, std::uint32_t address, std::uint32_t target) {
  const auto goal = target + static_cast<std::uint32_t>(label.offset);
  const std::uint32_t value =
      label.relative ? goal - (address + static_cast<std::uint32_t>(bytes.size())) : goal - label.base;
  std::memcpy(bytes.data() + label.at, &value, label.bytes);
  if (label.bytes == 4) return true;
  const std::uint32_t half = 1U << (8 * label.bytes - 1);
  return label.relative ? value + half < 2 * half : value < 2 * half;
}

}  // namespace

std::optional<Case> assemble(const Program& program) {
  const auto at = addresses(program);
  Case c = program.state;
  c.slot = 0;
  c.offset = (program.address - kCode) % kCodeBytes;
  c.before.eip = program.address;
  c.bytes.clear();
  for (std::size_t i = 0; i < program.code.size(); ++i) {
    const Instruction& instruction = program.code[i];
    std::vector<std::uint8_t> bytes = instruction.bytes;
    if (instruction.label && !resolve(bytes, *instruction.label, at[i], at[instruction.label->target])) {
      return std::nullopt;
    }
    c.bytes.insert(c.bytes.end(), bytes.begin(), bytes.end());
  }
  return c;
}

Program subset(const Program& program, const std::vector<bool>& keep) {
  // Where each instruction, or the one that takes its place, is now.
  std::vector<std::size_t> now(program.code.size() + 1);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < program.code.size(); ++i) {
    now[i] = kept;
    if (keep[i]) ++kept;
  }
  now[program.code.size()] = kept;
  Program out = program;
  out.code.clear();
  for (std::size_t i = 0; i < program.code.size(); ++i) {
    if (!keep[i]) continue;
    out.code.push_back(program.code[i]);
    auto& label = out.code.back().label;
    if (!label) continue;
    if (!keep[label->target < keep.size() ? label->target : i]) label->offset = 0;
    label->target = now[label->target];
  }
  return out;
}

std::string listing(const Program& program) {
  const auto c = assemble(program);
  if (!c) return "a branch does not reach its target\n";
  std::string text;
  std::size_t at = 0;
  for (const Instruction& i : program.code) {
    const auto size = i.code16 ? decode::CodeSize::bits16 : decode::CodeSize::bits32;
    for (std::size_t done = 0; done < i.bytes.size();) {
      auto bytes = std::span(c->bytes).subspan(at + done, i.bytes.size() - done);
      const auto decoded = decode::decode(bytes, size);
      if (decoded.failure == decode::Failure::none) bytes = bytes.first(decoded.insn.length);
      const auto eip = program.address + static_cast<std::uint32_t>(at + done);
      text += fmt::format("{:08x}: {:<30} {}\n", eip, fmt::format("{:02x}", fmt::join(bytes, " ")),
                          decode::disassemble(bytes, size, eip));
      done += bytes.size();
    }
    at += i.bytes.size();
  }
  return text + describe_state(*c);
}

}  // namespace ringshift::test
