// What translation costs: host cycles for each guest instruction, and how much code grows.
//
// The blocks are those of the largest executable section of a 32-bit ELF file, one behind the other: what
// RINGSHIFT_BENCH_ELF names, else the C library of the host's 32-bit development files, else our example guest. Cycles
// are those of the time-stamp counter, for the CPU time of the thread, so that other load does not count.
#include <benchmark/benchmark.h>
#include <elf.h>
#include <time.h>
#include <x86intrin.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "translator/decode/decoder.h"
#include "translator/plan/block.h"
#include "translator/translate.h"
#include "translator/verify/verifier.h"

namespace ringshift {
namespace {

constexpr std::uint64_t kHostAddress = 0x10000000;
constexpr abi::StubTable kStubs{.exit_direct = 0x0F000000,
                                .exit_interpret = 0x0F000100,
                                .exit_interrupt = 0x0F000200,
                                .lookup = 0x0F000300,
                                .return_mismatch = 0x0F000400};

struct Text {
  std::uint32_t address = 0;
  std::vector<std::uint8_t> bytes;
};

template <class T>
T read_at(const std::vector<std::uint8_t>& file, std::size_t offset) {
  T value{};
  if (offset + sizeof value <= file.size()) std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

Text largest_section(const std::vector<std::uint8_t>& file) {
  Text best;
  const auto header = read_at<Elf32_Ehdr>(file, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS32) return best;
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    const auto section = read_at<Elf32_Shdr>(file, header.e_shoff + std::size_t{i} * header.e_shentsize);
    const bool code = section.sh_type == SHT_PROGBITS && (section.sh_flags & SHF_EXECINSTR) != 0;
    const bool inside = std::uint64_t{section.sh_offset} + section.sh_size <= file.size();
    if (!code || !inside || section.sh_size <= best.bytes.size()) continue;
    const auto first = file.begin() + static_cast<std::ptrdiff_t>(section.sh_offset);
    best = {section.sh_addr, {first, first + static_cast<std::ptrdiff_t>(section.sh_size)}};
  }
  return best;
}

const Text& text() {
  static const Text loaded = [] {
    std::vector<std::string> paths{"/usr/lib32/libc.so.6", "/lib/i386-linux-gnu/libc.so.6", RINGSHIFT_TOUR_ELF};
    if (const char* named = std::getenv("RINGSHIFT_BENCH_ELF")) paths.insert(paths.begin(), named);
    for (const std::string& path : paths) {
      std::ifstream in(path, std::ios::binary);
      const std::vector<std::uint8_t> file((std::istreambuf_iterator<char>(in)), {});
      Text found = largest_section(file);
      if (!found.bytes.empty()) return found;
    }
    return Text{};
  }();
  return loaded;
}

translator::Request request_at(std::size_t offset) {
  const Text& t = text();
  translator::Request r;
  r.eip = t.address + static_cast<std::uint32_t>(offset);
  r.mode = {
      .cpl = 3, .code32 = true, .stack32 = true, .flat_cs = true, .flat_ds = true, .flat_es = true, .flat_ss = true};
  const std::size_t left = t.bytes.size() - offset;
  r.bytes = std::span(t.bytes).subspan(offset, std::min<std::size_t>(left, 4096 + 15));
  r.in_page = std::min<std::uint32_t>(4096 - (r.eip & 4095U), static_cast<std::uint32_t>(r.bytes.size()));
  r.host_address = kHostAddress;
  r.stubs = kStubs;
  return r;
}

// Ticks of the time-stamp counter in a nanosecond.
double tsc_rate() {
  static const double rate = [] {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    const std::uint64_t first = __rdtsc();
    while (Clock::now() - begin < std::chrono::milliseconds(20)) {
    }
    const std::uint64_t last = __rdtsc();
    return static_cast<double>(last - first) /
           static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count());
  }();
  return rate;
}

std::uint64_t thread_cycles() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>((static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec)) *
                                    tsc_rate());
}

struct Totals {
  std::uint64_t cycles = 0, instructions = 0, guest_bytes = 0, host_bytes = 0, blocks = 0;

  void report(benchmark::State& state) const {
    if (instructions == 0) return state.SkipWithError("no 32-bit ELF file");
    const auto per = [](std::uint64_t a, std::uint64_t b) { return static_cast<double>(a) / static_cast<double>(b); };
    state.counters["cycles/insn"] = per(cycles, instructions);
    state.counters["insns/block"] = blocks == 0 ? 0 : per(instructions, blocks);
    if (host_bytes != 0) state.counters["growth"] = per(host_bytes, guest_bytes);
    state.SetItemsProcessed(static_cast<std::int64_t>(instructions));
  }
};

void decode_only(benchmark::State& state) {
  Totals totals;
  for (auto _ : state) {
    const std::uint64_t start = thread_cycles();
    for (std::size_t offset = 0; offset < text().bytes.size();) {
      const auto decoded = decode::decode(std::span(text().bytes).subspan(offset), decode::CodeSize::bits32);
      const bool ok = decoded.failure == decode::Failure::none;
      offset += ok ? decoded.insn.length : 1U;
      totals.instructions += ok ? 1U : 0U;
    }
    totals.cycles += thread_cycles() - start;
  }
  totals.report(state);
}
BENCHMARK(decode_only)->Unit(benchmark::kMillisecond);

void plan_only(benchmark::State& state) {
  Totals totals;
  for (auto _ : state) {
    const std::uint64_t start = thread_cycles();
    for (std::size_t offset = 0; offset < text().bytes.size();) {
      const translator::plan::Block block = translator::plan::plan_block(request_at(offset));
      offset += block.bytes;
      totals.instructions += block.steps.size();
      ++totals.blocks;
    }
    totals.cycles += thread_cycles() - start;
  }
  totals.report(state);
}
BENCHMARK(plan_only)->Unit(benchmark::kMillisecond);

void translate_all(benchmark::State& state, bool verified) {
  Totals totals;
  verify::Verifier verifier;
  translator::Translator translator;
  std::uint64_t refused = 0;
  for (auto _ : state) {
    const std::uint64_t start = thread_cycles();
    for (std::size_t offset = 0; offset < text().bytes.size();) {
      const translator::Fragment fragment = translator.translate(request_at(offset));
      if (verified) {
        refused += verifier.verify({.code = fragment.code,
                                    .host_address = kHostAddress,
                                    .return_sites = fragment.return_sites,
                                    .patches = {},
                                    .stubs = kStubs,
                                    .is_entry = {}})
                           .has_value()
                       ? 1U
                       : 0U;
      }
      offset += fragment.guest_bytes;
      totals.instructions += fragment.guest_instructions;
      totals.guest_bytes += fragment.guest_bytes;
      totals.host_bytes += fragment.code.size();
      ++totals.blocks;
    }
    totals.cycles += thread_cycles() - start;
  }
  totals.report(state);
  if (refused != 0) state.SkipWithError("the verifier refused a fragment");
}
BENCHMARK_CAPTURE(translate_all, plain, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(translate_all, verified, true)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ringshift

BENCHMARK_MAIN();
