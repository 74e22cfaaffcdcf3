// A CPU with 4 MiB of flat memory that executes one floating-point instruction at a time.
#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "mmu/mmu.h"
#include "runtime/semantics/cpu.h"
#include "runtime/semantics/fp_state.h"
#include "runtime/semantics/handlers.h"
#include "translator/decode/decoder.h"

namespace ringshift::test {

class QuietPlatform : public Platform {
 public:
  std::uint32_t port_read(std::uint16_t /*port*/, unsigned /*size*/) override { return 0xFFFFFFFF; }
  void port_write(std::uint16_t /*port*/, unsigned /*size*/, std::uint32_t /*value*/) override {}
  bool interrupt_pending() override { return false; }
  std::uint8_t interrupt_acknowledge() override { return 0; }
  std::uint64_t tsc() override { return 0; }
  void mode_changed() override {}
  void report(const char* message) override { reports.emplace_back(message); }

  std::vector<std::string> reports;
};

// Executes a decoded instruction of the host families.
inline Flow execute_fp(Cpu& cpu, const isa::Insn& insn) {
  switch (insn.op) {
    case isa::Op::host_fp:
      return execute_host_fp(cpu, insn);
    case isa::Op::host_int:
      return execute_host_int(cpu, insn);
    case isa::Op::fwait:
      return execute_fwait(cpu, insn);
    case isa::Op::fp_environment:
      return execute_fp_environment(cpu, insn);
    case isa::Op::fxsave:
      return execute_fxsave(cpu, insn);
    case isa::Op::fxrstor:
      return execute_fxrstor(cpu, insn);
    case isa::Op::masked_store:
      return execute_masked_store(cpu, insn);
    default:
      return cpu.raise(vector::kUd);
  }
}

inline constexpr std::uint64_t kLabBytes = 4U << 20;

class FpLab {
 public:
  FpLab()
      : memory_(std::get<mmu::GuestMemory>(mmu::GuestMemory::create(kLabBytes))),
        map_(memory_),
        code_(kLabBytes),
        mmu_(map_, code_, nullptr),
        cpu(state, mmu_, platform) {
    map_.add_ram(0, kLabBytes, 0);
    ringshift::reset(state);
    state.cr0 = cr0::kPe | cr0::kNe | cr0::kMp | cr0::kEt;
    state.cr4 = cr4::kOsfxsr | cr4::kOsxmmexcpt;
    for (const Seg s : {Seg::es, Seg::ss, Seg::ds, Seg::fs, Seg::gs}) state.set_segment(s, flat(0, 0));
    state.set_segment(Seg::cs, flat(segment::kCode, 0));
    fp::set_field<std::uint16_t>(state, fp::kFcw, 0x37F);
    fp::set_field<std::uint8_t>(state, fp::kAbridgedTags, 0);
  }

  // A segment of 4 GiB at `base`.
  static SegmentRegister flat(std::uint16_t type, std::uint32_t base) {
    SegmentRegister s;
    s.selector = 8;
    s.attributes = static_cast<std::uint16_t>(segment::kPresent | segment::kNonSystem | segment::kReadable |
                                              segment::kAccessed | segment::kBig | segment::kGranular | type);
    s.base = base;
    s.limit = 0xFFFFFFFF;
    return s;
  }

  // The rights of user code.
  void ring3() {
    for (unsigned i = 0; i < kSegCount; ++i) {
      SegmentRegister s = state.seg[i];
      s.attributes |= segment::kDplMask;
      state.set_segment(static_cast<Seg>(i), s);
    }
  }

  Flow run(std::span<const std::uint8_t> bytes, decode::CodeSize size = decode::CodeSize::bits32) {
    const auto decoded = decode::decode(bytes, size);
    if (decoded.failure != decode::Failure::none) return cpu.raise(vector::kUd);
    return execute_fp(cpu, decoded.insn);
  }
  Flow run(std::initializer_list<std::uint8_t> bytes) { return run({bytes.begin(), bytes.size()}); }

  // The vector an instruction raises, or nothing.
  std::optional<unsigned> fault(std::initializer_list<std::uint8_t> bytes) {
    if (run(bytes) != Flow::fault) return std::nullopt;
    return cpu.fault.vector;
  }

  [[nodiscard]] std::uint8_t* ram(std::uint32_t address) const { return memory_.data() + address; }
  template <class T>
  [[nodiscard]] T load(std::uint32_t address) const {
    T value;
    std::memcpy(&value, ram(address), sizeof value);
    return value;
  }
  template <class T>
  void store(std::uint32_t address, T value) {
    std::memcpy(ram(address), &value, sizeof value);
  }
  template <class T>
  void xmm(unsigned n, const std::array<T, 16 / sizeof(T)>& value) {
    std::memcpy(state.fx.data() + fp::xmm_offset(n), value.data(), 16);
  }
  template <class T>
  [[nodiscard]] std::array<T, 16 / sizeof(T)> xmm(unsigned n) const {
    std::array<T, 16 / sizeof(T)> value;
    std::memcpy(value.data(), state.fx.data() + fp::xmm_offset(n), 16);
    return value;
  }
  // Memory in hexadecimal, as it lies.
  [[nodiscard]] std::string hex(std::uint32_t address, unsigned bytes) const {
    constexpr const char* kDigits = "0123456789abcdef";
    std::string text;
    for (unsigned i = 0; i < bytes; ++i) {
      const std::uint8_t b = *ram(address + i);
      text += kDigits[b >> 4];
      text += kDigits[b & 15];
    }
    return text;
  }

 private:
  mmu::GuestMemory memory_;
  mmu::PhysicalMap map_;
  mmu::CodePages code_;
  mmu::Mmu mmu_;

 public:
  CpuState state;
  QuietPlatform platform;
  Cpu cpu;
};

}  // namespace ringshift::test
